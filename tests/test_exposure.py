"""
Tests of L{smartmob.exposure}.
"""

from __future__ import annotations

from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from smartmob.exposure import local_users_may_act


class LocalUsersTests(SynchronousTestCase):
    """
    Who is warned that local users may do what the agent's user may.
    """

    def test_root(self) -> None:
        """The agent is root, and listens on TCP."""
        said = local_users_may_act(uid=0, runs_as=(0, 1001), on_tcp=True, tokens=False) or ""
        self.assertIn("every local user can act as root:", said)
        self.assertNotIn("1001", said)

    def test_otherUser(self) -> None:
        """The agent is not root, but runs programs as somebody else."""
        asked = partial(local_users_may_act, uid=1000, on_tcp=True, tokens=False)
        self.assertIn(
            "every local user can act as user 1000 and as user 1001, user 1002:",
            asked(runs_as=(1002, 1001, 1000)) or "",
        )
        self.assertIsNone(asked(runs_as=(1000,)))
        self.assertIsNone(asked(runs_as=()))

    def test_noReason(self) -> None:
        """Who has a token, or a right to a unix socket, may do it anyway."""
        for uid, runs_as in ((0, ()), (1000, (0,))):
            for on_tcp, tokens in ((False, False), (True, True), (False, True)):
                self.assertIsNone(
                    local_users_may_act(uid=uid, runs_as=runs_as, on_tcp=on_tcp, tokens=tokens)
                )
