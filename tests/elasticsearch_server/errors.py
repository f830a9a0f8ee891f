"""The one error of the harness."""


class HarnessError(RuntimeError):
    """Elasticsearch cannot be had, or was asked for what it cannot do here.

    The message says what to do next.
    """
