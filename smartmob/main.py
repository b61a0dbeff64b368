"""
C{smartmob-agent}: the way in.
"""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run an agent until it is told to end.

    @raise SystemExit: As L{smartmob.standalone.run}.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until it is up, Ctrl-C ends it as it ends any program: without a traceback, and
        # whatever is being imported.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # What comes to be until all is up stays to the end, nearly all of it, so that there is
    # nothing to collect; to look for it was a quarter of the time that a start takes.  Once
    # all is up there is a collector again: L{smartmob.lifecycle.hold_collections_short}.
    gc.disable()
    from smartmob.standalone import run

    return run(sys.argv[1:] if argv is None else argv)
