"""
How many more descriptors the agent may open.
"""

from __future__ import annotations

import errno
import os
import resource

from smartmob.refusals import OutOfDescriptors

PER_PROCESS = 5
"""What a running process takes: output, errors, control, input, and its end of it."""

START = 8
"""What is open beside that for the moment of a start."""

SPARE = 64
"""What is kept for connections, downloads and the agent's own files."""


def check(processes: int) -> None:
    """
    See that so many processes can be run, at least one more than there are.

    The kernel gives out the lowest free number, so the number of a descriptor that
    is opened now tells how many are open, within the few holes there are.

    @raise OutOfDescriptors: It could not.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    spare = min(SPARE, limit // 4)
    try:
        lowest = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        lowest = limit
    else:
        os.close(lowest)
    if max(processes * PER_PROCESS + spare, lowest + PER_PROCESS + START) > limit:
        raise OutOfDescriptors(
            f"the agent may have {limit} files open, too few for so many processes; "
            "delete some, or raise its limit (ulimit -Hn, LimitNOFILE=)"
        )
