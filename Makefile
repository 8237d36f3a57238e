# Two commands need nothing but git, make and Python 3.11 or newer: `make test` and `make demo`.
# They set up everything else themselves: tox in .venv-tox, the servers through tools/install-servers.
# The work itself is in tox.ini. ARGS is passed on: `make demo ARGS=--without-shield`.

SHELL := /bin/sh
ARGS ?=
TOX := .venv-tox/bin/tox
export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.PHONY: help test venv e2e cluster bench demo soak fuzz pictures docs release lint format lock chart generate clean bootstrap servers

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

# Six environments at a time, because the integration tests mostly wait. Each prints its output when it ends.
test: bootstrap servers ## Lint, type check, import contracts, unit and integration tests, the chart
	$(TOX) run-parallel --parallel-no-spinner

venv: bootstrap ## Make .venv, where an edited source counts at once (then: .venv/bin/pytest tests/unit)
	$(TOX) run -q -e dev

e2e: bootstrap servers ## The chart and the services on a real API server, which is built once
	$(TOX) run -e e2e $(if $(ARGS),-- $(ARGS))

cluster: SERVERS = prometheus etcd
cluster: bootstrap servers ## The chart in pods on a node of its own, as root on Linux (ARGS=--keep to play with it)
	$(TOX) run -e cluster $(if $(ARGS),-- $(ARGS))

demo: SERVERS = redis prometheus etcd # no browser for a demo on a terminal
demo: bootstrap servers ## Fill a real etcd and watch the shield close and open (ARGS=--help)
	$(TOX) run -e demo $(if $(ARGS),-- $(ARGS))

soak: bootstrap servers ## Break everything at random under load (ARGS='--minutes 5 --seed 7')
	$(TOX) run -e soak $(if $(ARGS),-- $(ARGS))

fuzz: bootstrap ## Search for reviews and decisions that break the parsers (ARGS='--seconds 60')
	$(TOX) run -e fuzz $(if $(ARGS),-- $(ARGS))

pictures: SERVERS = chromium
pictures: bootstrap servers ## Draw the pictures of README and docs/tuning.md
	$(TOX) run -e pictures

bench: SERVERS = redis prometheus nginx
bench: bootstrap servers ## Benchmarks: bars, and ratios of one run; needs Go 1.25 (ARGS=--help)
	$(TOX) run -e bench $(if $(ARGS),-- $(ARGS))

docs: SERVERS = chromium
docs: bootstrap servers ## The documentation site in .tox/site, with its links checked
	$(TOX) run -e docs $(if $(ARGS),-- $(ARGS))

release: SERVERS = containers registry etcd
release: bootstrap servers ## Rehearse a release, as root on Linux: files, images, a registry, the chart from there
	$(TOX) run -e release $(if $(ARGS),-- $(ARGS))

lint: bootstrap ## Style, formatting, shell scripts, YAML, types, import contracts
	$(TOX) run -e lint,type,arch

format: bootstrap ## Rewrite the sources as `make lint` wants them
	$(TOX) run -q -e format

lock: bootstrap ## Compile requirements/*.txt (ARGS=--upgrade moves the pins as well)
	.venv-tox/bin/python tools/lock.py $(ARGS)

chart: bootstrap ## Write the chart's README and schema after its values changed (ARGS=--check only tells)
	$(TOX) run -q -e chart $(if $(ARGS),-- $(ARGS))

generate: bootstrap ## Write everything that is generated: pages, schemas, dashboards, the chart's tables
	$(TOX) run -q -e generate

clean: ## Remove what was built or cached, and the virtual environments
	rm -rf .tox .venv-tox .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf libs/*/dist services/*/dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

bootstrap:
	@tools/bootstrap

servers:
	@tools/install-servers $(SERVERS)
