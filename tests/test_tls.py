"""
Tests of L{smartmob.certificate} and L{smartmob.tls}: files, and handshakes.
"""

from __future__ import annotations

import gc
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from weakref import ref

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.test.iosim import connect, makeFakeClient, makeFakeServer
from twisted.trial.unittest import SynchronousTestCase

from smartmob.certificate import QUIET_SECONDS, BadCertificate, Certificate, Files
from smartmob.tls import HANDSHAKE_SECONDS, secured
from tests.support.certificates import Pair, pair, signed


class FilesCase(SynchronousTestCase):
    """
    A folder with a certificate and its key.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.certfile = self.folder / "cert.pem"
        self.keyfile = self.folder / "key.pem"
        self.first = pair("first")
        self.first.write(self.certfile, self.keyfile)
        self.files = Files(str(self.certfile), str(self.keyfile))
        self.said: list[tuple[LogLevel, str]] = []
        observer = cast(ILogObserver, self._hear)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def _hear(self, event: LogEvent) -> None:
        if event.get("log_namespace") in ("smartmob.tls", "smartmob.certificate"):
            self.said.append((event["log_level"], event["log_format"].format(**event)))

    def bad(self, files: Files) -> str:
        """
        Why these can't be used.
        """
        with self.assertRaises(BadCertificate) as raised:
            Certificate(files)
        return str(raised.exception)


class FilesTests(FilesCase):
    """
    What is read at a start.
    """

    def test_inOne(self) -> None:
        """The key may stand in the file of the certificate, before or behind it."""
        for order in (self.first.pem + self.first.key_pem, self.first.key_pem + self.first.pem):
            self.certfile.write_bytes(order)
            Certificate(Files(str(self.certfile)))

    def test_noKey(self) -> None:
        """Where there is none, and no file of one is named, that is said."""
        self.assertEqual(
            self.bad(Files(str(self.certfile))),
            f"certfile {self.certfile}: has no private key in PEM form, and no keyfile is "
            "named",
        )

    def test_missing(self) -> None:
        """A file that is not there is named."""
        self.assertEqual(
            self.bad(Files("/no/such/file", str(self.keyfile))),
            "certfile /no/such/file: No such file or directory",
        )

    def test_encrypted(self) -> None:
        """A key that nobody can open is said to be one, and nobody is asked."""
        self.keyfile.write_bytes(self.first.encrypted(b"secret"))
        why = self.bad(self.files)
        self.assertIn(f"keyfile {self.keyfile}: the key is encrypted", why)

    def test_foreignKey(self) -> None:
        """Both files are named where the key is of another certificate."""
        self.keyfile.write_bytes(pair("second").key_pem)
        self.assertEqual(
            self.bad(self.files),
            f"keyfile {self.keyfile}: the key is not that of the first certificate in "
            f"{self.certfile}",
        )

    def test_order(self) -> None:
        """A chain that begins with its end is said to be one."""
        leaf = pair("leaf", self.first, authority=False)
        leaf.write(self.certfile, self.keyfile)
        Certificate(self.files)
        self.certfile.write_bytes(self.first.pem + leaf.pem)
        self.assertEqual(
            self.bad(self.files),
            f"keyfile {self.keyfile}: the key is not that of the first certificate in "
            f"{self.certfile}, but of one behind it: the server's own comes first",
        )

    def test_garbage(self) -> None:
        """What is half written, or something else, is no certificate."""
        for data in (b"", b"text", self.first.pem[:-40], self.first.key_pem):
            self.certfile.write_bytes(data)
            self.assertIn("has no certificate in PEM form", self.bad(self.files))

    def test_weak(self) -> None:
        """What OpenSSL does not want to use is refused in its own words."""
        weak = rsa.generate_private_key(65537, 1024)
        pem = serialization.Encoding.PEM
        self.certfile.write_bytes(signed("weak", weak).public_bytes(pem))
        self.keyfile.write_bytes(
            weak.private_bytes(
                pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.assertEqual(self.bad(self.files), f"certfile {self.certfile}: ee key too small")

    def test_garbageOfAuthorities(self) -> None:
        """The file of those who sign is read at once as well."""
        files = Files(str(self.certfile), str(self.keyfile), str(self.keyfile))
        self.assertIn(f"cafile {self.keyfile}: has no certificate", self.bad(files))


class DateTests(FilesCase):
    """
    Certificates that are not valid now.
    """

    def odd(self, first: Pair, *more: Pair, cafile: str | None = None) -> list[str]:
        """
        What is odd about these.
        """
        first.write(self.certfile, self.keyfile, *more)
        files = Files(str(self.certfile), str(self.keyfile), cafile)
        self.assertEqual(
            Certificate(files).refresh(),
            [f"{key} {what}" for key, what in files.load().odd],
        )
        fields = ["certfile", "cafile"]
        self.assertEqual([key for key, _ in files.load().odd], fields[: len(files.load().odd)])
        return [what for _, what in files.load().odd]

    def test_valid(self) -> None:
        """What is valid is not odd."""
        self.assertEqual(self.odd(self.first, pair("root")), [])

    def test_expired(self) -> None:
        """What expired is used, and said to have, and when."""
        end = datetime.now(UTC) - timedelta(days=2)
        [what] = self.odd(pair("old", days=(-3, -2)))
        self.assertTrue(
            what.startswith(f"{self.certfile}: the certificate of CN=old expired on {end:%Y-}"),
            what,
        )
        self.assertTrue(what.endswith(" UTC"))

    def test_early(self) -> None:
        """So is what is not valid yet."""
        [what] = self.odd(pair("new", days=(2, 3)))
        self.assertIn("the certificate of CN=new is not valid before 2", what)

    def test_chain(self) -> None:
        """Those behind it, and those that are trusted, are looked at, too."""
        old = [pair(name, days=(-3, -2)) for name in ("one", "two")]
        cafile = self.folder / "ca.pem"
        cafile.write_bytes(old[1].pem)
        chain, trusted = self.odd(self.first, *old, cafile=str(cafile))
        self.assertTrue(chain.startswith(f"{self.certfile}: the certificate of CN=one expired"))
        self.assertTrue(chain.endswith(" (and 1 more like that)"), chain)
        self.assertTrue(trusted.startswith(f"{cafile}: the certificate of CN=two expired"))


class RefreshTests(FilesCase):
    """
    What is read again.
    """

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.certificate = Certificate(self.files, self.clock.seconds)

    def shown(self) -> str:
        """
        The name on the certificate that the next client is shown.
        """
        factory = Factory.forProtocol(Protocol)
        server = secured(factory, self.certificate, Clock()).buildProtocol(ADDRESS)
        client = TLSMemoryBIOFactory(
            CertificateOptions(), True, Factory.forProtocol(Protocol), Clock()
        ).buildProtocol(ADDRESS)
        pump = connect(
            server, makeFakeServer(server), client, makeFakeClient(client), greet=False
        )
        pump.flush()
        name = client.getPeerCertificate().get_subject().CN
        assert isinstance(name, str)
        return name

    def test_renewed(self) -> None:
        """A pair that was replaced is what the next client is shown."""
        self.assertEqual(self.shown(), "first")
        pair("second").write(self.certfile, self.keyfile)
        self.assertEqual(self.shown(), "second")
        self.assertEqual(
            self.said, [(LogLevel.info, f"using the new certificate in {self.certfile}")]
        )

    def test_halfWay(self) -> None:
        """
        While files belong to different certificates the one before is shown; that is
        said once, and the new one used when it is whole.
        """
        second = pair("second")
        self.certfile.write_bytes(second.pem)
        for _ in range(3):
            self.assertEqual(self.shown(), "first")
        self.assertEqual(self.certificate.refresh(), self.certificate.refresh())
        [(level, text)] = self.said
        self.assertEqual(level, LogLevel.warn)
        self.assertIn(f"keyfile {self.keyfile}: the key is not that", text)
        self.keyfile.write_bytes(second.key_pem)
        self.assertEqual(self.shown(), "second")
        self.assertEqual(self.certificate.refresh(), [])

    def test_renewedTooLate(self) -> None:
        """A new one that is not valid is used, and that is said."""
        pair("second", days=(-3, -2)).write(self.certfile, self.keyfile)
        for _ in range(2):
            self.assertEqual(self.shown(), "second")
        [_, (level, text)] = self.said
        self.assertEqual(level, LogLevel.warn)
        self.assertIn("the certificate of CN=second expired on ", text)

    def test_each(self) -> None:
        """Each change that is no good is said, and each once."""
        self.keyfile.unlink()
        self.shown()
        self.shown()
        self.certfile.write_bytes(b"text")
        self.shown()
        self.shown()
        self.assertEqual([level for level, _ in self.said], [LogLevel.warn] * 2)
        self.assertIn("No such file", self.said[0][1])
        self.assertIn("no certificate in PEM form", self.said[1][1])
        self.first.write(self.certfile, self.keyfile)
        self.assertEqual(self.shown(), "first")

    def test_overAndOver(self) -> None:
        """
        The same is said once a minute, however often files are half written; and then if
        they still are.
        """
        for _ in range(20):
            self.certfile.write_bytes(b"")
            self.shown()
            self.first.write(self.certfile, self.keyfile)
            self.shown()
        warned = [text for level, text in self.said if level is LogLevel.warn]
        self.assertEqual(len(warned), 1, warned)
        self.certfile.write_bytes(b"")
        for times in (1, 2, 2):
            self.shown()
            warned = [text for level, text in self.said if level is LogLevel.warn]
            self.assertEqual(len(warned), times, warned)
            self.clock.advance(QUIET_SECONDS)

    def test_otherThings(self) -> None:
        """What became something that can be read for ever is not waited for."""
        for path in (self.certfile, self.keyfile):
            path.unlink()
            os.mkfifo(path)
            self.assertEqual(self.shown(), "first")
            path.unlink()
            path.symlink_to("/dev/zero")
            self.assertEqual(self.shown(), "first")
            self.first.write(self.certfile, self.keyfile)
            self.assertEqual(self.shown(), "first")
        warned = [text for level, text in self.said if level is LogLevel.warn]
        self.assertTrue(warned)
        for text in warned:
            self.assertIn(": is no plain file; the certificate before is still used", text)

    def test_link(self) -> None:
        """A link that leads elsewhere is a change, too."""
        second = pair("second")
        (self.folder / "new").mkdir()
        second.write(self.folder / "new" / "cert.pem", self.folder / "new" / "key.pem")
        for path in (self.certfile, self.keyfile):
            path.unlink()
            path.symlink_to(Path("new") / path.name)
        self.assertEqual(self.shown(), "second")


ADDRESS = IPv4Address("TCP", "127.0.0.1", 40000)


class Inner(Protocol):
    """
    What is secured.
    """

    made = False
    lost: Failure | None = None
    received = b""

    def connectionMade(self) -> None:
        """
        There are keys.
        """
        self.made = True

    def dataReceived(self, data: bytes) -> None:
        """
        The client said something.
        """
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The end.
        """
        self.lost = reason


class Transport(StringTransportWithDisconnection):
    """
    A connection that can be cut.
    """

    def abortConnection(self) -> None:
        """
        Close at once.
        """
        self.loseConnection()


class HandshakeTests(FilesCase):
    """
    What comes before HTTP.
    """

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.built: list[Inner] = []
        self.factory = Factory.forProtocol(self.build)

    def build(self) -> Inner:
        """
        As a factory does it.
        """
        self.built.append(Inner())
        return self.built[-1]

    def made(self, files: Files | None = None) -> IProtocol:
        """
        The server's side of a connection.
        """
        factory = secured(self.factory, Certificate(files or self.files), self.clock)
        server = factory.buildProtocol(ADDRESS)
        assert server is not None
        return server

    def serve(self, files: Files | None = None) -> None:
        """
        Wait for a client that is made by hand.
        """
        self.server = self.made(files)
        self.transport = Transport()
        self.transport.protocol = self.server
        self.server.makeConnection(self.transport)

    def shake(self, context: SSL.Context) -> SSL.Connection:
        """
        A client that has sent its first message, and got the answer to it.
        """
        client = SSL.Connection(context)
        client.set_connect_state()
        with self.assertRaises(SSL.WantReadError):
            client.do_handshake()
        self.server.dataReceived(client.bio_read(1 << 16))
        client.bio_write(self.transport.value())
        return client

    def talk(self, options: CertificateOptions, files: Files | None = None) -> Inner:
        """
        Have a client shake hands, and say something.
        """
        client = Inner()
        factory = Factory.forProtocol(lambda: client)
        tls = TLSMemoryBIOFactory(options, True, factory, self.clock).buildProtocol(ADDRESS)
        server = self.made(files)
        pump = connect(
            server,
            makeFakeServer(server),
            tls,
            makeFakeClient(tls),
            greet=False,
            clock=self.clock,
        )
        tls.write(b"hello")
        self.clock.advance(0)
        pump.flush()
        self.clock.advance(0)
        pump.flush()
        return client

    def test_keys(self) -> None:
        """Nothing is made for a client before there are keys, and then it has all of it."""
        self.serve()
        self.shake(SSL.Context(SSL.TLS_CLIENT_METHOD))
        self.assertEqual(self.built, [])
        self.transport.loseConnection()
        self.talk(CertificateOptions())
        [inner] = self.built
        self.assertTrue(inner.made)
        self.assertEqual(inner.received, b"hello")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nobodyThere(self) -> None:
        """Where nothing is made for a client it is cut."""
        self.factory.buildProtocol = lambda addr: None  # type: ignore[method-assign] # as a factory may
        client = self.talk(CertificateOptions())
        self.assertEqual(client.received, b"")
        self.assertIsNotNone(client.lost)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_silent(self) -> None:
        """A client that does not shake hands is let go."""
        self.serve()
        self.clock.advance(HANDSHAKE_SECONDS - 1)
        self.assertTrue(self.transport.connected)
        self.clock.advance(1)
        self.assertFalse(self.transport.connected)
        self.assertEqual(self.built, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_slow(self) -> None:
        """A byte now and then gives it no more time."""
        self.serve()
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)
        for at in range(int(HANDSHAKE_SECONDS) - 1):
            self.clock.advance(1)
            self.server.dataReceived(hello[at : at + 1])
        self.assertTrue(self.transport.connected)
        self.clock.advance(1)
        self.assertFalse(self.transport.connected)

    def test_gone(self) -> None:
        """A client that goes leaves no timer."""
        self.serve()
        self.transport.loseConnection()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.said, [])

    def test_letGo(self) -> None:
        """Nothing is kept of a client that is gone, nor of one that is sent away."""
        for seconds in (0.0, HANDSHAKE_SECONDS):
            self.serve()
            self.server.dataReceived(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            kept = ref(self.server)
            gc.disable()
            self.addCleanup(gc.enable)
            self.clock.advance(seconds)
            self.transport.loseConnection()
            del self.server, self.transport.protocol, self.transport
            self.assertIsNone(kept())

    def test_plain(self) -> None:
        """HTTP without TLS just ends, and is said to those who want to know."""
        self.serve()
        self.server.dataReceived(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertFalse(self.transport.connected)
        self.assertEqual(self.built, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.said, [(LogLevel.info, "no TLS with 192.168.1.1: http request")])

    def test_old(self) -> None:
        """A client that knows nothing newer than TLS 1.1 is refused."""
        self.serve()
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(SSL.TLS1_1_VERSION)
        context.set_cipher_list(b"ALL:@SECLEVEL=0")
        self.shake(context)
        self.assertFalse(self.transport.connected)
        self.assertEqual(self.built, [])

    def test_ciphers(self) -> None:
        """What is agreed on has keys that are thrown away, and is authenticated."""
        context = self.files.load().context
        names = SSL.Connection(context).get_cipher_list()
        self.assertTrue(names)
        for name in names:
            self.assertRegex(name, "^(TLS_|ECDHE-).*(GCM|CHACHA20)")
        for cipher in (b"AES128-GCM-SHA256", b"ECDHE-RSA-AES128-SHA", b"DHE:!ECDHE", b"aNULL"):
            self.serve()
            client = SSL.Context(SSL.TLS_CLIENT_METHOD)
            client.set_max_proto_version(SSL.TLS1_2_VERSION)
            client.set_cipher_list(cipher + b":@SECLEVEL=0")
            self.shake(client)
            self.assertFalse(self.transport.connected, cipher)
            self.assertEqual(self.built, [])

    def test_renegotiation(self) -> None:
        """Keys are agreed on once: to do it again is for others to want, and costs much."""
        self.serve()
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        client = self.shake(context)
        with self.assertRaises(SSL.WantReadError):
            client.do_handshake()
        self.transport.clear()
        self.server.dataReceived(client.bio_read(1 << 16))
        client.bio_write(self.transport.value())
        client.do_handshake()
        self.assertTrue(client.renegotiate())
        self.transport.clear()
        with self.assertRaises(SSL.WantReadError):
            client.do_handshake()
        self.server.dataReceived(client.bio_read(1 << 16))
        client.bio_write(self.transport.value())
        with self.assertRaisesRegex(SSL.Error, "no renegotiation"):
            client.do_handshake()

    def trusting(self, *trusted: Pair) -> Files:
        """
        Clients need a certificate that one of these signed.
        """
        cafile = self.folder / "ca.pem"
        cafile.write_bytes(b"".join(each.pem for each in trusted))
        return Files(str(self.certfile), str(self.keyfile), str(cafile))

    def test_clientCertificates(self) -> None:
        """Who shows a certificate that any of those in the file signed is let in."""
        authorities = pair("one"), pair("two")
        for authority in authorities:
            shown = pair("client", authority, authority=False).loaded.options()
            self.talk(shown, self.trusting(*authorities))
            self.assertEqual(self.built.pop().received, b"hello")

    def test_intermediate(self) -> None:
        """One that was signed by others may be trusted alone, or be shown by the client."""
        root = pair("root")
        between = pair("between", root)
        client = pair("client", between, authority=False)
        self.talk(client.loaded.options(), self.trusting(between))
        self.assertEqual(self.built.pop().received, b"hello")
        options = CertificateOptions(
            privateKey=client.loaded.privateKey.original,
            certificate=client.loaded.original,
            extraCertChain=[between.loaded.original],
        )
        self.talk(options, self.trusting(root))
        self.assertEqual(self.built.pop().received, b"hello")

    def test_strangers(self) -> None:
        """Who shows none, or another's, gets no HTTP at all."""
        authority = pair("one")
        for options, why in (
            (CertificateOptions(), "peer did not return a certificate"),
            (pair("client").loaded.options(), "certificate verify failed"),
        ):
            self.said.clear()
            client = self.talk(options, self.trusting(authority))
            self.assertEqual(self.built, [])
            self.assertEqual(client.received, b"")
            self.assertIsNotNone(client.lost)
            [(level, text)] = self.said
            self.assertEqual(level, LogLevel.info)
            self.assertIn(why, text)

    def test_asked(self) -> None:
        """Clients are told whose certificates are wanted."""
        self.serve(self.trusting(pair("one"), pair("two")))
        asked: list[str | None] = []

        def look(connection: SSL.Connection, where: int, value: int) -> None:
            asked[:] = [each.CN for each in connection.get_client_ca_list()]

        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_info_callback(look)
        client = self.shake(context)
        client.do_handshake()
        self.assertEqual(asked, ["one", "two"])

    def test_chain(self) -> None:
        """What leads to a certificate that clients know is shown with it."""
        root = pair("root")
        between = pair("between", root)
        pair("leaf", between, authority=False).write(self.certfile, self.keyfile, between)
        self.serve()
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        client = self.shake(context)
        client.do_handshake()
        chain = client.get_peer_cert_chain() or []
        self.assertEqual([each.get_subject().CN for each in chain], ["leaf", "between"])

    def test_alpn(self) -> None:
        """HTTP/1.1 is agreed on where clients ask; where others are offered, nothing is."""
        for offered, agreed in (
            ([b"h2", b"http/1.1"], b"http/1.1"),
            ([b"http/1.1"], b"http/1.1"),
            ([b"h2"], b""),
        ):
            self.serve()
            context = SSL.Context(SSL.TLS_CLIENT_METHOD)
            context.set_alpn_protos(offered)
            client = self.shake(context)
            client.do_handshake()
            self.assertEqual(client.get_alpn_proto_negotiated(), agreed)
