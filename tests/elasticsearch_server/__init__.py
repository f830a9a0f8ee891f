"""Runs a real Elasticsearch for the tests and the demo.

    with running(NodeConfig(mode="secured")) as server:
        server.request("GET", "/_cluster/health").json()

Elastic publishes its own test distribution to Maven's central repository; it is fetched once, kept
in a cache, and never committed. Needed are Maven and a JDK 21 (17 for Elasticsearch 8) or newer.
Variables:

OTEL_ASAYER_TEST_JAVA_HOME: The JDK to use. Default: the first that fits of JAVA_HOME, /usr/lib/jvm,
    and PATH.
OTEL_ASAYER_TEST_CACHE: Where distributions are kept. Default: `.cache/elasticsearch` in the
    repository or, where the user that Elasticsearch runs as cannot enter that,
    `/var/tmp/otel-asayer-cache`.
OTEL_ASAYER_TEST_ELASTICSEARCH_URL: An Elasticsearch of your own, used wherever tests or demo would
    start the secured node. Tests of faults, of limits and of the matrix start nodes of their own
    all the same, as they stop and kill them.
OTEL_ASAYER_TEST_ELASTICSEARCH_USERNAME, _PASSWORD: A user of it that may create templates and API
keys.
OTEL_ASAYER_TEST_ELASTICSEARCH_API_KEY: In place of the user. It can create no further keys, so
    tests that need some fail.
OTEL_ASAYER_TEST_ELASTICSEARCH_CA: A file with the authority that signed its certificate. Default:
    those of the system.
"""

from elasticsearch_server.config import MODES, SECURED, SMALL_LIMITS, VERSIONS, Mode, NodeConfig
from elasticsearch_server.endpoint import Endpoint, Response
from elasticsearch_server.errors import HarnessError
from elasticsearch_server.external import External, default_server, missing
from elasticsearch_server.server import Server, running, start
from elasticsearch_server.shared import Keeper, Shared

__all__ = [
    "MODES",
    "SECURED",
    "SMALL_LIMITS",
    "VERSIONS",
    "Endpoint",
    "External",
    "HarnessError",
    "Keeper",
    "Mode",
    "NodeConfig",
    "Response",
    "Server",
    "Shared",
    "default_server",
    "missing",
    "running",
    "start",
]
