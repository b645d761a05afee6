# Everything that is done with this project, in one word each. `make help` lists them.
# The first target that runs makes .venv/ and, for root on Debian, installs the commands that are missing.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test test-chart test-cluster soak cluster-up cluster-demo cluster-down test-clients check format bench bench-webhook fuzz images manifests renew-pins locks docs clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

.venv/.made: images/locks/dev.txt pyproject.toml scripts/set-up.sh
	@PYTHON=$(PYTHON) scripts/set-up.sh

demo: .venv/.made ## an unchanged app gets its token; MODE=environment: without root or redirect
	@$(BIN)/python -m azwi_demo "$(MODE)"

WORKERS ?= 3 # most tests wait more than they compute

test: .venv/.made ## all tests but the next three; those that need root say so when they are skipped
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --ignore=tests/cluster -m "not slow_clients and not helm"

test-chart: .venv/.made ## chart, alerts and workflows, judged by Helm 3 and 4, promtool and actionlint (needs Go, once)
	@$(BIN)/python -m pytest -q -m helm tests/manifests

test-clients: .venv/.made ## real clients of every language, in a redirected pod and in environment mode; writes docs/clients.md
	@$(BIN)/python -m pytest -q tests/clients/test_clients.py tests/clients/test_environment_mode.py

test-gvisor: .venv/.made ## azwi-proxy-init in a gVisor sandbox, as root; builds runsc once, with Go
	@RUNSC=$$(tests/init/runsc.sh) && RUNSC=$$RUNSC $(BIN)/python -m pytest -q tests/init/gvisor.py

test-cluster: .venv/.made ## the tests in a real Kubernetes; builds it once, as root, with Go
	@$(BIN)/python -m pytest -q -s tests/cluster

soak: .venv/.made ## what takes ten minutes: load while Entra ID fails; the kubelet rotates a token
	@$(BIN)/python bench/soak.py
	@$(BIN)/python -m pytest -q -s tests/cluster/soak.py

cluster-up: ## a real Kubernetes, in namespaces of its own; tests use it while it is up
	@tests/cluster/cluster.sh up
	@tests/cluster/cluster.sh import $$(tests/cluster/images.sh azwi-proxy azwi-proxy-init)
	@echo 'Up, with localhost/azwi-proxy and localhost/azwi-proxy-init: tests/cluster/cluster.sh kubectl get nodes'

cluster-demo: .venv/.made ## from nothing to an unchanged app with a token, in a Kubernetes that stays up
	@tests/cluster/demo.sh

cluster-down: ## end it; nothing is left behind but what was built
	@tests/cluster/cluster.sh down

check: .venv/.made ## format, lint, types, layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: .venv/.made ## put the code into its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: .venv/.made ## measure the proxy beside a bare server of the same libraries (needs wrk)
	@$(BIN)/python bench/run.py

bench-webhook: .venv/.made ## measure the webhook beside a bare TLS server of the same libraries (needs wrk)
	@PYTHONPATH=tests/support $(BIN)/python bench/webhook.py

FUZZ_SECONDS ?= 60
FUZZ_EXAMPLES ?= 600
FUZZ_TARGETS = route token_request appservice_request guard identities settings entra_error admission_review hostile_review

fuzz: .venv/.made ## a minute of new inputs for the parsers, then new requests to running proxies
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r images/locks/fuzz.txt
	@mkdir -p .hypothesis/fuzz
	@for target in $(FUZZ_TARGETS); do mkdir -p .hypothesis/fuzz/$$target && echo "$$target" && \
	  $(BIN)/python tests/fuzz/run.py $$target .hypothesis/fuzz/$$target tests/fuzz/corpus/$$target \
	  -max_total_time=$$(( $(FUZZ_SECONDS) / $(words $(FUZZ_TARGETS)) )) -timeout=10 -verbosity=0 \
	  -artifact_prefix=.hypothesis/fuzz/$$target- || exit 1; done
	@AZWI_FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest -q --timeout 900 tests/proxy/test_fuzz.py tests/proxy/test_replay_differential.py

images: ## build every image with docker, podman or buildah; PUSH=registry/prefix pushes them too
	@BUILDER="$(BUILDER)" BASE_IMAGE="$(BASE_IMAGE)" TAG="$(TAG)" PUSH="$(PUSH)" PLATFORMS="$(PLATFORMS)" scripts/images.sh

manifests: .venv/.made ## write manifests/deploy/azwi-webhook.yaml from the chart (needs Go, once)
	@$(BIN)/python scripts/manifests.py

docs: .venv/.made ## write docs/settings.md and docs/azwi.md from the code
	@$(BIN)/python scripts/settings_page.py
	@$(BIN)/python scripts/azwi_page.py

renew-pins: ## renew the commits of actions and the digest of the base image (needs git, and skopeo or docker)
	@$(PYTHON) scripts/renew_pins.py

locks: .venv/.made ## resolve the locks anew, within pyproject.toml's bounds
	@scripts/lock.sh

clean: ## remove .venv and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
