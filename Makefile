# The same commands serve people and continuous integration. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
UV := .bootstrap/bin/uv
BIN := .venv/bin
PACKAGES := common modeler simulator analyzer
TEST_ENVIRONMENT := RAY_AUTH_MODE=disabled OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
LOCK_INPUTS := pyproject.toml $(PACKAGES:%=services/%/pyproject.toml)
COMPILE := $(UV) pip compile --universal --generate-hashes --no-emit-index-url --no-annotate --quiet --custom-compile-command "make lock" \
  --no-emit-package cryolattice $(patsubst %,--no-emit-package cryolattice-%,$(filter-out common,$(PACKAGES)))

.PHONY: help setup lock stubs reference format lint deploy-check images images-demo chaos test test-slow demo clean

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
	@$(COMPILE) $(LOCK_INPUTS) --group dev --all-extras -o requirements.lock
	@for image in modeler simulator analyzer; do $(COMPILE) -c requirements.lock --extra postgresql -o deploy/images/$$image.lock \
	  services/common/pyproject.toml services/$$image/pyproject.toml || exit; done
	@$(COMPILE) -c requirements.lock --extra postgresql -o deploy/images/ray.lock services/{common,simulator,analyzer}/pyproject.toml deploy/images/ray.in
	@$(COMPILE) -c requirements.lock -o deploy/images/build.lock deploy/images/build.in
	@$(COMPILE) -o deploy/checks/checkov.lock deploy/checks/checkov.in

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

.bootstrap/checkov/.complete: deploy/checks/checkov.lock .venv/.complete
	@echo "==> installing checkov, whose dependencies are not ours, into .bootstrap"
	@$(UV) venv --quiet --clear --python $(BIN)/python .bootstrap/checkov
	@$(UV) pip sync --quiet --python .bootstrap/checkov/bin/python --require-hashes $<
	@touch $@

deploy-check: .venv/.complete .bootstrap/checkov/.complete ## lint images, manifests and scripts of deploy/
	@echo "==> hadolint" && $(BIN)/hadolint deploy/images/*.Dockerfile
	@if command -v shellcheck > /dev/null; then echo "==> shellcheck" && shellcheck $$(git ls-files '*.sh' '*.sbatch'); else echo "==> shellcheck is not installed: skipped"; fi
	@echo "==> checkov" && mkdir -p .bootstrap/manifests
	@for overlay in local production production-ray-jobs; do $(BIN)/kubectl kustomize deploy/kustomize/overlays/$$overlay > .bootstrap/manifests/$$overlay.yaml || exit; done
	@.bootstrap/checkov/bin/checkov --framework kubernetes --compact --quiet --skip-download -d .bootstrap/manifests

images: ## build the images with docker, podman or buildah
	@deploy/images/build.sh

images-demo: .venv/.complete ## build what is missing with buildah, and run the demo inside the images (root, minutes)
	@$(BIN)/python -m pytest -m slow tests/deploy/test_images.py $(ARGS)

test-slow: .venv/.complete ## the longer proofs: Ray clusters, Slurm, images, where their tools are installed
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -m slow $(ARGS)

chaos: .venv/.complete ## hit a running system with faults at random moments, and print what survived (half an hour)
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/chaos.py $(ARGS)

test: .venv/.complete ## set up and run the suite
	@echo "==> pytest"
	@$(TEST_ENVIRONMENT) $(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

demo: .venv/.complete ## set up and identify the ordering in the example micrograph
	@$(BIN)/python examples/demo.py

clean: ## remove what setup and the demo made
	rm -rf .venv .bootstrap demo-output
