# Two commands are the contract: `make run` and `make test`. Each installs what it needs.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PORT ?= 8000
ARGS ?=
# That run tests, or checks; of tests, each has databases, a Chromium and an embedding model of its own.
PROCESSES ?= 2
ONLY ?=

# The checks read settings, but connect to nothing.
CHECK_ENV = SECRET_KEY=only-for-checks-only-for-checks-only DATABASE_URL=postgresql://127.0.0.1/none \
	REDIS_URL=redis://127.0.0.1/0

CHECKS = check-types check-style check-format check-imports check-templates check-scripts \
	check-settings check-migrations

# What is compiled is kept: a Postil, and its tests all the more, start Python many times over.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test check $(CHECKS) fix bench shots shell clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed
	@exec $(BIN)/python -m config.up --port $(PORT)

test: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.browser.chromium
	$(BIN)/python -m pytest --numprocesses=$(PROCESSES) $(ARGS)

# Side by side; what each says is shown when it ends. Types, the longest, come first.
check: $(VENV)/.installed-dev
	@$(MAKE) --no-print-directory --jobs=$(PROCESSES) --output-sync=target $(CHECKS)

check-types:
	$(CHECK_ENV) $(BIN)/mypy

check-style:
	$(BIN)/ruff check .

check-format:
	$(BIN)/ruff format --check .

check-imports:
	$(BIN)/lint-imports

check-templates:
	$(BIN)/djlint templates --lint --quiet

check-scripts:
	$(BIN)/python -m tests.typescript

check-settings:
	$(CHECK_ENV) $(BIN)/python manage.py check

check-migrations:
	$(CHECK_ENV) $(BIN)/python -W ignore manage.py makemigrations --check --dry-run

fix: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-bench
	$(BIN)/python -m tests.bench $(ONLY)

# Pictures of every state of the desk, into docs/screens.
shots: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.browser.chromium
	$(BIN)/python -m tests.browser.screenshots $(ONLY)

# Of the Postil that runs here.
shell: $(VENV)/.installed
	@$(BIN)/python manage.py shell

clean:
	rm -rf $(VENV) staticfiles .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Postil needs Python 3.11 or newer: make run PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Torch alone and first: what is installed later then takes the build that is there.
$(VENV)/.torch: $(VENV)/.python
	@echo "Installing PyTorch and the rest; the first time this takes a few minutes."
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.torch
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.torch
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: $(VENV)/.installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	@touch $@
