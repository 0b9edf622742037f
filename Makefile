# The same commands serve people and continuous integration. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
UV := .bootstrap/bin/uv
BIN := .venv/bin
PACKAGES := common modeler simulator analyzer
LOCK_INPUTS := pyproject.toml $(PACKAGES:%=services/%/pyproject.toml)

.PHONY: help setup lock

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
