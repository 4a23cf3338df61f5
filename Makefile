# Everything is installed into a folder of this checkout; nothing needs root.
#   make demo    a photo site and its thumbnail server on http://127.0.0.1:8000/
#   make test    all tests; ARGS="-k tokens" passes arguments to pytest
#   make lint    linter and types
#   make bench-page    what a page costs, beside sorl's own backend

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench-page clean

demo: $(VENV)/demo.installed
	$(BIN)/python example_project/manage.py demo $(ARGS)

test: $(VENV)/dev.installed
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench-page: $(VENV)/dev.installed
	$(BIN)/python -m bench.page

# The stamp is younger than setup.cfg when what that names is installed.
$(VENV)/%.installed: setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info example_project/var
