# In: what a person wants done. Out: Meson and the scripts in tools/, doing it.
#
#   make          build/scriptorium
#   make demo     ten scripts at the same moment, on this machine, without a key
#   make check    every test and every check; ends with "N passed, N failed"
#   make help     the rest
#
# SUDO, BUILD and PREFIX can be given: make install PREFIX=/opt/scriptorium

BUILD ?= build
PREFIX ?= /usr/local

.PHONY: all deps demo check chaos bench fuzz format lint docs install clean help

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet scriptorium
	@echo "$(BUILD)/scriptorium is ready; try: $(BUILD)/scriptorium run --topic 'Why bridges hum'"

$(BUILD)/build.ninja:
	@tools/deps.sh check build
	@meson setup $(BUILD) --buildtype=release -Dtests=false --prefix=$(PREFIX) >/dev/null

deps: ## installs the Debian packages that building, the tests and the checks need
	@tools/deps.sh install build check

demo: ## ten users ask at the same moment; live, then a table (under three minutes)
	@tools/deps.sh install build
	@$(MAKE) --no-print-directory all
	@tools/demo.sh $(BUILD)/scriptorium

check: ## builds with sanitizers, runs all tests, fuzzers, checkers and linters
	@tools/deps.sh install build check
	@tools/check.py

chaos: ## ten thousand jobs while nodes, network and database fail (CHAOS=--jobs=N, SEED=N)
	@tools/deps.sh install build check
	@npm ci --prefix tests/blackbox --no-audit --no-fund --silent
	@$(MAKE) --no-print-directory all
	@SCRIPTORIUM=$(abspath $(BUILD))/scriptorium node tests/fault/chaos.mjs --long $(CHAOS)

bench: ## prints the figures of docs/bench.md for this machine
	@tools/deps.sh install build check
	@tools/bench.sh

fuzz: ## runs each fuzz target for a minute (FUZZ_SECONDS=...)
	@tools/deps.sh install build check
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-60} tools/check.py fuzz

format: ## lays out all C code by .clang-format
	@git ls-files '*.c' '*.h' | xargs clang-format -i

lint: ## clang-format, clang-tidy, cppcheck, layer and document checks
	@tools/deps.sh install build check
	@tools/check.py layers lint

docs: all ## writes the tables in docs/ from the program's own
	@tools/docs.sh $(BUILD)/scriptorium

install: all ## into PREFIX, with the man page and shell completion
	@meson configure $(BUILD) --prefix=$(PREFIX)
	@meson install -C $(BUILD) --quiet

clean:
	@rm -rf $(BUILD) build-check build-fuzz demo

help:
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 18
