"""
What a configuration file says, as values.
"""

from __future__ import annotations

from configparser import RawConfigParser
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from attrs import field, frozen

from smartmob.checks import MOST_PROCESSES
from smartmob.documents import Limits
from smartmob.templates import Identity, Template
from smartmob.tokens import Tokens

if TYPE_CHECKING:
    from smartmob.config.forward import Forward


class Api(StrEnum):
    """
    Which interface an endpoint offers.
    """

    SMARTMOB = "smartmob"
    GAFFERD = "gafferd"
    BOTH = "both"


@frozen(kw_only=True)
class Endpoint:
    """
    An C{[endpoint:NAME]} section.  Paths are absolute.

    @ivar name: C{None}: it is that of the command line, or the default one.
    @ivar bind: Addresses, in the forms of L{smartmob.address}.
    @ivar cafile: Clients have to show a certificate that one of these signed.
    """

    name: str | None
    bind: tuple[str, ...]
    certfile: str | None = None
    keyfile: str | None = None
    cafile: str | None = None
    backlog: int = 4096
    api: Api = Api.SMARTMOB


@frozen(kw_only=True)
class Hook:
    """
    One URL of a topic of C{[webhooks]}.

    @ivar topic: A glob, as L{smartmob.topics} has them.
    @ivar url: May have a user name and a password, which nobody else is to see.
    """

    topic: str
    url: str = field(repr=False)


@frozen(kw_only=True)
class Hooks:
    """
    The C{[webhooks]} section.

    @ivar secret: Deliveries are signed with it.
    """

    hooks: tuple[Hook, ...] = ()
    secret: bytes | None = field(default=None, repr=False)


@frozen(kw_only=True)
class Settings:
    """
    The C{[gaffer]} or C{[smartmob]} section, but for what it says of other sections.
    Paths are absolute; C{None} is: not said.

    @ivar plugins_dirs: Where plugins are.
    @ivar pidfile: Where to write the agent's pid.
    @ivar token_file: Where C{tokens} are from.
    @ivar tokens: Who may do what.
    @ivar unix_users: Clients on unix sockets that are one of these users, by their
        numbers, may do everything, and need no token.
    @ivar allowed_hosts: Names that a Host header may have, in lower case.
    @ivar trusted_proxies: Whose C{X-Forwarded-} headers count.
    @ivar unix_proxies: Those of clients on unix sockets count.
    @ivar cors_origins: Pages of these origins may use the agent.
    @ivar allowed_sources: Where sources may come from; C{None}: from anywhere.
    @ivar private_sources: Sources may come from loopback and private addresses.
    @ivar port_range: The first and the last port that programs are given.
    @ivar env_remove: Globs of variables of the agent that programs do not see.
    @ivar stop_timeout: Seconds that programs have when the agent ends, at most.
    @ivar identity: Whom created processes run as; C{None}: as the agent.
    @ivar limits: Those of created processes that ask for none of their own.
    @ivar max_processes: How many processes the agent takes.
    """

    plugins_dirs: tuple[str, ...] | None = None
    pidfile: str | None = None
    state_dir: str | None = None
    token_file: str | None = None
    tokens: Tokens | None = None
    unix_users: frozenset[int] = frozenset()
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    unix_proxies: bool = False
    cors_origins: tuple[str, ...] = ()
    allowed_sources: tuple[str, ...] | None = None
    private_sources: bool = True
    port_range: tuple[int, int] = (20_000, 29_999)
    env_remove: tuple[str, ...] = ()
    stop_timeout: float = 80.0
    identity: Identity | None = None
    limits: Limits = field(factory=Limits)
    max_processes: int = MOST_PROCESSES


@frozen(kw_only=True, eq=False)
class Configuration:
    """
    All that is configured.

    @ivar path: The file; C{None}: there is none.
    @ivar endpoints: Never empty.
    @ivar templates: By priority, then as in the file.
    @ivar forwards: As in the file.
    @ivar warnings: Sentences for a person, each with file and line.
    @ivar parser: The merged file as plugins get it.
    """

    path: str | None = None
    settings: Settings = field(factory=Settings)
    endpoints: tuple[Endpoint, ...]
    templates: tuple[Template, ...] = ()
    hooks: Hooks = field(factory=Hooks)
    forwards: tuple[Forward, ...] = ()
    warnings: tuple[str, ...] = ()
    parser: RawConfigParser = field(factory=RawConfigParser, repr=False)


@frozen(kw_only=True)
class Mistake:
    """
    Something wrong in a file.

    @ivar line: From 1; C{None}: it is about the file, or the section, as a whole.
    @ivar section: Without brackets.
    @ivar why: A sentence for a person.
    """

    file: str
    line: int | None = None
    section: str | None = None
    key: str | None = None
    why: str

    @property
    def where(self) -> str:
        """
        C{FILE:LINE: [SECTION] KEY}, as much of that as there is, in one line.
        """
        line = self.file if self.line is None else f"{self.file}:{self.line}"
        section = None if self.section is None else f"[{self.section}]"
        place = " ".join(each for each in (section, self.key) if each is not None)
        return _one_line(f"{line}: {place}" if place else line)

    def __str__(self) -> str:
        """
        C{FILE:LINE: [SECTION] KEY: WHY}, one line.
        """
        colon = " " if self.key is None and self.section is not None else ": "
        return f"{self.where}{colon}{_one_line(self.why)}"


def _one_line(text: str) -> str:
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


class BadConfiguration(Exception):
    """
    A file can't be used.

    @ivar mistakes: All that is wrong in it, in the order of the file.
    @ivar warnings: What is odd in it besides: sentences for a person, each with its place.
    """

    def __init__(self, mistakes: tuple[Mistake, ...], warnings: tuple[str, ...] = ()) -> None:
        super().__init__(str(mistakes[0]))
        self.mistakes = mistakes
        self.warnings = warnings
