# Two commands do all set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-browser test-all bench guarantees check format schema gallery clean

$(VENV)/.installed: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -e .
	touch $@

$(VENV)/.developing: $(VENV)/.installed
	$(BIN)/pip install --quiet -e '.[dev]'
	touch $@

demo: $(VENV)/.installed  ## train, evaluate and draw a method on generated images
	$(BIN)/graphssl demo --out runs/demo

test: $(VENV)/.developing  ## the tests without the slow ones and those in a browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow and not gpu and not browser"

test-browser: $(VENV)/.developing  ## the HTML pages in Chromium (Debian: apt-get install chromium)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m browser -rs tests/browser

test-all: $(VENV)/.developing  ## every test that runs on this machine
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

bench: $(VENV)/.developing  ## print the tables of benchmarks/; PHOTOS=FOLDER of photos, SMALL=FOLDER with train/CLASS/ of 32 px
	$(BIN)/pip install --quiet -e '.[dev,bench]'
	$(BIN)/python -m benchmarks.compiling
	$(BIN)/python -m benchmarks.passes
	$(BIN)/python -m benchmarks.step
	$(if $(and $(PHOTOS),$(SMALL)),$(BIN)/python -m benchmarks.data --photos $(PHOTOS) --small $(SMALL)/train)
	$(if $(SMALL),$(BIN)/python -m benchmarks.end_to_end $(SMALL))

guarantees: $(VENV)/.developing  ## measure the table of docs/guarantees.md again
	OMP_NUM_THREADS=1 GRAPHSSL_GUARANTEES=write $(BIN)/python -m pytest tests/guarantees

check: $(VENV)/.developing  ## format, lint, types
	$(BIN)/ruff format --check graphssl tests benchmarks setup.py
	$(BIN)/ruff check graphssl tests benchmarks setup.py
	$(BIN)/mypy

format: $(VENV)/.developing
	$(BIN)/ruff format graphssl tests benchmarks setup.py
	$(BIN)/ruff check --fix graphssl tests benchmarks setup.py

schema: $(VENV)/.installed  ## write schemas/ and docs/ops.md again
	$(BIN)/python -m graphssl schema -o schemas/graph.schema.json
	$(BIN)/python -m graphssl schema --kind curation -o schemas/curation.schema.json
	$(BIN)/python docs/make_reference.py

gallery: $(VENV)/.installed  ## draw the bundled methods for docs/gallery.md again
	$(BIN)/python docs/make_gallery.py

clean:
	rm -rf $(VENV) build dist *.egg-info
