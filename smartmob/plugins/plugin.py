"""
What plugins derive from.

C{import smartmob} brings it along, so it imports nothing itself.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from configparser import RawConfigParser


class Plugin:
    """
    A plugin: it says what it is, and makes an application.

    @cvar name: What C{mandatory} calls it; that of its folder, where it is empty.
    @cvar version: For people.
    @cvar description: For people.
    @cvar mandatory: Names of plugins without which this one is of no use: the agent
        does not start where one is missing.
    """

    name: str = ""
    version: str = ""
    description: str = ""
    mandatory: list[str] = []  # noqa: RUF012 - a plugin replaces it, nobody adds to it

    def app(self, cfg: RawConfigParser) -> object:
        """
        Make the application: an object that may have C{start(loop, manager)},
        C{stop()} and C{restart()}; see docs/plugins.rst.

        @param cfg: The configuration file, with all that it includes.
        @return: The application, or C{None} where there is nothing to start.
        """
        return None
