"""The way to Elasticsearch: `delivery` and `templates` decide, `client` is the door to the network, `bulk` and `backoff` are pure."""

from otel_asayer.elasticsearch.api import Answer, Api, Identity
from otel_asayer.elasticsearch.client import Client, Response, Unreachable
from otel_asayer.elasticsearch.delivery import Delivery, shared, spool_of, spool_root
from otel_asayer.elasticsearch.templates import SetupReport, ensure

__all__ = ["Answer", "Api", "Client", "Delivery", "Identity", "Response", "SetupReport", "Unreachable", "ensure", "shared", "spool_of", "spool_root"]
