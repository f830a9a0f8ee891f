"""`otel-asayer doctor`:

what stands in the way between an application and what a replay shows of it.
"""

from otel_asayer.cli.doctor.command import doctor

__all__ = ["doctor"]
