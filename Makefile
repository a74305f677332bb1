PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PORT ?= 8000
ARGS ?=
ONLY ?=

# What the checks need and do not connect to.
CHECK_ENV = SECRET_KEY=only-for-checks-only-for-checks-only DATABASE_URL=postgresql://127.0.0.1/none \
	REDIS_URL=redis://127.0.0.1/0

.PHONY: run test check fix bench shell clean

run: $(VENV)/.installed
	@exec $(BIN)/python manage.py up --port $(PORT)

test: $(VENV)/.installed-dev
	$(BIN)/python -m tests.browser.chromium
	$(BIN)/pytest $(ARGS)

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(CHECK_ENV) $(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint templates --lint --quiet
	$(BIN)/python -m tests.typescript
	$(CHECK_ENV) $(BIN)/python manage.py check
	$(CHECK_ENV) $(BIN)/python manage.py makemigrations --check --dry-run

fix: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-dev
	$(BIN)/python -m tests.bench $(ONLY)

shell: $(VENV)/.installed
	$(BIN)/python manage.py up --then shell

clean:
	rm -rf $(VENV) staticfiles .mypy_cache .ruff_cache .pytest_cache
