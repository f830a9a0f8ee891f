"""`otel-asayer setup`: what Elasticsearch needs once, and what to paste where."""

from otel_asayer.cli.setup.command import setup

__all__ = ["setup"]
