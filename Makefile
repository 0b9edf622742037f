# The same commands serve people and continuous integration. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
UV := .bootstrap/bin/uv
BIN := .venv/bin
PACKAGES := common modeler simulator analyzer
TEST_ENVIRONMENT := RAY_AUTH_MODE=disabled OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
LOCK_INPUTS := pyproject.toml $(PACKAGES:%=services/%/pyproject.toml)

.PHONY: help setup lock stubs reference format lint test demo clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/.complete ## install everything into .venv

$(UV):
	@echo "==> installing uv into .bootstrap"
	@cd / && python3 -m venv "$(CURDIR)/.bootstrap" || { echo "python3 cannot make virtual environments: on Debian or Ubuntu run 'apt-get install python3-venv', then try again" >&2; exit 1; }
	@.bootstrap/bin/python -m pip install --quiet --disable-pip-version-check uv

.venv/.complete: requirements.lock $(LOCK_INPUTS) | $(UV)
	@echo "==> installing the locked dependencies into .venv"
	@test -x $(BIN)/python || $(UV) venv --quiet .venv
	@$(UV) pip sync --require-hashes requirements.lock
	@$(UV) pip install --quiet --no-build-isolation --no-deps $(PACKAGES:%=-e services/%)
	@touch $@

lock: | $(UV) ## recompute requirements.lock
	@$(UV) pip compile $(LOCK_INPUTS) --group dev --all-extras --universal --generate-hashes --no-emit-index-url --no-annotate \
	  --no-emit-package cryolattice $(patsubst %,--no-emit-package cryolattice-%,$(filter-out common,$(PACKAGES))) \
	  --custom-compile-command "make lock" -o requirements.lock --quiet

stubs: .venv/.complete ## regenerate services/common/cryolattice_api from protos/
	@$(BIN)/python tools/generate_stubs.py

reference: .venv/.complete ## regenerate docs/reference from the command line, protocols, settings, errors
	@$(BIN)/python tools/generate_reference.py

format: .venv/.complete ## format the sources
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/buf format --write protos

lint: .venv/.complete ## formatting, lint, types, import rules, protocols, stubs, reference
	@echo "==> ruff" && $(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@echo "==> mypy" && $(BIN)/mypy services tools benchmarks
	@echo "==> import-linter" && $(BIN)/lint-imports
	@echo "==> buf" && $(BIN)/buf lint && $(BIN)/buf format --diff --exit-code protos
	@echo "==> stubs" && $(BIN)/python tools/generate_stubs.py --check
	@echo "==> reference" && $(BIN)/python tools/generate_reference.py --check
	@echo "==> buf breaking" && tools/check_breaking.sh

test: .venv/.complete ## set up and run the suite
	@echo "==> pytest"
	@$(TEST_ENVIRONMENT) $(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

demo: .venv/.complete ## set up and identify the ordering in the example micrograph
	@$(BIN)/python examples/demo.py

clean: ## remove what setup and the demo made
	rm -rf .venv .bootstrap demo-output
