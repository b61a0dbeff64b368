"""
Tests of L{smartmob.address}.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from smartmob.address import BadAddress, is_local, parse

reactor: Any = installed_reactor


class AddressTests(TestCase):
    """
    What an operator may write, and what listens then.
    """

    def listen(self, text: str) -> tuple[str, Any]:
        """
        The URL of the address, and what listens there until the test ends.
        """
        found = parse(reactor, text, 10)
        port: IListeningPort = self.successResultOf(
            found.endpoint.listen(Factory.forProtocol(Protocol))
        )
        self.addCleanup(port.stopListening)
        return found.url(port), port

    def test_v4(self) -> None:
        """The host given is the host listened on, and port 0 a free one."""
        url, port = self.listen("127.0.0.1:0")
        self.assertEqual(url, f"http://127.0.0.1:{port.getHost().port}")
        self.assertEqual(port.getHost().host, "127.0.0.1")
        self.assertTrue(is_local(port))

    def test_v6(self) -> None:
        """An IPv6 address stands in brackets, in the URL too."""
        try:
            url, port = self.listen("[::1]:0")
        except self.failureException:
            self.skipTest("THIS MACHINE HAS NO IPv6 LOOPBACK")
        self.assertEqual(url, f"http://[::1]:{port.getHost().port}")
        self.assertTrue(is_local(port))

    def test_name(self) -> None:
        """A name is looked up, and stands in the URL as it was given."""
        url, port = self.listen("localhost:0")
        self.assertEqual(url, f"http://localhost:{port.getHost().port}")
        self.assertEqual(port.getHost().host, "127.0.0.1")

    def test_everywhere(self) -> None:
        """What other machines can reach is known as such."""
        _, port = self.listen("0.0.0.0:0")
        self.assertFalse(is_local(port))
        _, port = self.listen("tcp:0")
        self.assertFalse(is_local(port))

    def test_endpointString(self) -> None:
        """A Twisted endpoint string works as it is."""
        url, port = self.listen("tcp:0:interface=127.0.0.1")
        self.assertEqual(url, f"http://127.0.0.1:{port.getHost().port}")

    def test_inherited(self) -> None:
        """A socket that was handed down is listened on."""
        with socket.socket() as handed:
            handed.bind(("127.0.0.1", 0))
            handed.listen()
            # What is handed down belongs to who listens on it.
            number = handed.getsockname()[1]
            url, _ = self.listen(f"fd:{os.dup(handed.fileno())}")
            self.assertEqual(url, f"http://127.0.0.1:{number}")

    def test_notInherited(self) -> None:
        """A descriptor that is no listening socket is refused."""
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.addCleanup(os.close, write)
        with socket.socket() as idle:
            for number in (read, idle.fileno(), 9999):
                with self.assertRaises(BadAddress) as caught:
                    parse(reactor, f"fd:{number}", 10)
                self.assertNotIn("Errno", str(caught.exception))

    def test_same(self) -> None:
        """An address is the same in other words."""
        for text, same, other in (
            ("localhost:80", "127.0.0.1:80", "127.0.0.1:81"),
            ("[0:0::1]:80", "[::1]:80", "[::2]:80"),
            ("tcp:80:interface=127.0.0.1", "localhost:80", "tcp:81:interface=127.0.0.1"),
            ("tcp:80", "0.0.0.0:80", "127.0.0.1:80"),
            (r"tcp6:80:interface=\:\:1", "[::1]:80", "tcp6:80"),
            ("unix:/a/../b", "unix:/b:mode=660", "unix:/a"),
        ):
            identity = parse(reactor, text, 10).identity
            self.assertEqual(identity, parse(reactor, same, 20).identity)
            self.assertNotEqual(identity, parse(reactor, other, 10).identity)

    def test_sameFolder(self) -> None:
        """A unix socket is the same in a folder that a link leads to."""
        folder = Path(self.mktemp())
        (folder / "one").mkdir(parents=True)
        (folder / "two").symlink_to("one")
        one, two, other = (
            parse(reactor, f"unix:{folder}/{name}", 10).identity
            for name in ("one/s", "two/s", "s")
        )
        self.assertEqual(one, two)
        self.assertNotEqual(one, other)

    def test_wrong(self) -> None:
        """What is no address is an error that shows the forms."""
        Path("key.pem").write_text("a file that is no key")
        for text in (
            "ssl:0:privateKey=key.pem",
            "ssl:0:privateKey=missing.pem",
            "127.0.0.1",
            "8080",
            ":8080",
            "127.0.0.1:",
            "127.0.0.1:http",
            "127.0.0.1:65536",
            "fd:99999999999999999999",
            "fd:" + "9" * 5000,
            "[127.0.0.1]:80",
            "::1:80",
            "",
            "fd:x",
            "unix:",
            "unix:/a:lockfile=0",
            "unix:/a:mode=abc",
            "tcp:",
            "no.such.host.invalid:80",
        ):
            with self.assertRaises(BadAddress, msg=text) as caught:
                parse(reactor, text, 10)
            self.assertNotIn("Errno", str(caught.exception))
            if text not in ("no.such.host.invalid:80", "ssl:0:privateKey=missing.pem"):
                self.assertIn("HOST:PORT", str(caught.exception), text)

    def test_otherThings(self) -> None:
        """A file of an endpoint string that can be read for ever is not waited for."""
        folder = Path(self.mktemp())
        folder.mkdir()
        os.mkfifo(folder / "a:b")
        for path in (rf"{folder}/a\:b", "/dev/zero"):
            for text in (
                f"ssl:0:privateKey={path}",
                f"haproxy:ssl:0:interface=127.0.0.1:certKey={path}",
            ):
                with self.assertRaises(BadAddress, msg=text) as caught:
                    parse(reactor, text, 10)
                self.assertIn(
                    f"{path.replace(chr(92), '')} is no plain file", str(caught.exception)
                )


class UnixTests(TestCase):
    """
    Unix sockets.
    """

    def setUp(self) -> None:
        # The path of a socket is at most 107 bytes long (unix(7)), and trial's own
        # folder is below the checkout, wherever that is.
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.addCleanup(os.chdir, Path.cwd())
        os.chdir(self.folder)

    def listen(self, text: str) -> Deferred[IListeningPort]:
        """
        Listen there.
        """
        return parse(reactor, text, 10).endpoint.listen(Factory.forProtocol(Protocol))

    async def test_mode(self) -> None:
        """The socket is its owner's alone, unless a mode is given."""
        for text, mode in (("unix:a.sock", 0o600), ("unix:b.sock:mode=660", 0o660)):
            port = await self.listen(text)
            name = text.split(":")[1]
            self.assertEqual(stat.S_IMODE(os.stat(name).st_mode), mode)
            self.assertTrue(is_local(port))
            self.assertEqual(
                parse(reactor, text, 10).url(port), f"unix:{Path(name).absolute()}"
            )
            await maybeDeferred(port.stopListening)
            self.assertFalse(os.path.exists(name))

    async def test_dead(self) -> None:
        """The socket of an agent that was killed is replaced."""
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind("a.sock")
        port = await self.listen("unix:a.sock")
        await maybeDeferred(port.stopListening)

    async def test_alive(self) -> None:
        """A socket that somebody listens on is left alone."""
        port = await self.listen("unix:a.sock")
        failure = self.failureResultOf(self.listen("unix:a.sock"), OSError)
        self.assertIn("somebody listens", str(failure.value))
        self.assertTrue(os.path.exists("a.sock"))
        await maybeDeferred(port.stopListening)

    def test_noSocket(self) -> None:
        """A file that is no socket is left alone."""
        Path("a.sock").write_text("precious")
        self.failureResultOf(self.listen("unix:a.sock"), OSError)
        self.assertEqual(Path("a.sock").read_text(), "precious")
