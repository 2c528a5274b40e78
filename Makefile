# Needs only make and Python 3.11 or later. `make` alone lists the targets.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV ?= uv
BIN := .venv/bin
RUNTIME := .venv/.runtime-installed
DEV := .venv/.dev-installed
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes
# A process for each processor, each with servers of its own; who is done takes over from the others.
PYTEST := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist worksteal --durations 10
# Universal: one lock for every system and every Python from 3.11.0 on.
COMPILE := $(UV) pip compile pyproject.toml --universal --python-version 3.11 --extra embedded \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --quiet \
	--no-emit-package saxaul-methodologies

# What is compiled is kept: every test and tool starts programs, and each would compile all again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up test mutants check fix load bench docs lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(RUNTIME) ## Run everything here: PostgreSQL, Valkey, API and worker (Ctrl-C stops it)
	@exec $(BIN)/python -m service.cli up $(ARGS)

test: check ## All gates, then all tests
	@$(PYTEST) --ignore tests/architecture $(ARGS)

mutants: $(DEV) ## Put faults into a copy of the code, one at a time: does a test catch each?
	@PYTHONPATH=tests $(BIN)/python -m mutants $(ARGS)

check: $(DEV) ## Format, lint, types, import contracts and the rules of the house
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(PYTEST) --quiet tests/architecture

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

lock: ## Bring both lock files up to pyproject.toml (needs uv; ARGS=--upgrade for newer versions)
	@$(COMPILE) $(ARGS) -o requirements.lock
	@$(COMPILE) $(ARGS) --group dev -o requirements-dev.lock

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

$(RUNTIME): requirements.lock | $(BIN)/python
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
