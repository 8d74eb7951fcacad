# Everything here works on a fresh machine with Python 3.11 or newer and nothing else set up.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
HOST ?= 127.0.0.1
REGION ?= harz
PIP_FLAGS := --quiet --disable-pip-version-check --require-hashes --only-binary :all:

.PHONY: run setup test check translations bench screenshots accessibility lighthouse clean

run: setup
	@PORTAL_REGION=$(REGION) $(BIN)/portal run --host $(HOST) --port $(PORT)

setup: $(VENV)/.runtime

test: $(VENV)/.dev
	@$(BIN)/python -m pytest

check: $(VENV)/.dev
	@$(BIN)/python -m tests.check

translations: $(VENV)/.dev
	@$(BIN)/portal translations update

bench: $(VENV)/.dev
	@$(BIN)/python -m bench.clearing
	@$(BIN)/python -m bench.start
	@$(BIN)/python -m bench.pages
	@$(BIN)/python -m bench.search --sizes 300 --rounds 1
	@$(BIN)/python -m bench.admin --rounds 3
	@$(BIN)/python -m bench.codes --hours 1
	@$(BIN)/python -m bench.referrals --seconds 10 --rate 20 --sqlite-rate 5

screenshots: $(VENV)/.dev
	@$(BIN)/python -m tests.pictures --region $(REGION)

# What the tests of access find is written down for the accessibility statement.
accessibility: $(VENV)/.dev .ci/nu/node_modules/.package-lock.json
	@$(BIN)/python -m pytest -p tests.accessibility tests/journeys/test_axe.py tests/journeys/test_access.py \
		tests/journeys/test_access_tree.py tests/web/test_html.py

lighthouse: $(VENV)/.dev .ci/lighthouse/node_modules/.package-lock.json
	@$(BIN)/python -m bench.lighthouse --region $(REGION)

.ci/%/node_modules/.package-lock.json: .ci/%/package-lock.json
	@npm ci --prefix .ci/$* --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Anlauf needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	@echo "Creating the environment in $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m pip install $(PIP_FLAGS) -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@$(BIN)/python -m pip install $(PIP_FLAGS) -r requirements-dev.lock
	@touch $@

clean:
	rm -rf $(VENV) build dist
