"""`otel-asayer setup`: set up Elasticsearch once, and print what to paste where."""

from otel_asayer.cli.setup.command import setup

__all__ = ["setup"]
