# Two commands for a newcomer: make run, make test. `make` alone lists the others.
PYTHON ?= python3
SUITE ?= suites/demo.toml
ARGS ?=
JOBS ?= 2
VENV := .venv
# TensorFlow with CUDA where an NVIDIA driver is, else the small one. In WSL 2 /dev/dxg may be any maker's GPU:
# only NVIDIA's driver brings the library.
DRIVER ?= $(wildcard /proc/driver/nvidia/version /dev/nvidiactl) \
	$(and $(wildcard /dev/dxg),$(wildcard /usr/lib/wsl/lib/libcuda.so.1))
FLAVOUR ?= $(if $(strip $(DRIVER)),gpu,cpu)
LOCK := locks/$(FLAVOUR).txt
BIN := $(VENV)/bin
READY := $(VENV)/ready-$(FLAVOUR)
# Some environments, such as containers, keep no bytecode: then each process of the tests compiles all of the project anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test tests format lint types docs wheel-check stock measuring services many real families tracking-speed near-duplicates learning-rates promises evidence disturbed chaos anomalies \
	networks drawn-weights demonstration memory scale larger cluster cluster-scale benchmark mutants mutants-changed gpu-check locks clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Options: ARGS='...' for the command behind a target, SUITE=FILE for run, FLAVOUR=cpu or gpu, PYTHON=python3.12."

run: $(READY) ## run the demonstration: five trials and a report
	$(BIN)/python -m bench run $(SUITE) $(ARGS)

# Types beside the tests, of which two run at a time: some wait rather than work. A file stays together, for its tests
# share what is costly; the longest files come first in the order of folders.
test: $(READY) ## check format, lint and types, and run the tests
	$(MAKE) --no-print-directory --jobs 2 lint types tests

tests: $(READY)
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

# Stalls of a slowed pipeline to two hundredths, and the marks of a disturbed trial: alone, for a second process would
# be in the figures.
measuring: $(READY) ## test measurements of stalls and disturbances, and rehearse gpu-check; needs an idle machine
	$(BIN)/python -m pytest tests/measuring $(ARGS)

# With real programs: Chromium, MLflow's server, PostgreSQL. What is not installed is skipped, with a reason.
services: $(READY) ## test with Chromium, MLflow's server and PostgreSQL
	$(BIN)/python -m pytest tests/services $(ARGS)

# Ten minutes, or LEUKOBENCH_MANY_MINUTES: eight harnesses, one MLflow server, PostgreSQL, three restarts.
many: $(READY) ## send from eight harnesses while MLflow and PostgreSQL are restarted
	$(BIN)/python tests/services/many.py $(ARGS)

# The whole BCCD from ../shared (else LEUKOBENCH_SHARED): what is left out, repeats of a field, planted copies.
real: $(READY) ## test with the images of BCCD
	$(BIN)/python -m pytest tests/real $(ARGS)

# One network of each family of Keras takes a step at its smallest size; `make networks` trains every one. Networks of
# papers have their published sizes, and those of a user run in a suite.
families: $(READY) ## train one network of each family of Keras, of papers, a user's own, and on two devices
	$(BIN)/python -m pytest tests/networks $(ARGS)

# Points a second into MLflow, beside log_metric: about a minute.
tracking-speed: $(READY) ## compare the speed of recording with mlflow.log_metric
	$(BIN)/python tests/services/speed.py $(ARGS)

format: $(READY) ## format the code and fix what ruff can fix
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .

lint: $(READY) ## check format and lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## check types
	$(BIN)/mypy

# Warnings are errors: dead links, pages that no table of contents names, examples that fail.
docs: $(READY) ## build the documentation in build/docs and check its links and examples: minutes
	$(BIN)/python -m pytest --quiet tests/unit/test_docs.py tests/examples
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --quiet docs build/docs
	@echo "build/docs/index.html"

# A wheel in an empty environment, from uv's cache where that is enough.
wheel-check: $(READY) ## build the wheel, install it elsewhere and use it
	$(BIN)/python -m pytest tests/wheel $(ARGS)

# False alarms, false "same", power and "worth its time" in simulated situations: minutes. 1 where one is broken.
promises: $(READY) ## simulate every promise of docs/verdicts.md
	$(BIN)/python tests/evidence/promises.py $(ARGS)

# Hours on an idle machine, best on two days; it goes on where it was stopped. ARGS='--minutes 20' for less.
evidence: $(READY) ## record pairs with and without planted changes, and judge them
	$(BIN)/python tests/evidence/record.py build/evidence $(ARGS)
	$(BIN)/python tests/evidence/in_order.py tests/evidence/pairs/evidence.json

# An idle machine is needed. ARGS='--minutes 60' for more.
disturbed: $(READY) ## inject loads beside a trial: which signs tell bad times?
	$(BIN)/python tests/evidence/disturb.py build/disturbed $(ARGS)

# With gcc. One write, fsync, rename, open or mkdir fails, or its process dies after it: 1,000 points, or
# LEUKOBENCH_ANOMALIES. A second or two each; LEUKOBENCH_ANOMALIES_MINUTES stops it, and it goes on where it stopped.
anomalies: $(READY) ## let every kind of write fail once, somewhere in a run
	$(BIN)/python tests/anomalies/every.py $(ARGS)

# Recall and false alarms of the search that `data check` makes: minutes.
near-duplicates: $(READY) ## measure what data check finds and what it takes for a copy
	$(BIN)/python tests/evidence/near_duplicates.py $(ARGS)

# With the weights of MobileNet: ARGS='WEIGHTS BCCD', two folders; without them Keras downloads the weights. Minutes.
learning-rates: $(READY) ## compare learning rates on drawn cells, digits and BCCD
	mkdir -p build/learning-rates && $(BIN)/python tests/evidence/learning_rates.py $(ARGS)

# Kills of workers and harness at random moments: fifty, or LEUKOBENCH_CHAOS_KILLS. Then each kind of failure once:
# broken workers, signals, calls that fail (gcc), a lost card, a comparison that is killed.
chaos: $(READY) ## kill workers and harness at random moments, and let each kind of failure happen
	LEUKOBENCH_CHAOS_KILLS=$${LEUKOBENCH_CHAOS_KILLS:-50} $(BIN)/python -m pytest tests/chaos -s $(ARGS)

# Every network that a suite may name: minutes on two idle cores. It goes on where it was stopped.
stock: $(READY) ## is every network from a paper the same once it is kept?
	mkdir -p build/stock && $(BIN)/python tests/networks/stock.py build/stock

networks: $(READY) ## make docs/networks.md: build and train every network
	$(BIN)/python tests/networks/every.py $(ARGS)

# The weights that the demonstration transfers, from drawn cells of another make-up: minutes on two idle cores.
drawn-weights: $(READY) ## pretrain the small backbone of the demonstration
	$(BIN)/python tests/networks/pretrain.py

# After `make run` on an idle machine; the picture needs Chromium.
demonstration: $(READY) ## put table and picture of results/demo into README and docs
	$(BIN)/python docs/demonstration.py

# How long reports over 1,000, 3,000 and 10,000 trials take, and what 10 to 1,000 trials, 100 to 5,000 epochs and 500 to
# 50,000 images cost plan, resume, sync, prepare and check: minutes.
scale: $(READY) ## time commands over many trials, epochs and images, and write results/scale.md
	$(BIN)/python tests/scale/growth.py
	$(BIN)/python tests/scale/records.py
	$(BIN)/python tests/scale/reports.py

# 60,000 images at 224 pixels: half an hour on two idle cores, 24 GB of disk and 16 GB of memory. Drawn images stay
# in build/larger. ARGS='6000' for fewer.
larger: $(READY) ## train over more images than a worker holds, from files and from memory
	$(BIN)/python tests/scale/larger.py $(ARGS)

# With the images and weights of ../shared (else LEUKOBENCH_SHARED), on an idle machine: hours, of which `suite` takes
# nearly all. It goes on where it was stopped. ARGS='command loop scratch --minutes 30', ARGS='suite --pairs 1'.
benchmark: $(READY) ## measure leukobench beside plain Keras, and write results/benchmark.md
	$(BIN)/python tests/benchmarks/run.py $(ARGS)

# An hour for 600 on two idle cores, after ten minutes that show which test reaches which line. It goes on where it was
# stopped. ARGS='--minutes 30', ARGS='--only bench/compare'.
mutants: $(VENV)/ready-mutants ## plant 600 small defects, one at a time: do the unit tests notice?
	$(BIN)/python tests/mutants/run.py $(ARGS)

# What differs from the commit SINCE.
mutants-changed: $(VENV)/ready-mutants ## the same for 40 of the lines that were changed
	$(BIN)/python tests/mutants/run.py --sample 40 --changed $(or $(SINCE),HEAD) $(ARGS)

# Minutes. A head and three nodes on loopback, nodes and driver killed; skipped without Ray (locks/cluster.txt).
cluster: $(READY) ## run a suite on a Ray cluster on this machine, and kill its nodes
	$(BIN)/python -m pytest -s tests/cluster $(ARGS)

# What 10, 100 and 1,000 empty trials cost driver, Ray and MLflow. Long on two cores: ARGS='10 100', or ARGS=live.
cluster-scale: $(READY) ## measure runs of empty trials on a Ray cluster on this machine
	$(BIN)/python tests/scale/cluster.py $(ARGS)

# Work and memory of the thesis' networks against publications and TensorFlow's allocator: ten minutes on two idle
# cores. It goes on where it was stopped.
memory: $(READY) ## make docs/memory.md: compare work and memory with other sources
	$(BIN)/python tests/memory/every.py $(ARGS)

# On your machine with a GPU: ten minutes at most, then send results/gpu-check/report.md. With LEUKOBENCH_PYTHON=...
# in an environment of your own, also without MLflow, Plotly and TensorFlow.
gpu-check: $(if $(LEUKOBENCH_PYTHON),,$(READY)) ## check a GPU and write results/gpu-check/report.md
	PYTHONPATH=.:src:tests $(or $(LEUKOBENCH_PYTHON),$(BIN)/python) -P -m gpu_check $(ARGS)

$(READY): $(LOCK) pyproject.toml
	@test "$$(uname)" = Linux || { echo "leukobench measures through Linux' own interfaces and runs on Linux only (WSL 2 too). Sorry!"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "leukobench needs Python 3.11 to 3.13: make PYTHON=python3.11 run"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "This Python cannot make environments; on Debian: apt install python3-venv"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -o '^uv==[^ ]*' $(LOCK))"
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r $(LOCK)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/ready-* && touch $(READY)

$(VENV)/ready-mutants: locks/mutants.txt $(READY)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r locks/mutants.txt
	@touch $@

# Pin everything anew; the GPU lock follows the CPU lock, so that both flavours test the same versions.
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make locks" $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--no-emit-index-url --annotation-style line
locks: ## pin all dependencies anew
	$(COMPILE) --upgrade --extra dev --extra cpu pyproject.toml -o locks/cpu.txt
	$(COMPILE) --upgrade --extra dev --extra gpu -c locks/cpu.txt pyproject.toml -o locks/gpu.txt
	$(COMPILE) --upgrade --extra cluster -c locks/cpu.txt pyproject.toml -o locks/cluster.txt
	$(COMPILE) --upgrade --extra mutants --extra dev --extra cpu -c locks/cpu.txt pyproject.toml -o locks/mutants.txt

clean: ## remove the environment and caches
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache
