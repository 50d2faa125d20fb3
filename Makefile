# Needs python3, git and make; uv is found or brought, and uv brings a newer Python where it is needed.
UV := python3 tests/bootstrap/uv.py
RUN := $(UV) run --locked --all-extras
API := tasks/clients/etcd_api

# Compiled once at the installation, not by each of the many processes of a test: a Prefect server starts in 6 s, not 30.
setup binaries demo test bench: export UV_COMPILE_BYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help setup binaries demo test lint format bench proto clean

help: ## this list
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

setup: ## make the environment in .venv
	$(UV) sync --locked --all-extras

binaries: ## get the servers' programs; ARGS="kube=1.37.2" for others than the tests'
	$(RUN) python -m tests.servers.binaries $(ARGS)

demo: ## a backup and a restore on real servers, without root
	$(RUN) python -m tests.demo

test: ## unit and component tests; ARGS="-k name" goes to pytest
	$(RUN) python -m tests.servers.binaries
	$(RUN) pytest -n 2 --dist loadfile $(ARGS)

lint: ## all that CI checks without running anything
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	$(RUN) lint-imports

format: ## repair what can be repaired
	$(RUN) ruff check --fix
	$(RUN) ruff format

bench: ## the benchmarks; takes minutes
	$(RUN) python -m tests.benchmarks $(ARGS)

proto: ## generate tasks/clients/etcd_api anew from its .proto
	$(RUN) python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. $(API)/rpc.proto

clean: ## remove caches, not the environment
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage dist
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
