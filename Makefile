# The two commands of a new user: make demo, make test.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test check format clean system chaos bench reference-env

demo: $(STAMP)
	@$(BIN)/rollq demo

test: $(STAMP)
	@$(BIN)/python -m pytest

# 1,000 kills over 20,000 tasks; CHAOS="--seed 7 --tasks 2000 --kills 100" for another one.
chaos: $(STAMP)
	@$(BIN)/python -m tests.chaos $(CHAOS)

check: $(STAMP)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMP)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

$(STAMP): pyproject.toml constraints.txt deploy/check-system.sh tests/conformance/store-python.txt
	@PYTHON="$(PYTHON)" sh deploy/check-system.sh
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@rm -rf $(VENV)/store-python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(VENV)/store-python --requirement tests/conformance/store-python.txt
	@touch $@

clean:
	rm -rf $(VENV) .rollq .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
