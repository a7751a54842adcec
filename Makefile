# Needs python3 >= 3.11, make and a package registry; everything else goes into .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo serve demo-page test test-slow test-all simulate plant prove soak test-redis-py check format bench bundle dist site lock clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "installing into .venv ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group dev --editable '.[redis]'
	@touch $@

# ARGS="--facilitator x402": before a standard facilitator, with the official SDK's client.
demo: install
	@$(BIN)/python -m sample_origin $(ARGS)

serve demo-page: install
	@$(BIN)/python -m sample_origin serve $(ARGS)

# Three for two cores, because many tests wait for servers.
test: install
	$(BIN)/python -m pytest -n 3 --dist worksteal

# A folder stays in one process, so that each matrix is played once: tests/conftest.py.
test-slow: install
	$(BIN)/python -m pytest -n 2 --dist loadscope -m slow

test-all: test test-slow

# Schedules in virtual time, on all cores: tests/simulation. SEEDS: how many, FROM: the first.
simulate: install
	@$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),10000) --from $(or $(FROM),0)

# Plants bugs into copies of the code, and writes into docs/proof.md what finds them. ARGS: --only words, --no-tests
plant: install
	@$(BIN)/python -m tests.simulation.finding $(ARGS)

# Kills workers of real processes, and raises storms; docs/proof.md is told what became of their payments. KEYS, STORMS: how many.
prove: install
	@$(BIN)/python -m tests.processes.kills --keys $(or $(KEYS),38000) --write
	@$(BIN)/python -m tests.processes.kills --keys $(or $(KEYS),2000) --at-random --write
	@$(BIN)/python -m tests.processes.storms --rounds $(or $(STORMS),100) --write

# Two workers serve storms for MINUTES=60 while the server and they are disturbed; docs/proof.md is told what they hold then.
soak: install
	@$(BIN)/python -m tests.processes.soak --minutes $(or $(MINUTES),60) --write

# The oldest redis-py that is supported, in an environment of its own; one server.
test-redis-py: .venv-redis-6/installed
	.venv-redis-6/bin/python -m pytest -q tests/origin_middleware/stores --ignore=tests/origin_middleware/stores/topologies --ignore=tests/origin_middleware/stores/faults -n 2

.venv-redis-6/installed: pyproject.toml constraints.txt
	@echo "installing into .venv-redis-6 ..."
	@$(PYTHON) -m venv .venv-redis-6
	@grep -v '^redis==' constraints.txt > .venv-redis-6/constraints.txt
	@.venv-redis-6/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip
	@.venv-redis-6/bin/python -m pip install --quiet --disable-pip-version-check -c .venv-redis-6/constraints.txt --group test redis==6.0.0 --editable '.[redis]'
	@touch $@

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/cfn-lint -t edge/template.yaml edge/alarms.yaml

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The rivals live in an environment of their own. ARGS: --quick, --rows a,b
bench: .venv-bench/installed
	@.venv-bench/bin/python -m benchmarks $(ARGS)

.venv-bench/installed: pyproject.toml constraints.txt benchmarks/requirements.txt benchmarks/requirements-no-deps.txt
	@echo "installing into .venv-bench ..."
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r benchmarks/requirements.txt --group sample --editable '.[redis]'
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r benchmarks/requirements-no-deps.txt
	@touch $@

# Both distributions, built, checked, and tried in environments that have nothing else.
dist: .venv-dist/installed
	@rm -rf dist
	.venv-dist/bin/python -m build --quiet --outdir dist .
	.venv-dist/bin/python -m build --quiet --outdir dist edge
	.venv-dist/bin/twine check --strict dist/*
	.venv-dist/bin/check-wheel-contents dist/*.whl
	.venv-dist/bin/python -m tests.distributions dist

# The documentation as a site, in dist/site. A warning or a dead link is an error: with
# --quiet, MkDocs does not count the warnings that it does not print.
site: .venv-site/installed
	.venv-site/bin/mkdocs build

# An environment that has a dependency group and nothing else.
.venv-dist/installed .venv-site/installed: .venv-%/installed: pyproject.toml constraints.txt
	@echo "installing into .venv-$* ..."
	@$(PYTHON) -m venv .venv-$*
	@.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip
	@.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group $*
	@touch $@

bundle: install
	$(BIN)/python -m edge build --routes "$(or $(ROUTES),routes.toml)" --output "$(or $(OUTPUT),lambda-edge.zip)"

lock: install
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate --group dev --group dist --group site --all-extras pyproject.toml --output-file constraints.txt
	@$(BIN)/python -m pip list --format=freeze | grep '^pip==' >> constraints.txt

clean:
	rm -rf .venv .venv-bench .venv-dist .venv-site .venv-redis-6 dist .mypy_cache .ruff_cache .pytest_cache .hypothesis lambda-edge.zip
