# Three doors, and nothing behind them but .venv and the programs in it.
#
#   make run               an agent, the example, its lines; Ctrl-C ends it all
#   make run SECONDS=5     the same, for five seconds of lines
#   make run PORT=9000     the same, on that port
#   make test              all checks, and all tests
#   make bench             all figures, beside those of its peers: half an hour
#
# The Python is the first of these names that is new enough; PYTHON=... chooses.

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys, ensurepip; sys.version_info < (3, 11) or print("$(name)")' 2>/dev/null)))

# Make would hand these to every program it starts, and PORT means something there.
unexport PORT SECONDS

.PHONY: run test bench clean

run: .venv/run
	@.venv/bin/smartmob demo $(if $(PORT),--port $(PORT)) $(if $(SECONDS),--seconds $(SECONDS))

test: .venv/test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/trial -j2 tests

bench: .venv/run
	.venv/bin/python -m bench --json .bench/results/$(shell date -u +%Y-%m-%dT%H%M%SZ).json

clean:
	rm -rf .bench .venv .tox build dist *.egg-info _trial_temp* .mypy_cache .ruff_cache

.venv/bin/python:
	$(if $(PYTHON),,$(error No Python 3.11 or newer with its venv module was found))
	$(PYTHON) -m venv .venv

# What is compiled lies in the checkout; what changed is compiled again.
sources = $(wildcard smartmob/*/compiled/*.[ch])

.venv/run: setup.py pyproject.toml $(sources) | .venv/bin/python
	.venv/bin/python -m pip install -qq --editable .
	@touch $@

.venv/test: setup.py pyproject.toml $(sources) | .venv/bin/python
	.venv/bin/python -m pip install -qq --editable '.[test,check]'
	@touch $@ .venv/run
