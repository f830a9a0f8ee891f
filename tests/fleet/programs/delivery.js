// The fleet's service on Node. It knows nothing of sessions: `telemetry.js` of the documentation is
// loaded before it.
"use strict";

const http = require("node:http");
const log = require("pino")({ name: "delivery" });

const ALLOWED = {
  "access-control-allow-origin": process.env.PAGE,
  "access-control-allow-headers": "baggage, traceparent, x-session-id",
};

async function deliver(path) {
  log.warn("delivery of %s is late", path);
  await fetch(`${process.env.BILLING}/bill`);
  const answer = await fetch(`${process.env.STOCK}/stock${path}`);
  if (answer.status !== 200) {
    throw new TypeError(`no stock for ${path}`);
  }
}

const server = http.createServer((request, response) => {
  if (request.method === "OPTIONS") {
    response.writeHead(204, ALLOWED).end();
    return;
  }
  deliver(request.url).then(
    () => response.writeHead(200, ALLOWED).end(),
    (error) => {
      log.error(error, "delivery failed");
      response.writeHead(502, ALLOWED).end();
    },
  );
});

server.listen(Number(process.env.PORT), "127.0.0.1");
