# Needs only make and Python 3.11 or later. `make` alone lists the targets.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV ?= uv
BIN := .venv/bin
RUNTIME := .venv/.runtime-installed
DEV := .venv/.dev-installed
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes
# A process for each processor, each with servers of its own; tests/order.py says what runs on one.
PYTEST = $(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist loadscope \
	--no-loadscope-reorder --durations 10 $(if $(SEED),--randomly-seed $(SEED))
# Universal: one lock for every system and every Python from 3.11.0 on.
LOCKED := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --quiet
COMPILE := $(UV) pip compile pyproject.toml --extra embedded $(LOCKED) \
	--no-emit-package saxaul-methodologies

# What is compiled is kept: every test and tool starts programs, and each would compile all again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up test suite soak mutants check format types fix load bench docs sql lock audit clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(RUNTIME) ## Run everything here: PostgreSQL, Valkey, API and worker (Ctrl-C stops it)
	@exec $(BIN)/python -m service.cli up $(ARGS)

test: format ## All gates and all tests; SEED=... for the order of an earlier run
	@echo "Types, import contracts and tests, side by side ..."
	@$(MAKE) --no-print-directory --jobs 2 types suite

suite: $(DEV)
	@$(PYTEST) $(ARGS)

soak: SEED := $(or $(SEED),$(shell date +%s))
soak: $(DEV) ## The long, random run: every fault, every victim, ten times the examples; SEED=...
	@echo "To run this again: make soak SEED=$(SEED)"
	@SOAK=1 $(PYTEST) --hypothesis-seed $(SEED) $(ARGS)

mutants: $(DEV) ## Put faults into a copy of the code, one at a time: does a test catch each?
	@PYTHONPATH=tests $(BIN)/python -m mutants $(ARGS)

check: format types ## Format, lint, types, import contracts and the rules of the house
	@$(PYTEST) --quiet tests/architecture

format: $(DEV)
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .

types: $(DEV)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

fix: $(DEV) ## Format, and repair what the linter can repair
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

load: $(DEV) ## A short load test against the budget
	@$(BIN)/python -m loadtest.run $(ARGS)

bench: $(DEV) ## The side-by-side ratios
	@$(BIN)/python -m loadtest.bench $(ARGS)

docs: $(DEV) ## Write docs/openapi.json anew, and the catalogue site to site/methodologies
	@$(BIN)/python -m service.cli openapi > docs/openapi.json.new
	@mv docs/openapi.json.new docs/openapi.json
	@$(BIN)/python -m service.cli methodology site site/methodologies

sql: $(DEV) ## Write tests/architecture/sql anew: SQL that is put together from pieces
	@SQL_SNAPSHOTS=write $(BIN)/python -m pytest --quiet tests/architecture/test_sql_snapshots.py

lock: ## Bring both lock files up to pyproject.toml (needs uv; ARGS=--upgrade for newer versions)
	@$(COMPILE) $(ARGS) -o requirements.lock
	@$(COMPILE) $(ARGS) --group dev -o requirements-dev.lock
	@$(UV) pip compile --group pyproject.toml:audit $(LOCKED) $(ARGS) -o requirements-audit.lock

audit: | $(BIN)/python ## Known vulnerabilities in the lock, and a bill of materials (dist/sbom.cdx.json)
	@$(BIN)/python .ci/audit.py

clean: ## Remove the virtual environment and all caches; the data in .saxaul stays
	rm -rf .venv dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .mutants.json
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The project is put on the path of the environment with a .pth file: nothing to build, and an
# edit is live at once.
define link
@site=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
	printf '%s\n' '$(CURDIR)' > "$$site/saxaul.pth"
@printf '%s\n' '#!/bin/sh' 'exec "$$(dirname "$$0")/python" -m service.cli "$$@"' > $(BIN)/saxaul
@printf '%s\n' '#!/bin/sh' 'exec "$$(dirname "$$0")/python" -m methodologies.cli "$$@"' > $(BIN)/saxaul-methodologies
@chmod +x $(BIN)/saxaul $(BIN)/saxaul-methodologies
@touch $@
endef

# The Makefile writes the commands, so an environment from before gets a new one, too.
$(RUNTIME): requirements.lock Makefile | $(BIN)/python
	@echo "Installing what Saxaul needs, once (about a minute) ..."
	@$(PIP) -r requirements.lock
	$(link)

$(DEV): requirements-dev.lock | $(BIN)/python
	@echo "Installing what Saxaul and its tests need, once (about a minute) ..."
	@$(PIP) -r requirements-dev.lock
	$(link)

$(BIN)/python:
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Saxaul needs Python 3.11 or later; say which with make PYTHON=/path/to/python3.11"; exit 1; }
	@'$(PYTHON)' -m venv .venv || \
		{ rm -rf .venv; echo "On Debian and Ubuntu: apt install python3-venv"; exit 1; }
