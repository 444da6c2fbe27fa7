# Every target says what it is for: make help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
# Tests of servers wait most of the time: four files at once keep two cores busy, and the quick ones come last.
PARALLEL := --numprocesses 4 --dist loadfile --no-loadscope-reorder
export PORT DEMO_DIR DEMO_SECONDS

.DEFAULT_GOAL := help
.PHONY: help demo install dev servers check fix test test-long coverage bench audit sbom docs compose-test lock clean

help: ## say what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

LIBRARIES := api/pages/libraries/files.txt api/pages/libraries/package-lock.json

$(STAMP): requirements.txt pyproject.toml $(LIBRARIES)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Officina needs Python 3.11 or newer; $$($(PYTHON) --version) is what $(PYTHON) starts. Set PYTHON=python3.11 or install it."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "The virtual environment could not be made: on Debian, 'apt-get install python3-venv' first."; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@command -v npm >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-node.txt
	@$(BIN)/python -m api.pages.libraries # what pages load in a browser, by recorded checksums
	@$(BIN)/python -m compileall -q shopfloor edge_agent collector api dashboards simulators # else the first start does it, in each program
	@touch $@

$(DEV_STAMP): $(STAMP) requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

install: $(STAMP) ## make .venv and install Officina into it, from the hash-locked list

dev: $(DEV_STAMP) ## the same, with what checks and tests need

demo: $(STAMP) ## a workshop at work on this machine: PORT (8000), DEMO_DIR (var/demo), DEMO_SECONDS are honoured
	@exec $(BIN)/officina demo

servers: ## install the real servers that the tests start (Debian packages), where that is allowed
	@bash deploy/test-servers.sh

check: $(DEV_STAMP) ## format, lint, types, import contracts
	@$(BIN)/ruff format --check --quiet . || { echo "Run 'make fix' to format."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy shopfloor edge_agent collector api dashboards simulators tests
	@$(BIN)/lint-imports --no-cache | tail -n 12

fix: $(DEV_STAMP) ## format and mend what can be mended by machine
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix --quiet .

test: $(DEV_STAMP) servers ## every test against real servers, within 10 minutes on two cores
	@$(BIN)/python -m pytest -m "not long" $(PARALLEL)

test-long: $(DEV_STAMP) servers ## the same suites at full size
	@OFFICINA_TEST_SIZE=long $(BIN)/python -m pytest $(PARALLEL)

coverage: $(DEV_STAMP) ## every branch of the pure modules of usage and billing, by their own tests
	@mkdir -p .cache
	@$(BIN)/python -m coverage run -m pytest tests/unit/api/usage tests/unit/api/billing tests/golden
	@$(BIN)/python -m coverage report

bench: $(DEV_STAMP) servers ## measure, beside a limit measured in the same run
	@$(BIN)/python -m tests.benchmarks

audit: $(DEV_STAMP) ## look the locked packages up among known advisories; each exception is explained in deploy/advisories.txt
	@$(BIN)/python deploy/audit.py

sbom: $(STAMP) $(DEV_STAMP) ## write what is installed to run Officina as CycloneDX: officina.cdx.json
	@$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON -o officina.cdx.json requirements.txt
	@echo "officina.cdx.json: $$(grep -c '"bom-ref"' officina.cdx.json) components"

docs: $(DEV_STAMP) ## build the documentation site from docs/ into site/, where every link leads somewhere
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.txt
	@$(BIN)/zensical build --clean --strict --config-file zensical.toml

compose-test: $(STAMP) ## where a Docker engine is: build the image, start everything, wait until all is well, stop
	@bash deploy/compose-test.sh

lock: $(DEV_STAMP) ## renew the hash-locked lists of packages
	@mkdir -p .cache
	@$(BIN)/python -c "import tomllib; print('\n'.join(tomllib.load(open('pyproject.toml', 'rb'))['dependency-groups']['dev']))" > .cache/dev.in
	@$(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-annotate --no-header --strip-extras --allow-unsafe --build-deps-for editable -o requirements.txt pyproject.toml
	@$(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-annotate --no-header --strip-extras --allow-unsafe -c requirements.txt -o requirements-dev.txt .cache/dev.in

clean: ## remove what was built and installed here, not the demo's data
	@rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
