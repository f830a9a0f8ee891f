"""The shop's front service: plain Flask, without any OpenTelemetry or otel-asayer code.

Run it with `opentelemetry-instrument python storefront.py`. `PRICING_URL` is the address of the
other service. `PORT` is the port of this one.
"""

from __future__ import annotations

import logging
import os

import requests
from flask import Flask, Response, jsonify

PRICING_URL = os.environ.get("PRICING_URL", "http://127.0.0.1:8081")

app = Flask(__name__)
log = logging.getLogger("shop.storefront")
log.setLevel(logging.INFO)


class PaymentDeclinedError(Exception):
    """The bank declined the payment."""


def price_of(sku: str) -> float:
    answer = requests.get(f"{PRICING_URL}/prices/{sku}", timeout=5)
    answer.raise_for_status()
    return float(answer.json()["price"])


@app.get("/products/<sku>")
def product(sku: str) -> Response:
    price = price_of(sku)
    log.info("Showing %s at %.2f", sku, price)
    return jsonify(sku=sku, price=price)


@app.post("/cart/<sku>")
def add_to_cart(sku: str) -> Response:
    price = price_of(sku)
    if price > 100:
        log.warning("Cart of %.2f is close to the card limit", price)
    return jsonify(total=price)


@app.post("/checkout")
def checkout() -> Response:
    total = price_of("lamp") + price_of("sofa")
    charge(total)
    return jsonify(paid=total)


@app.get("/receipt")
def receipt() -> Response:
    print("receipt for 1 lamp")
    print("receipt for 1 sofa")
    return jsonify(printed=2)


@app.get("/health")
def health() -> Response:
    return jsonify(ok=True)


def charge(total: float) -> None:
    raise PaymentDeclinedError(f"card declined for {total:.2f} EUR")


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
