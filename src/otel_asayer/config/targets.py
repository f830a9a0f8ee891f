"""Which hosts may learn a session id: a parsed list of targets, and the host of a URL.

A target is a host name, `*.suffix` (the domain's own name excluded), an address or CIDR block,
`internal`, or `*`.

Anything doubtful is not a target, because parsers differ, and another one sends the request: a URL
with a backslash or with characters outside ASCII, or a host whose last label is a number
(`2130706433`, `0x7f.1`: other spellings of addresses).

Clouds' metadata services are never `internal`, under any name: they belong to the cloud, and give
out credentials. Most are in the link-local range, none of which is `internal`. A single label with
a dot at its end is a name of the public root, not of this network.
"""

from __future__ import annotations

import re
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["INTERNAL", "Targets", "host_of"]

INTERNAL: Final = "internal"

_INTERNAL_SUFFIXES: Final = (".internal", ".local", ".svc", ".cluster.local", ".localhost")
_INTERNAL_NETWORKS: Final = (
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
)
# Names of metadata services that would count as `internal`; GCE and EC2 complete the last two.
_METADATA_NAMES: Final = (
    "metadata.google.internal",
    "instance-data.ec2.internal",
    "metadata",
    "instance-data",
)
# Networks of AWS's and Google's own services, and addresses of Scaleway's and Linode's.
_METADATA_NETWORKS: Final = (
    "fd00:ec2::/32",
    "fd20:ce::/32",
    "fd00:42::42/128",
    "fd00:a9fe:a9fe::1/128",
)
_HOST: Final = r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*"
_NUMERIC_LABEL: Final = r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)"
_SCHEME: Final = r"[a-zA-Z][a-zA-Z0-9+.-]*://"
# Visible ASCII without / ? # backslash and brackets, at which parsers differ
_USER: Final = r"(?:[!\"$-.0->@-Z^-~]*@)?"
_ADDRESS_OR_NAME: Final = r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})"
_AUTHORITY: Final = _SCHEME + _USER + _ADDRESS_OR_NAME + r"(?::[0-9]{0,5})?(?=[/?#]|\Z)"
_CACHE_SIZE: Final = 1024


def host_of(url: str) -> str | None:
    r"""Return the host of `url`, or None where two parsers could disagree about it.

    >>> host_of("http://cart.shop.svc:8080/items")
    'cart.shop.svc'
    >>> host_of("http://evil.example\\@cart/")
    """
    match = _authority().match(url)
    return match and match[1].strip("[]")


@cache
def _authority() -> re.Pattern[str]:
    """Compile the pattern on first use: every process loads this module."""
    return re.compile(_AUTHORITY)


class Targets:
    """A parsed list of targets; an empty one allows no host.

    Equal lists are equal, whatever they have been asked. No dataclass: to make one takes a
    millisecond, in every process.
    """

    __slots__ = ("_everything", "_internal", "_known", "_names", "_networks", "_suffixes")

    def __init__(
        self,
        names: frozenset[str] = frozenset(),
        suffixes: tuple[str, ...] = (),
        networks: tuple[IPv4Network | IPv6Network, ...] = (),
        *,
        internal: bool = False,
        everything: bool = False,
    ) -> None:
        self._names = names
        self._suffixes = suffixes
        self._networks = networks
        self._internal = internal
        self._everything = everything
        self._known: dict[str, bool] = {}

    @classmethod
    def parse(cls, text: str) -> Targets:
        """Return the targets that `text` lists, comma-separated.

        Raises:
            ValueError: an entry has none of the forms; the message names it.
        """
        names: set[str] = set()
        suffixes: list[str] = []
        networks: list[IPv4Network | IPv6Network] = []
        entries = [entry for part in text.split(",") if (entry := part.strip().lower())]
        for entry in entries:
            name = entry.rstrip(".")  # a fully qualified name may end in one; "*." is no "*"
            if name.startswith("*.") and _is_name(name[2:]):
                suffixes.append(name[1:])
            elif entry in ("*", INTERNAL):
                continue
            elif _is_name(name):
                names.add(name)
            else:
                networks.append(_network(entry))
        return cls(
            frozenset(names),
            tuple(suffixes),
            tuple(networks),
            internal=INTERNAL in entries,
            everything="*" in entries,
        )

    def __str__(self) -> str:
        """The list as `parse` reads it."""
        return ",".join(
            [
                *sorted(self._names),
                *(f"*{suffix}" for suffix in self._suffixes),
                *map(str, self._networks),
                *[INTERNAL] * self._internal,
                *["*"] * self._everything,
            ]
        )

    def __repr__(self) -> str:
        """The list, for messages of tests and logs."""
        return f"Targets.parse({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        """Whether both allow the same, by the same entries in the same order."""
        return self._values() == other._values() if isinstance(other, Targets) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())

    def _values(self) -> tuple[object, ...]:
        return self._names, self._suffixes, self._networks, self._internal, self._everything

    def allow(self, host: str) -> bool:
        """Whether `host`, a name or address without brackets and port, may get the session id."""
        known = self._known.get(host)
        if known is None:
            if len(self._known) >= _CACHE_SIZE:  # a crawler calls any number of hosts
                self._known.clear()
            known = self._known[host] = self._matches(host)
        return known

    def _matches(self, host: str) -> bool:
        if self._everything:
            return True
        if not host.isascii():  # lower case turns some other letters into ASCII
            return False
        host = host.lower()
        name = host.rstrip(".")
        address = _address(name)
        if address is not None:
            return _within(address, self._networks) or (
                self._internal and _is_internal_address(address)
            )
        return _is_name(name) and (
            name in self._names
            or name.endswith(self._suffixes)
            or (self._internal and _is_internal_name(name, is_absolute=host != name))
        )


def _within(
    address: IPv4Address | IPv6Address, networks: Iterable[IPv4Network | IPv6Network]
) -> bool:
    return any(address in network for network in networks)


def _is_internal_address(address: IPv4Address | IPv6Address) -> bool:
    return _within(address, _networks(_INTERNAL_NETWORKS)) and not _within(
        address, _networks(_METADATA_NETWORKS)
    )


@cache
def _networks(blocks: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Parse networks on first use: every process loads this module."""
    return tuple(map(ip_network, blocks))


def _is_internal_name(name: str, *, is_absolute: bool) -> bool:
    return name not in _METADATA_NAMES and (
        name.endswith(_INTERNAL_SUFFIXES) or ("." not in name and not is_absolute)
    )


def _is_name(text: str) -> bool:
    return re.fullmatch(_HOST, text) is not None and re.fullmatch(_NUMERIC_LABEL, text) is None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(entry: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        raise ValueError(
            f"{entry!r} is no host name, *.suffix, CIDR block, 'internal' or '*'"
        ) from None
