"""Trusts a server by the fingerprint of one certificate: its own, or its authority's.

A server may send any certificates it likes: an authority's is public, and is part of the chain of
every server that it vouches for. The proof depends on which certificate has the fingerprint:

- *The server's own.* The handshake proves that the server has its key. Nothing else is asked,
  neither names nor dates.
- *Another one of those sent.* Sending it proves nothing. It becomes the only authority that is
  trusted, and a second handshake checks everything: the signatures down to the server's own
  certificate, its dates, and the name of the host.

A handshake without a request tells which of the two it is, before the first request and again
after TLS failed. Nothing that it brings is believed except the certificate with the fingerprint
itself.
"""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from hashlib import sha256
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

from urllib3 import HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, SSLError

if TYPE_CHECKING:
    from collections.abc import Callable

    from urllib3.response import BaseHTTPResponse

__all__ = ["Pin", "PinnedPool", "leave_addresses_to_urllib3", "sent_certificates"]


class Pin(NamedTuple):
    """The certificate that is trusted, and the one that is shown."""

    fingerprint: str
    """SHA-256, in lower-case hex."""
    client_certificate: str | None = None
    client_key: str | None = None

    def context(self, host: str, *authorities: bytes) -> ssl.SSLContext:
        """Return TLS settings that trust these certificates (DER) of `host` and no other.

        Without any, they trust whoever answers.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if authorities:
            leave_addresses_to_urllib3(context, host)
            context.load_verify_locations(cadata=b"".join(authorities))
            # So that an intermediate authority can be trusted, too: its own issuer is none of our
            # affair.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.client_certificate:
            context.load_cert_chain(self.client_certificate, self.client_key)
        return context

    def options(self, host: str, certificates: list[bytes]) -> dict[str, Any]:
        """Return what makes a pool of urllib3's trust the certificate with the fingerprint.

        Args:
            host: The server's name or address.
            certificates: Those that a server sent, its own first.

        Raises:
            SSLError: none of them has it.
        """
        fingerprints = [sha256(certificate).hexdigest() for certificate in certificates]
        if self.fingerprint == fingerprints[0]:
            return {
                "cert_reqs": "CERT_NONE",
                "assert_fingerprint": self.fingerprint,
                "assert_hostname": False,
                "ssl_context": self.context(host),
            }
        # Servers that a public authority vouches for do not send its certificate.
        here = ssl.create_default_context().get_ca_certs(binary_form=True)
        known = {
            sha256(certificate).hexdigest(): certificate for certificate in (*certificates, *here)
        }
        if self.fingerprint not in known:
            shown = ", ".join(fingerprints[:3])
            raise SSLError(
                f"none of the server's certificates has the given fingerprint; it sent those with "
                f"{shown}"
            )
        return {
            "cert_reqs": "CERT_REQUIRED",
            "ssl_context": self.context(host, known[self.fingerprint]),
        }


class PinnedPool:
    """As much of a pool of urllib3's as a node needs, for a server known by a fingerprint."""

    def __init__(self, pin: Pin, host: str, port: int, idle: Callable[[], Any]) -> None:
        """Prepare connections; nothing is connected before the first request.

        Args:
            pin: What is trusted.
            host: A name or an address, with or without brackets.
            port: Its port.
            idle: Makes what holds connections between two requests, in place of urllib3's queue.
        """
        self._pin = pin
        self._address = host.strip("[]"), port
        self._idle = idle
        self._pool: HTTPSConnectionPool | None = None

    def urlopen(self, method: str, url: str, *, timeout: float, **options: Any) -> BaseHTTPResponse:
        """Ask a server that proves to be the one; `timeout` in seconds."""
        deadline = time.monotonic() + timeout
        pool = self._pool or self._open(timeout)
        try:
            return pool.urlopen(
                method, url, timeout=max(0.001, deadline - time.monotonic()), **options
            )
        except SSLError as error:
            self.close()  # it may show another of its certificates from now on
            raise SSLError(
                f"the certificate with the given fingerprint does not vouch for this server: "
                f"{error}"
            ) from None

    def close(self) -> None:
        """Close idle connections, and find out anew what to trust before the next request."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _open(self, timeout: float) -> HTTPSConnectionPool:
        host, port = self._address
        self._pool = HTTPSConnectionPool(
            host,
            port,
            block=False,
            **self._pin.options(
                host, sent_certificates(host, port, self._pin.context(host), timeout)
            ),
        )
        self._pool.pool = self._idle()
        return self._pool


def leave_addresses_to_urllib3(context: ssl.SSLContext, host: str) -> None:
    """Let urllib3 compare a certificate with a host that is an IP address, as it does by itself.

    urllib3 1 tells OpenSSL no address, which then could not compare.
    """
    with suppress(ValueError):
        ip_address(host)
        context.check_hostname = False


def sent_certificates(host: str, port: int, context: ssl.SSLContext, timeout: float) -> list[bytes]:
    """Return the certificates (DER) that a server sends in a handshake, its own first.

    Nothing is sent to it after that. Before Python 3.13 the method has no public name; where
    neither name is there, only the server's own certificate is known.
    """
    try:
        with (
            socket.create_connection((host, port), timeout) as plain,
            context.wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            own = wrapped.getpeercert(binary_form=True) or b""
            read = getattr(wrapped, "get_unverified_chain", None) or getattr(
                getattr(wrapped, "_sslobj", None), "get_unverified_chain", None
            )
            return list(dict.fromkeys([own, *map(_der, (read and read()) or ())]))
    except TimeoutError as error:
        raise ConnectTimeoutError(str(error)) from error
    except ssl.SSLError as error:
        raise SSLError(error) from error


def _der(certificate: Any) -> bytes:
    return (
        certificate
        if isinstance(certificate, bytes)
        else ssl.PEM_cert_to_DER_cert(certificate.public_bytes())
    )
