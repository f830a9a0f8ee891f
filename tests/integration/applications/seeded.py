"""Seeds `random` before each piece of work, in this process and in forks of it, and prints the ids
of all spans."""

import os
import random

from opentelemetry import trace

tracer = trace.get_tracer("before the first fork")


def work() -> None:
    """Print the ids of a trace with two spans, five times."""
    for _ in range(5):
        random.seed(3)
        with (
            tracer.start_as_current_span("request") as request,
            trace.get_tracer(str(os.getpid())).start_as_current_span("query") as query,
        ):
            for span in (request, query):
                context = span.get_span_context()
                os.write(
                    1, f"{context.trace_id:032x} {context.span_id:016x}\n".encode()
                )  # whole lines, from several processes


work()
children = []
for _ in range(3):
    if child := os.fork():
        children.append(child)
    else:
        work()
        os._exit(0)
work()
for child in children:
    os.waitpid(child, 0)
