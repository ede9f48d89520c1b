# The everyday commands. PYTHON chooses the interpreter the environment is made with (3.11 to 3.13): make PYTHON=python3.12 test
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_ARGS ?=
BENCH_ARGS ?=

.PHONY: help setup demo test lint bench tools clean

help:
	@echo "make setup   the environment in $(VENV), with the pinned versions"
	@echo "make demo    replay a bundled capture and explain what it holds"
	@echo "make test    all tests, on every core; PYTEST_ARGS='-m \"not slow\" -k beacon' chooses, '-n 0' is one process"
	@echo "make lint    ruff and mypy"
	@echo "make bench   replay against other flow exporters, writes docs/benchmarks.md; BENCH_ARGS='--capture F --runs 5'"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || bash scripts/make-venv.sh "$(PYTHON)" "$(VENV)"
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[test,lint]'
	@touch $@

tools:
	@bash scripts/debian-tools.sh

demo: setup
	$(BIN)/kagami demo

test: setup tools
	-@$(BIN)/kagami warmup  # else every worker would compile the kernels
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python benchmarks/peers.py $(BENCH_ARGS)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
