"""
Whatever the text of a value is, in a configuration file or on a command line.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from ipaddress import ip_address
from math import isfinite

from hypothesis import assume, example, given
from hypothesis import strategies as st
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from smartmob.address import BadAddress, check_form, parse
from smartmob.checks import Wrong
from smartmob.config import endpoints, processes, settings, values
from smartmob.documents import Restart
from smartmob.options import Options
from smartmob.unix_socket import UnixEndpoint
from tests.support.fuzzing import tries

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
shelly = st.text("ab=, \t\n'\"\\$#;1.-\u0661", min_size=1, max_size=30)

READERS: tuple[Callable[[str], object], ...] = (
    values.number,
    values.truth,
    values.boolean,
    values.word(Restart),
    values.listed,
    values.with_commas,
    values.argument,
    values.words,
    values.command,
    values.pairs,
    values.flapping,
    values.streams,
    values.umask,
    values.ports,
    settings.hosts,
    settings.proxies,
    settings.origins,
    settings.sources,
    processes.named,
    endpoints.backlog,
)


def quoted(text: str) -> str:
    """
    A text in quotes, as a shell has them.
    """
    return "'" + text.replace("'", "'\\''") + "'"


class ValuesTests(SynchronousTestCase):
    """
    L{smartmob.config.values}, and what else takes a value.
    """

    @tries(300)
    @given(texts | shelly)
    @example("9" * 5000)
    @example("1e" + "9" * 40)
    @example("=" * 2000)
    @example("\u0661\u0662")
    def test_anything(self, text: str) -> None:
        """A value is what it should be, or a sentence says why not, for a person."""
        for reader in READERS:
            try:
                reader(text)
            except Wrong as error:
                for _, why in error.errors:
                    self.assertTrue(why)
                    self.assertLess(len(why), 500)

    @tries(200)
    @given(st.text("0123456789+-._eE \u0661xX", max_size=25))
    def test_number(self, text: str) -> None:
        """A number is one to Python as well, and finite; all else stays a text."""
        found = values.number(text)
        if isinstance(found, str):
            self.assertEqual(found, text)
        else:
            self.assertEqual(found, float(text) if isinstance(found, float) else int(text))
            self.assertTrue(isfinite(found))
            self.assertTrue(text.isascii())

    @tries(200)
    @given(st.lists(st.text("abc'\"\\ $", min_size=1), min_size=1))
    def test_words(self, words: list[str]) -> None:
        """Words that were quoted come back."""
        self.assertEqual(list(values.words(shlex.join(words))), words)

    @tries(200)
    @given(st.dictionaries(st.text("abcXYZ_", min_size=1), st.text("ab,= '\"\\\n")))
    def test_pairs(self, pairs: dict[str, str]) -> None:
        """So do pairs."""
        assume(pairs)
        said = ", ".join(f"{name}={quoted(value)}" for name, value in pairs.items())
        self.assertEqual(values.pairs(said), pairs)

    @tries(200)
    @given(st.lists(st.text("ab", min_size=1)), st.sampled_from([",", " ", "\n", " , "]))
    def test_listed(self, items: list[str], between: str) -> None:
        """And the items of a list."""
        self.assertEqual(list(values.listed(between.join(items))), items)

    @tries(100)
    @given(st.integers(-2, 70_000), st.integers(-2, 70_000))
    def test_ports(self, first: int, last: int) -> None:
        """Two ports are a range exactly if there are all of it."""
        try:
            self.assertEqual(values.ports(f"{first}-{last}"), (first, last))
        except Wrong:
            self.assertFalse(1 <= first <= last <= 65_535)
        else:
            self.assertTrue(1 <= first <= last <= 65_535)


class AddressTests(SynchronousTestCase):
    """
    L{smartmob.address}.
    """

    pieces = st.sampled_from(
        [
            *("tcp", "tcp6", "ssl", "tls", "haproxy", "systemd", "unix", "fd", "stdio", "mode"),
            *(":", "=", "/", "\\", "\\:", "[", "]", "::1", "127.0.0.1", "0", "80", "65536"),
            *("660", "0777", "8", "port", "interface", "backlog", "domain", "INET", "index"),
            *(
                "privateKey",
                "x.pem",
                "-1",
                "~",
                ".",
                "%lo",
                "999999999999",
                "\n",
                " ",
                "\u0661",
            ),
        ]
    )
    addresses = texts | st.lists(pieces, max_size=10).map("".join)

    def setUp(self) -> None:
        """Nobody is asked for names."""

        def fail(*_: object, **__: object) -> None:
            raise OSError(0, "nobody is asked")

        self.patch(socket, "getaddrinfo", fail)

    @tries(400)
    @given(addresses)
    @example("unix:" + "/x" * 60)
    @example("fd:" + "9" * 12)
    @example("tcp:port=" + "9" * 5000)
    @example("haproxy:tcp:80")
    @example("haproxy:haproxy:tcp:80")
    @example("tls:tcp:80")
    @example("[127.0.0.1]:80")
    @example("[::1%lo]:80")
    def test_anything(self, text: str) -> None:
        """A text is an address, or what is wrong with it is said in one way."""
        try:
            check_form(text)
        except BadAddress as error:
            self.assertTrue(str(error))
        reactor = MemoryReactor()
        try:
            found = parse(reactor, text, 5)
        except BadAddress as error:
            self.assertTrue(str(error))
            return
        self.assertEqual(found.text, text)
        if found.where is not None:
            self.assertTrue(0 <= found.where[1] <= 65535)
            ip_address(found.where[0])
        self.flushLoggedErrors()  # of descriptors that are none of ours

    @tries(200)
    @given(texts, st.integers(0, 0o7777))
    def test_unix(self, name: str, mode: int) -> None:
        """The path and the mode of a unix socket are what was written."""
        path = "/" + name.strip("/")
        text = f"unix:{path}:mode={mode:03o}"
        try:
            reactor = MemoryReactor()
            found = parse(reactor, text, 5)
        except BadAddress:
            self.assertTrue(":" in name or len(os.fsencode(path)) > 107, text)
            return
        endpoint = found.endpoint
        assert isinstance(endpoint, UnixEndpoint)
        self.assertEqual((endpoint.path, found.mode), (os.path.abspath(path), mode))

    @tries(200)
    @given(st.ip_addresses(), st.integers(0, 99_999))
    def test_ip(self, ip: object, port: int) -> None:
        """So are the address and the port of a TCP socket."""
        host = f"[{ip}]" if ":" in str(ip) else str(ip)
        try:
            reactor = MemoryReactor()
            found = parse(reactor, f"{host}:{port}", 5)
        except BadAddress:
            self.assertGreater(port, 65_535)
            return
        self.assertEqual(found.where, (str(ip), port))


class OptionsTests(SynchronousTestCase):
    """
    L{smartmob.options}.
    """

    options = st.sampled_from(
        [
            *("--bind", "--bind=127.0.0.1:0", "-c", "--config=x.ini", "--check", "-p", "-v"),
            *("--backlog", "--backlog=0", "--backlog=9999999", "--log-level", "--log-format"),
            *("--log-format=json", "--certfile", "--keyfile=/nowhere", "--state-dir", "--"),
            *("--insecure", "-vv", "-vvx", "--no", "--back=1", "-", "x.ini", "", "-c-c", "--b"),
            *("--log-level=debug", "--state-dir=", "--config=", "--bind=unix:x", "--bind="),
        ]
    )

    anything = (texts | st.binary().map(os.fsdecode)).filter(
        lambda text: "\0" not in text and "--log-f" not in text
    )
    """As a shell may hand it down."""

    def setUp(self) -> None:
        """Somewhere else."""
        before = os.getcwd()
        folder = tempfile.mkdtemp(prefix="smartmob-")
        self.addCleanup(shutil.rmtree, folder)
        os.chdir(folder)
        self.addCleanup(os.chdir, before)

    @tries(200)
    @given(st.lists(options | anything, max_size=6))
    def test_anything(self, words: list[str]) -> None:
        """A command line is understood, or refused in one line, and nothing is written."""
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as err:
            try:
                Options().parseOptions(words)
            except SystemExit as end:
                self.assertIn(end.code, (0, 2))
                said = err.getvalue()
                if end.code == 2 and "--check" not in words:
                    self.assertEqual(len(said.splitlines()), 1, said)
        self.assertEqual(os.listdir("."), [])
