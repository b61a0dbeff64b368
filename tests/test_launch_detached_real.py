"""
What is so for other programs is so for detached ones.
"""

from __future__ import annotations

from twisted.internet import reactor

from smartmob.launch.launcher import Launcher
from tests import test_launch_real
from tests.support.detaching import DetachedFolder, DetachingLauncher


class DetachedCase(test_launch_real.RealCase):
    """
    A launcher whose programs are all detached.
    """

    def make_launcher(self) -> Launcher:
        launcher = DetachingLauncher(reactor)
        launcher.folder = self.folder = DetachedFolder(self)
        self.addCleanup(lambda: self.assertEqual(self.folder.names(), []))
        return launcher


class GivenTests(DetachedCase, test_launch_real.GivenTests):
    """
    What a program gets.
    """


class RefusedTests(DetachedCase, test_launch_real.RefusedTests):
    """
    Why a program is not executed.
    """

    room = 1


class OutputTests(DetachedCase, test_launch_real.OutputTests):
    """
    All output arrives.
    """


class StopTests(DetachedCase, test_launch_real.StopTests):
    """
    Nothing is left of a program that was ended.
    """
