# Sluicegate. `make help` lists what can be made; each target does its own set-up.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT := out
CAPTURE ?= tests/captures/home.pcap
DEVICE ?= cpu
CORPORA ?=
CAPTURES ?= captures
PROFILE ?= x86-64-gateway
CHECKPOINT ?= training/gateway/checkpoints/default.pt
LESSONS ?= $(OUT)/lessons
KEY ?=
# Of `make train`; docs/gateway.md says what each option is for.
RECIPE ?= --unguided --rehearsal 4000 --hindsight 0.5 --noise 0.1 --learning-rate 0.0003 \
  --schedule linear --steps 150000 --entropy 0.005 --entropy-end 0.002 --evaluate-every 10 \
  --slowed 0.0005 --without exploit --without 'web attack' --without malware
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
# What a change of makes another installation (and compilation) necessary.
SOURCES := pyproject.toml setup.py constraints.txt $(foreach pxd,$(wildcard agent/*/*.pxd),$(pxd) $(pxd:.pxd=.py))

.PHONY: help setup replay test test-aarch64 lint bench samples train export policy teacher encoder clean

help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 14

setup: $(VENV)/.dev  ## everything for work on Sluicegate: tests, linters, training

replay: $(VENV)/.base  ## replay a capture (CAPTURE=…) under the shipped policy and write a page
	@mkdir -p $(OUT)
	@$(BIN)/sluice replay $(CAPTURE) --html $(OUT)/replay.html

test: $(VENV)/.dev  ## all tests
	$(BIN)/python -m pytest

test-aarch64: $(VENV)/.dev  ## the same verdicts on ARM: in a Debian root, emulated (as root; minutes the first time)
	$(BIN)/python -m tests.aarch64.replay

lint: $(VENV)/.dev  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev  ## packets/s beside other tools, CAGE-2 steps/s; a JSON line each
	$(BIN)/python -m tests.bench.replay
	$(BIN)/python -m tests.bench.cage2

samples: $(VENV)/.dev  ## make the samples, the golden vectors and the generated pages again
	$(BIN)/python -m tests.captures.make tests/captures
	$(BIN)/python -m tests.agent.flows.golden
	$(BIN)/python -m tests.agent.flows.observation_page
	$(BIN)/python -m tests.training.cage2.page
	$(BIN)/python -m tests.export.profiles_page

train: $(VENV)/.dev  ## train a gateway's policy on synthetic traffic, and on what CORPORA names; write its page
	@test -f $(OUT)/synthetic/corpus.toml || $(BIN)/sluice-train corpus synthesise --out $(OUT)/synthetic --count 1000 --seed 41
	@test -f $(OUT)/gateway/result.json || $(BIN)/sluice-train gateway train $(OUT)/gateway \
	  --corpus $(OUT)/synthetic/corpus.toml $(CORPORA:%=--corpus %) $(RECIPE)
	@$(BIN)/sluice-train gateway page $(OUT)/gateway --corpus $(OUT)/synthetic/corpus.toml

export: $(VENV)/.dev  ## make the bundle for a PROFILE of CHECKPOINT: small, int8, measured, signed (KEY=…)
	@test -f $(CHECKPOINT) || echo "$(CHECKPOINT): no such checkpoint; training one first"
	@test -f $(CHECKPOINT) || $(MAKE) train
	@test -f $(LESSONS)/corpus.toml || $(BIN)/sluice-train corpus synthesise --out $(LESSONS) --count 300 --seed 41
	@$(BIN)/sluice-export gateway $(firstword $(wildcard $(CHECKPOINT)) $(OUT)/gateway/network.pt) \
	  $(OUT)/$(PROFILE).sluice --profile $(PROFILE) --corpus $(LESSONS)/corpus.toml \
	  $(CORPORA:%=--corpus %) $(KEY:%=--key %)

policy: train  ## make the shipped policy again, and measure it on the public captures in CAPTURES
	cp $(OUT)/gateway/network.pt training/gateway/checkpoints/default.pt
	$(BIN)/sluice-export gateway $(OUT)/gateway/network.pt agent/policies/default.sluice \
	  --profile openwrt-256mb --corpus $(OUT)/synthetic/corpus.toml $(CORPORA:%=--corpus %) \
	  --test public --test-folder $(CAPTURES)

teacher: $(VENV)/.dev  ## train the language model that teaches, and examine it: hours, minutes with DEVICE=cuda
	$(PIP) --editable '.[dev,teacher]'
	$(BIN)/sluice-train teacher train $(OUT)/teacher --device $(DEVICE) --mixed
	$(BIN)/sluice-train teacher qualify $(OUT)/teacher/teacher-Q4_K_M.gguf

encoder: $(VENV)/.dev  ## train the encoder that teaches, and examine it: hours, minutes with DEVICE=cuda
	$(BIN)/sluice-train teacher train-encoder $(OUT)/encoder --device $(DEVICE) --mixed
	$(BIN)/sluice-train teacher qualify $(OUT)/encoder/encoder-int8.onnx

clean:  ## remove what was made, the virtual environment too
	rm -rf $(VENV) $(OUT) build dist *.egg-info
	find agent \( -name '*.so' -o -name '*.c' -o -name '__pycache__' \) -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Sluicegate needs Python 3.11 or newer; set PYTHON=python3.x"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.cc: $(VENV)/bin/python
	@command -v $${CC:-cc} >/dev/null || { \
	  echo "No C compiler: from source, Sluicegate compiles its packet kernels."; \
	  echo "Install one (Debian: apt install gcc python3-dev), or install the wheel."; exit 1; }
	@touch $@

$(VENV)/.base: $(VENV)/.cc $(SOURCES)
	@echo "Setting up $(VENV): packages, and packet kernels to compile (a minute or two, once)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.cc $(SOURCES)
	@echo "Setting up $(VENV) for development: packages, and packet kernels to compile"
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.base
