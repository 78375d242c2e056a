# Everything a fresh clone needs: `make demo` and `make test`. Both are idempotent, and fast the second time.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.installed
MODEL := .model/manifest.json
NATIVE := $(VENV)/.native
CARGO := $(shell command -v cargo 2>/dev/null)
export MEMENTO_MODEL_DIR := $(CURDIR)/.model
# Processes that run tests; a file's tests stay in one of them, since they share what is expensive to make.
WORKERS ?= 2
FAST := tests/policies tests/formats tests/memory tests/ranking tests/ingest

.PHONY: help setup model demo native native-test native-neon native-deep test check lint types integrations mutants docs lock bench eval eval-all \
	eval-policy soak clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

setup: $(SETUP)  ## make the virtual environment with the pinned versions

# Hashes are required for everything that comes from a registry; our own package is installed from this folder.
# Bytecode is compiled now: it is the larger part of a first start otherwise.
$(SETUP): constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or say make PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip -q
	@echo "installing the pinned dependencies"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q $(VENV)/lib app ingest memory policies 2>/dev/null || true
	@touch $@

model: $(MODEL)  ## get and build the embedding model

$(MODEL): | $(SETUP)
	@$(BIN)/memento model pull

demo: $(SETUP) $(MODEL)  ## ingest samples/ and answer three recalls
	@sh samples/demo.sh $(BIN)/memento

ifeq ($(CARGO),)
native native-test:
	@echo "no Rust toolchain (cargo): the Python engine is used; with one, 'make native' builds the native engine"
else
native: $(NATIVE)  ## build the native engine and install it (needs a Rust toolchain; two minutes)

# The wheel goes where cargo keeps what it builds; installing it replaces an older build of the same version.
$(NATIVE): $(shell git ls-files engine_native 2>/dev/null) | $(SETUP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r engine_native/build.txt
	@rm -rf engine_native/dist
	@cd engine_native && ../$(BIN)/maturin build --release --locked --quiet --out dist --interpreter ../$(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall engine_native/dist/*.whl
	@touch $@

native-test: $(NATIVE) $(MODEL)  ## format, lints and tests of the native engine, and its stub
	@cd engine_native && cargo fmt --all --check && cargo clippy --quiet --locked --all-targets -- -D warnings
	@cd engine_native && cargo test --quiet --locked
	@$(BIN)/python -m mypy.stubtest memento_native --ignore-missing-stub
endif

native-neon:  ## tests of the vector scan on an emulated ARM processor (needs qemu and a cross compiler)
	@sh engine_native/deep.sh neon

native-deep: native-neon  ## the same, then Miri and fuzzing: make native-deep [FUZZ=seconds] (needs nightly Rust)
	@sh engine_native/deep.sh miri
	@sh engine_native/deep.sh fuzz $(FUZZ)

lint: $(SETUP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(SETUP)
	@$(BIN)/mypy

test: lint types $(MODEL)  ## lint, types and the whole suite
	@$(BIN)/python -c "import memento_native" 2>/dev/null && echo "both engines are tested" \
		|| echo "the native engine is not built (make native): the Python engine alone is tested"
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# What takes long runs many processes, follows files, or measures: docs/testing.md.
check: lint types $(MODEL)  ## lint, types and the fast half of the suite, while you work
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile $(FAST)

integrations: $(SETUP)  ## write the agents' plugins below integrations/
	@$(BIN)/python integrations/generate.py

# In a virtual environment of its own: the tool is not needed to work on Memento. The whole of a room takes hours.
MUTANTS := .venv-mutants
mutants: $(SETUP) $(MODEL)  ## mutation testing: make mutants MODULE=policies/memento_policies/tagging.py [TESTS="..."] [SAMPLE=50]
	@test -n "$(MODULE)" || { echo "name a module: make mutants MODULE=path"; exit 2; }
	@test -x $(MUTANTS)/bin/cosmic-ray || { $(PYTHON) -m venv $(MUTANTS) && $(MUTANTS)/bin/python -m pip install --quiet cosmic-ray==8.7.0; }
	@COSMIC_RAY=$(CURDIR)/$(MUTANTS)/bin/cosmic-ray $(BIN)/python tests/mutants.py $(MODULE) $(if $(TESTS),--tests "$(TESTS)") $(if $(SAMPLE),--sample $(SAMPLE))

docs: $(SETUP)  ## write docs/api.md from the docstrings
	@$(BIN)/python docs/generate_api.py

lock: $(SETUP)  ## resolve the newest versions into constraints.txt (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--group dev --upgrade pyproject.toml --output-file constraints.txt

bench: $(SETUP) $(MODEL)  ## print the tables of bench/
	@$(BIN)/python bench/run.py

eval: $(SETUP) $(MODEL)  ## retrieval quality on a benchmark: make eval FILE=path [SPLIT=dev|test|all]
	@test -n "$(FILE)" || { echo "name a benchmark: make eval FILE=path"; exit 2; }
	@$(BIN)/python bench/eval.py $(FILE) --split $(or $(SPLIT),all)

eval-all: $(SETUP) $(MODEL)  ## the same on every development set in a folder: make eval-all DIR=path [CACHE=path] [ARGS=--by-kind]
	@test -n "$(DIR)" || { echo "name the folder of the sets: make eval-all DIR=path"; exit 2; }
	@$(BIN)/python bench/eval_all.py $(DIR) $(if $(CACHE),--cache $(CACHE)) $(ARGS)

eval-policy: $(SETUP)  ## what the policy keeps and skips: make eval-policy [LOCOMO=path] [CODING=path] [TRANSCRIPTS=folder]
	@$(BIN)/python bench/eval_policy.py $(if $(LOCOMO),--locomo $(LOCOMO) --plots docs) $(if $(CODING),--coding $(CODING))
	@$(BIN)/python bench/eval_curation.py $(if $(TRANSCRIPTS),--transcripts $(TRANSCRIPTS))
	@$(BIN)/python bench/eval_redaction.py $(if $(LOCOMO),--locomo $(LOCOMO))

soak: $(SETUP) $(MODEL)  ## run the scorecard of docs/reliability.md at full counts (about two hours)
	@$(BIN)/python bench/soak.py

clean:  ## remove what the other targets made
	@rm -rf $(VENV) $(MUTANTS) .model .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis engine_native/dist engine_native/target
