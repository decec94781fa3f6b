# SPDX-License-Identifier: Apache-2.0
#
# A front for meson. "make" builds into build/; the six words are below.
BUILD = build
NINJA = ninja -C $(BUILD)

.DEFAULT_GOAL := build
.PHONY: build run test check fuzz bench soak mutants install deps-build deps-run deps-test

build: deps-build
	@[ -f $(BUILD)/build.ninja ] || meson setup $(BUILD)
	@$(NINJA)

deps-build:
	@packaging/install-deps build
deps-run:
	@packaging/install-deps run build
deps-test:
	@packaging/install-deps run build test

# The demo organisation on this machine, until Ctrl-C.
# PORT=8443 HTTP_PORT=8080 TCP_PORT=8444 LISTEN=127.0.0.1 DOMAIN=localhost
run: deps-run build
	@exec $(BUILD)/cordon up --demo $(if $(PORT),--port '$(PORT)') \
		$(if $(HTTP_PORT),--http-port '$(HTTP_PORT)') \
		$(if $(TCP_PORT),--tcp-port '$(TCP_PORT)') \
		$(if $(LISTEN),--listen '$(LISTEN)') \
		$(if $(DOMAIN),--domain '$(DOMAIN)')

# Everything of tier 1 (tests/tiers).
test: deps-test build
	@tests/run --tier 1

# Format, layers, -Werror with both compilers, gcc's analyser.
check: deps-test
	@tools/check

# FUZZ_SECONDS for each harness.
FUZZ_SECONDS = 60
fuzz: deps-test
	@tests/fuzz/run $(FUZZ_SECONDS)

bench: deps-test build
	@meson test -C $(BUILD) --benchmark --verbose

# The full counts, about half an hour on a quiet machine; docs/soak.md has the
# last run. STEPS='cut away' for some. Not a newcomer's word.
soak: deps-test build
	@CORDON_BUILD="$(abspath $(BUILD))" bench/soak $(STEPS)

# Each planted fault of tests/mutants must be caught. Not a newcomer's word.
mutants: deps-test build
	@tests/mutants/run -C $(BUILD)

install: build
	@meson install -C $(BUILD) --no-rebuild
