.DEFAULT_GOAL := help
BIN := .venv/bin
PYTHON ?= python3

# .venv is made anew only when what it is made of changed; every goal below sees to that itself
INSTALLED := .venv/.installed

.PHONY: help install demo test slow check up down lock

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## .venv with roundtruth and all that demo, tests and servers need

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "roundtruth needs Python 3.11 or later; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --python $(BIN)/python --quiet --compile-bytecode -r requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps -e .
	$(BIN)/python -m compileall -q roundtruth flows tasks
	@touch $@

demo: $(INSTALLED) ## label 1000 pictures with simulated people and a model; nothing is downloaded
	$(BIN)/roundtruth demo

test: $(INSTALLED) ## the tests, but for the slow ones
	$(BIN)/python -m pytest -n 2 --dist loadfile

slow: $(INSTALLED) ## the slow tests: servers, browsers, kills
	$(BIN)/python -m pytest -m slow

check: $(INSTALLED) ## style, types, and who imports whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports

up: $(INSTALLED) ## Prefect's server, its UI, a worker a pool and the deployments, on this machine
	@$(BIN)/python infra/local.py up

down: ## end what `make up` started
	@if [ -x $(BIN)/python ]; then $(BIN)/python infra/local.py down; fi

lock: $(INSTALLED) ## choose the versions of everything anew, for every platform
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-emit-index-url \
	    --custom-compile-command "make lock" --group test --group server --output-file requirements.lock pyproject.toml
