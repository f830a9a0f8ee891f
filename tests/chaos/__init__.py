"""The chaos suite: exporting processes, an Elasticsearch and the way between them break by a seeded
schedule, and every document is accounted for.

    PYTHONPATH=tests python -m chaos

Beside the exporter to Elasticsearch the OTLP/HTTP exporter meets the same schedule, with a sink
that is killed and frozen at the same moments.
"""
