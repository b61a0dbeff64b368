"""
What tests of webhooks have in common.
"""

from __future__ import annotations

from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from smartmob.config.configuration import Hook, Hooks


def hooks(*pairs: tuple[str, str], secret: bytes | None = None) -> Hooks:
    """
    A section of topics and URLs.
    """
    return Hooks(hooks=tuple(Hook(topic=topic, url=url) for topic, url in pairs), secret=secret)


@implementer(ILogObserver)
class Logged:
    """
    The sentences that webhooks log.
    """

    def __init__(self, test: TestCase | SynchronousTestCase) -> None:
        self.lines: list[str] = []
        globalLogPublisher.addObserver(self)
        test.addCleanup(globalLogPublisher.removeObserver, self)

    def __call__(self, event: LogEvent) -> None:
        """
        Keep a sentence.
        """
        if event["log_namespace"].startswith("smartmob.webhooks"):
            self.lines.append(f"{event['log_level'].name}: {formatEvent(event)}")
