# The commands of README.md and CONTRIBUTING.md. Each sets up .venv first, where it is not there yet.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OLDEST := .venv-oldest
DEMO := outputs/demo-$(shell date +%Y-%m-%d_%H-%M-%S)

.PHONY: setup demo test fuzz torture test-gpu test-cluster test-sweeper-versions test-sweeper-oldest check format lock reference docs release

setup: $(VENV)/ready

demo: $(VENV)/ready
	$(BIN)/python run.py dataset=sample cell=gru lr=0.003 epochs=20 hydra.run.dir=$(DEMO)
	$(BIN)/rnnclf predict $(DEMO) \
	    "Who wrote the novel about the white whale?" \
	    "How many legs does a spider have?" \
	    "In which city is the oldest bridge over the river?" \
	    "Why do leaves turn red in autumn?"
	@echo "next: . $(BIN)/activate, then: python run.py dataset=questions cell=gru"

# Without compiled modules, each of the many processes compiles all of them.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/ready
	$(BIN)/python -m pytest

torture: $(VENV)/ready
	which faketime || { apt-get update && apt-get install -y faketime; }
	$(BIN)/python -m pytest -n 0 -m slow

# On a GPU: the digits of the CPU, and the same twice.
test-gpu: $(VENV)/ready
	$(BIN)/python -m pytest -n 0 -m gpu

# Slurm, PostgreSQL and Ray on this machine, the first two from Debian's packages.
test-cluster: $(VENV)/ready
	which slurmctld munged faketime && ls /usr/lib/postgresql/*/bin/initdb || \
	    { apt-get update && apt-get install -y slurm-wlm munge postgresql faketime; }
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ./sweeper --editable '.[dev,ray,postgres]'
	$(BIN)/python -m pytest -n 0 -m cluster

# The tests of the sweeper, also with the oldest Hydra, OmegaConf and Optuna that it takes.
test-sweeper-versions: $(VENV)/ready $(OLDEST)/ready
	$(BIN)/python -m pytest sweeper/tests
	PYTHONPATH=$(CURDIR)/sweeper $(OLDEST)/bin/python -m pytest sweeper/tests

# The most telling of them with the oldest.
test-sweeper-oldest: $(OLDEST)/ready
	PYTHONPATH=$(CURDIR)/sweeper $(OLDEST)/bin/python -m pytest sweeper/tests/test_study.py sweeper/tests/test_space.py

$(OLDEST)/ready: sweeper/pyproject.toml
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/pip install --quiet './sweeper[figures,samplers]' \
	    hydra-core==1.3.2 omegaconf==2.3.0 optuna==4.4.0 hydra-joblib-launcher hydra-submitit-launcher \
	    pytest pytest-timeout pytest-xdist hypothesis
	touch $@

# Fuzzes the readers of other people's files.
fuzz: SECONDS ?= 60
fuzz: $(VENV)/ready
	$(BIN)/pip install --quiet --constraint constraints.txt atheris
	$(BIN)/python tests/fuzz.py all $(SECONDS)

check: $(VENV)/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Writes the pages in docs/reference/ and the JSON schemas in conf/schema/ from the code.
reference: $(VENV)/ready
	$(BIN)/python docs/make_reference.py

# Builds the site in docs/_build/.
docs: $(VENV)/ready
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ./sweeper --editable '.[docs]'
	$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going --nitpicky docs docs/_build

# Builds sdist and wheel of both packages in dist/ and checks them; uploads nothing.
release: $(VENV)/ready
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ./sweeper --editable '.[release]'
	rm -rf dist
	$(BIN)/python -m build --outdir dist sweeper
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*

# Writes the versions that the ranges in pyproject.toml resolve to today. uv reads metadata alone and
# installs nothing, which takes seconds. What torch pins by itself for GPUs is left out.
lock: $(VENV)/ready
	$(BIN)/pip install --quiet uv
	printf '%s\n' './sweeper[figures,samplers,postgres]' '.[dev,docs,notebook,ray,postgres,release]' hatchling | \
	    $(BIN)/uv pip compile - --quiet --upgrade --python-version 3.11.9 --no-header --no-annotate \
	    --no-emit-package rnnclf --no-emit-package hydra-study-sweeper > constraints.new
	{ sed -n '/^#/p' constraints.txt; grep -vE '^(cuda|nvidia|triton)' constraints.new; } > constraints.both
	mv constraints.both constraints.txt
	rm constraints.new

$(VENV)/ready: pyproject.toml sweeper/pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV), which takes a few minutes"
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ./sweeper --editable '.[dev]'
	touch $@
