# Thin on purpose: each target is one command of the project's own tools. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
CLUSTER := $(PYTHON) -m e2e.cluster
QUICK := tests/house tests/unit e2e/kit/tests e2e/load/tests e2e/demo/tests e2e/simulator/tests
REAL := tests/integration e2e/cluster/tests
STORIES := e2e/stories
FIGURES := operator/docs/figures
# Tests that leave figures, too: attacks, scrapes, changes of plan.
BESIDE := $(addprefix tests/integration/envoy/test_,hostile.py large_scrapes.py share_changes.py)
# Stories at a time on the first cluster: each has a fleet of its own and mostly waits.
AT_ONCE ?= 2

.PHONY: help demo test ahead check property integration stories keda bench simulate fuzz memcheck golden site cluster cluster-down images gpu-check requirements clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/ready: tests/requirements.txt pyproject.toml e2e/bootstrap.sh
	@bash e2e/bootstrap.sh

demo: .venv/ready ## watch a real fleet defend its objective (KEEP=1 leaves it up)
	@$(PYTHON) -m e2e.demo $(if $(KEEP),--keep)

test: ahead check property integration stories ## everything: units, invariants, real components, e2e stories

ahead: .venv/ready ## begin builds beside other work (TOKENFLEET_LLAMA_CPP=off, TOKENFLEET_ARGO_CD=off: not)
	@$(PYTHON) -m e2e.ahead

check: .venv/ready ## what every change takes: lint, types, layers, unit tests; Rust too
	@$(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports --no-logo
	@$(PYTHON) -m e2e.cluster.rust
	@$(PYTHON) -m pytest -q -n auto $(QUICK)

property: .venv/ready ## three minutes: invariants of the control loop, and its promises in simulation
	@$(PYTHON) -m pytest -q -n auto tests/property

integration: .venv/ready ## each part against the real thing: API server, Envoy, Prometheus, vLLM
	@$(if $(KUBECONFIG),,$(CLUSTER) up)
	@$(PYTHON) -m pytest -v --durations=5 -n 2 $(REAL)

stories: .venv/ready ## what users see, told on real clusters, AT_ONCE=2 at a time and one on a second cluster
	@$(if $(KUBECONFIG),,$(CLUSTER) up)
	@$(PYTHON) -m e2e.stories $(AT_ONCE)

keda: .venv/ready ## five minutes: the real KEDA takes a pool to zero and back (built once, 2 minutes)
	@$(if $(KUBECONFIG),,$(CLUSTER) up)
	@TOKENFLEET_KEDA=on $(PYTHON) -m pytest -v $(STORIES)/test_keda.py

simulate: .venv/ready ## the table of control loops and every promise, into the pages (SIMULATE=flags)
	@nice .venv/bin/tokenfleet simulate --report $(FIGURES)/simulation.json $(SIMULATE)
	@$(PYTHON) operator/site/figures.py

bench: .venv/ready ## figures against a peer in the same run
	@TOKENFLEET_FIGURES=$(FIGURES) $(PYTHON) -m pytest -q -s tests/bench
	@TOKENFLEET_FIGURES=$(FIGURES) TOKENFLEET_PLAN_CHANGES=10000 $(PYTHON) -m pytest -q -s $(BESIDE)
	@$(PYTHON) operator/site/router_figures.py
	@$(PYTHON) operator/site/operator_figures.py

fuzz: .venv/ready ## the router's readers against Python's parser, CASES=1000000 bodies of each kind
	@$(PYTHON) -m tests.property.router.compare --cases $(or $(CASES),1000000)

memcheck: .venv/ready ## the module's unit tests under valgrind
	@$(PYTHON) -m e2e.cluster.rust memcheck

golden: .venv/ready ## rewrite golden files and generated files, then show what changed
	@.venv/bin/tokenfleet crds --repository .
	@$(PYTHON) operator/site/pictures.py >/dev/null
	@$(PYTHON) -m pytest -q tests/unit --update-golden; git diff --stat

site: .venv/ready ## build the documentation as a site, strictly, into .site
	@.venv/bin/mkdocs build --quiet --strict --config-file operator/site/mkdocs.yml

cluster: .venv/ready ## a real Kubernetes on this machine, kubeconfig in .cluster/
	@$(CLUSTER) up

cluster-down: .venv/ready ## end it; nothing is left behind
	@$(CLUSTER) down

images: .venv/ready ## build the operator and router images from their Dockerfiles
	@$(CLUSTER) images

gpu-check: .venv/ready ## verify a target + draft engine on a real GPU, where there is one
	@$(PYTHON) -m e2e.gpu_check

requirements: .venv/ready ## resolve the pinned, hashed requirement files again
	@bash e2e/requirements.sh

clean: ## forget the virtual environment and what was built here (caches outside the tree stay)
	@rm -rf .venv .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
