"""The command `otel-asayer`.

What it needs is the extra `cli`; without it, the bare command says so.
"""

from otel_asayer.cli.entry import main

__all__ = ["main"]
