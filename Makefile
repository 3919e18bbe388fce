# Everything a person needs: `make lab` opens the course, `make test` checks everything.
# Both do all the set-up they need, and take seconds the second time.

PYTHON = .venv/bin/python

.PHONY: help lab test bench prove frontends faults documents picture clean

help:
	@echo "make lab        set up, and open the course in JupyterLab"
	@echo "make test       set up, and check everything: format, lint, types, tests, notebooks, stage"
	@echo "make bench      measure the search and the stage"
	@echo "make prove      let spin confirm the search: verdicts, deadlocks and states of each case"
	@echo "make frontends  show the widgets in each front end, in a browser without a network"
	@echo "make faults     check that each deliberate fault is caught by a test"
	@echo "make documents  write anew the tables in assets (races, debates, mutants) and the layouts"
	@echo "make picture    take the README's picture of the stage anew"
	@echo "make clean      remove what the others made"

lab:
	@.ci/prepare venv lab
	@$(PYTHON) -m mmviz lab

test:
	@.ci/prepare venv test
	@.ci/prepare browser
	@.ci/prepare node
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest -n 2 --dist loadgroup

bench:
	@.ci/prepare venv test
	@.ci/prepare browser
	-@.ci/prepare spin
	$(PYTHON) tests/bench/bench.py

prove:
	@.ci/prepare venv
	@.ci/prepare spin
	$(PYTHON) -m tests.prove.run

frontends:
	@.ci/prepare venv test
	@.ci/prepare browser
	@.ci/prepare firefox
	$(PYTHON) -m tests.frontends.run

faults:
	@.ci/prepare venv test
	@.ci/prepare browser
	$(PYTHON) -m tests.faults.run

documents:
	@.ci/prepare venv lab
	$(PYTHON) -m mmviz.cli.documents assets
	$(PYTHON) -m mmviz.cli.layouts

picture:
	@.ci/prepare venv test
	@.ci/prepare browser
	$(PYTHON) -m assets.picture

clean:
	rm -rf .venv build dist test-artifacts .mypy_cache .pytest_cache .ruff_cache .hypothesis
