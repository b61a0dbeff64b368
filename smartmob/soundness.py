"""
Whether what a configuration says of its endpoints can be, before anything is listened on,
and where it is said.

What a file says is checked as it is read.  This is what depends on the machine as well, so
that it keeps an agent from starting, but not one that runs from going on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from twisted.internet.interfaces import IReactorTime, IReactorUNIX
from twisted.internet.protocol import Factory

from smartmob.certificate import BadCertificate, Files
from smartmob.config.configuration import Configuration, Endpoint, Mistake
from smartmob.config.endpoints import COMMAND_LINE, PREFIX, sections_of
from smartmob.config.findings import Findings
from smartmob.config.includes import read
from smartmob.endpoints import CantListen, Endpoints


def bad_certificates(configuration: Configuration) -> tuple[Mistake, ...]:
    """
    What is wrong with certificates and keys.
    """
    return tuple(
        mistake
        for endpoint in configuration.endpoints
        for mistake in _bad_certificate(configuration, endpoint)
    )


def unsound(configuration: Configuration, *, insecure: bool) -> tuple[Mistake, ...]:
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
            endpoints.check(some)
        except CantListen as error:
            yield _mistake(configuration, error.endpoint, error.key, error.why)

    found: list[Mistake] = []
    for endpoint in configuration.endpoints:
        of_it = list(_bad_certificate(configuration, endpoint))
        found += of_it or refused((endpoint,))
    # What is right by itself may be wrong beside another.
    found = found or list(refused(configuration.endpoints))
    return tuple(found)


def located(configuration: Configuration, error: CantListen) -> Mistake | str:
    """
    Why something can't be listened on, with the place in the file; where it is not said
    there, nobody has to be told where that is.
    """
    if error.endpoint.name is None:
        return str(error)
    return _mistake(configuration, error.endpoint, error.key, error.why)


def _bad_certificate(configuration: Configuration, endpoint: Endpoint) -> Iterator[Mistake]:
    if endpoint.certfile is None:
        return
    try:
        Files(endpoint.certfile, endpoint.keyfile, endpoint.cafile).load()
    except BadCertificate as error:
        yield _mistake(configuration, endpoint, error.key, error.why)


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
