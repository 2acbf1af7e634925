# Tilts: the commands. Each may be run twice. `make help` lists them.

PYTHON ?= python3
PORT ?= 8000
DATA ?= ./data
STAGE ?= dev
WHAT ?= all
BIN := .venv/bin
RUNS := .venv/.runs
READY := .venv/.ready
CHECKOV := .venv/checkov

.PHONY: help run test verify check scan bench simulate playthrough golden backup key demo openapi policies browser package deploy clean

help:  ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(RUNS): requirements.txt requirements-run.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Tilts needs Python 3.11 or newer: make run PYTHON=python3.11"; exit 1; }
	@echo "Installing what Tilts needs into .venv ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-run.txt
	@touch $@

$(READY): $(RUNS) requirements-dev.txt
	@echo "Installing what its tests and tools need ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

run: $(RUNS)  ## everything on this machine, at http://localhost:8000 (PORT=, DATA=)
	@exec $(BIN)/python run.py --port $(PORT) --data $(DATA)

test: check scan browser  ## all checks and tests that fit 15 minutes
	$(BIN)/python -m pytest

verify: check scan browser  ## the long tests too
	$(BIN)/python -m pytest -m "verify or not verify"

check: $(READY)  ## lint and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Not in .venv itself: checkov would bring an old botocore.
$(CHECKOV)/.ready: infrastructure/checks.txt
	@echo "Installing what the checks of infrastructure/ need ..."
	@$(PYTHON) -m venv $(CHECKOV)
	@$(CHECKOV)/bin/pip install --quiet --no-deps --no-compile --disable-pip-version-check -r $<
	@touch $@

scan: $(READY) $(CHECKOV)/.ready  ## checkov over infrastructure/ and what Chalice makes
	$(BIN)/python -m tests.infrastructure.template build/scan
	$(CHECKOV)/bin/checkov --config-file infrastructure/checkov.yaml

bench: $(READY)  ## the tables of docs/benchmarks.md
	$(BIN)/python -m bench

simulate: $(READY)  ## play SEEDS= runs among faults, from FIRST= on
	@$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),1000) --first $(or $(FIRST),0)

playthrough: $(READY)  ## write a golden playthrough of GAME= (a code such as MS-I)
	$(BIN)/python -m tests.playthroughs $(GAME)

golden: $(READY)  ## record the golden logs anew, of games whose version was raised
	$(BIN)/python -m tests.golden.record

backup: $(RUNS)  ## copy the database, in use or not, to FILE=
	$(BIN)/python run.py --data $(DATA) --backup $(or $(FILE),$(DATA)/backup-$(shell date -u +%Y%m%dT%H%M%S).db)

key: $(RUNS)  ## make an access key (ROLE=submitter TEAM=owner)
	@$(BIN)/python run.py --data $(DATA) --key $(or $(ROLE),submitter) --team $(or $(TEAM),owner)

demo: $(READY)  ## three models of different strength play on a local model server
	@$(BIN)/python -m tests.demo

policies: $(READY)  ## write .chalice/policy-*.json anew from their templates
	@$(BIN)/python -m deploy.policies

openapi: $(READY)  ## write docs/openapi.json
	$(BIN)/python run.py --openapi docs/openapi.json

browser: $(READY)
	@bash tests/browser/prepare.sh

package: $(READY)  ## the app for Lambda as SAM and as Terraform, in build/ (STAGE=dev)
	@$(BIN)/python -m deploy.package --stage $(STAGE)

deploy: $(READY)  ## deploy STAGE= to AWS; ./deploy-lambda.sh --help knows more (WHAT=all)
	@PYTHON=$(BIN)/python ./deploy-lambda.sh $(WHAT) $(STAGE)

clean:  ## remove what the commands made, but no data
	rm -rf .venv build tests/browser/node_modules .pytest_cache .mypy_cache .ruff_cache
