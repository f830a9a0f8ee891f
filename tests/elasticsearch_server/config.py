"""What a node is like, as a value: two equal configurations can share one node."""

from dataclasses import dataclass
from typing import Literal, get_args

Mode = Literal["plain", "secured", "tls"]

MODES: tuple[Mode, ...] = get_args(Mode)
DEFAULT_VERSION = "9.4.3"
VERSIONS = (DEFAULT_VERSION, "8.19.16")


@dataclass(frozen=True)
class NodeConfig:
    """One node of Elasticsearch on loopback.

    Attributes:
        version: A release of which Elastic publishes the test distribution; `VERSIONS` are those
            that the tests run on.
        mode: `plain` has no security, `secured` has users and API keys, `tls` serves https as well.
        settings: Further lines of `elasticsearch.yml`; they win over the harness's own.
        heap: Heap of the JVM in its own notation. Without a limit it would take half of the
            machine.
    """

    version: str = DEFAULT_VERSION
    mode: Mode = "plain"
    settings: tuple[tuple[str, str], ...] = ()
    heap: str = "512m"

    @property
    def secured(self) -> bool:
        """Whether requests need credentials."""
        return self.mode != "plain"


SECURED = NodeConfig(mode="secured")
# Small enough that a test reaches them with one request. Measured, in uncompressed bytes: over 1
# MiB the answer is 413; over 512 KiB it is 429; over 128 KiB it is 200 with 429 for the items,
# since a primary shard reckons with four times the bytes of a text.
SMALL_LIMITS = NodeConfig(
    settings=(("http.max_content_length", "1mb"), ("indexing_pressure.memory.limit", "512kb"))
)


def release(version: str) -> tuple[int, int]:
    """Major and minor number of a version, for comparisons."""
    major, minor, _ = version.split(".", 2)
    return int(major), int(minor)
