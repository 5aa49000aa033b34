# Kuvert's commands. `make run` and `make test` need Python 3.11 or newer, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench
DOCS := .venv-docs
UV_COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header

# Tests wait a good part of their time for servers and processes: three at once fill two cores.
AT_ONCE := -n 3
# Those that take long for one test come first, so that none is left for the end.
REAL_PROCESSES := tests/faults tests/end_to_end tests/browser

# Without compiled files each process that a test starts would compile Kuvert anew.
test storm: export PYTHONDONTWRITEBYTECODE =

.PHONY: run install pdf test check bench storm shots docs services requirements clean

run: install ## set up on the first call, then start everything and send the samples
	@exec $(BIN)/python manage.py up --demo $(ARGS)

install: $(VENV)/.base ## .venv with the pinned requirements

pdf: $(VENV)/.pdf ## the extra that makes PDFs from invoices, into .venv

test: $(VENV)/.dev ## every test that can run here; ARGS chooses some
ifdef ARGS
	$(BIN)/pytest $(ARGS)
else
	$(BIN)/pytest $(AT_ONCE) --dist worksteal $(REAL_PROCESSES:%=--ignore %)
	$(BIN)/pytest $(AT_ONCE) --dist loadgroup --no-loadscope-reorder $(REAL_PROCESSES)
endif

check: $(VENV)/.dev ## lint, types, import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

storm: $(VENV)/.dev ## the long fault tests
	$(BIN)/pytest -m storm --no-header -rA $(ARGS)

shots: $(VENV)/.dev ## pictures of the desk's pages for the docs, into docs/pictures/admin
	$(BIN)/pytest tests/browser/test_pages.py tests/browser/test_forms.py tests/browser/test_login.py \
		tests/browser/test_recovery.py tests/browser/test_retention.py -m '' \
		-k 'sqlite and (of_an_admin or second_of or page_looks or due_is_told or let_go) or who_forgot' \
		--pictures docs/pictures/admin $(ARGS)

docs: $(DOCS)/.done ## the documentation as a site, into site/; ARGS=serve shows it while it is written
ifdef ARGS
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs $(ARGS)
else
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --quiet
	@echo 'The documentation is in $(CURDIR)/site/index.html; make docs ARGS=serve has a search too'
endif

bench: $(BENCH)/.done ## the benchmarks, as ratios in one run
	$(BENCH)/bin/python -m tests.benchmarks $(ARGS)

services: ## RabbitMQ, PostgreSQL, MariaDB, Chromium, Dovecot and fonts for the tests, on Debian
	deploy/services.sh

requirements: $(VENV)/.dev ## compile requirements/*.in with hashes
	$(UV_COMPILE) requirements/base.in -o requirements/base.txt
	$(UV_COMPILE) requirements/pdf.in -o requirements/pdf.txt
	$(UV_COMPILE) requirements/dev.in -o requirements/dev.txt
	$(UV_COMPILE) requirements/bench.in -o requirements/bench.txt
	$(UV_COMPILE) requirements/docs.in -o requirements/docs.txt

clean: ## remove the environments, the site and var, data and all
	rm -rf $(VENV) $(BENCH) $(DOCS) site var

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Kuvert needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: requirements/base.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/.pdf: requirements/pdf.txt | $(VENV)/.base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/.dev: requirements/dev.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@ $(VENV)/.base

$(BENCH)/.done: requirements/base.txt requirements/bench.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements/base.txt -r requirements/bench.txt
	@touch $@

$(DOCS)/.done: requirements/docs.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
