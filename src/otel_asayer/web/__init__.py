"""The session page: a session's timeline in a browser, on loopback.

What it needs is the extra `cli`.
"""

from otel_asayer.web.application import create_app

__all__ = ["create_app"]
