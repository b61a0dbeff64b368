"""
Whether what a configuration says of its endpoints can be, before anything is listened on,
and where it is said.

What a file says is checked as it is read.  This is what depends on the machine as well, so
that it keeps an agent from starting, but not one that runs from going on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from attrs import evolve
from twisted.internet.interfaces import IReactorTime, IReactorUNIX
from twisted.internet.protocol import Factory

from smartmob.certificate import BadCertificate, Files
from smartmob.config.configuration import Configuration, Endpoint, Mistake
from smartmob.config.endpoints import COMMAND_LINE, PREFIX, sections_of
from smartmob.config.findings import Findings
from smartmob.config.includes import read
from smartmob.endpoints import CantListen, Endpoints
from smartmob.handed_down import handed_down, is_of_systemd


def certificates(configuration: Configuration) -> Findings:
    """
    What is wrong with certificates and keys, and what is only odd.
    """
    findings = Findings()
    for endpoint in configuration.endpoints:
        _look_at_certificate(configuration, endpoint, findings)
    return findings


def unsound(configuration: Configuration, *, insecure: bool) -> Findings:
    """
    All that a start would say before it listens.  This looks names of hosts up, and
    installs a reactor.

    @param insecure: Whether other machines may reach the agent.
    """
    from twisted.internet import reactor

    endpoints = Endpoints(
        reactor=cast(IReactorUNIX, reactor),
        clock=cast(IReactorTime, reactor),
        factory_for=lambda endpoint: Factory(),
        guard=lambda factory: factory,
        insecure=insecure,
    )

    def refused(some: tuple[Endpoint, ...]) -> Iterator[Mistake]:
        try:
            endpoints.check(some, tokens=configuration.settings.tokens is not None)
        except CantListen as error:
            yield _mistake(configuration, error.endpoint, error.key, error.why)

    findings = Findings()
    there = tuple(_without_systemd(endpoint) for endpoint in configuration.endpoints)
    for endpoint in there:
        if _look_at_certificate(configuration, endpoint, findings):
            findings.mistakes += refused((endpoint,))
    # What is right by itself may be wrong beside another.
    findings.mistakes = findings.mistakes or list(refused(there))
    return findings


def located(configuration: Configuration, error: CantListen) -> Mistake | str:
    """
    Why something can't be listened on, with the place in the file; where it is not said
    there, nobody has to be told where that is.
    """
    if error.endpoint.name is None:
        return str(error)
    return _mistake(configuration, error.endpoint, error.key, error.why)


def _without_systemd(endpoint: Endpoint) -> Endpoint:
    """
    An endpoint without the sockets that only an agent has which systemd starts: whoever has it
    checked has them not.
    """
    if handed_down().names:
        return endpoint
    bind = tuple(text for text in endpoint.bind if not is_of_systemd(text))
    return evolve(endpoint, bind=bind)


def _look_at_certificate(
    configuration: Configuration, endpoint: Endpoint, findings: Findings
) -> bool:
    """
    @return: Whether it can be used; there may be none.
    """
    if endpoint.certfile is None:
        return True
    try:
        loaded = Files(endpoint.certfile, endpoint.keyfile, endpoint.cafile).load()
    except BadCertificate as error:
        findings.mistakes.append(_mistake(configuration, endpoint, error.key, error.why))
        return False
    findings.warnings += (
        _mistake(configuration, endpoint, key, what) for key, what in loaded.odd
    )
    return True


def _mistake(configuration: Configuration, endpoint: Endpoint, key: str, why: str) -> Mistake:
    """
    Something wrong with a key of an endpoint, or, where it is not in the file, with an
    option.
    """
    if configuration.path is None or endpoint.name is None:
        return Mistake(file=COMMAND_LINE, key=f"--{key}", why=why)
    # Where a key is nobody needs to know while all is well, so it is looked for now.
    sections = sections_of(read(configuration.path, Findings()), PREFIX)
    section = sections.get(endpoint.name)
    if section is None:
        name = f"{PREFIX}{endpoint.name}"  # somebody has just taken it away
        return Mistake(file=configuration.path, section=name, key=key, why=why)
    entry = section.entries.get(key)
    return section.wrong(why) if entry is None else entry.wrong(why)
