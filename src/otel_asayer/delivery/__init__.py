"""Where documents go:

one attempt, retries, the circuit breaker, the background drain, outcomes and metrics.
"""
