# `make run` and `make test` start from nothing but Python 3.11+, make and git; `make help` lists the rest.
# A second run takes seconds: what is there and unchanged is not done again.

PORT ?= 8000
HOST ?= 127.0.0.1
# EXTRAS=all brings PyTorch and the algorithms that need it.
EXTRAS ?=
TORCH ?= torch==2.13.0
ARGS ?=
# how many files of tests run at once
WORKERS ?= 2
REGISTRY ?= orrery
CONTAINER ?= docker

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
MADE := $(VENV)/made
LAB := labextension
# src/generated is made from openapi.json by each build
LAB_SOURCES := $(shell find $(LAB)/src $(LAB)/style $(LAB)/schema -type f -not -path '*/generated/*' 2>/dev/null) \
    $(wildcard $(LAB)/package.json $(LAB)/tsconfig*.json $(LAB)/openapi.json)
PROXY := hub/orrery_hub/proxy
LAB_BUILT := server_extension/orrery/labextension/package.json
SHARED_DATA := $(shell find notebooks server_extension/jupyter-config -type f 2>/dev/null)

export PATH := $(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DELETE_ON_ERROR:
.PHONY: help run test check format bench docs lock build images install clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' Makefile | expand -t 12

run: install ## the whole platform in JupyterHub: http://127.0.0.1:8000 (PORT=, HOST=, EXTRAS=all)
	@PORT=$(PORT) HOST=$(HOST) exec python -m orrery_hub $(ARGS)

test: $(MADE)/dev install ## every test (ARGS="tests/unit -k name" for some)
	@$(if $(ARGS),,npm --prefix $(LAB) run --silent test)
	@pytest $(or $(ARGS),--numprocesses=$(WORKERS) --dist=loadfile)

check: $(MADE)/dev install ## linters and type checkers, Python and TypeScript
	ruff check
	ruff format --check
	pyright
	npm --prefix $(LAB) run lint
	npm --prefix $(LAB) run types

format: $(MADE)/dev $(LAB)/node_modules/.package-lock.json ## put every file into the house format
	ruff check --fix-only
	ruff format
	npm --prefix $(LAB) run format

bench: $(MADE)/dev install ## benchmarks, with their peers (ARGS=serving for one)
	@python bench/run.py $(ARGS)

docs: $(MADE)/venv ## check that every link in the documentation leads somewhere
	@python scripts/check_docs.py

lock: $(MADE)/venv ## write requirements/*.txt anew (ARGS=--upgrade raises versions)
	@scripts/lock.sh $(ARGS)

build: $(MADE)/dev $(LAB_BUILT) ## wheel and sdist into dist/
	pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	hatchling build --target sdist --directory dist

images: build ## container images (REGISTRY=registry.example.org/orrery, ARGS="--only notebook-python-cpu")
	python images/build.py --registry $(REGISTRY) --container $(CONTAINER) $(ARGS)

install: $(MADE)/package $(PROXY)/node_modules/.package-lock.json $(if $(filter all,$(EXTRAS)),$(MADE)/all)

clean: ## forget what was built and installed; your data in ~/.orrery stays
	rm -rf $(VENV) $(LAB)/node_modules $(PROXY)/node_modules $(LAB)/lib server_extension/orrery/labextension dist

# What is installed, each from its lock.
$(MADE)/venv: requirements/bootstrap.txt
	@scripts/make_venv.sh $(VENV)
	@touch $@

INSTALL = uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes

$(MADE)/run: requirements/run.txt $(MADE)/venv
	@echo "Installing the platform's requirements (a few minutes the first time)"
	@$(INSTALL) -r $<
	@touch $@

$(MADE)/dev: requirements/dev.txt $(MADE)/run
	@echo "Installing what the tests and checks need"
	@$(INSTALL) -r $<
	@touch $@

$(MADE)/all: requirements/all.txt $(MADE)/run
	@echo "Installing PyTorch and what follows it"
	@pip install --quiet $(TORCH)
	@$(INSTALL) -r $<
	@touch $@

# The JupyterLab extension, built with the Node that the lock brings.
$(LAB)/node_modules/.package-lock.json: $(LAB)/package-lock.json | $(MADE)/run
	@echo "Installing what the JupyterLab extension is built with"
	@npm --prefix $(LAB) ci --silent --no-audit --no-fund
	@touch $@

$(LAB_BUILT): $(LAB_SOURCES) | $(LAB)/node_modules/.package-lock.json
	@echo "Building the JupyterLab extension"
	@npm --prefix $(LAB) run --silent build:prod
	@touch $@

# The proxy before the hub.
$(PROXY)/node_modules/.package-lock.json: $(PROXY)/package-lock.json | $(MADE)/run
	@npm --prefix $(PROXY) ci --silent --no-audit --no-fund
	@touch $@

# The package itself, editable; its shared data (the built extension, notebooks, Jupyter's configuration) are copies.
$(MADE)/package: pyproject.toml $(LAB_BUILT) $(SHARED_DATA) $(MADE)/run
	@echo "Installing Orrery"
	@SKIP_JUPYTER_BUILDER=1 uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
