# `make` alone lists the targets.

BIN := .venv/bin/python
INSTALLED := .venv/.installed
# What people leave beside the notebooks by following the README is not ours to check.
NOTEBOOKS = $(filter-out notebooks/out%,$(wildcard notebooks/*.ipynb))
STRIP = $(BIN) -m nbstripout --keep-id --drop-tagged-cells injected-parameters \
    --extra-keys "metadata.papermill metadata.widgets cell.metadata.papermill cell.metadata.execution \
    $(addprefix metadata.language_info.,version codemirror_mode file_extension mimetype nbconvert_exporter pygments_lexer)"

# A slow suite. pytest's exit code decides, so a folder whose tests cannot be collected fails; what is skipped says why.
suite = $(if $(wildcard tests/$(1)/test_*.py),$(BIN) -m pytest -rs tests/$(1) $(ARGS),@echo "tests/$(1): no test files")

.PHONY: help install demo lab report test test-browser test-faults test-interop bench lint format lock clean

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

install: $(INSTALLED)  ## make .venv with everything in it (uses uv if present; PYTHON= names another Python)

$(INSTALLED): pyproject.toml requirements.lock .ci/install $(shell find .ci/venv -type f)
	@sh .ci/install
	@touch $@

demo: install  ## migrate a made-up home; leaves build/demo/migrate.ipynb and .html
	@$(BIN) -m ait42nb.demo $(ARGS)

lab: install  ## open notebooks/migrate.ipynb in JupyterLab
	$(BIN) -m jupyterlab notebooks/migrate.ipynb $(ARGS)

report: install  ## an HTML page to pass on, from an executed notebook: NOTEBOOK=out.ipynb
	@$(BIN) -m ait42nb.share "$(or $(NOTEBOOK),$(error name the executed notebook: make report NOTEBOOK=out.ipynb))"

test: install  ## the quick tests (ARGS= goes to pytest)
	$(BIN) -m pytest $(ARGS)

test-browser: install  ## the notebooks in a real JupyterLab, in Chromium
	@sh .ci/chromium
	$(call suite,browser)

test-faults: install  ## kills, full disks, other writers, damaged files (FAULTS=full tries many more)
	$(call suite,faults)

test-interop: install  ## the database through the editor's own library (skipped without Rust's cargo)
	$(call suite,interop)

bench: install  ## measure speed and memory (ARGS= goes to benchmarks/run.py)
	$(BIN) benchmarks/run.py $(ARGS)

lint: install  ## check style, and that notebooks hold no outputs
	$(BIN) -m ruff check
	$(BIN) -m ruff format --check
	@$(STRIP) --verify $(NOTEBOOKS) </dev/null || { echo "lint: notebooks hold outputs or traces of a run; make format strips them"; exit 1; }

format: install  ## mend what lint can mend
	$(BIN) -m ruff check --fix --exit-zero --quiet
	$(BIN) -m ruff format
	@$(STRIP) $(NOTEBOOKS) </dev/null

lock:  ## resolve requirements.lock again after pyproject.toml changed (needs uv)
	uv pip compile pyproject.toml --output-file requirements.lock --quiet --custom-compile-command "make lock" \
	    --universal --python-version 3.11 --fork-strategy fewest --no-strip-extras --all-extras --group dev --generate-hashes

clean:  ## remove .venv, build and caches
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis
	find . \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
