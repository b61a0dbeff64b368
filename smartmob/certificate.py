"""
What a server shows by TLS, and whom it believes: files that are read again when they
change.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import frozen
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from OpenSSL.crypto import X509, X509StoreFlags
from OpenSSL.crypto import Error as Unreadable
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from smartmob.plain_files import read

_log = Logger()

CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"
"""With forward secrecy and authenticated, for TLS 1.2; those of 1.3 all are."""

_MOST_BYTES = 4 << 20
"""A file may have so many: more than all that a system trusts."""

QUIET_SECONDS = 60.0
"""After a warning, in which it is not said again."""

_DATE = "%Y-%m-%d %H:%M UTC"
_LONGEST_NAME = 100
_ORDER = ", but of one behind it: the server's own comes first"


class BadCertificate(Exception):
    """
    Files can't be used; the message names which, and why.

    @ivar key: The name of the field of L{Files} that it is about ...
    @ivar why: ... and the message without it.
    """

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key} {why}")
        self.key = key
        self.why = why


@frozen
class Files:
    """
    What a server shows, and whom it believes; all of it PEM.

    @ivar certfile: The server's certificate, then those that lead to the one that
        clients know.
    @ivar keyfile: Its key; C{None}: that is in C{certfile} too.
    @ivar cafile: Clients have to show a certificate that one of these signed;
        C{None}: they need none.
    """

    certfile: str
    keyfile: str | None = None
    cafile: str | None = None

    def stamps(self) -> tuple[object, ...]:
        """
        What is another once a file was changed, or another took its place.
        """
        return tuple(
            _stamp(path) for path in (self.certfile, self.keyfile, self.cafile) if path
        )

    def load(self) -> Loaded:
        """
        @raise BadCertificate: They can't be used.
        """
        certificate, *chain = _certificates("certfile", self.certfile)
        key_name, key_path = "keyfile", self.keyfile
        if key_path is None:
            key_name, key_path = "certfile", self.certfile
        key = _key(key_name, key_path)
        if key.public_key() != _public(certificate):
            later = any(key.public_key() == _public(each) for each in chain)
            raise BadCertificate(
                key_name,
                f"{key_path}: the key is not that of the first certificate in {self.certfile}"
                f"{_ORDER if later else ''}",
            )
        context = _context()
        try:
            context.use_certificate(certificate)
            for each in chain:
                context.add_extra_chain_cert(each)
            context.use_privatekey(key)  # type: ignore[arg-type] # others it refuses
        except (SSL.Error, Unreadable, TypeError) as error:
            raise BadCertificate(
                "certfile", f"{self.certfile}: {openssl_says(error)}"
            ) from None
        odd = _out_of_date("certfile", self.certfile, (certificate, *chain))
        if self.cafile is not None:
            trusted = _certificates("cafile", self.cafile)
            try:
                _ask_for(context, trusted)
            except (SSL.Error, Unreadable) as error:
                raise BadCertificate(
                    "cafile", f"{self.cafile}: {openssl_says(error)}"
                ) from None
            odd += _out_of_date("cafile", self.cafile, trusted)
        return Loaded(context, odd)


@frozen
class Loaded:
    """
    What files were read as.

    @ivar odd: Pairs of the name of a field of L{Files} and what is odd about it, though
        it can be used.
    """

    context: SSL.Context
    odd: tuple[tuple[str, str], ...]


@implementer(IOpenSSLServerConnectionCreator)
class Certificate:
    """
    What a server shows, as its files now are.

    They are looked at when a client connects.  Files that can't be used, for they are
    half written or belong to different keys, leave everything as it was.
    """

    def __init__(self, files: Files, seconds: Callable[[], float] = time.monotonic) -> None:
        """
        @param seconds: A clock.
        @raise BadCertificate: They can't be used.
        """
        self.files = files
        self._seconds = seconds
        self._stamps = files.stamps()
        self._context = files.load().context
        self._untold: list[str] = []
        self._told: dict[str, float] = {}

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """
        See L{IOpenSSLServerConnectionCreator}.
        """
        if self.files.stamps() != self._stamps:  # which is so once a change
            self._untold = self.refresh()
        if self._untold:
            self._tell(self._untold)
        return SSL.Connection(self._context)

    def refresh(self) -> list[str]:
        """
        Read the files again.

        @return: Why they can't be used, so that the ones before still are; or what is odd
            about them.
        """
        # Taken before, so that what changes meanwhile is read once more.
        changed = self._stamps != (stamps := self.files.stamps())
        self._stamps = stamps
        self._untold = []
        try:
            loaded = self.files.load()
        except BadCertificate as error:
            return [f"{error}; the certificate before is still used"]
        self._context = loaded.context
        if changed:
            _log.info("using the new certificate in {path}", path=self.files.certfile)
        return [f"{key} {what}" for key, what in loaded.odd]

    def _tell(self, whys: list[str]) -> None:
        """
        Say these, but for what was said a moment ago: who writes a file piece by piece,
        and over and over, has each piece read while clients come.
        """
        now = self._seconds()
        recent = {said: at for said, at in self._told.items() if now - at < QUIET_SECONDS}
        self._untold = [why for why in whys if why in recent]
        for why in whys:
            if why not in recent:
                _log.warn("{why}", why=why)
                recent[why] = now
        self._told = recent


def _stamp(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _read(name: str, path: str) -> bytes:
    try:
        return read(path, _MOST_BYTES)
    except OSError as error:
        raise BadCertificate(name, f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise BadCertificate(name, f"{path}: {error}") from None


def _certificates(name: str, path: str) -> list[x509.Certificate]:
    """
    All of a file, at least one.
    """
    try:
        found = x509.load_pem_x509_certificates(_read(name, path))
    except ValueError:
        raise BadCertificate(name, f"{path}: has no certificate in PEM form") from None
    except x509.InvalidVersion as error:
        raise BadCertificate(name, f"{path}: {error}") from None
    try:
        for certificate in found:  # each reads its fields when they are asked for
            _about(certificate)
    except ValueError:
        raise BadCertificate(name, f"{path}: has a certificate that is damaged") from None
    return found


def _public(certificate: x509.Certificate) -> object:
    """
    The key of a certificate; C{None}: it is damaged, or of a kind that nothing is known of.
    """
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None


def _out_of_date(
    name: str, path: str, certificates: Sequence[x509.Certificate]
) -> tuple[tuple[str, str], ...]:
    """
    Those that clients do not believe, or that they are not believed with, now.
    """
    now = datetime.now(UTC)
    found = []
    for certificate in certificates:
        which, begin, end = _about(certificate)
        if end < now:
            found.append(f"{which} expired on {end:{_DATE}}")
        elif begin > now:
            found.append(f"{which} is not valid before {begin:{_DATE}}")
    if not found:
        return ()
    more = "" if len(found) == 1 else f" (and {len(found) - 1} more like that)"
    return ((name, f"{path}: {found[0]}{more}"),)


def _about(certificate: x509.Certificate) -> tuple[str, datetime, datetime]:
    """
    Whose a certificate is, in a sentence, and from when to when it is valid.

    @raise ValueError: It is damaged.
    """
    subject = certificate.subject.rfc4514_string()[:_LONGEST_NAME]
    which = f"the certificate of {subject}" if subject else "a certificate"
    return which, certificate.not_valid_before_utc, certificate.not_valid_after_utc


def _key(name: str, path: str) -> PrivateKeyTypes:
    data = _read(name, path)
    try:
        return load_pem_private_key(data, None)
    except TypeError:
        raise BadCertificate(
            name,
            f"{path}: the key is encrypted, and there is nobody to ask for its "
            "passphrase; openssl pkey -in FILE -out FILE2 writes it without one",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        hint = ", and no keyfile is named" if name == "certfile" else ""
        raise BadCertificate(name, f"{path}: has no private key in PEM form{hint}") from None


def _context() -> SSL.Context:
    """
    What is agreed on with clients, whatever the certificate.

    It is not made by Twisted, which would not tell clients whose certificates are
    wanted, and agrees on ciphers without forward secrecy.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(CIPHERS)
    context.set_options(
        SSL.OP_NO_COMPRESSION
        | SSL.OP_NO_RENEGOTIATION
        | SSL.OP_NO_TICKET
        | SSL.OP_CIPHER_SERVER_PREFERENCE
    )
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    # Who was let in once shows the certificate again: the trusted ones may be others.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(
        b"smartmob"
    )  # without, some resumptions fail, not only do not happen
    context.set_alpn_select_callback(_choose)
    return context


def _choose(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """
    HTTP/1.1 alone: the bounds and the gate are those of its channel.
    """
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def _ask_for(context: SSL.Context, trusted: list[x509.Certificate]) -> None:
    """
    Have clients show a certificate, and tell them by whom.  What is listed is trusted
    by itself, though others may have signed it.
    """
    store = context.get_cert_store()
    assert store is not None, "a context has one"
    for certificate in trusted:
        store.add_cert(X509.from_cryptography(certificate))
        context.add_client_ca(certificate)
    store.set_flags(X509StoreFlags.PARTIAL_CHAIN)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)


def openssl_says(error: Exception) -> str:
    """
    OpenSSL's own words.
    """
    if (
        isinstance(error, SSL.Error | Unreadable)
        and error.args
        and isinstance(error.args[0], list)
    ):
        return "; ".join(reason for *_, reason in error.args[0]) or "the connection ended"
    return str(error)
