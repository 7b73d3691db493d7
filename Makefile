# What one does here. `make` alone runs all checks; it wants a virtual environment that is active, or in .venv.
PYTHON ?= $(if $(wildcard .venv/bin/python),.venv/bin/python,python)

MNIST = --dataset mnist --data ../shared/data/mnist

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
	$(PYTHON) -m quire run demos/hello.py --reproducible
	$(PYTHON) -m quire run demos/mnist.py --reproducible $(MNIST)
	$(PYTHON) -m quire run demos/initialisation.py --reproducible $(MNIST)
	$(PYTHON) -m quire run demos/sparsity.py --reproducible $(MNIST)
	$(PYTHON) -m quire run demos/photograph.py --reproducible
	$(PYTHON) -m quire run demos/codec.py --reproducible $(MNIST)
	$(PYTHON) -m quire run demos/similarity.py --reproducible $(MNIST)
	$(PYTHON) -m quire run demos/clusters.py --reproducible $(MNIST)
	$(PYTHON) -m quire run demos/explorer.py --reproducible $(MNIST)
# Needs PyTorch, which no extra brings; where it is missing, the run says so and the report stays as it is.
	-$(PYTHON) -m quire run demos/torch_autoencoder.py --reproducible $(MNIST)
	$(PYTHON) -m quire sweep demos/denoising.py --reproducible --best accuracy --best -squared_error \
		--set noise=0,0.2,0.5 --set dropout=0,0.1,0.2 --set seed=0:3
	$(PYTHON) -m quire index reports --title 'The gallery'

golden:  ## the golden reports, anew; look at the difference before you commit it
	QUIRE_GOLDEN=write $(PYTHON) -m pytest tests/notebook/test_markdown.py

bench:  ## what all costs, beside the peers that are installed, into docs/; nothing else may run meanwhile
	$(PYTHON) -m tests.bench.reporting --write docs/performance.md
	$(PYTHON) -m tests.bench.live --write docs/performance.md
	$(PYTHON) -m tests.bench.page --write docs/performance.md
	$(PYTHON) -m tests.bench.growth --write docs/performance.md
	$(PYTHON) -m tests.bench.training --write docs/performance.md
	$(PYTHON) -m tests.bench.mnist --data ../shared/data/mnist --write docs/models.md

ci:  ## what CI does, in a fresh virtual environment
	.ci/run

help:  ## this menu
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12
