"""`otel-asayer demo`: a session to look at, before there is an application."""

from otel_asayer.cli.demo.command import demo

__all__ = ["demo"]
