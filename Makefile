# `make` lists the verbs. Everything they need beyond Python >= 3.11 they install below this folder.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run serve test lint bench tools up urls down e2e load drift docs clean

DATA ?=
FULL ?=
UV_VERSION := 0.13.9
UV := $(shell command -v uv || echo local/tools/uv/bin/uv)
PY := .venv/bin/python
export MLOPS_CODE_VERSION ?= $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)

help: ## list the verbs
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' Makefile

##@ On this machine
run: .venv/local ## the whole life cycle; DATA=gdrive:ID, https://..., s3://..., a path, sample or sample:ROWS
	@$(PY) -m pipeline run $(if $(DATA),--data '$(DATA)')

serve: .venv/local ## keep the predictor and the MLflow UI up on what `make run` made
	@$(PY) -m pipeline serve

test: .venv/dev .venvs/airflow/ready ## everything but the cluster
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest -m 'not cluster and not bench' -n 3 --dist loadfile
	.venvs/airflow/bin/python -m pytest tests/dags

lint: .venv/dev ## mend what can be mended, say what cannot
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
	$(PY) -m mypy

bench: .venv/dev ## measure speed and memory; the figures in docs/ come from here
	$(PY) -m pytest -m bench -s

##@ On a cluster
tools: ## install docker, kind, kubectl, helm where they are missing (Debian, as root)
	@k8s/tools.sh

up: .venv/local ## kind cluster, images, chart, a first training run; safe to run again
	@$(PY) -m k8s up $(if $(DATA),--data '$(DATA)')

urls: .venv/local ## where the interfaces are, and their logins
	@$(PY) -m k8s urls

down: .venv/local ## delete the cluster
	@$(PY) -m k8s down

e2e: .venv/dev ## brings it up and proves it, from an empty registry; FULL=1: load, upgrades, restarts, a drained node
	FULL=$(FULL) $(PY) -m pytest -m cluster tests/cluster

##@ Either
load: .venv/local ## steady traffic to a running predictor
	@$(PY) -m pipeline traffic

drift: .venv/local ## drifted traffic to a running predictor, then the verdict; KIND=scale, noise, flip, all or none
	@$(PY) -m pipeline traffic --check --kind $(or $(KIND),scale) || [ $$? = 99 ]

docs: .venv/dev ## write docs/reference again from the code
	$(PY) -m docs.pages

clean: ## delete local/ and the environments
	rm -rf local .venv .venvs

local/tools/uv/bin/uv:
	@echo 'installing uv $(UV_VERSION) into local/tools'
	@python3 -m pip install --quiet --disable-pip-version-check --target local/tools/uv uv==$(UV_VERSION)

# An environment is made again when the lock changes; --inexact, so that `make run` keeps what `make test` added.
.venv/local .venv/dev: uv.lock | $(filter local/%,$(UV))
	@$(UV) sync --frozen --inexact --quiet $(if $(filter %dev,$@),--group dev)
	@touch $@

# Airflow's dependencies contradict the stages': the DAGs are tested in an environment of its own, as they run.
.venvs/airflow/ready: uv.lock | $(filter local/%,$(UV))
	@UV_PROJECT_ENVIRONMENT=.venvs/airflow $(UV) sync --frozen --quiet --only-group airflow-test
	@touch $@
