"""What an application wrote, made harmless for whoever reads it on a terminal or a page."""

from otel_asayer.harmless import DIRECTIONS, harmless_line, harmless_text

__all__ = ["DIRECTIONS", "harmless_line", "harmless_text"]
