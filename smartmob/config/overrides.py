"""
What the command line says of what the file may say too.
"""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Overrides:
    """
    Options of the command line, which win over the file.  Paths are absolute; C{None} and
    an empty C{bind} are: not said.

    @ivar bind: Addresses, in the forms of L{smartmob.address}; with C{certfile},
        C{keyfile} and C{backlog} they take the place of all endpoints of the file.
    """

    bind: tuple[str, ...] = ()
    certfile: str | None = None
    keyfile: str | None = None
    backlog: int | None = None
    plugins_dir: str | None = None
    pidfile: str | None = None
    state_dir: str | None = None
    token_file: str | None = None
