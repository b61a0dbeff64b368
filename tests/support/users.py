"""
Another user, for tests that need one.
"""

from __future__ import annotations

import os
import pwd

from twisted.trial.unittest import SkipTest

from smartmob.templates import Identity


def another_user() -> Identity:
    """
    The user C{nobody}.

    @raise SkipTest: The tests may not become it, or there is none.
    """
    if os.geteuid() != 0:
        raise SkipTest("PROGRAMS OF OTHER USERS ARE NOT TESTED: that needs root")
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise SkipTest("PROGRAMS OF OTHER USERS ARE NOT TESTED: there is no nobody") from None
    return Identity(
        uid=nobody.pw_uid,
        gid=nobody.pw_gid,
        groups=tuple(os.getgrouplist("nobody", nobody.pw_gid)),
        name="nobody",
        home=nobody.pw_dir,
    )
