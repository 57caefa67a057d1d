# `make` alone lists what can be done. Each target sets up what it needs in .venv; a second call costs nothing.

.DEFAULT_GOAL := help
SHELL := /bin/sh
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Handed on to `nifty` only when given: make paper DAY=2026-09-15 PROFILE=aggressive
BARS ?=
DAY ?=
INTERVAL ?=
STRATEGY ?=
PROFILE ?=
SEED ?=
PRODUCT ?=
KEEP_GOOD ?=
RUN ?=
OPTIONS = $(if $(BARS),--bars '$(BARS)') $(if $(DAY),--day '$(DAY)') \
	$(if $(INTERVAL),--interval '$(INTERVAL)') $(if $(STRATEGY),--strategy '$(STRATEGY)') \
	$(if $(PROFILE),--profile '$(PROFILE)') $(if $(SEED),--seed '$(SEED)') \
	$(if $(PRODUCT),--product '$(PRODUCT)') $(if $(KEEP_GOOD),--keep-good)

.PHONY: help
help:
	@echo 'make paper      trade a day on paper: local exchange, notebook, ledger, report'
	@echo 'make test       everything that must hold: export, lint, types, notebooks, tests'
	@echo 'make lab        open the notebooks in JupyterLab'
	@echo 'make dashboard  serve the page of a session (RUN, default the newest)'
	@echo 'make backtest   the same day through the engine alone'
	@echo 'make bench      measure speed and latency on this computer'
	@echo 'make export     format and clean the notebooks, write the package from them'
	@echo 'make lint       style and types'
	@echo 'make clean      strip execution noise from notebooks, delete caches'
	@echo 'make lock       resolve the dependencies of pyproject.toml anew'
	@echo
	@echo 'paper and backtest take BARS=file DAY=2026-09-15 (or first..last) INTERVAL=minutes'
	@echo 'STRATEGY=name PROFILE=conservative|exploratory|aggressive PRODUCT=MIS|CNC SEED=number'
	@echo 'KEEP_GOOD=1 leaves unfit rows of a file out instead of refusing it'

# Set-up ----------------------------------------------------------------------------------------

$(STAMPS)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is needed: make PYTHON=python3.11 ...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || \
		{ echo 'This Python cannot make environments: install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/session: requirements-session.lock $(STAMPS)/python
	$(BIN)/python -m pip install -q --require-hashes -r requirements-session.lock
	@touch $@

$(STAMPS)/full: requirements.lock $(STAMPS)/session
	$(BIN)/python -m pip install -q --require-hashes -r requirements.lock
	@touch $@

$(STAMPS)/package: pyproject.toml $(STAMPS)/session
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	$(BIN)/python -m ipykernel install --sys-prefix --name python3 >/dev/null 2>&1
	@touch $@

.PHONY: setup setup-full
setup: $(STAMPS)/session $(STAMPS)/package
setup-full: setup $(STAMPS)/full

# Run -------------------------------------------------------------------------------------------

.PHONY: paper backtest dashboard lab bench
paper: setup
	@$(BIN)/nifty paper $(OPTIONS)

backtest: setup
	@$(BIN)/nifty backtest $(OPTIONS)

dashboard: setup-full
	@$(BIN)/nifty dashboard $(if $(RUN),--run '$(RUN)')

lab: setup-full
	@$(BIN)/nifty lab

bench: setup-full
	@$(BIN)/nifty bench

# Check -----------------------------------------------------------------------------------------

.PHONY: export lint test clean lock
export: setup-full
	ruff format -q nbs dashboards tests
	nbdev-clean
	nbdev-clean --fname dashboards
	nbdev-export

lint: setup-full
	ruff check nbs nifty_research dashboards tests
	ruff format --check nbs dashboards tests
	mypy

test: setup-full
	pytest tests/test_export.py
	$(MAKE) --no-print-directory lint
	nbdev-test nbs
	$(if $(wildcard dashboards/*.ipynb),nbdev-test dashboards)
	pytest -n 2 --dist loadfile

clean: setup-full
	nbdev-clean
	nbdev-clean --fname dashboards
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis build
	find nbs nifty_research dashboards tests -name __pycache__ -type d -prune -exec rm -rf {} +

# One resolution for all: what a session needs is a part of what development needs.
RESOLVE = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header pyproject.toml
lock: $(STAMPS)/python
	$(BIN)/python -m pip install -q uv==0.13.8
	$(RESOLVE) --extra research --extra redis --extra dev -o requirements.lock
	$(RESOLVE) -c requirements.lock -o requirements-session.lock
	sed -i '1i # Everything for development, tests and pages. Made from pyproject.toml by: make lock' requirements.lock
	sed -i '1i # What running sessions needs, a part of requirements.lock. Made by: make lock' requirements-session.lock
