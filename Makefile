# The verbs that people and CI share. `make` alone lists them.
# A machine with Python 3.11 or later and make is enough: everything else is installed into .venv, once per pyproject.toml.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo up test lint audit format types bench matrix versions chaos docs reference messages clean

VENV := .venv
RUN := $(VENV)/bin/python
# The first interpreter that runs and is new enough (a shim on PATH may name a version that is not installed).
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# UV= (empty) forces venv and pip.
UV ?= $(shell command -v uv 2>/dev/null)
ARGS ?=

# $(call quietly,what,command): one line of dots while it runs; its output only when it fails.
define quietly
@log=$$(mktemp); ( $(2) ) >"$$log" 2>&1 & pid=$$!; printf '%s ' '$(1)'; \
while kill -0 $$pid 2>/dev/null; do printf .; sleep 1; done; \
if wait $$pid; then echo ' done'; rm -f "$$log"; else echo ' failed'; cat "$$log" >&2; rm -f "$$log"; exit 1; fi
endef

ifeq ($(UV),)
INSTALL = $(RUN) -m pip install --quiet --disable-pip-version-check
else
INSTALL = $(UV) pip install --quiet --python $(RUN)
endif

help: ## list the verbs
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(VENV)/dev.stamp ## the development environment in .venv

$(RUN):
ifeq ($(UV),)
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "$(PYTHON) has no ensurepip: install python3-venv (Debian, Ubuntu) or uv" >&2; exit 1; }
	$(call quietly,Creating $(VENV),$(PYTHON) -m venv $(VENV))
else
	$(call quietly,Creating $(VENV),$(UV) venv --quiet --allow-existing --python "$(or $(PYTHON),>=3.11)" $(VENV))
endif

$(VENV)/%.stamp: pyproject.toml | $(RUN)
	$(call quietly,Installing the $* environment (once),$(INSTALL) --editable '.[$*]')
	@touch $@

demo: $(VENV)/demo.stamp ## run the cinema's tasks and failures, print what was captured, end
	@$(RUN) -m demo.stack demo $(ARGS)

up: $(VENV)/demo.stamp ## the same, and the admin stays open on loopback until Ctrl-C
	@$(RUN) -m demo.stack up $(ARGS)

test: $(VENV)/dev.stamp ## all tests, on every database found (ARGS=unit, ARGS="integration -- -k drain")
	@$(RUN) -m tests $(ARGS)

lint: $(VENV)/dev.stamp ## ruff, and no missing migration
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m django makemigrations --check --dry-run --settings tests.settings issue_tracker

audit: $(VENV)/dev.stamp ## bandit on the package; the dependencies against the database of known faults, where it answers
	@$(RUN) -m bandit --quiet --recursive --configfile pyproject.toml issue_tracker
	@$(RUN) -m tests.audit

format: $(VENV)/dev.stamp ## let ruff rewrite what it can
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

types: $(VENV)/dev.stamp ## mypy, strict, on the package and on its use by others
	@$(RUN) -m mypy

bench: $(VENV)/bench.stamp ## side by side with the peers; writes no file
	@$(RUN) -m benchmarks $(ARGS)

matrix: $(VENV)/matrix.stamp ## every way a task can die, on real workers, beside the peers
	@$(RUN) -m matrix $(ARGS)

versions: $(VENV)/dev.stamp ## the tests on every Python found, each Django, each Celery
	@$(RUN) -m nox $(ARGS)

chaos: $(VENV)/dev.stamp ## faults on purpose: a few minutes, and a report (ARGS="--long", ARGS="soak --minutes 60")
	@$(RUN) -m chaos $(ARGS)

docs: $(VENV)/docs.stamp ## build the documentation into site/
	@NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict --quiet

reference: $(VENV)/dev.stamp ## write the tables of the reference pages out of the code
	@$(RUN) -m tests.reference

messages: $(VENV)/dev.stamp ## collect the texts to translate and compile the translations (needs gettext)
	@cd issue_tracker && ../$(RUN) -m django makemessages --all --no-location --no-wrap --no-obsolete
	@sed -i '/^"POT-Creation-Date/d' issue_tracker/locale/*/LC_MESSAGES/django.po
	@cd issue_tracker && ../$(RUN) -m django compilemessages --verbosity 0

clean: ## remove everything that these verbs made
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis .demo .chaos
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
