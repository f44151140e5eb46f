# Two commands: `make demo` and `make test`. Everything lands in .venv/ and .telltale/, which git ignores.
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/pytest -n auto --dist loadgroup

# What others' instrumentations need does not go with what we need.
EMITTERS := .telltale/emitters
OLDER_SDK := .telltale/sdk-1.44
DRIVEN := tests/exporters/traces/emitters
LOCK := uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade --python-version 3.11

.PHONY: demo test lint types suite unit e2e components emitters lock clean

demo: .venv/ready
	$(BIN)/telltale fetch --missing
	$(BIN)/telltale demo $(ARGS)

test: lint types suite

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

# On every core. Some tests wait for real components: others have the core meanwhile.
suite: .venv/ready emitters components
	$(PYTEST) $(ARGS)

unit: .venv/ready emitters components
	$(PYTEST) -m "not e2e" $(ARGS)

e2e: .venv/ready components
	$(PYTEST) -m e2e $(ARGS)

# Rules and the way from an alert to a ticket are tested with both.
components: .venv/ready
	$(BIN)/telltale fetch --missing
	$(BIN)/telltale fetch --missing --suite stable --into .telltale/tools-stable

# uv where it is, else venv and pip; both install what the lock pins, by hash. The lock is complete, and pip would stumble
# over dependencies that name an extra of a pinned package: it need not look at any.
.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Telltale needs Python 3.11 or newer; name one: make PYTHON=python3.12 demo"; exit 1; }
	@if command -v uv >/dev/null; then \
	  uv venv -q --allow-existing --python $(PYTHON) .venv && \
	  uv pip install -q --python $(BIN)/python --require-hashes -r requirements.lock && \
	  uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	  { $(PYTHON) -m venv .venv || { echo "Python has no venv here: apt install python3-venv"; exit 1; }; } && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements.lock && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	fi
	@touch $@

# Real instrumentations, which the collector's tests drive.
emitters: $(EMITTERS)/ready $(OLDER_SDK)/ready

$(EMITTERS)/ready: $(DRIVEN)/requirements.lock
$(OLDER_SDK)/ready: $(DRIVEN)/sdk-1.44.lock

$(EMITTERS)/ready $(OLDER_SDK)/ready: | .venv/ready
	$(BIN)/uv venv -q --allow-existing --python $(BIN)/python $(@D)
	$(BIN)/uv pip sync -q --python $(@D)/bin/python --require-hashes $<
	@touch $@

# Pins everything again; needs uv.
lock:
	$(LOCK) --extra dev pyproject.toml -o requirements.lock
	$(LOCK) --override $(DRIVEN)/overrides.txt $(DRIVEN)/requirements.in -o $(DRIVEN)/requirements.lock
	$(LOCK) $(DRIVEN)/sdk-1.44.in -o $(DRIVEN)/sdk-1.44.lock

clean:
	rm -rf .venv .telltale dist build
