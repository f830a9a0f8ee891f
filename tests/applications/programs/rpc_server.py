"""A gRPC server: the published health service, and methods that warn, raise, and abort."""

import logging
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

log = logging.getLogger("rpc")


def warn(request: bytes, context: grpc.ServicerContext) -> bytes:
    log.warning("Told by a method")
    return request


def fail(request: bytes, context: grpc.ServicerContext) -> bytes:
    raise ValueError("no answer")


def abort(request: bytes, context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode.NOT_FOUND, "there is none")
    return b""


def main(port: str) -> None:
    server = grpc.server(ThreadPoolExecutor(8))
    servicer = health.HealthServicer()
    servicer.set("shop", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    methods = {
        method.__name__: grpc.unary_unary_rpc_method_handler(method)
        for method in (warn, fail, abort)
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Shop", methods),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
    server.stop(5).wait()


if __name__ == "__main__":
    main(sys.argv[1])
