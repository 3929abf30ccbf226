# make serve   install what is missing, then serve on http://localhost:8000 (PORT=, HOST=, CHECKPOINT=, DEVICE=, VOICES=)
# make test    the whole suite (ARGS="tests/models -k audio" for a part)
# make bench   upstream against ours, same weights, same run
# make check   make lint and the fast tests, in under four minutes
# make pictures   the README's pictures of the page, taken anew (needs chromium)
# make lint    ruff, mypy, clang-format
# make install what serves, without starting it (TORCH=cpu, cu126 or cu130: which build of torch)
# make lock    pins the dependencies anew (needs uv): requirements.txt serves, requirements-dev.txt is for tests, lint and benches

VENV := .venv
RUN := $(VENV)/bin/python
PYTHONS = $(or $(PYTHON),python3.11 python3.12 python3 python)
FOUND = $(shell for python in $(PYTHONS); do \
	$$python -c 'import sys, ensurepip; assert (3, 11) <= sys.version_info < (3, 13)' 2>/dev/null && echo $$python && break; done)
PIP := $(RUN) -m pip install --disable-pip-version-check --no-deps --use-pep517
export RAY_USAGE_STATS_ENABLED := 0

# The build of torch: as installed, else for the weakest NVIDIA GPU and its driver. The default index has that for CUDA 13 (driver 580,
# compute capability 7.5); PyTorch's own indexes have the others.
TORCH ?= $(or $(shell cat $(VENV)/torch 2> /dev/null),$(shell nvidia-smi --query-gpu=driver_version,compute_cap --format=csv,noheader \
	2> /dev/null | awk -F', ' '/^[0-9]/ {gpus++; old += $$1 + 0 < 580 || $$2 + 0 < 7.5} END {print gpus ? (old ? "cu126" : "cu130") : "cpu"}'))
TORCH_INDEX ?= https://download.pytorch.org/whl/$(TORCH)
OF_TORCH := ^(torch|torchaudio|triton|cuda-[a-z]+|nvidia-(cu|n)[a-z0-9-]*)==

# Named by content: what is installed already is not installed again, whatever git did to the files' dates.
PACKAGES = $(VENV)/packages-$(TORCH)-$(shell cat requirements.txt | cksum | tr ' ' '-')
DEV := $(VENV)/dev-$(shell cat requirements-dev.txt 2> /dev/null | cksum | tr ' ' '-')
PROJECT := $(VENV)/project-$(shell cat pyproject.toml 2> /dev/null | cksum | tr ' ' '-')

.PHONY: serve install packages dev project native test check pictures bench lint lock
.DELETE_ON_ERROR:

serve: install
	@exec $(RUN) -m deployments serve_config.yaml

install: project native

packages: $(PACKAGES)

$(PACKAGES):
	@$(RUN) -m pip --version > /dev/null 2>&1 || test -n "$(FOUND)" || { echo "Shoal needs Python 3.11 or 3.12 with venv: \
	install it (Debian, Ubuntu: apt install python3-venv, for an NVIDIA GPU also gcc python3-dev) or name it (make PYTHON=/path/to/python3.12)" >&2; exit 1; }
	@$(RUN) -m pip --version > /dev/null 2>&1 || $(FOUND) -m venv --clear $(VENV)
	@echo "Installing into $(VENV), with torch for $(TORCH) (TORCH=cpu, cu126 or cu130 chooses another): up to 3 GB to download, 5.3 GB on disk."
	@if test $(TORCH) = cu130 || test "$$(uname)" != Linux; then $(PIP) -r requirements.txt; \
	elif curl -fsSIL -m 10 -o /dev/null $(TORCH_INDEX)/torch/; then \
	grep -Ev '$(OF_TORCH)' requirements.txt > $(VENV)/others.txt && $(PIP) -r $(VENV)/others.txt && \
	$(PIP:--no-deps=) --index-url $(TORCH_INDEX) $$(grep -E '^torch(audio)?==' requirements.txt); \
	else echo "torch comes from the default index, with CUDA 13: PyTorch's index for $(TORCH) cannot be reached."; \
	$(PIP) -r requirements.txt; fi
	@rm -f $(VENV)/packages-* && echo $(TORCH) > $(VENV)/torch && touch $@

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

PYTEST := $(RUN) -m pytest --timeout 300

# What starts Ray waits much of its time, so the rest runs beside it. That one's output comes at the end.
test: install dev
ifdef ARGS
	$(PYTEST) $(ARGS)
else
	@$(PYTEST) -m "not ray" > $(VENV)/tests.log 2>&1 & beside=$$!; trap "kill $$beside 2> /dev/null" EXIT INT TERM; \
	$(PYTEST) -m ray; ray=$$?; wait $$beside; rest=$$?; cat $(VENV)/tests.log; exit $$((ray ? ray : rest))
endif

check: lint install
	$(PYTEST) -m "not slow"

pictures: install dev
	mkdir -p docs && SHOAL_PICTURES=docs $(RUN) -m pytest -q tests/page/test_real_graph.py

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
