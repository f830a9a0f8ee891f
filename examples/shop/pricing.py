"""The shop's second service, which knows the prices.

It gets the session from the storefront's call, not from a browser.
"""

from __future__ import annotations

import logging
import os

from flask import Flask, Response, abort, jsonify

PRICES = {"lamp": 49.0, "sofa": 699.0}

app = Flask(__name__)
log = logging.getLogger("shop.pricing")
log.setLevel(logging.INFO)


@app.get("/prices/<sku>")
def price(sku: str) -> Response:
    if sku not in PRICES:
        abort(404)
    log.info("Price of %s asked", sku)
    return jsonify(sku=sku, price=PRICES[sku])


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ.get("PORT", "8081")))
