# Commands for contributors; `make` alone lists them. Needs Python 3.11+, make and a POSIX shell, nothing else.
PY ?= python3
V := .venv
WORKERS ?= 4
PATIENT ?= 5
INSIDE := tests/packs/marketplace tests/packs/storefront tests/packs/ledger tests/runs/rollup tests/guard/test_guard.py \
	tests/statements
ARGS ?=
DEV := build/dev
LISTEN := 127.0.0.1:8787

.PHONY: help demo demo-postgres dev test test-slow test-inside test-majors check format docs bench services lock clean

help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '  make %-14s %s\n' "$$name" "$$text"; done
	@echo
	@echo '  ARGS="…" is handed on to demo, test and bench; PY=python3.12 chooses the interpreter.'

demo: $(V)/.ok ## Show Sexton at work on a throw-away database
	@$(V)/bin/sexton demo $(ARGS)

demo-postgres: $(V)/.ok ## The same on a throw-away PostgreSQL
	@$(V)/bin/sexton demo --postgres $(ARGS)

dev: $(V)/.ok ## Run the worker and its pages (port 8787) on a demonstration database; Ctrl-C ends both
	@test -f $(DEV)/sexton.toml || $(V)/bin/sexton demo --keep $(DEV)
	@echo "pages: http://$(LISTEN)/api/health/cron and /metrics"
	@cd $(DEV) && SEXTON_WEB__LISTEN=$(LISTEN) exec $(abspath $(V))/bin/sexton worker $(ARGS)

test: $(V)/.ok ## Run the tests; they start the servers they need
	@$(V)/bin/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow and not second_major" $(ARGS)

test-slow: $(V)/.ok ## Run what takes long by nature, and statements on the older major of PostgreSQL
	@$(V)/bin/python -m pytest -n $(PATIENT) --dist worksteal -m "slow and not second_major" $(ARGS)

test-inside: $(V)/.ok ## Run suites of the Python path once more, by procedures inside PostgreSQL
	@$(V)/bin/python -m pytest -n $(PATIENT) --dist worksteal --inside $(INSIDE) $(ARGS)

test-majors: $(V)/.ok ## Run the rest on the older major, before a release: how runs go, what processes do when killed
	@$(V)/bin/python -m pytest -n $(WORKERS) --dist worksteal -m second_major $(ARGS)

check: $(V)/.ok ## Format, lint, types, layers, and whether generated pages are fresh
	@$(V)/bin/ruff format --check .
	@$(V)/bin/ruff check .
	@$(V)/bin/mypy
	@$(V)/bin/lint-imports
	@$(V)/bin/python docs/generate.py --check

format: $(V)/.ok ## Format the code and mend what ruff can mend
	@$(V)/bin/ruff format .
	@$(V)/bin/ruff check --fix .

docs: $(V)/.ok ## Write the generated reference pages
	@$(V)/bin/python docs/generate.py

bench: $(V)/.ok ## Measure against the giant statement
	@$(V)/bin/python -m benchmarks $(ARGS)

services: ## Install the servers that tests use beyond the bundled ones (Debian: root; macOS: says how)
	@sh .ci/services

lock: $(V)/.ok ## Choose versions anew and write the locks: of development, of the image, of what builds it
	@rm -f uv.lock
	@$(V)/bin/uv lock -q --python $(V)/bin/python
	@$(V)/bin/uv export -q --frozen --no-emit-project --all-extras --group dev -o requirements.lock
	@$(V)/bin/uv export -q --frozen --no-emit-project --no-default-groups --extra postgres --extra web \
		--extra alerts --extra mail --extra celery --extra rq --extra procrastinate -o deploy/requirements.lock
	@$(V)/bin/uv export -q --frozen --only-group build -o deploy/build.lock
	@rm -f uv.lock

clean: ## Remove everything that the commands above have made
	@rm -rf $(V) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache uv.lock
	@find src tests benchmarks docs -name __pycache__ -type d -exec rm -rf {} +

# The environment: nothing is installed whose hash is not in requirements.lock, uv and what builds Sexton included
# (SEC-26); Sexton itself editable. uv only makes it quicker: where it has no wheel, pip does all, without it.
LOCKED := awk '/^[^ \#]/ { here = /^uv==/ } here == uv'
PIP := $(V)/bin/python -m pip install -q --disable-pip-version-check --require-hashes
$(V)/.ok: pyproject.toml requirements.lock
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Sexton needs Python 3.11 or newer; try: make PY=python3.12" >&2; exit 1; }
	@$(PY) -m venv $(V) || { echo "on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(LOCKED) uv=1 requirements.lock > $(V)/uv.txt && $(LOCKED) uv=0 requirements.lock > $(V)/others.txt
	@$(PIP) --only-binary :all: -r $(V)/uv.txt || echo "no uv here; pip will do" >&2
	@if [ -x $(V)/bin/uv ]; then $(V)/bin/uv pip install -q --python $(V)/bin/python --require-hashes \
		-r requirements.lock; else $(PIP) -r $(V)/others.txt; fi
	@$(V)/bin/python -m pip install -q --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
	@touch $@
