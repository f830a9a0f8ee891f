"""The environment variables of this package, one documented constant each.

Registered as `opentelemetry_environment_variables`: `opentelemetry-instrument` makes a flag of
every constant here (`--asayer_replay_url …`). A secret given as a flag shows in the process list:
use the variables or files for those.

Values are checked when `otel_asayer.config` reads them. A bad value of a harmless variable counts
as unset; a bad value of propagation targets, TLS or credentials closes: no session id leaves the
process, or nothing is sent. One message at start-up lists all of them.
"""

from __future__ import annotations

OTEL_ASAYER_ENABLED = "OTEL_ASAYER_ENABLED"
"""`false` switches the session side off: nothing is extracted, stamped or passed on.

The exporter goes on without sessions.
"""

OTEL_ASAYER_SESSION_HEADERS = "OTEL_ASAYER_SESSION_HEADERS"
"""Request headers that may carry the session id or an OpenReplay token, comma-separated, the first that holds one counts."""

OTEL_ASAYER_SESSION_COOKIE = "OTEL_ASAYER_SESSION_COOKIE"
"""Cookie that carries the session id on page navigations and form posts, to which no tracker can add a header. Empty: no cookie is read."""

OTEL_ASAYER_OPAQUE_SESSION_IDS = "OTEL_ASAYER_OPAQUE_SESSION_IDS"
"""`true` also admits ids of other systems, `[A-Za-z0-9._~-]{1,128}`. Danger: other software puts
secrets into `X-Session-Id`. They get no replay records.
"""

OTEL_ASAYER_PROPAGATION_TARGETS = "OTEL_ASAYER_PROPAGATION_TARGETS"
"""Hosts that may learn the session id, comma-separated: names, `*.suffix`, CIDR blocks, `internal`
(loopback, private addresses, single-label names, `.internal`, `.local`, `.svc`, `.cluster.local`;
never a cloud's metadata service) or `*`. A bad value closes: no host may.
"""

OTEL_ASAYER_PROPAGATE_TO_UNKNOWN = "OTEL_ASAYER_PROPAGATE_TO_UNKNOWN"
"""`true` passes the session id on where the destination cannot be known: calls of traces that are
not sampled, channels of gRPC with a resolver of their own. Danger: such a call may leave your
systems. Messages to a queue, and calls of RPC systems other than gRPC, name no host, and take it
along anyway.
"""

OTEL_ASAYER_REPLAY_URL = "OTEL_ASAYER_REPLAY_URL"
"""Template of the link to a replay, with `{session_id}` and, for the moment in it, `{time_ms}`
(milliseconds since 1970) or `{offset_ms}` (milliseconds since the session's start).
"""

OTEL_ASAYER_REPLAY_RECORDS = "OTEL_ASAYER_REPLAY_RECORDS"
"""`false` writes no replay records:

traces and logs keep their session id, but the replay shows no backend events.
"""

OTEL_ASAYER_REPLAY_LEVEL = "OTEL_ASAYER_REPLAY_LEVEL"
"""Least level of replay records: `debug`, `info`, `warning` or `error`."""

OTEL_ASAYER_STAMP_STDIO = "OTEL_ASAYER_STAMP_STDIO"
"""`true` puts `[asayer_session_id=…] ` at the head of each line that stdout and stderr write inside
a session, for console output shipped by Filebeat or Logstash.
"""

OTEL_ASAYER_KEEP_CONSOLE = "OTEL_ASAYER_KEEP_CONSOLE"
"""`false` leaves OpenTelemetry's log handler in the root logger's list. An application that
configures no logging prints no warnings and no tracebacks then, and Flask's and Werkzeug's
development servers do not say where they run.
"""

OTEL_ASAYER_VIEWER_API_KEY = "OTEL_ASAYER_VIEWER_API_KEY"
"""API key of the commands that only look (`timeline`, `errors`, `serve`, `doctor`), before the
exporter's own credentials: those of a writer cannot read. It needs `read` and `view_index_metadata`
on `logs`, `logs-*.otel-*`, `traces-*.otel-*` and `asayer-logs-*`, and of the cluster what
`otel-asayer setup` grants.
"""

OTEL_ASAYER_TRACE_RESPONSE = "OTEL_ASAYER_TRACE_RESPONSE"
"""`true` answers each request with its trace id in the headers `traceresponse` (for scripts) and
`Server-Timing` (for page loads).
"""

OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT = "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT"
"""URLs of Elasticsearch, comma-separated, each with `http://` or `https://`. Unset:

nothing is sent, and the spool keeps everything.
"""

OTEL_EXPORTER_ELASTICSEARCH_CLOUD_ID = "OTEL_EXPORTER_ELASTICSEARCH_CLOUD_ID"
"""Cloud ID of an Elastic Cloud deployment, in place of the endpoint."""

OTEL_EXPORTER_ELASTICSEARCH_API_KEY = "OTEL_EXPORTER_ELASTICSEARCH_API_KEY"
"""API key in its encoded form. It needs `create_doc` and `auto_configure` on `logs-*.otel-*`,
`traces-*.otel-*` and `asayer-logs-*`, and nothing else."""

OTEL_EXPORTER_ELASTICSEARCH_API_KEY_FILE = "OTEL_EXPORTER_ELASTICSEARCH_API_KEY_FILE"
"""File that holds the API key, read again after Elasticsearch refused it (401):

keys can be changed without a restart.
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
"""SHA-256 fingerprint, in hex, in place of a CA file. That of the CA, as Elasticsearch prints it,
trusts every certificate that the CA signed for the host in the URL; that of the server's own
certificate trusts this one certificate, under any name.
"""

OTEL_EXPORTER_ELASTICSEARCH_CLIENT_CERTIFICATE = "OTEL_EXPORTER_ELASTICSEARCH_CLIENT_CERTIFICATE"
"""File of the client certificate (PEM) for mutual TLS."""

OTEL_EXPORTER_ELASTICSEARCH_CLIENT_KEY = "OTEL_EXPORTER_ELASTICSEARCH_CLIENT_KEY"
"""File of the client certificate's key (PEM)."""

OTEL_EXPORTER_ELASTICSEARCH_VERIFY_CERTS = "OTEL_EXPORTER_ELASTICSEARCH_VERIFY_CERTS"
"""`false` accepts any certificate. Danger:

anybody on the way can read credentials and telemetry.
"""

OTEL_EXPORTER_ELASTICSEARCH_HEADERS = "OTEL_EXPORTER_ELASTICSEARCH_HEADERS"
"""Headers for every request, `name=value` pairs divided by commas, values percent-encoded, for proxies and gateways in front of Elasticsearch."""

OTEL_EXPORTER_ELASTICSEARCH_TIMEOUT = "OTEL_EXPORTER_ELASTICSEARCH_TIMEOUT"
"""Seconds that one export may take, all its tries together."""

OTEL_EXPORTER_ELASTICSEARCH_COMPRESSION = "OTEL_EXPORTER_ELASTICSEARCH_COMPRESSION"
"""`gzip` or `none`."""

OTEL_EXPORTER_ELASTICSEARCH_DATASET = "OTEL_EXPORTER_ELASTICSEARCH_DATASET"
"""Dataset part of the data streams' names; `.otel` is appended. The attribute `data_stream.dataset`
of a record, scope or resource goes before it.
"""

OTEL_EXPORTER_ELASTICSEARCH_NAMESPACE = "OTEL_EXPORTER_ELASTICSEARCH_NAMESPACE"
"""Namespace part of the names of data streams and of replay records' indices.
The attribute `data_stream.namespace` of a record, scope or resource goes before it."""

OTEL_EXPORTER_ELASTICSEARCH_MAX_DATA_STREAMS = "OTEL_EXPORTER_ELASTICSEARCH_MAX_DATA_STREAMS"
"""Pairs of dataset and namespace that one process writes to. Attributes choose them; beyond this
number, documents go to the configured pair, and are counted.
"""

OTEL_EXPORTER_ELASTICSEARCH_PIPELINE = "OTEL_EXPORTER_ELASTICSEARCH_PIPELINE"
"""Ingest pipeline that spans, log records and span events pass through.

Replay records have one of their own, `asayer-replay`, which does nothing.
"""

OTEL_EXPORTER_ELASTICSEARCH_MAX_REQUEST_BYTES = "OTEL_EXPORTER_ELASTICSEARCH_MAX_REQUEST_BYTES"
"""Uncompressed bytes of one bulk request, from 1024 on. A single document may exceed it."""

OTEL_EXPORTER_ELASTICSEARCH_SPOOL = "OTEL_EXPORTER_ELASTICSEARCH_SPOOL"
"""`on_failure` keeps on the disk what could not be delivered, and sends it later; `always` writes
everything there first, so that it survives kill -9 while it is sent; `off` keeps nothing. With
`off`, an outage of more than some seconds loses telemetry.
"""

OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY = "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY"
"""Folder of the spool, an absolute path. Unset: `$XDG_STATE_HOME/otel-asayer/spool`, else
`~/.local/state/otel-asayer/spool`, else a folder under the temporary directory. In a container, a
volume lets it survive.
"""

OTEL_EXPORTER_ELASTICSEARCH_SPOOL_MAX_BYTES = "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_MAX_BYTES"
"""Bytes on the disk, compressed, that may wait for one destination; beyond them the oldest are evicted and counted."""

OTEL_EXPORTER_ELASTICSEARCH_SHUTDOWN_TIMEOUT = "OTEL_EXPORTER_ELASTICSEARCH_SHUTDOWN_TIMEOUT"
"""Seconds that a process may take at its end to send what it still holds, and what it put on the
disk itself, while Elasticsearch answers. Where nothing answers, it ends within two seconds all the
same, and what is left waits on the disk. Without a volume, a container loses that.
"""

OTEL_EXPORTER_ELASTICSEARCH_SETUP = "OTEL_EXPORTER_ELASTICSEARCH_SETUP"
"""`auto` installs missing index templates on first contact where the key may, and never overwrites one; `off` leaves that to you."""
