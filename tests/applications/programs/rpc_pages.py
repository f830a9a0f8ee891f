"""Pages that ask the gRPC server."""

import os

import grpc
from flask import Flask
from grpc_health.v1 import health_pb2, health_pb2_grpc

CHANNEL = grpc.insecure_channel(f"127.0.0.1:{os.environ['RPC_PORT']}")
app = Flask(__name__)


@app.get("/health/<service>")
def check(service: str) -> tuple[str, int]:
    try:
        health_pb2_grpc.HealthStub(CHANNEL).Check(health_pb2.HealthCheckRequest(service=service))
    except grpc.RpcError as error:
        return str(error.code()), 404
    return "healthy", 200


@app.get("/shop/<method>")
def shop(method: str) -> tuple[str, int]:
    try:
        CHANNEL.unary_unary(f"/shop.Shop/{method}")(b"")
    except grpc.RpcError as error:
        return str(error.code()), 502
    return "answered", 200
