"""
The configuration: what the file says, where the command line does not say otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from configparser import RawConfigParser
from typing import TYPE_CHECKING

from attrs import evolve

from smartmob.config import endpoints, hooks, processes
from smartmob.config.configuration import Configuration, Hooks, Mistake, Settings
from smartmob.config.endpoints import sections_of
from smartmob.config.findings import Findings, hint, near, shown
from smartmob.config.identity import Accounts
from smartmob.config.includes import MAIN, read
from smartmob.config.ini import Section
from smartmob.config.keys import Keys
from smartmob.config.overrides import Overrides
from smartmob.config.settings import settings
from smartmob.config.token_file import credential_file, token_file

if TYPE_CHECKING:
    from smartmob.config.forward import Forward

GAFFER = MAIN[0]
_FORWARD = "forward:"
_PREFIXES = (endpoints.PREFIX, processes.PREFIX, processes.ENV_PREFIX, _FORWARD)
_PLAIN = (*MAIN, hooks.SECTION)


def load(
    path: str,
    overrides: Overrides,
    *,
    accounts: Accounts | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Configuration:
    """
    The configuration that a file, with all that it includes, and the command line make.

    It may be called again when the file has changed.

    @param path: An absolute path, or one that starts here.
    @param accounts: The users there are.
    @param environ: The agent's environment.
    @raise BadConfiguration: With all that is wrong.
    """
    path = os.path.abspath(path)
    findings = Findings()
    sections = read(path, findings)
    _warn_of_others(sections, findings)
    accounts = accounts or Accounts()
    main = _main(sections, findings)
    said = Settings() if main is None else settings(main, accounts, findings)
    backlog = endpoints.BACKLOG
    if main is not None:
        backlog = Keys(main, findings).get("backlog", endpoints.backlog, backlog)
    of_file = endpoints.endpoints(
        sections_of(sections, endpoints.PREFIX),
        None if main is None else main.entries.get("http_endpoints"),
        backlog,
        findings,
    )
    address = endpoints.GAFFERD if GAFFER in sections else endpoints.PLAIN
    where = endpoints.chosen(of_file, address, backlog, overrides, findings)
    templates = processes.templates(
        sections_of(sections, processes.PREFIX),
        sections_of(sections, processes.ENV_PREFIX),
        accounts,
        findings,
        said.max_processes,
    )
    told = Hooks()
    if hooks.SECTION in sections:
        told = hooks.hooks(sections[hooks.SECTION], environ, findings)
    forwarded = _forwards(sections_of(sections, _FORWARD), findings)
    said = _with_tokens(_overridden(said, overrides), main, overrides, environ, findings)
    findings.check()
    return Configuration(
        path=path,
        settings=said,
        endpoints=where,
        templates=templates,
        hooks=told,
        forwards=forwarded,
        warnings=findings.told(),
        parser=_parser(sections),
    )


def default(overrides: Overrides, environ: Mapping[str, str] = os.environ) -> Configuration:
    """
    The configuration where there is no file.

    @raise BadConfiguration: The command line can't be meant as it is.
    """
    findings = Findings()
    where = endpoints.chosen((), endpoints.PLAIN, endpoints.BACKLOG, overrides, findings)
    said = _with_tokens(_overridden(Settings(), overrides), None, overrides, environ, findings)
    findings.check()
    return Configuration(
        settings=said,
        endpoints=where,
        warnings=findings.told(),
        parser=_parser({}),
    )


def _forwards(sections: Mapping[str, Section], findings: Findings) -> tuple[Forward, ...]:
    if not sections:
        return ()  # nor is it imported, what their keys mean
    from smartmob.config.forwards import forwards

    return forwards(sections, findings)


def _main(sections: Mapping[str, Section], findings: Findings) -> Section | None:
    """
    The section about the agent itself.
    """
    found = [section for name, section in sections.items() if name in MAIN]
    if not found:
        return None
    first, *others = found
    for other in others:
        place = f"{first.file}:{first.line}"
        findings.mistakes.append(
            other.wrong(f"can't be beside [{first.name}], {place}: they mean the same")
        )
    return first


def _warn_of_others(sections: Mapping[str, Section], findings: Findings) -> None:
    for name, section in sections.items():
        if name in _PLAIN or name.startswith(_PREFIXES):
            continue
        kind, colon, rest = name.partition(":")
        kinds = [prefix.removesuffix(":") for prefix in _PREFIXES]
        meant = None if colon else near(kind, _PLAIN)
        if meant is None and (found := near(kind, kinds)) is not None:
            meant = shown(f"{found}:{rest or 'NAME'}")
        findings.warnings.append(section.wrong(f"is not known{hint(meant)}"))


def _overridden(said: Settings, overrides: Overrides) -> Settings:
    """
    The command line wins.
    """
    if overrides.plugins_dir is not None:
        said = evolve(said, plugins_dirs=(overrides.plugins_dir,))
    if overrides.pidfile is not None:
        said = evolve(said, pidfile=overrides.pidfile)
    if overrides.state_dir is not None:
        said = evolve(said, state_dir=overrides.state_dir)
    if overrides.token_file is not None:
        said = evolve(said, token_file=overrides.token_file)
    return said


def _with_tokens(
    said: Settings,
    main: Section | None,
    overrides: Overrides,
    environ: Mapping[str, str],
    findings: Findings,
) -> Settings:
    """
    Settings with the tokens of the file that they name, or else of the one that the service
    manager handed down.
    """
    credential = None if said.token_file is not None else credential_file(environ)
    path = said.token_file or credential
    if path is None:
        if said.unix_users and main is not None:
            why = "nobody needs a token without token_file"
            findings.warnings.append(main.entries["unix_users"].wrong(why))
        return said

    def located(why: str) -> Mistake:
        if credential is not None:
            return Mistake(file="systemd", key="LoadCredential", why=why)
        if main is None or overrides.token_file is not None:
            return Mistake(file=endpoints.COMMAND_LINE, key="--token-file", why=why)
        return main.entries["token_file"].wrong(why)

    tokens = token_file(path, environ, findings, located)
    return evolve(said, token_file=path, tokens=tokens)


class _Parser(RawConfigParser):
    """
    A parser that keeps the case of keys.
    """

    def optionxform(self, optionstr: str) -> str:
        """
        See L{RawConfigParser.optionxform}.
        """
        return optionstr


def _parser(sections: Mapping[str, Section]) -> RawConfigParser:
    """
    The merged file, as plugins get it.
    """
    # [DEFAULT] has no meaning here, so it is a section like any other.
    parser = _Parser(default_section="")
    for name, section in sections.items():
        parser.add_section(name)
        for entry in section.entries.values():
            parser.set(name, entry.key, entry.value)
    return parser
