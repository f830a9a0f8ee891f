"""A gRPC server in one module, without a line of OpenTelemetry, and without generated code:

its messages are bytes.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc


def missing(request: bytes, context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode.NOT_FOUND, f"no {request.decode()}")
    raise AssertionError("abort raises")


def lost(request: bytes, context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode.DATA_LOSS, f"{request.decode()} is lost")
    raise AssertionError("abort raises")


def fail(request: bytes, context: grpc.ServicerContext) -> bytes:
    raise ValueError(f"{request.decode()} is broken")


METHODS = {
    method.__name__: grpc.unary_unary_rpc_method_handler(method) for method in (missing, lost, fail)
}


def main() -> None:
    logging.basicConfig()
    done = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: done.set())
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop", METHODS),))
    server.add_insecure_port(f"127.0.0.1:{os.environ['PORT']}")
    server.start()
    done.wait()
    server.stop(None).wait()


if __name__ == "__main__":
    main()
