"""
Tests of L{smartmob.config.identity}.
"""

from __future__ import annotations

import grp
import os
import pwd

from twisted.trial.unittest import SynchronousTestCase

from smartmob.checks import Wrong
from smartmob.config.identity import Accounts
from smartmob.templates import Identity
from tests.support.configuring import ConfigurationTestCase, accounts

ADA = Identity(uid=1001, gid=2001, groups=(2001, 2050), name="ada", home="/home/ada")

NO_RIGHT = (
    "uid: the agent, which is user 1002 and group 2002, has no right to run programs as user "
    "{} and group {}"
)


class IdentityTests(ConfigurationTestCase):
    """
    What C{uid} and C{gid} of a section say.
    """

    def identity(self, lines: str) -> Identity | None:
        """
        Whom these lines name.
        """
        return self.process(lines).model.identity

    def test_user(self) -> None:
        """
        A user, by name or number, is its group, all its groups, its home and its name.
        """
        for text in ("ada", "1001"):
            self.assertEqual(self.identity(f"uid = {text}"), ADA)

    def test_group(self) -> None:
        """
        A group, by name or number, takes the place of the user's own.
        """
        expected = Identity(uid=1001, gid=2050, groups=(2050,), name="ada", home="/home/ada")
        for text in ("staff", "2050"):
            self.assertEqual(self.identity(f"uid = ada\ngid = {text}"), expected)

    def test_groupAlone(self) -> None:
        """
        A group alone is given to the agent's own user.
        """
        self.assertEqual(
            self.identity("gid = staff"),
            Identity(uid=0, gid=2050, groups=(0, 4), name="root", home="/root"),
        )
        self.accounts = accounts(uid=77)
        self.assertEqual(
            self.identity("gid = staff"), Identity(uid=77, gid=2050, groups=(0, 4))
        )

    def test_nobodyKnows(self) -> None:
        """
        A number that no user has needs a group, and has neither name nor home.
        """
        self.assertEqual(self.identity("uid = 4242\ngid = 4243"), Identity(uid=4242, gid=4243))
        self.assertEqual(
            self.wrong("uid = 4242"),
            ["uid: there is no user 4242, so a gid is needed beside it"],
        )

    def test_noHome(self) -> None:
        """
        A user without a home has none.
        """
        self.assertEqual(
            self.identity("uid = bare"),
            Identity(uid=1002, gid=2002, groups=(2002,), name="bare"),
        )

    def test_missing(self) -> None:
        """
        A user or a group that does not exist is wrong; both are said.
        """
        self.assertEqual(self.wrong("uid = zed"), ["uid: there is no user 'zed'"])
        self.assertEqual(self.wrong("gid = zed"), ["gid: there is no group 'zed'"])
        self.assertEqual(self.wrong("uid = -1"), ["uid: there is no user '-1'"])
        self.assertEqual(
            self.mistakes("[process:a]\ncmd = x\nuid = zed\ngid = zed\n"),
            [
                "agent.ini:3: [process:a] uid: there is no user 'zed'",
                "agent.ini:4: [process:a] gid: there is no group 'zed'",
            ],
        )

    def test_tooLarge(self) -> None:
        """
        The number that the system takes for "as it is" is none, nor is a larger one.
        """
        for number in (2**32 - 1, 2**64, "9" * 30):
            for key in ("uid", "gid"):
                self.assertEqual(
                    self.wrong(f"{key} = {number}"),
                    [f"{key}: must be a name, or a number to 4294967294"],
                )

    def test_noRight(self) -> None:
        """
        Without the rights to set both users and groups, another one is wrong.
        """
        for capabilities in (0, 1 << 6, 1 << 7):
            self.accounts = accounts(uid=1002, gid=2002, capabilities=capabilities)
            self.assertEqual(self.wrong("uid = ada"), [NO_RIGHT.format(1001, 2001)])
            self.assertEqual(self.wrong("uid = root"), [NO_RIGHT.format(0, 0)])
            self.assertEqual(
                self.wrong("gid = staff"),
                [NO_RIGHT.format(1002, 2050).replace("uid", "gid", 1)],
            )
        self.accounts = accounts(uid=1002, gid=2002, capabilities=3 << 6)
        self.assertEqual(self.identity("uid = ada"), ADA)

    def test_own(self) -> None:
        """
        The agent's own user and group need no right.
        """
        self.accounts = accounts(uid=1001, gid=2001, capabilities=0)
        self.assertEqual(self.identity("uid = ada"), ADA)
        self.assertEqual(self.identity("uid = 1001\ngid = 2001"), ADA)
        self.assertEqual(
            self.wrong("gid = 2050"),
            [
                (
                    "gid: the agent, which is user 1001 and group 2001, has no right to run "
                    "programs as user 1001 and group 2050"
                )
            ],
        )

    def test_empty(self) -> None:
        """
        Without a value they are not there.
        """
        self.assertIsNone(self.identity("uid =\ngid ="))


class SystemTests(SynchronousTestCase):
    """
    The accounts of this system.
    """

    def test_own(self) -> None:
        """
        Whoever runs this may run programs as themselves, by name and by number.
        """
        if os.getgid() != pwd.getpwuid(os.getuid()).pw_gid:
            raise self.skipTest("whoever runs this has another group than their own")
        entry = pwd.getpwuid(os.getuid())
        for text in (entry.pw_name, str(entry.pw_uid)):
            found = Accounts().with_user(text, None)
            self.assertEqual((found.uid, found.gid), (os.getuid(), os.getgid()))
            self.assertEqual((found.name, found.home), (entry.pw_name, entry.pw_dir))
            self.assertIn(entry.pw_gid, found.groups)

    def test_group(self) -> None:
        """
        A group is found by its name.
        """
        entry = grp.getgrall()[0]
        self.assertEqual(Accounts().group(entry.gr_name), entry.gr_gid)

    def test_other(self) -> None:
        """
        Another user needs the rights that this process has, or has not.
        """
        if os.getuid() == 0:
            self.assertEqual(Accounts().with_user("4242", 4243), Identity(uid=4242, gid=4243))
        else:
            with self.assertRaises(Wrong):
                Accounts().with_user("4242", 4243)
