# `make` lists the targets. They need Python >= 3.11, and install everything else into this folder.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help adopt run serve test lint bench tools up urls sbom down e2e load drift docs clean

DATA ?=
COLUMNS ?=
VALUES ?=
FULL ?=
UV_VERSION := 0.13.9
UV := $(shell command -v uv || echo local/tools/uv/bin/uv)
PY := .venv/bin/python
# Containers often forbid Python to cache compiled modules, which doubles the time of every start.
unexport PYTHONDONTWRITEBYTECODE
export MLOPS_CODE_VERSION ?= \
  $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)

help: ## list the targets
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' Makefile

##@ On this machine
adopt: .venv/local ## describe a CSV file of your own: DATA= LABEL= [POSITIVE= KEEP= AUDIT= KEY= TIME= GROUP= FORCE=1]
	@$(PY) -m pipeline adopt --data '$(DATA)' --label '$(LABEL)' $(if $(KEEP),--keep '$(KEEP)') \
	  $(if $(AUDIT),--audit '$(AUDIT)') $(if $(KEY),--key '$(KEY)') \
	  $(if $(TIME),--time '$(TIME)') $(if $(GROUP),--group '$(GROUP)') \
	  $(if $(POSITIVE),--positive '$(POSITIVE)') $(if $(FORCE),--force)

run: .venv/local ## train, serve and monitor a model; DATA=gdrive:ID, https://, s3://, a path, sample:ROWS
	@$(PY) -m pipeline run $(if $(DATA),--data '$(DATA)') $(if $(COLUMNS),--columns '$(COLUMNS)')

serve: .venv/local ## run the predictor and the MLflow UI with the model of `make run`
	@$(PY) -m pipeline serve $(if $(DATA),--data '$(DATA)') $(if $(COLUMNS),--columns '$(COLUMNS)')

# The tests run side by side: more processes and BLAS threads of their own would only wait.
test: export LOKY_MAX_CPU_COUNT := 1
test: export OMP_NUM_THREADS := 1
test: .venv/dev ## run the checks and all tests without a cluster
	@MAKE='$(MAKE)' tests/run.sh

lint: .venv/dev ## fix what can be fixed automatically, report the rest
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
	$(PY) -m mypy
	.venv/bin/lint-imports --no-logo --no-cache

bench: .venv/dev ## measure speed, memory and model quality, as in docs/reference
	$(PY) -m pytest -m bench -s

##@ On a cluster
tools: ## install docker, kind, helm, chromium, a JDK ... (Debian, as root); else list what is missing
	@k8s/tools.sh

up: .venv/local ## create a kind cluster, install the platform, train a model; safe to run again
	@$(PY) -m k8s up $(if $(DATA),--data '$(DATA)') $(if $(COLUMNS),--columns '$(COLUMNS)') \
	  $(if $(VALUES),--values '$(VALUES)')

urls: .venv/local ## show the platform's URLs and logins
	@$(PY) -m k8s urls

sbom: .venv/local ## write a software bill of materials of each image to local/sbom
	@$(PY) -m k8s sbom

down: .venv/local ## delete the cluster with its data
	@$(PY) -m k8s down

e2e: .venv/dev ## install the platform and test it; FULL=1: load, upgrades, restarts too
	FULL=$(FULL) $(PY) -m pytest -m cluster tests/cluster

##@ Either
load: .venv/local ## send steady traffic to a running predictor
	@$(PY) -m pipeline traffic

drift: .venv/local ## send drifted traffic, then check for drift; KIND=scale, noise, flip, all, none
	@$(PY) -m pipeline traffic --check --kind $(or $(KIND),scale) || [ $$? = 99 ]

docs: .venv/dev ## generate docs/reference and the lists of stages
	$(PY) -m docs.pages

clean: ## delete local/ and the environments
	rm -rf local .venv .venvs

local/tools/uv/bin/uv:
	@echo 'installing uv $(UV_VERSION) into local/tools'
	@python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
	  --target local/tools/uv uv==$(UV_VERSION)

# --inexact: `make run` keeps the packages that `make test` added.
.venv/local .venv/dev: uv.lock | $(filter local/%,$(UV))
	@$(UV) sync --frozen --inexact --quiet $(if $(filter %dev,$@),--group dev)
	@touch $@

# Airflow's dependencies conflict with the stages', so the DAGs are tested in their own environment.
.venvs/airflow/ready: uv.lock | $(filter local/%,$(UV))
	@UV_PROJECT_ENVIRONMENT=.venvs/airflow $(UV) sync --frozen --quiet --only-group airflow-test
	@touch $@
