"""Certificate authorities, honest and forged, and what a server shows of them."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = IPv4Address("127.0.0.1")
NOW = datetime.now(timezone.utc)
DAY = timedelta(days=1)


class Identity(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as Elasticsearch prints it."""
        return sha256(self.der).hexdigest()

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def forged(self) -> Identity:
        """Another key under the same name and key identifier:

        what an attacker makes of a certificate that he has seen.
        """
        return _signed(self.certificate.subject, self.certificate.extensions, None)

    def authority(self, name: str) -> Identity:
        """An authority below this one."""
        return _signed(_name(name), _authority_extensions(name), self)

    def server(self, host: IPv4Address | str = HERE, *, expired: bool = False) -> Identity:
        """A server's certificate, signed by this one."""
        names: x509.GeneralName = (
            x509.DNSName(host) if isinstance(host, str) else x509.IPAddress(host)
        )
        extensions = [
            x509.Extension(
                x509.SubjectAlternativeName.oid,
                critical=False,
                value=x509.SubjectAlternativeName([names]),
            ),
            x509.Extension(
                x509.BasicConstraints.oid,
                critical=True,
                value=x509.BasicConstraints(ca=False, path_length=None),
            ),
        ]
        return _signed(_name("es"), extensions, self, expired=expired)


def authority(name: str = "Elasticsearch security auto-configuration HTTP CA") -> Identity:
    """An authority of its own."""
    return _signed(_name(name), _authority_extensions(name), None)


def shown(leaf: Identity, *others: Identity) -> ssl.SSLContext:
    """A server that shows its own certificate, and these after it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    show(context, leaf, *others)
    return context


def show(context: ssl.SSLContext, leaf: Identity, *others: Identity) -> None:
    """Let a server that runs show other certificates from its next connection on."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "server.pem"
        file.write_bytes(leaf.key_pem + b"".join(identity.pem for identity in (leaf, *others)))
        context.load_cert_chain(file)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _authority_extensions(name: str) -> Sequence[x509.Extension[x509.ExtensionType]]:
    return [
        x509.Extension(
            x509.BasicConstraints.oid,
            critical=True,
            value=x509.BasicConstraints(ca=True, path_length=None),
        ),
        x509.Extension(
            x509.SubjectKeyIdentifier.oid,
            critical=False,
            value=x509.SubjectKeyIdentifier(sha256(name.encode()).digest()[:20]),
        ),
    ]


def _signed(
    name: x509.Name,
    extensions: Sequence[x509.Extension[x509.ExtensionType]] | x509.Extensions,
    by: Identity | None,
    *,
    expired: bool = False,
) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by.certificate.subject if by else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 30 * DAY)
        .not_valid_after(NOW - DAY if expired else NOW + 30 * DAY)
    )
    for extension in extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    if by:
        identifier = by.certificate.extensions.get_extension_for_class(
            x509.SubjectKeyIdentifier
        ).value
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
    return Identity(builder.sign(by.key if by else key, hashes.SHA256()), key)
