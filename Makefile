# Two commands matter: `make demo` and `make test`. Both make their own environment first.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# `make gpu` on a machine whose torch lives elsewhere: make gpu GPU_PYTHON=python3
OLDEST_TESTS := tests/syntax tests/engine/test_fixing.py tests/engine/test_gitignore.py tests/rules/test_fixes.py tests/report
GPU_PYTHON ?= $(BIN)/python
# `make fuzz FUZZ_SECONDS=3600`: processor time to spend, for each of FUZZ_JOBS workers; a seed repeats a run.
FUZZ_SECONDS ?= 600
FUZZ_JOBS ?= 1
FUZZ_SEED ?=
WHEEL ?= sglang==0.5.23
MINUTES ?= 60
JOBS ?= 1
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

REFERENCE := fixtures/logits_processor
# A stamp for the interpreter: another PYTHON makes the environment anew.
MADE := $(VENV)/.made-with-$(notdir $(PYTHON))

.PHONY: help demo test lint format docs gpu gpu-runtime differential bench corpus mutation fuzz kill-test oldest clean

help:
	@echo "make demo    lint the reference module and show what the fixes would change"
	@echo "make test    set up and run the tests"
	@echo "make lint    ruff, mypy --strict, and GPU figures that have gone stale"
	@echo "make docs    build the documentation into build/site"
	@echo "make gpu     run the proof on this machine's GPU"
	@echo "make gpu-runtime  trace and verify programs and libraries on this machine's GPU"
	@echo "make differential  run drawn programs before and after the fixes, with a stand-in for the GPU"
	@echo "make kill-test  kill runs at random moments and see that nothing is lost"
	@echo "make oldest  run tests with the oldest releases of what h2dlint needs"
	@echo "make bench   time h2dlint beside ruff, ast-grep, semgrep and TorchFix on $(WHEEL)"
	@echo "make corpus  lint pinned wheels, and show which findings came, went and changed"
	@echo "make mutation  mutation-test the fixes for $(MINUTES) minutes"
	@echo "make fuzz    throw generated and damaged programs at h2dlint for $(FUZZ_SECONDS) s"

$(MADE):
	rm -f $(VENV)/.made-with-*
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# One stamp for each set of extras, so that `make demo` does not wait for torch.
$(VENV)/.run: $(MADE) pyproject.toml
	$(PIP) -e .
	@touch $@

$(VENV)/.test: $(MADE) pyproject.toml
	$(PIP) -e ".[test]"
	@touch $@ $(VENV)/.run

$(VENV)/.fuzz: $(MADE) pyproject.toml
	$(PIP) -e ".[fuzz]"
	@touch $@ $(VENV)/.run

$(VENV)/.docs: $(MADE) pyproject.toml
	$(PIP) -e ".[docs]"
	@touch $@ $(VENV)/.run

$(VENV)/.bench: $(MADE) pyproject.toml
	$(PIP) -e ".[bench]"
	@touch $@ $(VENV)/.run

$(VENV)/.mutation: $(MADE) pyproject.toml
	$(PIP) -e ".[test,mutation]"
	@touch $@ $(VENV)/.run $(VENV)/.test

$(VENV)/.dev: $(MADE) pyproject.toml
	$(PIP) -e ".[dev]"
	@touch $@ $(VENV)/.run $(VENV)/.test $(VENV)/.docs

# Findings (exit 1) are what the demo is for; any other status is a failure.
demo: $(VENV)/.run
	@echo "== h2dlint check --unsafe-fixes $(REFERENCE)"
	@$(BIN)/h2dlint check --unsafe-fixes $(REFERENCE) || test $$? -eq 1
	@echo
	@echo "== h2dlint fix --unsafe-fixes --diff $(REFERENCE)"
	@$(BIN)/h2dlint fix --unsafe-fixes --diff $(REFERENCE) || test $$? -eq 1

test: $(VENV)/.test
	$(BIN)/python -m pytest -n auto --maxprocesses 4 $(TESTS)

lint: $(VENV)/.dev
	$(BIN)/ruff check --cache-dir build/ruff .
	$(BIN)/ruff format --cache-dir build/ruff --check .
	$(BIN)/mypy
	@if test -f tests/gpu/stale.py; then $(BIN)/python tests/gpu/stale.py; fi

format: $(VENV)/.dev
	$(BIN)/ruff check --cache-dir build/ruff --fix .
	$(BIN)/ruff format --cache-dir build/ruff .

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --config-file docs/_hooks/mkdocs.yml
	@echo "built build/site/index.html"

gpu: $(if $(findstring $(VENV),$(GPU_PYTHON)),$(VENV)/.test)
	$(GPU_PYTHON) -m pytest -m gpu tests/gpu

# Figures go to $$H2DLINT_GPU_RESULTS, else to build/runtime; libraries that are not installed are left out.
gpu-runtime: $(if $(findstring $(VENV),$(GPU_PYTHON)),$(VENV)/.test)
	H2DLINT_GPU_RESULTS="$${H2DLINT_GPU_RESULTS:-build/runtime}" $(GPU_PYTHON) -m tests.gpu.runtime_report $(RUNTIME)

# On a GPU: python -m tests.gpu.differential. Figures go to $$H2DLINT_GPU_RESULTS, else to build/differential.
PROGRAMS ?= 20000
SEED ?= 0
DIFFERENTIAL ?= --budget 36000
differential: $(VENV)/.test
	$(BIN)/python -m tests.gpu.differential --stand-in --programs $(PROGRAMS) --seed $(SEED) $(DIFFERENTIAL)
# Runs of h2dlint that are killed at random moments: nothing may be lost.
KILLS ?= 200
kill-test: $(VENV)/.test
	$(BIN)/python -m tests.hardening.killing $(KILLS)

# The oldest releases that pyproject.toml permits, on the oldest Python that is at hand.
oldest: $(VENV)/.oldest
	PYTHONPATH=. build/oldest/bin/python -m pytest -q -W "ignore::DeprecationWarning" -p no:cacheprovider $(OLDEST_TESTS)

$(VENV)/.oldest: $(VENV)/.run pyproject.toml
	rm -rf build/oldest
	$$(python3.10 -c "import sys; print(sys.executable)" 2>/dev/null || command -v $(PYTHON)) -m venv build/oldest
	build/oldest/bin/python -m pip install --quiet --disable-pip-version-check \
		$$($(BIN)/python tests/hardening/oldest.py) "click>=8.2" pytest pytest-timeout hypothesis jsonschema
	@touch $@

bench: $(VENV)/.bench
	$(BIN)/python tests/bench/bench.py "$(WHEEL)"

# ACCEPT=1 writes the findings down, AGAINST=REF compares with another revision, PACKAGES="timm e3nn" takes some wheels.
corpus: $(VENV)/.run
	$(BIN)/python -m tests.corpus.corpus $(if $(ACCEPT),--accept) $(if $(AGAINST),--against $(AGAINST)) $(PACKAGES)

mutation: $(VENV)/.mutation
	$(BIN)/python -m tests.mutation.mutate run --minutes $(MINUTES) --jobs $(JOBS)

# Failures are saved in build/fuzz. Figures go to $$H2DLINT_FUZZ_RESULTS, where that is set.
fuzz: $(VENV)/.fuzz
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) --jobs $(FUZZ_JOBS) $(if $(FUZZ_SEED),--seed $(FUZZ_SEED))

clean:
	rm -rf $(VENV) build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache .h2dlint_cache *.egg-info
	find h2dlint tests fixtures docs -name __pycache__ -type d -prune -exec rm -rf {} +
