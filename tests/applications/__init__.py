"""The application suite: published applications run under `opentelemetry-instrument`, and
everything they record is counted beside what they did.

    PYTHONPATH=tests python -m applications

Each application has an environment of its own under `.cache/applications`, made of the pins in
`requirements/`. It runs twice: bare, and with the variables that the README gives against a real
Elasticsearch. Both runs meet the same requests from several threads, with sessions interleaved.
"""
