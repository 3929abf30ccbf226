# make serve   install what is missing, then serve on http://localhost:8000 (PORT=, HOST=, CHECKPOINT=, DEVICE=, VOICES=)
# make test    the whole suite (ARGS="tests/models -k audio" for a part)
# make bench   upstream against ours, same weights, same run
# make check   make lint and the fast tests, in under four minutes
# make lint    ruff, mypy, clang-format
# make install what serves, without starting it
# make lock    pins the dependencies anew (needs uv): requirements.txt serves, requirements-dev.txt is for tests, lint and benches

VENV := .venv
RUN := $(VENV)/bin/python
PYTHONS = $(or $(PYTHON),python3.11 python3.12 python3 python)
FOUND = $(shell for python in $(PYTHONS); do \
	$$python -c 'import sys, ensurepip; assert (3, 11) <= sys.version_info < (3, 13)' 2>/dev/null && echo $$python && break; done)
PIP := $(RUN) -m pip install --disable-pip-version-check --no-deps --use-pep517
export RAY_USAGE_STATS_ENABLED := 0

# Named by content: what is installed already is not installed again, whatever git did to the files' dates.
PACKAGES := $(VENV)/packages-$(shell cat requirements.txt | cksum | tr ' ' '-')
DEV := $(VENV)/dev-$(shell cat requirements-dev.txt 2> /dev/null | cksum | tr ' ' '-')
PROJECT := $(VENV)/project-$(shell cat pyproject.toml 2> /dev/null | cksum | tr ' ' '-')

.PHONY: serve install packages dev project native test check bench lint lock
.DELETE_ON_ERROR:

serve: install
	@exec $(RUN) -m deployments serve_config.yaml

install: project native

packages: $(PACKAGES)

$(PACKAGES):
	@$(RUN) -m pip --version > /dev/null 2>&1 || test -n "$(FOUND)" || { echo "Shoal needs Python 3.11 or 3.12 with venv: \
	install it (Debian, Ubuntu: apt install python3-venv, for an NVIDIA GPU also gcc python3-dev) or name it (make PYTHON=/path/to/python3.12)" >&2; exit 1; }
	@$(RUN) -m pip --version > /dev/null 2>&1 || $(FOUND) -m venv --clear $(VENV)
	@echo "Installing into $(VENV): about 3 GB to download, 5.3 GB on disk."
	$(PIP) -r requirements.txt
	@rm -f $(VENV)/packages-* && touch $@

dev: $(DEV)

$(DEV): $(PACKAGES)
	$(PIP) -r requirements-dev.txt
	@rm -f $(VENV)/dev-* && touch $@

project: $(PROJECT)

$(PROJECT): $(PACKAGES)
	$(PIP) --quiet --no-build-isolation -e .
	@rm -f $(VENV)/project-* && touch $@

native: $(PROJECT)
	@$(RUN) -m models.native || true

# Two processes: one for what starts Ray, which waits much of its time, one for the rest. ARGS take one.
PYTEST := $(RUN) -m pytest --timeout 300
TOGETHER := -n 2 --dist loadgroup

test: install dev
	$(PYTEST) $(or $(ARGS),$(TOGETHER))

check: lint install
	$(PYTEST) -m "not slow" $(TOGETHER)

bench: install dev
	$(RUN) -m tests.bench $(ARGS)

lint: dev
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m mypy
	@test ! -e .clang-format || $(VENV)/bin/clang-format --dry-run -Werror $$(find models tests -name '*.h' -o -name '*.cpp')

LOCK := uv pip compile --universal --python-version 3.11 --fork-strategy fewest pyproject.toml --extra serve \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet

lock:
	$(LOCK) --output-file requirements.txt
	$(LOCK) --group dev --constraints requirements.txt --output-file requirements-dev.txt
	awk -F'==' 'NR == FNR {serves[$$1]; next} !($$1 in serves)' requirements.txt requirements-dev.txt > requirements-dev.txt.new
	mv requirements-dev.txt.new requirements-dev.txt
