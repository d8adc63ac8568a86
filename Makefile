# Saccade. `make app` sets up and opens the app; `make test` sets up, browser included, and runs every test.
PYTHON ?= python3.11
ADDRESS ?= 127.0.0.1
PORT ?= 8501
BIN = .venv/bin
# Shared in a room it may be called by any name; alone only by its own (see .streamlit/config.toml).
ANY_NAME = $(if $(filter 127.0.0.1 localhost,$(ADDRESS)),,--server.allowedHosts '*')
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: app setup browser test lint bench load thumbnails clean

app: setup
	$(BIN)/streamlit run app.py --server.address $(ADDRESS) --server.port $(PORT) $(ANY_NAME)

setup: .venv/requirements

.venv/bin/python:
	$$(command -v $(PYTHON) || command -v python3) -m venv .venv

.venv/requirements: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install -q -r requirements.txt
	touch $@

.venv/requirements-dev: requirements-dev.txt requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install -q -r requirements-dev.txt
	touch $@ .venv/requirements

# A Chromium for the browser tests: one that is there, Debian's package, or Playwright's own.
browser: .venv/requirements-dev
	@$(BIN)/python -m tests.browser.chromium

lint: .venv/requirements-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: browser lint
	$(BIN)/python -m pytest --ignore tests/browser -n auto --maxprocesses 4 --dist loadfile
	$(BIN)/python -m pytest tests/browser

bench: browser
	$(BIN)/python -m engine bench
	$(BIN)/python -m tests.browser.bench

# Up to 30 visitors at once, one touch a second each, on the loopback: about five minutes.
load: .venv/requirements-dev
	$(BIN)/python -m tests.load

thumbnails: .venv/requirements
	$(BIN)/python -m pages.kit.thumbnails

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis
