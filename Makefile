# Needs python3, git and make; uv is found or brought, and uv brings a newer Python where it is needed.
UV := python3 tests/bootstrap/uv.py
RUN := $(UV) run --locked --all-extras
TESTS := $(RUN) pytest -n 3 --dist loadfile
API := tasks/clients/etcd_api
SCRIPTS = $(shell git ls-files "tasks/*.sh")

# Compiled once at the installation, not by each of the many processes of a test: a Prefect server starts in 6 s, not 30.
setup binaries demo test e2e e2e-full bench bench-nodes bench-upgrade bench-certificates bench-access bench-resources: export UV_COMPILE_BYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help setup binaries demo test e2e e2e-full lab-up lab-down lab-ssh lint format new-runbook bench bench-nodes bench-upgrade bench-certificates bench-access bench-resources proto clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 19

setup: ## make the environment in .venv
	$(UV) sync --locked --all-extras

binaries: ## get the servers' programs; ARGS="kube=1.37.2" for others than the tests'
	$(RUN) python -m tests.servers.binaries $(ARGS)

demo: ## a backup and a restore on real servers, without root
	$(RUN) python -m tests.demo

test: ## unit and component tests, with the coverage of decisions; ARGS="-k name" goes to pytest, without it
	$(RUN) python -m tests.servers.binaries
	$(if $(ARGS),$(TESTS) $(ARGS),$(TESTS) tests/unit -m "not full" --cov)
	$(if $(ARGS),,$(TESTS) tests/component -m "not full")

e2e: ## tests on real clusters, two at a time, as root on Linux; ARGS as above
	$(RUN) pytest tests/e2e -s -n 2 --dist loadgroup -m "not full" --durations=12 $(ARGS)

e2e-full: ## all e2e tests, also those that take too long for CI, and the component tests of that kind
	$(RUN) pytest tests/component -n 2 -m full
	$(RUN) pytest tests/e2e -s -n 2 --dist loadgroup $(ARGS)

lab-up: ## start a kubeadm cluster on this computer; ARGS="--name small --control-planes 1 --workers 1", or --help
	$(RUN) python -m tests.lab up $(if $(NAME),--name $(NAME)) $(ARGS)

lab-down: ## stop the cluster NAME and remove everything it left, also after a crash
	$(RUN) python -m tests.lab down $(if $(NAME),--name $(NAME)) $(ARGS)

lab-ssh: ## log in to the node NODE of the cluster NAME
	$(RUN) python -m tests.lab ssh $(if $(NAME),--name $(NAME)) $(NODE)

lint: ## all that CI checks without running anything
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) shellcheck --external-sources $(SCRIPTS)

format: ## repair what can be repaired
	$(RUN) ruff check --fix
	$(RUN) ruff format

new-runbook: ## create the runbook NAME, for example node_replace: a slice, a flow, tests, a deployment, a page
	$(RUN) python -m tests.bootstrap.new_runbook $(NAME)
	$(RUN) ruff check -q --fix flows/$(NAME).py tasks/$(NAME) tests/unit/$(NAME) tests/component/test_$(NAME).py
	$(RUN) ruff format -q flows/$(NAME).py tasks/$(NAME) tests/unit/$(NAME) tests/component/test_$(NAME).py

bench: ## the benchmarks; takes minutes
	$(RUN) python -m tests.benchmarks $(ARGS)

bench-nodes: ## a file on a node to S3, commands on 200 nodes, beside fabric, exec and ansible; as root
	$(RUN) python -m tests.benchmarks.nodes $(ARGS)

bench-upgrade: ## rolling_upgrade beside the same steps by hand; as root, half an hour; ARGS=rounds
	$(RUN) python -m tests.benchmarks.upgrade $(ARGS)

bench-certificates: ## cert_rotation of 3 control plane nodes beside the same by hand; as root, half an hour
	$(RUN) python -m tests.benchmarks.certificates

bench-access: ## access_audit of 5,000 bindings: seconds and memory; some minutes, without root
	$(RUN) python -m tests.benchmarks.access $(ARGS)

bench-resources: ## a first and a next backup of 30,000 objects beside Velero and kubectl get; ten minutes, without root
	$(RUN) python -m tests.benchmarks.resources $(ARGS)

proto: ## generate tasks/clients/etcd_api again from its .proto
	$(RUN) python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. $(API)/rpc.proto

clean: ## remove caches, not the environment
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage dist
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
