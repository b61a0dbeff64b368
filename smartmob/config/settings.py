"""
The section about the agent itself: C{[gaffer]} or C{[smartmob]}.
"""

from __future__ import annotations

import ipaddress
import os
import re
from functools import partial
from ipaddress import IPv4Network, IPv6Network

from attrs import fields_dict

from smartmob import checks
from smartmob.config.configuration import Settings
from smartmob.config.findings import Findings
from smartmob.config.identity import Accounts, identity
from smartmob.config.ini import Section
from smartmob.config.keys import Keys
from smartmob.config.values import boolean, listed, number, numeric, ports, wrong
from smartmob.documents import Limits
from smartmob.place import BadPlace, Place

LIMIT = "limit_"
"""What the keys of limits begin with."""

LIMITS = tuple(fields_dict(Limits))
"""Their names as those of create requests are."""

KEYS = (
    "http_endpoints",
    "plugins_dir",
    "plugin_dir",
    "backlog",
    "pidfile",
    "include",
    "include_dir",
    "state_dir",
    "token_file",
    "unix_users",
    "allowed_hosts",
    "trusted_proxies",
    "cors_origins",
    "allowed_sources",
    "private_sources",
    "port_range",
    "env_remove",
    "stop_timeout",
    "max_processes",
    "uid",
    "gid",
    *(f"{LIMIT}{name}" for name in LIMITS),
    *LIMITS,
)

RESTRICTING = ("token_file", "allowed_sources", "private_sources", "uid")
"""Keys that forbid something."""

_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", re.ASCII)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@,*]+", re.ASCII)
_UNIX = "unix"
_ARCHIVES = "smartmob-archive:"


def settings(section: Section, accounts: Accounts, findings: Findings) -> Settings:
    """
    What the section says.
    """
    keys = Keys(section, findings)
    keys.warn_of_others(KEYS)
    keys.warn_of_bare(RESTRICTING)
    usual = Settings()
    networks, unix_proxies = keys.get("trusted_proxies", proxies, ((), False))
    if unix_proxies and keys.entry("unix_users") is not None:
        keys.wrong(
            "unix_users", "can't be beside trusted_proxies = unix, whose clients are others"
        )
    return Settings(
        plugins_dirs=_plugins_dirs(keys),
        pidfile=keys.path("pidfile"),
        state_dir=keys.path("state_dir"),
        token_file=keys.path("token_file"),
        unix_users=keys.get("unix_users", partial(users, accounts), frozenset()),
        allowed_hosts=keys.get("allowed_hosts", hosts, ()),
        trusted_proxies=networks,
        unix_proxies=unix_proxies,
        cors_origins=keys.get("cors_origins", origins, ()),
        allowed_sources=keys.get("allowed_sources", sources, None),
        private_sources=keys.get("private_sources", boolean, usual.private_sources),
        port_range=keys.get("port_range", ports, usual.port_range),
        env_remove=keys.get("env_remove", listed, ()),
        stop_timeout=keys.get("stop_timeout", _stop_timeout, usual.stop_timeout),
        identity=identity(keys, accounts),
        limits=_limits(keys) or usual.limits,
        max_processes=keys.get("max_processes", _most, usual.max_processes),
    )


_stop_timeout = numeric(checks.seconds(3600))
_most = numeric(checks.integer(0, checks.MOST_PROCESSES))


def _plugins_dirs(keys: Keys) -> tuple[str, ...] | None:
    folders = []
    for key in ("plugins_dir", "plugin_dir"):
        folder = keys.path(key)
        if folder is not None:
            folders.append(folder)
            if not os.path.isdir(folder):
                keys.odd(key, f"there is no folder {folder}")
    return tuple(dict.fromkeys(folders)) or None


def _limits(keys: Keys) -> Limits | None:
    document: dict[str, object] = {}
    spelled: dict[str, str] = {}
    for name in LIMITS:
        for key in (name, f"{LIMIT}{name}"):
            entry = keys.entry(key)
            if entry is None:
                continue
            if name in spelled:
                keys.wrong(key, f"means the same as {spelled[name]}, which is there too")
            spelled[name] = key
            document[name] = number(entry.value)
    return keys.structured(document, Limits, lambda member: (spelled[member], ""))


def users(accounts: Accounts, text: str) -> frozenset[int]:
    """
    Users, by name or number.
    """
    return frozenset(accounts.user(each)[0] for each in listed(text))


def hosts(text: str) -> tuple[str, ...]:
    """
    Names of hosts, in lower case.
    """
    names = listed(text.lower())
    if not all(_HOST.fullmatch(name) for name in names):
        raise wrong("must be names of hosts, without ports, such as example.org")
    return names


def proxies(text: str) -> tuple[tuple[IPv4Network | IPv6Network, ...], bool]:
    """
    Addresses and networks, and whether clients on unix sockets are among them.
    """
    said = listed(text)
    try:
        networks = tuple(ipaddress.ip_network(each) for each in said if each != _UNIX)
    except ValueError:
        raise wrong("must be addresses, networks such as 10.0.0.0/8, or unix") from None
    return networks, _UNIX in said


def origins(text: str) -> tuple[str, ...]:
    """
    Origins as browsers send them (RFC 6454, 6.2).
    """
    said = listed(text.lower())
    if not all(_ORIGIN.fullmatch(origin) for origin in said):
        raise wrong("must be origins, without a path, such as https://example.org")
    return said


def sources(text: str) -> tuple[str, ...]:
    """
    URLs that sources may lie below, and C{smartmob-archive:} for what clients send.
    """
    said = listed(text)
    for count, url in enumerate(said, 1):
        if url.lower() == _ARCHIVES:
            continue
        try:
            Place.parse(url)
        except BadPlace as error:
            raise wrong(f"URL {count} of {len(said)} {error}") from None
    return said
