"""What stands between a delivery and the double in the tests of its policy:

it notes timeouts, and lets time pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_asayer.testing import ElasticsearchDouble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_asayer.elasticsearch.client import Response


class Relay:
    """A client of a delivery on a clock of the test's own."""

    def __init__(self) -> None:
        self.double = ElasticsearchDouble()
        self.now = 0.0
        self.timeouts: list[float] = []
        self.pings: list[float] = []
        """When it was asked whether anybody is there."""
        self.takes = 0.0
        """Seconds that each request takes."""

    def request(
        self,
        method: str,
        target: str,
        body: bytes | Sequence[bytes] | None = None,
        *,
        timeout: float,
    ) -> Response:
        if method == "HEAD":
            self.pings.append(self.now)
        else:
            self.timeouts.append(round(timeout, 3))
            self.now += self.takes
        return self.double.request(method, target, body, timeout=timeout)

    def connect(self) -> None:
        self.double.connect()

    @property
    def busy(self) -> bool:
        return self.double.busy

    def abort(self, within: float) -> None:
        self.double.abort(within)

    def close(self) -> None:
        self.double.close()
