# Everything runs in .venv, which the first target makes. `make demo` and `make test` are all that a fresh machine needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := $(VENV)/.demo
PYTHONS ?= 3.10 3.11 3.12 3.13
INSTALL := sh requirements/environment.sh $(PYTHON) $(VENV)
# With COVERAGE=1, what a target executes is added to one account, which `make coverage` shows.
PYTEST := $(BIN)/python -m pytest $(if $(COVERAGE),--cov --cov-append --cov-report=)
# Whole files to each process, the slow ones first: the short ones of unit tests fill up the end.
PARALLEL := --numprocesses auto --dist loadfile --no-loadscope-reorder
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help demo test nodes processes matrix pythons bounds browser chromium chaos applications redis soak coverage lint types imports check docs site bench clean
.DEFAULT_GOAL := help

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): pyproject.toml requirements/constraints.txt requirements/environment.sh
	@$(INSTALL) dev
	@touch $@ $(DEMO)

$(DEMO): pyproject.toml requirements/constraints.txt requirements/environment.sh
	@$(INSTALL) demo
	@touch $@

demo: $(DEMO) ## the whole path: two services, five requests, one session; ELASTICSEARCH=1 with a real one
	@PYTHONPATH=tests $(BIN)/python -m examples.demo $(if $(ELASTICSEARCH),--elasticsearch)

test: $(READY) ## every unit and property test, and the whole path on a real Elasticsearch
	$(PYTEST) $(PARALLEL)

nodes: $(READY) ## the tests that set up, limit, stop or kill an Elasticsearch of their own
	$(PYTEST) $(PARALLEL) -m nodes

processes: $(READY) ## the tests of each kind of server and process, and of its end
	$(PYTEST) --numprocesses auto -m processes

coverage: $(READY) ## what the targets that ran with COVERAGE=1 have executed
	$(BIN)/coverage report

soak: $(READY) ## make test five times, beside four processes that burn the processor
	$(BIN)/python tests/soak.py

matrix: $(READY) ## the tests of Elasticsearch 8 and 9, plain, secured and with TLS, and of elasticsearch-py 8
	$(PYTEST) -m matrix

pythons: ## the unit and property tests on every supported Python that this machine has
	@PYTHONS="$(PYTHONS)" sh requirements/pythons.sh

bounds: ## the unit tests on the lowest set that pyproject.toml admits, and on the newest that resolves
	@PYTHON="$(PYTHON)" sh requirements/bounds.sh

browser: $(READY) chromium ## the session page in headless Chromium
	$(PYTEST) -m browser

chromium: # Debian's, and only where no Chromium is on this machine yet
	@command -v chromium >/dev/null || (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium >/dev/null)

chaos: $(READY) ## 200,000 documents through faults of network, Elasticsearch, disk and application, beside OTLP
	PYTHONPATH=tests $(BIN)/python -m chaos

applications: $(READY) redis ## published applications under load, bare and instrumented: every span, log record and exception is counted
	PYTHONPATH=tests $(BIN)/python -m applications

redis: # Debian's, and only where no Redis is on this machine yet
	@command -v redis-server >/dev/null || (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y redis-server >/dev/null)

lint: $(READY) ## ruff: every rule, and the format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## mypy --strict
	$(BIN)/mypy

imports: $(READY) ## the map of ARCHITECTURE.md: imports point down only
	$(BIN)/lint-imports

docs: $(READY) ## write the generated parts of the documentation anew
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/generate_documents.py
	$(BIN)/python docs/generate_commands.py
	cp src/otel_asayer/cli/otel-asayer.ndjson docs/kibana/

site: $(VENV)/.docs ## the documentation as a site, in build/site; a warning is an error
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --nitpicky -d build/doctrees docs build/site

$(VENV)/.docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt -e '.[docs]'
	@touch $@

check: lint types imports test ## what must hold before a commit

bench: $(READY) $(VENV)/.peers ## beside the peers, as ratios: exporter, propagation, a whole request
	$(BIN)/python benchmarks/export.py
	$(BIN)/python benchmarks/encode.py
	$(BIN)/python benchmarks/propagation.py
	$(BIN)/python benchmarks/request.py --peers $(VENV)/peers/bin/python
	PYTHONPATH=tests $(BIN)/python benchmarks/page.py

$(VENV)/.peers: # in an environment of their own: they patch what they find
	$(PYTHON) -m venv $(VENV)/peers
	$(VENV)/peers/bin/python -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt ddtrace flask sentry-sdk
	@touch $@

clean: ## remove what the targets made, downloads included
	rm -rf $(VENV) .cache .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist src/*.egg-info
