# The two commands: `make demo` and `make test`. Everything they need they install themselves.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench install pictures clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_SECONDS ?= 90
SERVE ?= 1
FOOTAGE ?=
DEMO_DATA ?= demo-data
PYTEST_ARGS ?=
# Many tests wait for cameras, disks and clocks that are real: three files at a time on two cores.
PYTEST_WORKERS ?= 3

# What the tests use of the system: a real RTSP server and a real browser.
TEST_PACKAGES := chromium fonts-noto-cjk python3-gi gir1.2-gst-rtsp-server-1.0 \
	gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
	gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-tools \
	gstreamer1.0-x

help:
	@echo 'make demo    from a fresh clone to searching in the browser (DEMO_SECONDS, SERVE=0, FOOTAGE=DIR)'
	@echo 'make test    from a fresh clone to the verdict'
	@echo 'make bench   the measurements of benchmarks/'
	@echo 'make install the virtual environment only;  make clean  removes what these made'

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Hindsight needs Python 3.11 or later; name one with make PYTHON=…' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); \
	  echo 'this Python has no venv; installing python3-venv'; \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq python3-venv; \
	  else sudo apt-get update -qq && sudo apt-get install -y -qq python3-venv; fi; \
	  $(PYTHON) -m venv $(VENV); }

# One stamp per set of extras, so that `make demo` does not install the test tools.
$(VENV)/.installed: pyproject.toml setup.py web/package-lock.json | $(VENV)/bin/python
	@echo 'installing Hindsight and what it stands on (torch is large; minutes on the first run)'
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

install: $(VENV)/.installed

demo: $(VENV)/.installed
	@$(BIN)/hindsight --data '$(DEMO_DATA)' demo --seconds '$(DEMO_SECONDS)' \
	  $(if $(FOOTAGE),--footage '$(FOOTAGE)') $(if $(filter 0,$(SERVE)),--no-serve)

# Installs the system packages of the tests where it may; says loudly which tests will skip.
.PHONY: test-packages
test-packages:
	@missing=''; for p in $(TEST_PACKAGES); do \
	  dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
	  if command -v apt-get >/dev/null && { [ "$$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then \
	    run=''; [ "$$(id -u)" = 0 ] || run='sudo -n'; echo "installing for the tests:$$missing"; \
	    { $$run apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$run apt-get install -y -qq \
	      --no-install-recommends $$missing >/dev/null; } \
	    || echo "!!! could not install:$$missing — the tests that need them WILL BE SKIPPED" >&2; \
	  else echo "!!! missing and not installable here:$$missing — the tests that need them WILL BE SKIPPED" >&2; \
	  fi; fi

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(VENV)/.installed-test test-packages lint
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks

# README's pictures, as the browser test takes them.
pictures: $(VENV)/.installed-test test-packages
	$(BIN)/python -m pytest -q tests/e2e/test_journeys.py -k takes_it_along
	cp test-artifacts/search-desk.png test-artifacts/search-desk.zh.png docs/guide/

clean:
	rm -rf $(VENV) demo-data test-artifacts benchmarks/results web/node_modules web/static/vendor
