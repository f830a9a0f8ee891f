# Everything runs in .venv, which the first target creates. A fresh machine needs only `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := $(VENV)/.demo
TRACKERS := .cache/trackers
NODE := .cache/fleet-node
PYTHONS ?= 3.10 3.11 3.12 3.13
INSTALL := sh requirements/environment.sh $(PYTHON) $(VENV)
# With COVERAGE=1, each target adds to one coverage report, which `make coverage` shows.
PYTEST := $(BIN)/python -m pytest $(if $(COVERAGE),--cov --cov-append --cov-report=)
# Each process takes whole files, the slow ones first; the short unit tests fill the end.
PARALLEL := --numprocesses auto --dist loadfile --no-loadscope-reorder
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help demo test nodes processes matrix pythons bounds browser chromium queues fleet chaos applications redis wrk latency storage soak coverage lint types imports check constraints docs site bench clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): pyproject.toml requirements/constraints.txt requirements/environment.sh
	@$(INSTALL) dev
	@touch $@ $(DEMO)

$(DEMO): pyproject.toml requirements/constraints.txt requirements/environment.sh
	@$(INSTALL) demo
	@touch $@

demo: $(DEMO) ## show the whole path: two services, five requests, one session; ELASTICSEARCH=1 uses a real one
	@PYTHONPATH=tests $(BIN)/python -m examples.demo $(if $(ELASTICSEARCH),--elasticsearch)

test: $(READY) ## run all unit and property tests, and the whole path on a real Elasticsearch
	$(PYTEST) $(PARALLEL)

nodes: $(READY) ## run the tests that set up, limit, stop or kill their own Elasticsearch
	$(PYTEST) $(PARALLEL) -m nodes

processes: $(READY) ## test each kind of server and process, and how it ends
	$(PYTEST) --numprocesses auto -m processes

coverage: $(READY) ## report the coverage of the targets that ran with COVERAGE=1
	$(BIN)/coverage report

soak: $(READY) ## run make test five times, next to four processes that keep the CPU busy
	$(BIN)/python tests/soak.py

matrix: $(READY) ## test Elasticsearch 8 and 9, plain, secured and with TLS
	$(PYTEST) --numprocesses auto --dist loadgroup -m matrix

pythons: ## run unit and property tests on every supported Python of this machine
	@PYTHONS="$(PYTHONS)" sh requirements/pythons.sh

bounds: ## run unit tests with the oldest packages allowed on the oldest Python, and with the newest on the newest
	@PYTHON="$(PYTHON)" sh requirements/bounds.sh

browser: $(READY) chromium $(TRACKERS)/.ready ## test the session page, and carry-session.js with real trackers, in headless Chromium
	$(PYTEST) $(PARALLEL) -m browser

$(TRACKERS)/.ready: tests/browser/trackers/package.json tests/browser/trackers/package-lock.json
$(NODE)/.ready: tests/fleet/node/package.json tests/fleet/node/package-lock.json
$(TRACKERS)/.ready $(NODE)/.ready:
	@command -v npm >/dev/null || (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y npm >/dev/null)
	@mkdir -p $(@D) && cp $^ $(@D)
	@npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

chromium: # installs Debian's, unless this machine already has one
	@command -v chromium >/dev/null || (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium >/dev/null)

queues: $(READY) $(VENV)/.fleet redis ## test sessions across queues and RPC: gRPC, Kafka, Celery on Redis, asyncio, threads, processes
	$(PYTEST) -m fleet tests/fleet/test_queues.py

fleet: $(READY) $(VENV)/.fleet redis chromium $(TRACKERS)/.ready $(NODE)/.ready ## make queues, and sessions from Chromium through Flask, Node, Go and Java to a real Collector and the bridge
	$(PYTEST) -m fleet

$(VENV)/.fleet: $(READY)
	@$(INSTALL) fleet
	@touch $@

chaos: $(READY) ## send 200,000 documents through faults of network, Elasticsearch, disk and application, next to OTLP; DOCUMENTS=20000 for half of them
	PYTHONPATH=tests $(BIN)/python -m chaos $(if $(DOCUMENTS),--documents $(DOCUMENTS))

applications: $(READY) redis ## run published applications under load, bare and instrumented, and count all spans, log records and exceptions
	PYTHONPATH=tests $(BIN)/python -m applications

redis: # installs Debian's, unless this machine already has one
	@command -v redis-server >/dev/null || (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y redis-server >/dev/null)

lint: $(READY) ## check with ruff: all rules, and the format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## check types with mypy --strict
	$(BIN)/mypy

imports: $(READY) ## check the layers of ARCHITECTURE.md: imports point down only
	$(BIN)/lint-imports

docs: $(READY) ## regenerate the generated pages of the documentation
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/generate_documents.py
	$(BIN)/python docs/generate_commands.py
	$(BIN)/python docs/generate_queues.py
	cp src/otel_asayer/cli/otel-asayer.ndjson docs/kibana/

constraints: $(READY) ## renew the constraints that we publish, from the installed release of OpenTelemetry
	$(BIN)/python requirements/published.py

site: $(VENV)/.docs ## build the documentation site in build/site; warnings are errors
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --nitpicky -d build/doctrees docs build/site

$(VENV)/.docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt -e '.[docs]'
	@touch $@

check: lint types imports test ## run all checks before a commit

bench: $(READY) $(VENV)/.peers ## measure exporter, propagation and a whole request next to comparable tools, as ratios; ROUNDS=3 is quicker
	$(BIN)/python benchmarks/export.py
	$(BIN)/python benchmarks/export.py --sessions
	$(BIN)/python benchmarks/encode.py
	$(BIN)/python benchmarks/propagation.py
	$(BIN)/python benchmarks/process.py
	$(BIN)/python benchmarks/starvation.py
	$(BIN)/python benchmarks/request.py --peers $(VENV)/peers/bin/python
	PYTHONPATH=tests $(BIN)/python benchmarks/page.py

QUICKLY := --seconds 1 --states "OpenTelemetry, otel-asayer"
latency: $(READY) wrk ## measure requests behind gunicorn and uvicorn under wrk, also while Elasticsearch is away; takes 25 minutes
	$(BIN)/python benchmarks/latency.py $(if $(QUICK),$(QUICKLY))

storage: $(READY) ## measure what _id and replay records cost Elasticsearch
	PYTHONPATH=tests $(BIN)/python benchmarks/storage.py $(if $(QUICK),--spans 3000)

wrk: # installs Debian's, unless this machine already has one
	@command -v wrk >/dev/null || (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y wrk >/dev/null)

$(VENV)/.peers: # a separate environment, because these packages patch what they find
	$(PYTHON) -m venv $(VENV)/peers
	$(VENV)/peers/bin/python -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt ddtrace flask sentry-sdk
	@touch $@

clean: ## remove everything the targets created, downloads included
	rm -rf $(VENV) .cache .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist src/*.egg-info
