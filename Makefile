# Everything is installed into a folder of this checkout; nothing needs root.
#   make demo    a photo site and its thumbnail server on http://127.0.0.1:8000/
#   make test    all tests, in two processes; ARGS="-k tokens" passes arguments to pytest, ARGS=-n0 runs them in one
#   make test-fast  the tests that start no process and need no server
#   make chaos   faults, floods, hostile input and 100 kills of servers; lists what was survived
#   make pictures  a table: each kind of picture, through each engine and in a browser
#   make lint    linter and types
#   make matrix  all tests on every version of Python, Django and sorl-thumbnail
#   make corners what depends on versions, with the newest and the oldest of each
#   make docs    the documentation as HTML in docs/_build; warnings are errors. make docs-serve shows it on port 8080
#   make docs-links  checks the links of all Markdown files, those to other sites where there is internet
#   make package sdist and wheel in dist/, what is in them, the clients, and the fast tests with each
#   make fuzz    hostile input for a minute; ARGS=-max_total_time=3600 for an hour
#   make bench   all measurements, some 40 minutes; bench/README.md has each of them

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# Most tests wait for servers of their own. A file stays in one process, because its tests share servers.
WORKERS := --numprocesses=2 --dist=loadfile

.PHONY: pictures demo test test-fast chaos lint matrix corners docs docs-links docs-serve package bench fuzz clean

demo: $(VENV)/demo.installed
	$(BIN)/python example_project/manage.py demo $(ARGS)

test: $(VENV)/dev.installed
	$(BIN)/python -m pytest $(WORKERS) $(ARGS)

test-fast: $(VENV)/dev.installed
	$(BIN)/python -m pytest --fast $(WORKERS) $(ARGS)

chaos: $(VENV)/dev.installed
	KILLS=100 $(BIN)/python -m pytest -m survives $(ARGS)

lint: $(VENV)/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

matrix: $(VENV)/dev.installed
	$(BIN)/nox --session matrix oldest $(ARGS)

corners: $(VENV)/dev.installed
	$(BIN)/nox --session corners oldest $(ARGS)

package: $(VENV)/dev.installed
	$(BIN)/nox --session package $(ARGS)

docs: $(VENV)/docs.installed
	$(BIN)/python -m sphinx --builder dirhtml --fail-on-warning --keep-going --quiet docs docs/_build/html $(ARGS)

docs-links: $(VENV)/docs.installed
	$(BIN)/python docs/links.py

docs-serve: docs
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory docs/_build/html 8080

bench: bench-page bench-engine bench-server bench-start bench-adopt bench-faults bench-cold bench-scale bench-clients

pictures: $(VENV)/dev.installed
	$(BIN)/python -W ignore -m tests.server.engines.comparison

bench-%: $(VENV)/bench.installed
	$(BIN)/python -m bench.$* $(ARGS)

fuzz: $(VENV)/fuzz.installed
	$(BIN)/python -m tests.fuzz -max_total_time=60 $(ARGS)

# Or they go as soon as what needed them is done.
.SECONDARY: $(VENV)/bench.installed $(VENV)/docs.installed

# The stamp is younger than setup.cfg when what that names is installed. Where the system has the headers of
# libvips, pip builds pyvips for that, whose version may be too old, and replaces a file of pyvips-binary.
$(VENV)/%.installed: setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --editable ".[$*]"
	! $(PIP) show pyvips-binary 2>/dev/null || $(PIP) install --force-reinstall --no-deps pyvips-binary
	touch $@

clean:
	rm -rf $(VENV) .nox build dist *.egg-info example_project/var
