"""
Certificates for servers of tests, and for their clients.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from twisted.internet.ssl import PrivateCertificate


@frozen
class Pair:
    """
    A certificate, and its key.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """
        The certificate alone.
        """
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """
        The key alone.
        """
        return self.encrypted(None)

    def encrypted(self, passphrase: bytes | None) -> bytes:
        """
        The key, readable to those who know this.
        """
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase is not None:
            encryption = serialization.BestAvailableEncryption(passphrase)
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )

    @property
    def loaded(self) -> PrivateCertificate:
        """
        Both, as Twisted has them.
        """
        both: PrivateCertificate = PrivateCertificate.loadPEM(self.pem + self.key_pem)
        return both

    def write(self, certfile: Path, keyfile: Path, *chain: Pair) -> None:
        """
        Put both there, each at once.

        @param chain: Goes behind the certificate.
        """
        for path, data in (
            (keyfile, self.key_pem),
            (certfile, self.pem + b"".join(each.pem for each in chain)),
        ):
            new = path.with_suffix(".new")
            new.write_bytes(data)
            new.rename(path)


def pair(
    name: str,
    signer: Pair | None = None,
    *,
    authority: bool = True,
    days: tuple[int, int] = (-1, 1),
) -> Pair:
    """
    A new certificate.

    @param name: Its common name, and the host it is for.
    @param signer: Who signs it; C{None}: itself.
    @param authority: It may sign others.
    @param days: Since when and until when it is valid, from now.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    return Pair(signed(name, key, signer, authority=authority, days=days), key)


def signed(
    name: str,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    signer: Pair | None = None,
    *,
    authority: bool = True,
    days: tuple[int, int] = (-1, 1),
) -> x509.Certificate:
    """
    A certificate for a key; else see L{pair}.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if signer is None else signer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(key if signer is None else signer.key, hashes.SHA256())
    )


def own_certificate(host: str) -> PrivateCertificate:
    """
    A certificate for a host, signed by nobody else, and its key.
    """
    return pair(host).loaded
