"""
Where the agent listens: C{[endpoint:NAME]} sections, the command line, or the default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from smartmob import checks
from smartmob.address import BadAddress, check_form
from smartmob.checks import Wrong
from smartmob.config.configuration import Api, Endpoint, Mistake
from smartmob.config.findings import Findings, hint, near, shown
from smartmob.config.ini import Entry, Section
from smartmob.config.keys import Keys, unreadable
from smartmob.config.overrides import Overrides
from smartmob.config.values import numeric, with_commas, word
from smartmob.handed_down import HandedDown, handed_down

PREFIX = "endpoint:"
"""What the name of such a section begins with."""

KEYS = ("bind", "certfile", "keyfile", "cafile", "backlog", "api")

PLAIN = "127.0.0.1:8080"
"""Where the agent listens if nothing is said."""

GAFFERD = "127.0.0.1:5000"
"""Where it listens if nothing is said in a file with a C{[gaffer]} section."""

BACKLOG = 4096
"""More than most systems have (somaxconn), so that a short storm of clients is no loss."""

COMMAND_LINE = "command line"
"""What L{Mistake.file} is where something is wrong there."""

backlog = numeric(checks.integer(1, 65_535))

_UNIX = re.compile(r"unix:(?!/)(?=.)")
_IN_ENDPOINT = re.compile(r"(?<=:)(privateKey|certKey|extraCertChain|dhParameters)=(?!/)")


def sections_of(sections: Mapping[str, Section], prefix: str) -> dict[str, Section]:
    """
    The sections whose names begin so, by what follows, in their order.
    """
    return {
        name.removeprefix(prefix): section
        for name, section in sections.items()
        if name.startswith(prefix)
    }


def endpoints(
    sections: Mapping[str, Section], named: Entry | None, default: int, findings: Findings
) -> tuple[Endpoint, ...]:
    """
    The endpoints of a file that are to be listened on.

    @param sections: Those of endpoints, by the names of these.
    @param named: C{http_endpoints}, which names them.
    @param default: The backlog of those that say none.
    """
    names = () if named is None else tuple(dict.fromkeys(with_commas(named.value)))
    found = {name: _endpoint(name, sections[name], default, findings) for name in sections}
    wanted = []
    for name in names:
        if name in found:
            wanted.append(found[name])
        elif named is not None:
            why = f"there is no section [{PREFIX}{shown(name)}]{hint(near(name, found))}"
            findings.mistakes.append(named.wrong(why))
    for name, section in sections.items():
        if name not in names:
            findings.warnings.append(
                section.wrong("is not named in http_endpoints, so nothing listens there")
            )
    _check_once(wanted, sections, findings)
    return tuple(wanted)


def chosen(
    of_file: Sequence[Endpoint],
    address: str,
    default: int,
    overrides: Overrides,
    findings: Findings,
    sockets: HandedDown | None = None,
) -> tuple[Endpoint, ...]:
    """
    What is listened on: what the command line says, else what the file says, else all that
    systemd has handed down, else one address.

    @param address: That one.
    @param default: The backlog where none is said.
    @param sockets: Unless given, what was handed down to this process.
    """
    sockets = handed_down() if sockets is None else sockets
    bind = overrides.bind or sockets.addresses() or (address,)
    found = _chosen(of_file, bind, default, overrides, findings)
    for each in sockets.left_out(text for endpoint in found for text in endpoint.bind):
        why = f"nobody listens on its socket {each}, so who connects there waits for ever"
        findings.warnings.append(Mistake(file="systemd", why=why))
    return found


def _chosen(
    of_file: Sequence[Endpoint],
    bind: tuple[str, ...],
    default: int,
    overrides: Overrides,
    findings: Findings,
) -> tuple[Endpoint, ...]:
    said = {
        f"--{name}": getattr(overrides, name)
        for name in ("certfile", "keyfile", "backlog")
        if getattr(overrides, name) is not None
    }
    if of_file and not overrides.bind:
        for option in said:
            findings.warnings.append(
                _on_command_line(option, "has no effect without --bind: the file has endpoints")
            )
        return tuple(of_file)
    if "--keyfile" in said and "--certfile" not in said:
        findings.mistakes.append(_on_command_line("--keyfile", "needs --certfile"))
    for option in ("--certfile", "--keyfile"):
        why = unreadable(said[option]) if option in said else None
        if why is not None:
            findings.mistakes.append(_on_command_line(option, f"{said[option]} {why}"))
    for each in overrides.bind:
        try:
            check_form(each)
        except BadAddress as error:
            findings.mistakes.append(_on_command_line("--bind", str(error)))
    return (
        Endpoint(
            name=None,
            bind=bind,
            certfile=overrides.certfile,
            keyfile=overrides.keyfile,
            backlog=default if overrides.backlog is None else overrides.backlog,
        ),
    )


def _on_command_line(option: str, why: str) -> Mistake:
    return Mistake(file=COMMAND_LINE, key=option, why=why)


def _endpoint(name: str, section: Section, default: int, findings: Findings) -> Endpoint:
    keys = Keys(section, findings)
    keys.warn_of_others(KEYS)
    keys.warn_of_bare(["cafile"])
    if not name:
        keys.wrong(None, f"needs a name, as in [{PREFIX}public]")
    bind = keys.entry("bind")
    addresses = () if bind is None else with_commas(bind.value)
    if not addresses:
        keys.wrong("bind", "needs bind, such as bind = 127.0.0.1:5000")
    endpoint = Endpoint(
        name=name,
        bind=tuple(_address(bind, each, findings) for each in addresses if bind),
        certfile=keys.file("certfile"),
        keyfile=keys.file("keyfile"),
        cafile=keys.file("cafile"),
        backlog=keys.get("backlog", backlog, default),
        api=keys.get("api", word(Api), Api.SMARTMOB),
    )
    if endpoint.certfile is None:
        for key in ("keyfile", "cafile"):
            if keys.entry(key) is not None:
                keys.wrong(key, "needs certfile, the certificate that clients are shown")
    return endpoint


def _address(entry: Entry, address: str, findings: Findings) -> str:
    """
    An address with absolute paths in it.
    """
    try:
        if _UNIX.match(address):
            # What begins with ~ is absolute after this, as everything else is.
            address = f"unix:{entry.path(address.removeprefix('unix:'))}"
        else:
            address = _IN_ENDPOINT.sub(
                lambda found: f"{found[1]}={_escaped(entry.path('') + '/')}", address
            )
        check_form(address)
    except Wrong as error:
        findings.mistakes += [entry.wrong(why) for _, why in error.errors]
    except BadAddress as error:
        findings.mistakes.append(entry.wrong(str(error)))
    return address


def _escaped(path: str) -> str:
    """
    A path as an endpoint string of Twisted's has it.
    """
    return re.sub(r"([\\:=])", r"\\\1", path)


def _check_once(
    wanted: Sequence[Endpoint], sections: Mapping[str, Section], findings: Findings
) -> None:
    first: dict[str, str] = {}
    for endpoint in wanted:
        for address in endpoint.bind:
            name = endpoint.name or ""
            if address in first and not address.endswith(":0"):
                entry = sections[name].entries["bind"]
                where = f"in [{PREFIX}{first[address]}]"
                findings.mistakes.append(entry.wrong(f"{address} is listened on {where} too"))
            first.setdefault(address, name)
