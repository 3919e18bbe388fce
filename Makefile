# Everything a person needs: `make lab` opens the course, `make test` checks everything.
# Both do all the set-up they need, and take seconds the second time.

PYTHON = .venv/bin/python

.PHONY: help lab test bench picture readme clean

help:
	@echo "make lab      set up, and open the course in JupyterLab"
	@echo "make test     set up, and check everything: format, lint, types, tests, notebooks, stage"
	@echo "make bench    measure the search and the stage"
	@echo "make readme   write the README's tables, the debates and the table of mutations anew"
	@echo "make picture  take the README's picture of the stage anew"
	@echo "make clean    remove what the others made"

lab:
	@.ci/prepare venv
	@$(PYTHON) -m mmviz lab

test:
	@.ci/prepare venv test
	@.ci/prepare browser
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest

bench:
	@.ci/prepare venv test
	@.ci/prepare browser
	$(PYTHON) tests/bench/bench.py

readme:
	@.ci/prepare venv
	$(PYTHON) -m mmviz.cli.readme README.md

picture:
	@.ci/prepare venv test
	@.ci/prepare browser
	$(PYTHON) -m assets.picture

clean:
	rm -rf .venv build dist test-artifacts .mypy_cache .pytest_cache .ruff_cache .hypothesis
