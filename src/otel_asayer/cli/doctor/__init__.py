"""`otel-asayer doctor`: find what keeps a replay from showing what the application did."""

from otel_asayer.cli.doctor.command import doctor

__all__ = ["doctor"]
