"""The keyword arguments of `configure()`, the exporters and the propagator, for type checkers.

An option is a field of `Config`, given as a value or as the text that its variable would hold; None
counts as not given. Nothing imports this module at run time, and `typing_extensions`, which its
users need for `Unpack`, need not be installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from otel_asayer.config.targets import Targets

__all__ = ["Options"]


class Options(TypedDict, total=False):
    """Every setting; `otel_asayer.environment_variables` says what each means."""

    enabled: bool | str | None
    session_headers: Sequence[str] | str | None
    session_cookie: str | None
    opaque_session_ids: bool | str | None
    propagation_targets: Targets | Sequence[str] | str | None
    propagate_to_unknown: bool | str | None
    replay_url: str | None
    replay_records: bool | str | None
    replay_level: str | None
    stamp_stdio: bool | str | None
    keep_console: bool | str | None
    viewer_api_key: str | None
    trace_response: bool | str | None
    endpoint: Sequence[str] | str | None
    cloud_id: str | None
    api_key: str | None
    api_key_file: str | PathLike[str] | None
    username: str | None
    password: str | None
    bearer_token: str | None
    certificate: str | PathLike[str] | None
    certificate_fingerprint: str | None
    client_certificate: str | PathLike[str] | None
    client_key: str | PathLike[str] | None
    verify_certs: bool | str | None
    headers: Mapping[str, str] | Sequence[tuple[str, str]] | str | None
    timeout: float | str | None
    compression: str | None
    dataset: str | None
    namespace: str | None
    max_data_streams: int | str | None
    pipeline: str | None
    max_request_bytes: int | str | None
    spool: str | None
    spool_directory: str | PathLike[str] | None
    spool_max_bytes: int | str | None
    shutdown_timeout: float | str | None
    setup: str | None
