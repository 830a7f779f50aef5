# Every target does its own set-up and is quick the second time.
SHELL := /bin/bash
# A failure on the left of a pipe is a failure.
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WHEEL_VENV := .venv-wheel
PEERS_VENV := .venv-peers
ADVERSARIAL_VENV := .venv-peers-adversarial
EXPLANATIONS_VENV := .venv-peers-explanations
SOURCES := pyproject.toml constraints.txt
# torchattacks pins a release of requests that it never imports and that shuts out current packages, hence --no-deps.
TORCHATTACKS := torchattacks==3.5.1
# Small networks on few cores: more threads cost more than they bring.
export OMP_NUM_THREADS ?= 1
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: demo reference reference-curves test test-quick test-slow lint format wheel-test bench-statistics bench-adversarial bench-explanations bench-scores bench-scale docs clean

$(VENV)/.demo: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[torch,reference]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(TORCHATTACKS)
	touch $@

$(VENV)/.test: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip uninstall --quiet --yes torchattacks 2>/dev/null
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all,dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(TORCHATTACKS)
	touch $@ $(VENV)/.demo

# Audits the biased twin (must FAIL, exit 1) and the healthy one (must PASS, exit 0) into demo-run/.
demo: $(VENV)/.demo
	@rc=0; $(BIN)/audit demo --twin biased --out demo-run/biased --overwrite || rc=$$?; \
	if [ $$rc -ne 1 ]; then echo "the biased twin should FAIL (exit 1), it ended with exit $$rc" >&2; exit 1; fi
	@rc=0; $(BIN)/audit demo --twin healthy --out demo-run/healthy --overwrite || rc=$$?; \
	if [ $$rc -ne 0 ]; then echo "the healthy twin should PASS (exit 0), it ended with exit $$rc" >&2; exit 1; fi
	@echo
	@echo "The biased twin FAILs and the healthy one PASSes, as they should. Open in a browser:"
	@echo "  demo-run/biased/report.html"
	@echo "  demo-run/healthy/report.html"

# Trains every system of the lecture again, holds its figures against the shipped ones and audits the shipped weights;
# what is done already is not done again. REFERENCE_ARGS="epvs gp-unet" for some of them.
reference: $(VENV)/.demo
	$(BIN)/python -m audit._cli.remaking $(REFERENCE_ARGS) --out reference-run

# Training-size curves and grids of one system: make reference-curves SYSTEM=protocol-transfer
reference-curves: $(VENV)/.demo
	@test -n "$(SYSTEM)" || { echo 'name a system: make reference-curves SYSTEM=protocol-transfer' >&2; exit 2; }
	$(BIN)/python -m audit._cli.remaking --curves $(SYSTEM) --out reference-curves

test: $(VENV)/.test
	rm -f .coverage .coverage.*
	$(PYTEST) -m "not slow" --cov --cov-report=
	$(BIN)/python -m coverage report --skip-covered --sort=cover --fail-under=85 | tail -40
	$(BIN)/python -m coverage report --fail-under=95 --include='audit/core/*,audit/stats/*,audit/judge/*,audit/evidence/*' | tail -1

test-quick: $(VENV)/.test
	$(PYTEST) -m "not slow and not browser"

test-slow: $(VENV)/.test
	$(PYTEST) -m slow

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The wheel as a user gets it: a new environment, an empty folder, nothing of the checkout in reach.
wheel-test:
	rm -rf dist $(WHEEL_VENV)
	$(PYTHON) -m venv $(WHEEL_VENV)
	$(WHEEL_VENV)/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	$(WHEEL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "$$(ls $(CURDIR)/dist/*.whl)[torch,reference]"
	$(WHEEL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $(TORCHATTACKS)
	$(PYTHON) tests/wheel_check.py $(CURDIR)/$(WHEEL_VENV)/bin/audit
	rm -rf $(WHEEL_VENV)

# The peers have an environment of their own: they are measured against, never depended on.
$(PEERS_VENV)/.ready: benchmarks/statistics/requirements.txt
	test -x $(PEERS_VENV)/bin/python || $(PYTHON) -m venv $(PEERS_VENV)
	$(PEERS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement benchmarks/statistics/requirements.txt
	touch $@

bench-statistics: $(VENV)/.test $(PEERS_VENV)/.ready
	$(BIN)/python -m benchmarks.statistics.bench $(PEERS_VENV)/bin/python

$(ADVERSARIAL_VENV)/.ready: benchmarks/adversarial/requirements.txt constraints.txt
	test -x $(ADVERSARIAL_VENV)/bin/python || $(PYTHON) -m venv $(ADVERSARIAL_VENV)
	$(ADVERSARIAL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --requirement benchmarks/adversarial/requirements.txt
	$(ADVERSARIAL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $(TORCHATTACKS)
	touch $@

# The attack beside torchattacks, Foolbox and ART; about a quarter of an hour on two idle cores, BENCH_ARGS=--short where there is less.
bench-adversarial: $(VENV)/.test $(ADVERSARIAL_VENV)/.ready
	$(BIN)/python -m benchmarks.adversarial.bench $(BENCH_ARGS) $(ADVERSARIAL_VENV)/bin/python

$(EXPLANATIONS_VENV)/.ready: benchmarks/explanations/requirements.txt constraints.txt
	test -x $(EXPLANATIONS_VENV)/bin/python || $(PYTHON) -m venv $(EXPLANATIONS_VENV)
	$(EXPLANATIONS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --requirement benchmarks/explanations/requirements.txt
	touch $@

# The explanations beside Quantus and captum; some ten minutes on two idle cores, BENCH_ARGS=--short where there is less.
bench-explanations: $(VENV)/.test $(EXPLANATIONS_VENV)/.ready
	$(BIN)/python -m benchmarks.explanations.bench $(BENCH_ARGS) $(EXPLANATIONS_VENV)/bin/python

# Workers, cluster, memory, sequential verdicts, overhead; nearly an hour on two idle cores, BENCH_ARGS=memory for one part.
bench-scale: $(VENV)/.test
	$(BIN)/python -m benchmarks.scale.bench $(BENCH_ARGS)

# From a table of saved predictions to a report; prints what it took, and fails nothing.
bench-scores: $(VENV)/.test
	$(BIN)/python -m benchmarks.scores

docs: $(VENV)/.test
	$(BIN)/python docs/build_probe_pages.py
	$(BIN)/python docs/build_acquisition_pages.py
	$(BIN)/python docs/build_reference_index.py
	$(BIN)/python docs/build_lecture_figures.py

# Simulates every statistical method and the judge on cohorts of known truth, then writes the tables of docs/statistics.md.
validate-statistics: $(VENV)/.test
	$(BIN)/python -m validation.statistics --processes 2

clean:
	rm -rf $(VENV) $(WHEEL_VENV) $(PEERS_VENV) $(ADVERSARIAL_VENV) $(EXPLANATIONS_VENV) dist build demo-run reference-run reference-curves .coverage .coverage.*
