# Every chore of Ops Center. A fresh machine needs Python 3.11+ and make, nothing else.
PYTHON ?= python3
RUN := .venv
TEST := .venv-test

.PHONY: help install run sandbox test test-peers lint bench screenshots lock clean

help:  ## list the chores
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

install: $(RUN)/.installed  ## make .venv with the pinned dependencies

run: install  ## install, then serve the console and print the sign-in link
	@exec $(RUN)/bin/ops-center serve $(if $(HOST),--host $(HOST)) $(if $(PORT),--port $(PORT))

sandbox: $(TEST)/.installed  ## the console beside stand-ins for Lago and Stripe, to click a purchase through
	@exec $(TEST)/bin/python -m tests.sandbox $(if $(PORT),--port $(PORT)) $(if $(COLLECTOR),--collector $(COLLECTOR))

test: $(TEST)/.installed browser  ## lint, types, import rules and every test
	@$(MAKE) --no-print-directory lint
	$(TEST)/bin/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

test-peers: $(TEST)/.peers  ## the checks against real engines and servers
	@sh tests/peers/need_prometheus.sh $(abspath $(TEST))/prometheus
	$(TEST)/bin/python -m pytest tests/peers

lint: $(TEST)/.installed  ## ruff, mypy and the import rules
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/mypy
	$(TEST)/bin/lint-imports

bench: $(TEST)/.installed browser  ## every figure of the README, each beside a reference of the same run
	$(TEST)/bin/python -m bench

screenshots: $(TEST)/.installed browser  ## the README's pictures, from the real traces
	$(TEST)/bin/python -m bench.screenshots

.PHONY: browser
browser:  # Debian's Chromium where apt may install it, else a Chrome that is already there
	@sh tests/browser/need_chromium.sh

# Pins are resolved for every Python from 3.11 on, with hashes and without addresses.
lock:  ## resolve requirements.lock and requirements-test.lock anew
	$(TEST)/bin/python -m pip install --quiet uv
	$(TEST)/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header --upgrade -q -o requirements.lock
	$(TEST)/bin/uv pip compile pyproject.toml --extra test --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header -c requirements.lock --upgrade -q -o requirements-test.lock
	$(TEST)/bin/uv pip compile pyproject.toml --extra peers --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header -c requirements-test.lock --upgrade -q -o requirements-peers.lock

$(RUN)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Ops Center needs Python 3.11 or newer, this is %d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(RUN)
	$(RUN)/bin/python -m pip install --quiet --require-hashes -r requirements.lock
	$(RUN)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(TEST)/.installed: requirements-test.lock pyproject.toml
	$(PYTHON) -m venv $(TEST)
	$(TEST)/bin/python -m pip install --quiet --require-hashes -r requirements-test.lock
	$(TEST)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(TEST)/.peers: $(TEST)/.installed requirements-peers.lock
	$(TEST)/bin/python -m pip install --quiet --require-hashes -r requirements-peers.lock
	@touch $@

clean:  ## remove both environments and every cache
	rm -rf $(RUN) $(TEST) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
