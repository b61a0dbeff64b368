"""
Tests of L{smartmob.config.settings}.
"""

from __future__ import annotations

import os
from ipaddress import ip_network
from typing import Any

from attrs import evolve

from smartmob.config.configuration import Settings
from smartmob.config.includes import MAIN
from smartmob.config.settings import KEYS
from smartmob.documents import Limits
from smartmob.templates import Identity
from tests.support.configuring import ConfigurationTestCase

#: Lines, and what they make of the settings.
SETTINGS: dict[str, dict[str, Any]] = {
    "allowed_hosts = Example.org, b_1.example localhost": {
        "allowed_hosts": ("example.org", "b_1.example", "localhost")
    },
    "trusted_proxies = 10.0.0.1, 10.1.0.0/16 fd00::/8": {
        "trusted_proxies": (
            ip_network("10.0.0.1"),
            ip_network("10.1.0.0/16"),
            ip_network("fd00::/8"),
        )
    },
    "trusted_proxies = unix": {"unix_proxies": True},
    "trusted_proxies = ::1, unix": {
        "trusted_proxies": (ip_network("::1"),),
        "unix_proxies": True,
    },
    "cors_origins = https://Example.org, http://localhost:3000 moz-extension://a-b": {
        "cors_origins": ("https://example.org", "http://localhost:3000", "moz-extension://a-b")
    },
    "allowed_sources = https://a.example/apps, HTTP://b:8000/ smartmob-archive:": {
        "allowed_sources": ("https://a.example/apps", "HTTP://b:8000/", "smartmob-archive:")
    },
    "private_sources = no": {"private_sources": False},
    "port_range = 5000-5999": {"port_range": (5000, 5999)},
    "port_range = 1 - 65535": {"port_range": (1, 65535)},
    "port_range = 80-80": {"port_range": (80, 80)},
    "env_remove = AWS_*, SECRET  *_KEY": {"env_remove": ("AWS_*", "SECRET", "*_KEY")},
    "stop_timeout = 5.5": {"stop_timeout": 5.5},
    "stop_timeout = 0": {"stop_timeout": 0.0},
    "stop_timeout = 3600": {"stop_timeout": 3600.0},
    "max_processes = 0": {"max_processes": 0},
    "max_processes = 10000": {"max_processes": 10_000},
    "uid = ada": {
        "identity": Identity(
            uid=1001, gid=2001, groups=(2001, 2050), name="ada", home="/home/ada"
        )
    },
    "uid = ada\ngid = staff": {
        "identity": Identity(uid=1001, gid=2050, groups=(2050,), name="ada", home="/home/ada")
    },
    "memory_bytes = 1": {"limits": Limits(memory_bytes=1)},
    "limit_memory_bytes = 1": {"limits": Limits(memory_bytes=1)},
    "processes = 2\nlimit_open_files = 3\nfile_bytes = 4": {
        "limits": Limits(processes=2, open_files=3, file_bytes=4)
    },
    "limit_core_bytes = 0\ncpu_seconds = 6": {"limits": Limits(core_bytes=0, cpu_seconds=6)},
    "cpu_percent = 50": {"limits": Limits(cpu_percent=50)},
    "unix_users = root, 0": {"unix_users": frozenset({0})},
    # read elsewhere
    "backlog = 7": {},
    # without a value they are not there
    "uid =\ntoken_file =\nallowed_sources =\nplugins_dir": {},
}

#: Lines that are wrong, and what is said.
WRONG: dict[str, list[str]] = {
    "unix_users = nobody-at-all": ["unix_users: there is no user 'nobody-at-all'"],
    "unix_users = 0\ntrusted_proxies = unix": [
        "unix_users: can't be beside trusted_proxies = unix, whose clients are others"
    ],
    "allowed_hosts = a:80": [
        "allowed_hosts: must be names of hosts, without ports, such as example.org"
    ],
    "allowed_hosts = *.example.org": [
        "allowed_hosts: must be names of hosts, without ports, such as example.org"
    ],
    "trusted_proxies = proxy.example": [
        "trusted_proxies: must be addresses, networks such as 10.0.0.0/8, or unix"
    ],
    "trusted_proxies = 10.0.0.1/8": [
        "trusted_proxies: must be addresses, networks such as 10.0.0.0/8, or unix"
    ],
    "cors_origins = *": [
        "cors_origins: must be origins, without a path, such as https://example.org"
    ],
    "cors_origins = https://a.example/": [
        "cors_origins: must be origins, without a path, such as https://example.org"
    ],
    "cors_origins = null": [
        "cors_origins: must be origins, without a path, such as https://example.org"
    ],
    "allowed_sources = http://a, a.example": [
        "allowed_sources: URL 2 of 2 has no scheme; only http and https are read"
    ],
    "allowed_sources = http://u:geheim@a": [
        "allowed_sources: URL 1 of 1 has a user name in it"
    ],
    "private_sources = maybe": [
        "private_sources: must be true or false (or yes, no, on, off, 1, 0)"
    ],
    "port_range = 5000": [
        "port_range: must be two ports of 1 to 65535, the lower first, such as 20000-29999"
    ],
    "port_range = 2-1": [
        "port_range: must be two ports of 1 to 65535, the lower first, such as 20000-29999"
    ],
    "port_range = 0-65535": [
        "port_range: must be two ports of 1 to 65535, the lower first, such as 20000-29999"
    ],
    "port_range = 1-65536": [
        "port_range: must be two ports of 1 to 65535, the lower first, such as 20000-29999"
    ],
    "max_processes = 10001": ["max_processes: must be an integer from 0 to 10000"],
    "stop_timeout = 3601": ["stop_timeout: must be a number of seconds from 0 to 3600"],
    "stop_timeout = -1": ["stop_timeout: must be a number of seconds from 0 to 3600"],
    "backlog = 65536": ["backlog: must be an integer from 1 to 65535"],
    "uid = zed": ["uid: there is no user 'zed'"],
    "gid = zed": ["gid: there is no group 'zed'"],
    "memory_bytes = much": ["memory_bytes: must be an integer from 0 to 9223372036854775807"],
    "limit_core_bytes = -1": [
        "limit_core_bytes: must be an integer from 0 to 9223372036854775807"
    ],
    "cpu_percent = 0": ["cpu_percent: must be an integer from 1 to 1000000"],
    "limit_cpu_percent = much": ["limit_cpu_percent: must be an integer from 1 to 1000000"],
    "http_endpoints = a": ["http_endpoints: there is no section [endpoint:a]"],
    "include = a": ["include: a can't be read: No such file or directory"],
    **{
        f"{key} = ~nobody-here/x": [
            f"{key}: ~nobody-here is nobody's home; a folder of that name is ./~nobody-here"
        ]
        for key in ("include", "include_dir", "plugins_dir", "pidfile", "state_dir")
    },
    "include_dir = a": ["include_dir: a can't be read: No such file or directory"],
}


class SettingsTests(ConfigurationTestCase):
    """
    Tests of C{[gaffer]} and C{[smartmob]}.
    """

    def settings(self, lines: str, name: str = "gaffer") -> Settings:
        """
        What these lines say.
        """
        return self.load(f"[{name}]\n{lines}\n").settings

    def test_usual(self) -> None:
        """
        Nothing has to be said.
        """
        self.assertEqual(self.settings(""), Settings())
        self.assertEqual(self.load("").settings, Settings())

    def test_keys(self) -> None:
        """
        Each key is applied, under either name of the section.
        """
        for lines, changed in SETTINGS.items():
            for name in MAIN:
                with self.subTest(lines=lines, name=name):
                    self.assertEqual(self.settings(lines, name), evolve(Settings(), **changed))

    def test_paths(self) -> None:
        """
        Paths start at the folder of the file that they are in.
        """
        text = "pidfile = run/pid\nstate_dir = ../state\n"
        settings = self.settings(text)
        self.assertEqual(settings.pidfile, f"{self.folder}/run/pid")
        self.assertEqual(settings.state_dir, f"{self.folder.parent}/state")
        self.write("b/b.ini", f"[gaffer]\n{text}")
        settings = self.settings("include = b/b.ini\npidfile = x\n")
        self.assertEqual(settings.pidfile, f"{self.folder}/b/run/pid")
        self.assertEqual(settings.state_dir, f"{self.folder}/state")
        self.patch(os, "environ", {**os.environ, "HOME": "/home/x"})
        self.assertEqual(self.settings("pidfile = ~/pid").pidfile, "/home/x/pid")

    def test_plugins(self) -> None:
        """
        Folders of plugins have two keys, which may both be there; one that is missing is a
        warning, since it may come later.
        """
        for name in ("a", "b"):
            (self.folder / name).mkdir()
        a, b = (os.fspath(self.folder / name) for name in "ab")
        for lines, expected in {
            "plugins_dir = a": (a,),
            "plugin_dir = b/": (b,),
            "plugin_dir = b\nplugins_dir = a": (a, b),
            "plugin_dir = a\nplugins_dir = a": (a,),
        }.items():
            self.assertEqual(self.settings(lines).plugins_dirs, expected)
            self.assertEqual(self.warnings(f"[gaffer]\n{lines}"), [])
        self.assertEqual(self.settings("plugins_dir = c").plugins_dirs, (f"{self.folder}/c",))
        self.assertEqual(
            self.warnings("[gaffer]\nplugins_dir = c"),
            ["agent.ini:2: [gaffer] plugins_dir: there is no folder c"],
        )

    def test_bare(self) -> None:
        """
        A key that would forbid something, and has no value, is a warning: nothing is.
        """
        why = "has no value, which is as if it were not there"
        text = "[gaffer]\ntoken_file =\nallowed_sources:\n  \nprivate_sources\nuid = \n"
        self.assertEqual(self.load(text).settings, Settings())
        self.assertEqual(
            self.warnings(text),
            [
                f"agent.ini:{line}: [gaffer] {key}: {why}"
                for line, key in (
                    (2, "token_file"),
                    (3, "allowed_sources"),
                    (5, "private_sources"),
                    (6, "uid"),
                )
            ],
        )
        self.write("more.ini", "[gaffer]\nprivate_sources = no\nuid =\n")
        self.assertEqual(
            self.warnings("[gaffer]\nprivate_sources =\ninclude = more.ini\n"),
            [f"more.ini:3: [gaffer] uid: {why}"],
        )

    def test_wrong(self) -> None:
        """
        A bad value is said with its place.
        """
        for line, expected in WRONG.items():
            with self.subTest(line=line):
                self.assertEqual(self.wrong(line, "gaffer"), expected)

    def test_limitTwice(self) -> None:
        """
        A limit is said once, in one of its spellings.
        """
        self.assertEqual(
            self.mistakes("[gaffer]\nlimit_processes = 1\nprocesses = 1\n"),
            [
                (
                    "agent.ini:2: [gaffer] limit_processes: means the same as processes, "
                    "which is there too"
                )
            ],
        )

    def test_bothNames(self) -> None:
        """
        The section has one of its names.
        """
        for first, second in (MAIN, MAIN[::-1]):
            self.assertEqual(
                self.mistakes(f"[{first}]\n[{second}]\n"),
                [
                    (
                        f"agent.ini:2: [{second}] can't be beside [{first}], agent.ini:1: "
                        "they mean the same"
                    )
                ],
            )

    def test_unknown(self) -> None:
        """
        An unknown key is a warning with the nearest that is known.
        """
        self.assertEqual(
            self.warnings("[gaffer]\nhttp_endpoint = a\ncolour = red\n"),
            [
                (
                    "agent.ini:2: [gaffer] http_endpoint: is not known; did you mean "
                    "http_endpoints?"
                ),
                "agent.ini:3: [gaffer] colour: is not known",
            ],
        )

    def test_all(self) -> None:
        """
        There is a test of each key.
        """
        tested = {
            line.split("=")[0].strip()
            for lines in (*SETTINGS, *WRONG, "pidfile=", "state_dir=", "plugin_dir=")
            for line in lines.splitlines()
        }
        limits = {key for key in KEYS if key.removeprefix("limit_") in Limits.__annotations__}
        self.assertEqual(set(KEYS) - limits - tested, set())
