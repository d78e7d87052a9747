# Needs Python >= 3.11, make and a package index. Everything it sets up stays below this folder.
SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
# uv keeps no lock file of its own here (it would write index addresses): requirements.lock is the lock.
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
SOURCES := pyproject.toml requirements.lock chat-api/pyproject.toml mcp-todo-server/pyproject.toml shared/pyproject.toml

.PHONY: help install demo env test lint format bench faults eval mcpb widget page lock clean

define CHECK_PYTHON
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
  || { echo "error: '$(PYTHON)' is not Python 3.11 or newer; name one with: make PYTHON=python3.12" >&2; exit 1; }
endef

# $(call QUIETLY,command,what it does): its last line where it fails, and nothing where it succeeds.
QUIETLY = said=$$($(1) 2>&1) || { echo "error: cannot $(2): is a package index reachable? \
($$(printf '%s\n' "$$said" | tail -n 1))" >&2; exit 1; }

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/.installed ## the workspace's virtual environment in .venv

.uv/bin/uv:
	@$(CHECK_PYTHON)
	@$(PYTHON) -m venv .uv || { echo "error: $(PYTHON) cannot make virtual environments; install its venv package" >&2; exit 1; }
	@# Half made, it would be in the way of the next try.
	@trap 'test -x $@ || rm -rf .uv' EXIT; $(call QUIETLY,.uv/bin/python -m pip install --quiet --retries 1 \
	  --disable-pip-version-check 'uv==$(UV_VERSION)',install uv)

.venv/.installed: $(SOURCES) | $(filter .uv/bin/uv,$(UV))
	@$(CHECK_PYTHON)
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@$(call QUIETLY,$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock,install the dependencies)
	@$(call QUIETLY,$(UV) pip install --quiet --python $(BIN)/python --no-deps -e shared -e mcp-todo-server -e chat-api,install the services)
	@touch $@

lint: install ## ruff, mypy, import contracts, file sizes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@long=$$(find chat-api/src mcp-todo-server/src shared/src -name '*.py' -exec awk 'END { if (NR > 300) print FILENAME ": " NR " lines; a file has 300 at most" }' {} \;); \
	  test -z "$$long" || { echo "$$long" >&2; exit 1; }

format: install ## let ruff rewrite what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

demo: install ## both services on this machine, offline model, until Ctrl-C (PORT and MCP_PORT move them)
	@exec $(BIN)/python deploy/demo/demo.py

env: ## write .env for docker-compose.yml, with secrets of its own
	@$(PYTHON) deploy/make_env.py

# Most of the suite's time is spent waiting for processes to start, so more workers than cores are of use. Files keep their
# order, browser tests first: where Docker Compose makes a network meanwhile, Chromium drops what it is loading.
TEST_WORKERS ?= 3

test: install ## the whole suite (PYTEST_ARGS are passed on; TEST_WORKERS=0 runs it in one process)
	$(BIN)/pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

bench: install ## what is measured in docs/benchmarks.md (needs Docker and Chromium)
	$(BIN)/python -m tests.bench.turn
	$(BIN)/python -m tests.bench.first_words
	$(BIN)/python -m tests.bench.durability
	$(BIN)/python -m tests.bench.todo_server
	$(BIN)/python -m tests.bench.ready
	$(BIN)/python -m tests.bench.page

faults: install ## faults against real processes and PostgreSQL (needs Docker; FAULTS_SCHEDULES, FAULTS_SEED)
	@$(BIN)/python -m tests.faults.suite

eval: install ## does a model choose the right tools? (OPENAI_BASE_URL, OPENAI_MODEL, OPENAI_API_KEY; else the offline model)
	@$(BIN)/python -m tests.eval $(EVAL_ARGS)

mcpb: ## the extension for Claude Desktop: dist/mcp-todo-server.mcpb
	@$(CHECK_PYTHON)
	@$(PYTHON) deploy/mcpb/build.py

widget: install ## the task list's page and its pictures in docs/images, anew (needs Node.js and Chromium)
	cd mcp-todo-server/widget && npm ci --ignore-scripts --no-audit --no-fund && npm run --silent build
	UPDATE_SCREENSHOTS=1 REQUIRE_NODE=1 REQUIRE_BROWSER=1 $(BIN)/pytest -q tests/e2e/widget/test_screenshots.py

page: ## what the browser loads from chat-api, anew from chat-api/page (needs Node.js)
	cd chat-api/page && npm ci --ignore-scripts --no-audit --no-fund && npm run --silent build

lock: | $(filter .uv/bin/uv,$(UV)) ## pin and hash every dependency anew
	$(UV) lock --quiet --upgrade
	$(UV) export --quiet --frozen --all-packages --no-emit-workspace --no-annotate --no-header -o requirements.lock
	$(UV) export --quiet --frozen --package chat-api --no-dev --no-emit-workspace --no-annotate --no-header -o chat-api/requirements.lock
	$(UV) export --quiet --frozen --package mcp-todo-server --no-dev --no-emit-workspace --no-annotate --no-header -o mcp-todo-server/requirements.lock
	cd tests/integration/mcp_todo_server/scanner && $(abspath $(UV)) pip compile --quiet --universal --upgrade --python-version 3.11.4 \
	  --generate-hashes --no-annotate --no-header requirements.in -o requirements.lock
	rm -f uv.lock

clean: ## remove what the other targets made, data excepted
	rm -rf .venv .uv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	rm -rf chat-api/page/node_modules mcp-todo-server/widget/node_modules
