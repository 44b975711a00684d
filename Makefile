# The two commands of a new user: make demo, make test.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
TESTERS ?= 2
STAMP  := $(VENV)/.installed

.PHONY: demo online test docs map check format clean system chaos mutants bench reference-env qlib qlib-torch compose-test

demo: $(STAMP)
	@$(BIN)/rollq demo

# Every page and the API reference as HTML, into site/: it needs no server and no network.
docs: $(STAMP)
	@$(BIN)/python -m docs.html site

# In processes side by side, each with servers of its own; a test goes to the process that is free first.
test: $(STAMP)
	@$(BIN)/python -m pytest --numprocesses $(TESTERS) --dist load --maxschedchunk 1

# Two strategies, kept online over four years of the past.
online: $(STAMP)
	@$(BIN)/rollq simulate examples/online/lightgbm.yaml examples/online/ridge.yaml --to 2021-12-15

# 1,000 kills over 20,000 tasks, and (as root) a host that is cut off; CHAOS="--seed 7 --tasks 2000 --kills 100" for less.
chaos: $(STAMP)
	@$(BIN)/python -m tests.chaos $(CHAOS)

# Breaks the package in one place at a time; the tests must see it.
mutants: $(STAMP)
	@$(BIN)/python -m tests.mutants $(MUTANTS)

# All figures of benchmarks/README.md, one after the other; the reference is measured if its environment is there.
bench: $(STAMP)
	@$(BIN)/python -m benchmarks

# CatBoost, which is installed into a folder of its own (300 MB): its model, and workflow files of Qlib's form with it.
qlib: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(VENV)/qlib-trees --upgrade --requirement tests/conformance/qlib-trees.txt
	@PYTHONPATH=$(abspath $(VENV))/qlib-trees $(BIN)/python -m pytest tests/integration/workers/test_qlib.py tests/unit/workers/models/trees -n 0

# As qlib, with the models that need PyTorch (750 MB): its build for CPUs, from where PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL says.
qlib-torch: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(VENV)/qlib-torch --upgrade --requirement tests/conformance/qlib-torch.txt
	@PYTHONPATH=$(abspath $(VENV))/qlib-torch $(BIN)/python -m pytest tests/integration/workers/test_qlib.py tests/unit/workers/qlib -n 0 --timeout 1800

# The environment of the reference: pyqlib, 1.4 GB.
reference-env: $(STAMP)
	@$(BIN)/python -m benchmarks.reference.environment

# Builds the images, starts deploy/compose.yaml and trains the small example in it: needs Docker with compose (docs/how-to/many-machines.md).
compose-test: $(STAMP)
	@$(BIN)/python -m tests.compose

check: $(STAMP)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Draws docs/architecture.svg from the imports of the source.
map: $(STAMP)
	@$(BIN)/python -m docs.map

format: $(STAMP)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

$(STAMP): pyproject.toml constraints.txt deploy/check-system.sh tests/conformance/store-python.txt tests/conformance/qlib.txt
	@PYTHON="$(PYTHON)" sh deploy/check-system.sh
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@rm -rf $(VENV)/store-python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(VENV)/store-python --requirement tests/conformance/store-python.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement tests/conformance/qlib.txt
	@touch $@

clean:
	rm -rf $(VENV) .venv-reference .rollq .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist site
