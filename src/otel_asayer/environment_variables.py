"""The environment variables of this package, one documented constant each.

They are registered as `opentelemetry_environment_variables`: `opentelemetry-instrument` has a flag
for each constant (`--asayer_replay_url …`). The process list shows a secret given as a flag: use
variables or files for secrets.

`otel_asayer.config` checks the values. A bad value counts as unset, unless it is about propagation
targets, TLS or credentials: then no session id leaves the process, or nothing is sent. One message
at start-up lists all bad values.
"""

from __future__ import annotations

OTEL_ASAYER_ENABLED = "OTEL_ASAYER_ENABLED"
"""`false` turns sessions off: no id is read, stamped or passed on.

The exporter still works, without sessions.
"""

OTEL_ASAYER_SESSION_HEADERS = "OTEL_ASAYER_SESSION_HEADERS"
"""Request headers that may carry the session id or an OpenReplay token, comma-separated.

The first one that holds an id counts.
"""

OTEL_ASAYER_SESSION_COOKIE = "OTEL_ASAYER_SESSION_COOKIE"
"""Cookie with the session id, for page navigations and form posts.

No tracker can add a header to those. Empty: no cookie is read.
"""

OTEL_ASAYER_OPAQUE_SESSION_IDS = "OTEL_ASAYER_OPAQUE_SESSION_IDS"
"""`true` also accepts ids of other systems, `[A-Za-z0-9._~-]{1,128}`.

Danger: other software puts secrets into `X-Session-Id`. Such sessions get no replay records.
"""

OTEL_ASAYER_PROPAGATION_TARGETS = "OTEL_ASAYER_PROPAGATION_TARGETS"
"""Hosts that may get the session id, comma-separated.

Names, `*.suffix`, CIDR blocks, `internal` (loopback, private addresses, single-label names,
`.internal`, `.local`, `.svc`, `.cluster.local`; never a cloud's metadata service) or `*`. With a
bad value, no host gets it.
"""

OTEL_ASAYER_PROPAGATE_TO_UNKNOWN = "OTEL_ASAYER_PROPAGATE_TO_UNKNOWN"
"""`true` passes the session id on where the destination is unknown.

That is so for calls of traces that are not sampled, and for gRPC channels with their own resolver.
Danger: such a call may leave your systems. Messages to a queue, and calls of RPC systems other than
gRPC, name no host and always carry the id.
"""

OTEL_ASAYER_REPLAY_URL = "OTEL_ASAYER_REPLAY_URL"
"""Template of the link to a replay, with `{session_id}` and, for the moment in it, `{time_ms}`
(milliseconds since 1970) or `{offset_ms}` (milliseconds since the session's start).
"""

OTEL_ASAYER_REPLAY_RECORDS = "OTEL_ASAYER_REPLAY_RECORDS"
"""`false` writes no replay records: the replay shows no backend events.

Traces and logs keep their session id.
"""

OTEL_ASAYER_REPLAY_LEVEL = "OTEL_ASAYER_REPLAY_LEVEL"
"""Least level of replay records: `debug`, `info`, `warning` or `error`."""

OTEL_ASAYER_STAMP_STDIO = "OTEL_ASAYER_STAMP_STDIO"
"""`true` puts `[asayer_session_id=…] ` before each line that is printed in a session.

For output to stdout and stderr that Filebeat or Logstash ships.
"""

OTEL_ASAYER_KEEP_CONSOLE = "OTEL_ASAYER_KEEP_CONSOLE"
"""`false` leaves OpenTelemetry's log handler in the root logger's list.

An application that does not configure logging then prints no warnings and no tracebacks, and
Flask's and Werkzeug's development servers do not print their address.
"""

OTEL_ASAYER_VIEWER_API_KEY = "OTEL_ASAYER_VIEWER_API_KEY"
"""API key for the commands that only read (`timeline`, `errors`, `serve`, `doctor`).

They use it instead of the exporter's credentials, which can only write. It needs `read` and
`view_index_metadata` on `logs`, `logs-*.otel-*`, `traces-*.otel-*`, `logs.otel*` and
`asayer-logs-*`, and the cluster privileges that `otel-asayer setup` grants.
"""

OTEL_ASAYER_TRACE_RESPONSE = "OTEL_ASAYER_TRACE_RESPONSE"
"""`true` adds the trace id to each response.

The headers are `traceresponse` (for scripts) and `Server-Timing` (for page loads).
"""

OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT = "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT"
"""URLs of Elasticsearch, comma-separated, each with `http://` or `https://`.

Unset: nothing is sent, and the spool keeps everything.
"""

OTEL_EXPORTER_ELASTICSEARCH_CLOUD_ID = "OTEL_EXPORTER_ELASTICSEARCH_CLOUD_ID"
"""Cloud ID of an Elastic Cloud deployment, in place of the endpoint."""

OTEL_EXPORTER_ELASTICSEARCH_API_KEY = "OTEL_EXPORTER_ELASTICSEARCH_API_KEY"
"""API key in its encoded form.

It needs `create_doc` and `auto_configure` on `logs-*.otel-*`, `traces-*.otel-*` and
`asayer-logs-*`, and nothing else.
"""

OTEL_EXPORTER_ELASTICSEARCH_API_KEY_FILE = "OTEL_EXPORTER_ELASTICSEARCH_API_KEY_FILE"
"""File that holds the API key.

It is read again after Elasticsearch refused the key (401): keys can change without a restart.
"""

OTEL_EXPORTER_ELASTICSEARCH_USERNAME = "OTEL_EXPORTER_ELASTICSEARCH_USERNAME"
"""User name for basic authentication, in place of an API key."""

OTEL_EXPORTER_ELASTICSEARCH_PASSWORD = "OTEL_EXPORTER_ELASTICSEARCH_PASSWORD"
"""Password for basic authentication."""

OTEL_EXPORTER_ELASTICSEARCH_BEARER_TOKEN = "OTEL_EXPORTER_ELASTICSEARCH_BEARER_TOKEN"
"""Bearer token (service account, OAuth), in place of an API key."""

OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE = "OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE"
"""File of CA certificates (PEM) that Elasticsearch's certificate is checked against."""

OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE_FINGERPRINT = (
    "OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE_FINGERPRINT"
)
"""SHA-256 fingerprint, in hex, instead of a CA file.

That of the CA, as Elasticsearch prints it, trusts every certificate that the CA signed for the host
in the URL. That of the server's own certificate trusts that one certificate, under any name.
"""

OTEL_EXPORTER_ELASTICSEARCH_CLIENT_CERTIFICATE = "OTEL_EXPORTER_ELASTICSEARCH_CLIENT_CERTIFICATE"
"""File of the client certificate (PEM) for mutual TLS."""

OTEL_EXPORTER_ELASTICSEARCH_CLIENT_KEY = "OTEL_EXPORTER_ELASTICSEARCH_CLIENT_KEY"
"""File of the client certificate's key (PEM)."""

OTEL_EXPORTER_ELASTICSEARCH_VERIFY_CERTS = "OTEL_EXPORTER_ELASTICSEARCH_VERIFY_CERTS"
"""`false` accepts any certificate.

Danger: anyone on the network path can read credentials and telemetry.
"""

OTEL_EXPORTER_ELASTICSEARCH_HEADERS = "OTEL_EXPORTER_ELASTICSEARCH_HEADERS"
"""Headers for every request, for proxies and gateways in front of Elasticsearch.

`name=value` pairs, comma-separated, values percent-encoded.
"""

OTEL_EXPORTER_ELASTICSEARCH_TIMEOUT = "OTEL_EXPORTER_ELASTICSEARCH_TIMEOUT"
"""Seconds that one export may take, with all its attempts."""

OTEL_EXPORTER_ELASTICSEARCH_COMPRESSION = "OTEL_EXPORTER_ELASTICSEARCH_COMPRESSION"
"""`gzip` or `none`."""

OTEL_EXPORTER_ELASTICSEARCH_DATASET = "OTEL_EXPORTER_ELASTICSEARCH_DATASET"
"""Dataset part of the data streams' names; `.otel` is appended.

The attribute `data_stream.dataset` of a record, scope or resource overrides it.
"""

OTEL_EXPORTER_ELASTICSEARCH_NAMESPACE = "OTEL_EXPORTER_ELASTICSEARCH_NAMESPACE"
"""Namespace part of the names of data streams and of the indices of replay records.

The attribute `data_stream.namespace` of a record, scope or resource overrides it.
"""

OTEL_EXPORTER_ELASTICSEARCH_MAX_DATA_STREAMS = "OTEL_EXPORTER_ELASTICSEARCH_MAX_DATA_STREAMS"
"""Pairs of dataset and namespace that one process writes to, at most.

Attributes choose the pairs. Beyond this number, documents go to the configured pair, and are
counted.
"""

OTEL_EXPORTER_ELASTICSEARCH_PIPELINE = "OTEL_EXPORTER_ELASTICSEARCH_PIPELINE"
"""Ingest pipeline that spans, log records and span events pass through.

Replay records have their own pipeline, `asayer-replay`, which does nothing.
"""

OTEL_EXPORTER_ELASTICSEARCH_MAX_REQUEST_BYTES = "OTEL_EXPORTER_ELASTICSEARCH_MAX_REQUEST_BYTES"
"""Uncompressed bytes of one bulk request, at least 1024. A single document may exceed it."""

OTEL_EXPORTER_ELASTICSEARCH_SPOOL = "OTEL_EXPORTER_ELASTICSEARCH_SPOOL"
"""`on_failure` keeps undelivered telemetry on disk and sends it later; `always`; `off`.

`always` writes everything to disk first, so that it survives kill -9 while it is sent. `off` keeps
nothing: an outage of more than a few seconds loses telemetry.
"""

OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY = "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY"
"""Folder of the spool, an absolute path.

Unset: `$XDG_STATE_HOME/otel-asayer/spool`, else `~/.local/state/otel-asayer/spool`, else a folder
under the temporary directory. In a container, put it on a volume to keep it.
"""

OTEL_EXPORTER_ELASTICSEARCH_SPOOL_MAX_BYTES = "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_MAX_BYTES"
"""Compressed bytes on disk that may wait for one destination.

Beyond that, the oldest are evicted and counted.
"""

OTEL_EXPORTER_ELASTICSEARCH_SHUTDOWN_TIMEOUT = "OTEL_EXPORTER_ELASTICSEARCH_SHUTDOWN_TIMEOUT"
"""Seconds that a process may take when it ends, to send what it holds and what it put on disk.

That is while Elasticsearch answers. If it does not, the process ends within two seconds, and the
rest waits on disk. Without a volume, a container loses it.
"""

OTEL_EXPORTER_ELASTICSEARCH_SETUP = "OTEL_EXPORTER_ELASTICSEARCH_SETUP"
"""`auto` installs missing index templates on first contact, if the key may; `off` does not.

`auto` never overwrites a template.
"""
