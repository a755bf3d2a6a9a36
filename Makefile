# One command for each chore; `make help` lists them. scripts/setup makes .venv and installs what is missing.
SHELL := /bin/sh
BIN := .venv/bin
# Many tests wait, for browsers to start or time to pass: half as many again as there are cores keep those busy.
TESTERS := $(shell echo $$(($$(nproc) * 3 / 2)))
# Tests need the worker's image; making it needs root, and takes as long as linting.
IMAGE := $(shell [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo image)
# Without the addresses that packages come from.
PIN := $(BIN)/uv pip compile --python-version 3.11 --quiet --no-header --no-annotate --no-emit-index-url --no-emit-find-links
# What the image has: Debian's Python, and wheels only. One lock file is for both kinds of processors.
IN_IMAGE := --only-binary :all:
IMAGE_LOCK := src/helios/clouds/image/requirements.txt
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.PHONY: help demo test coverage lint format image bench bench-peers docs pin clean

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: .venv/ready ## Set up what is missing and render an example to out/demo.mp4
	@mkdir -p out
	@$(BIN)/helios render examples/aurora -o out/demo.mp4

test: .venv/ready-dev ## Run the linters and all tests
	@$(MAKE) --no-print-directory --jobs=2 --output-sync lint $(IMAGE)
	$(BIN)/python -m pytest -n $(TESTERS) --durations=20

coverage: .venv/ready-dev $(IMAGE) ## Run all tests and report branch coverage
	$(BIN)/python -m pytest -n $(TESTERS) --cov --cov-report=term:skip-covered

lint: .venv/ready-dev ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/hadolint src/helios/clouds/image/Dockerfile

format: .venv/ready-dev ## Put the source into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

image: .venv/ready-dev ## Make the cloud worker's root file system in .venv/image, without Docker
	@$(BIN)/python scripts/image.py

bench: .venv/ready-dev ## Measure speed on this machine
	$(BIN)/python -m benchmarks

bench-peers: .venv/ready-dev ## Install the peers that bench compares with, by npm
	$(BIN)/python -m benchmarks install

docs: .venv/ready-dev ## Write docs/cli.md and docs/job.schema.json from the code, and build the website in out/site
	$(BIN)/python scripts/make_docs.py
	$(BIN)/zensical build --strict

pin: .venv/ready-dev ## Take the newest versions of all dependencies into constraints.txt, and the image's into its own lock file
	$(BIN)/python -m pip install --quiet uv
	$(PIN) pyproject.toml --upgrade --group dev --all-extras --universal --output-file constraints.txt
	$(PIN) pyproject.toml --upgrade --extra aws --extra http --group image --constraints constraints.txt $(IN_IMAGE) \
		--python-platform x86_64-manylinux_2_36 --output-file $(IMAGE_LOCK)
	$(PIN) $(IMAGE_LOCK) $(IN_IMAGE) --python-platform aarch64-manylinux_2_36 | diff $(IMAGE_LOCK) -

clean: ## Remove everything that these commands made
	rm -rf .venv out dist .pytest_cache .ruff_cache .hypothesis benchmarks/.work
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ready: scripts/setup pyproject.toml constraints.txt
	@scripts/setup
	@touch $@

.venv/ready-dev: .venv/ready
	@scripts/setup dev
	@touch $@
