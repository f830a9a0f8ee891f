"""Where documents go: sending, retries, circuit breaker, spooling, drain and metrics."""
