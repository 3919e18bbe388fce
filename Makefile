# Everything a person needs: `make lab` opens the course, `make test` checks everything.
# Both do all the set-up they need, and take seconds the second time.

PYTHON = .venv/bin/python

.PHONY: help lab test bench site pages forms renderers graded prove questions frontends faults documents picture clean

help:
	@echo "make lab        set up, and open the course in JupyterLab"
	@echo "make test       set up, and check everything: format, lint, types, tests, notebooks, stage"
	@echo "make bench      measure the search and the stage"
	@echo "make prove      let spin confirm the search, models by hand the races, another machine the litmus tests"
	@echo "make questions  confirm each question of 200 seeds over all cases by another machine"
	@echo "make exercises  judge every typical mistake in the exercises: no wrong answer is called right"
	@echo "make frontends  show the widgets in each front end, in a browser without a network"
	@echo "make site       write all races, the course and the reference as a static site: build/site"
	@echo "make pages      open each page of it from disk in two browsers without a network, and measure"
	@echo "make forms      measure each form in which a run is saved: sizes and times over all cases"
	@echo "make renderers  measure whether seven programs draw our SVG the same"
	@echo "make graded     let nbgrader and otter grade an assignment from end to end, and check the points"
	@echo "make fuzz       try 100,000 hostile texts at every door that takes one"
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
	$(PYTHON) -m tests.prove.by_hand
	$(PYTHON) -m tests.prove.litmus

exercises:
	@.ci/prepare venv
	$(PYTHON) -m tests.prove.exercises

frontends:
	@.ci/prepare venv test
	@.ci/prepare browser
	@.ci/prepare firefox
	$(PYTHON) -m tests.frontends.run

site:
	@.ci/prepare venv site
	$(PYTHON) -m mmviz export --site build/site

pages: site
	@.ci/prepare venv test
	@.ci/prepare browser
	@.ci/prepare firefox
	$(PYTHON) -m tests.frontends.site build/site

forms:
	@.ci/prepare venv test
	$(PYTHON) -m tests.bench.forms

renderers:
	@.ci/prepare venv test
	@.ci/prepare browser
	@.ci/prepare renderers
	$(PYTHON) -m tests.bench.renderers

graded:
	@.ci/prepare venv
	@.ci/prepare graded
	$(PYTHON) -m tests.graded.run

fuzz:
	@.ci/prepare venv test
	$(PYTHON) -m tests.fuzz.run

faults:
	@.ci/prepare venv test
	@.ci/prepare browser
	$(PYTHON) -m tests.faults.run

documents:
	@.ci/prepare venv lab
	$(PYTHON) -m mmviz.cli.documents assets
	$(PYTHON) -m mmviz.cli.layouts
	$(PYTHON) -m mmviz.cli.functions

picture:
	@.ci/prepare venv test
	@.ci/prepare browser
	$(PYTHON) -m assets.picture

questions:
	@.ci/prepare venv
	$(PYTHON) -m tests.prove.questions

clean:
	rm -rf .venv build dist test-artifacts .mypy_cache .pytest_cache .ruff_cache .hypothesis
