# Everything from a bare clone: each target makes the virtual environment first.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
AIRFLOW := $(VENV)-airflow

# Kernels, pods and clusters are processes of their own, and each would compile pgnb anew.
unexport PYTHONDONTWRITEBYTECODE

# A file's tests build on one another or share servers, so a file has one worker.
PYTEST := $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

# One core checks types while the other begins with the tests; what fails of either fails both.
BESIDE_CHECK := @$(MAKE) --no-print-directory --jobs=2 check

.PHONY: rehearse test test-short test-long test-all test-real test-everything lab bench check clean lock

rehearse: $(VENV)/.installed  ## the procedure on a rehearsal cluster, with records and an index page
	$(BIN)/pgnb rehearse

test: $(VENV)/.installed  ## `check`, and every module and every notebook, on real servers
	$(BESIDE_CHECK) test-short

test-all: $(VENV)/.installed  ## `check`, and every test
	$(BESIDE_CHECK) test-everything

test-short: $(VENV)/.installed
	$(PYTEST) -m "not long"

test-long: $(VENV)/.installed $(AIRFLOW)/.installed  ## what takes long: other versions of PostgreSQL, killed kernels, rare shapes, drills
	$(PYTEST) -m long

test-real: $(VENV)/.installed  ## servers as people run them, on the cluster of PGNB_REAL_KUBECONFIG: CONTRIBUTING.md
	$(BIN)/pytest tests/real

test-everything: $(VENV)/.installed $(AIRFLOW)/.installed
	$(PYTEST)

check: $(VENV)/.installed  ## style, types and layers
	$(BIN)/ruff check pgnb rehearsal tests benchmarks
	$(BIN)/ruff format --check pgnb rehearsal tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.installed  ## what pgnb costs beside the same work without it: docs/benchmarks.md; ROWS="exec counts" for some
	$(BIN)/python -m benchmarks $(ROWS)

lab: $(VENV)/.installed  ## JupyterLab on a rehearsal cluster
	$(BIN)/pgnb rehearsal up
	$(BIN)/jupyter lab --notebook-dir=notebooks

clean:
	-$(BIN)/pgnb rehearsal down
	rm -rf $(VENV) $(AIRFLOW)

lock:  ## the lock files, from what pyproject.toml asks for
	scripts/lock-requirements

$(VENV)/.installed: pyproject.toml setup.py rehearsal/pyproject.toml requirements-dev.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes --requirement requirements-dev.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable . --editable rehearsal
	touch $@

# Airflow's dependencies bound pgnb's, so the example DAG is tried in an environment of its own.
$(AIRFLOW)/.installed: pyproject.toml setup.py requirements-airflow.lock
	$(PYTHON) -m venv $(AIRFLOW)
	$(AIRFLOW)/bin/pip install --quiet --require-hashes --requirement requirements-airflow.lock
	$(AIRFLOW)/bin/pip install --quiet setuptools==$$(sed -n 's/^setuptools==\([0-9.]*\).*/\1/p' requirements-dev.lock)
	$(AIRFLOW)/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
