# What one does here. `make` alone runs all checks; it wants a virtual environment that is active, or in .venv.
PYTHON ?= $(if $(wildcard .venv/bin/python),.venv/bin/python,python)

.DEFAULT_GOAL := check
.PHONY: check test lint types contracts format demo reports bench golden ci help

check: lint types contracts test  ## all that must hold before a commit (the default)

test:  ## the tests
	$(PYTHON) -m pytest

lint:  ## style and docstrings
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m ruff check

types:  ## static types, strictly
	$(PYTHON) -m mypy

contracts:  ## which module may import which
	$(dir $(PYTHON))lint-imports

format:  ## lay the code out, and mend what can be mended
	$(PYTHON) -m ruff check --fix
	$(PYTHON) -m ruff format

demo:  ## the main job, on embedded data
	$(PYTHON) -m quire run demos/mnist.py --output /tmp/quire-reports

reports:  ## the committed reports, anew (MNIST beside the checkout, in ../shared/data/mnist)
	$(PYTHON) -m quire run demos/hello.py
	$(PYTHON) -m quire run demos/mnist.py --dataset mnist --data ../shared/data/mnist --epochs 5
	$(PYTHON) -m quire run demos/explorer.py --dataset mnist --data ../shared/data/mnist
	$(PYTHON) -m quire run demos/similarity.py --dataset mnist --data ../shared/data/mnist
	$(PYTHON) -m quire run demos/sparsity.py --dataset mnist --data ../shared/data/mnist
	$(PYTHON) -m quire run demos/photograph.py

golden:  ## the golden reports, anew; look at the difference before you commit it
	QUIRE_GOLDEN=write $(PYTHON) -m pytest tests/notebook/test_markdown.py

bench:  ## what all costs, beside the peers that are installed, into docs/; nothing else may run meanwhile
	$(PYTHON) tests/bench/reporting.py --write docs/performance.md
	$(PYTHON) tests/bench/live.py --write docs/performance.md

ci:  ## what CI does, in a fresh virtual environment
	.ci/run

help:  ## this menu
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12
