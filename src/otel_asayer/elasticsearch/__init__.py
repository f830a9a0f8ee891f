"""The way to Elasticsearch: `delivery` and `templates` decide, `client` is the door to the network, `bulk` and `backoff` are pure."""

from otel_asayer.elasticsearch.client import Client, Response, Unreachable
from otel_asayer.elasticsearch.delivery import Delivery, shared, spool_root
from otel_asayer.elasticsearch.templates import SetupReport, ensure

__all__ = ["Client", "Delivery", "Response", "SetupReport", "Unreachable", "ensure", "shared", "spool_root"]
