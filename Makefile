# The commands that people and CI run. `make` alone lists them.

CARGO ?= cargo
# Parts of `make test` to leave out, separated by commas: make test SKIP=ring
SKIP ?=
# For `make fuzz`: seconds for each target, and which targets.
SECONDS ?= 20
TARGETS ?= jws claims jwk jwks config policy directory exchange endpoint dpop never_forged batch_equals_single \
    verify_roundtrip record c_calls

# For `make install`: everything goes to PREFIX/lib and PREFIX/include.
PREFIX ?= /usr/local

PARTS := rust ring python c net
RUST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
RING := --locked --no-default-features --features ring

# What `make test-c` needs, by Debian's names.
DEBIAN := g++ clang libclang-rt-dev valgrind binutils make pkg-config cmake curl libjansson-dev libmicrohttpd-dev
# What the tests of the single-use stores need.
REDIS := redis-server

# Tools that cargo builds: pinned, and kept out of the home directory.
TOOLS := $(CURDIR)/target/tools
DENY_VERSION := 0.20.2
DENY := $(TOOLS)/bin/cargo-deny

# Python: an environment of our own, at the root, where editors look for it.
PYTHON ?= python3
VENV := $(CURDIR)/.venv
PINNED := python/requirements-dev.txt
# Links a wheel against an old glibc: for `make wheel PORTABLE=1` only, since it is 100 MB.
ZIG := ziglang==0.17.1
ON_OLD_GLIBC = --zig --compatibility manylinux2014 --target-dir target/portable
# What its tests need from npm. Node itself is among it.
NODE := python/tests/node
NODE_IDP := fetch/tests/node

# Where the example in C is, for its figures.
SERVED := $(CURDIR)/target/bench-server

comma := ,
skipped := $(subst $(comma), ,$(SKIP))
export CARGO_TERM_PROGRESS_WHEN ?= never
# What is built is looked for under target/.
unexport CARGO_TARGET_DIR

.PHONY: help demo demo-mcp deps dev wheel install test test-rust test-ring test-python test-c test-net loom mutants fuzz bench
.PHONY: bench-python public-api test-long need-strace need-rust need-tools need-redis need-c++ need-c need-python need-venv need-node need-node-idp
.DEFAULT_GOAL := help

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1 \2/p' Makefile | while read -r name what; do \
	    printf 'make %-12s%s\n' "$$name" "$$what"; done

demo: need-rust ## the main job: a company of 2,000 people gets its tokens, and the hostile get none
	@rm -rf target/demo
	$(CARGO) run --release --locked -p idjag-cli -- wave --audit target/demo/audit
	target/release/idjag audit verify target/demo/audit

demo-mcp: dev ## an IdP, an MCP server and the MCP SDK's own client: who gets in, who does not, and why
	$(VENV)/bin/python python/examples/demo.py

deps: need-rust need-tools ## install what the tests need beside cargo and cc: cargo-deny, redis-server, tools for C, packages of Python and npm
	@missing=""; $(MAKE) -s --no-print-directory need-c 2>/dev/null || missing="$(DEBIAN)"; \
	command -v redis-server >/dev/null || missing="$$missing $(REDIS)"; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3 python3-venv"; \
	command -v npm >/dev/null || missing="$$missing npm"; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing; \
	fi
	@$(MAKE) --no-print-directory need-c++
	@case " $(skipped) " in *" c "*) ;; *) $(MAKE) --no-print-directory need-c;; esac
	@case " $(skipped) " in *" python "*) ;; *) $(MAKE) --no-print-directory $(VENV)/pinned $(NODE)/node_modules/pinned;; esac
	@case " $(skipped) " in *" net "*) ;; *) $(MAKE) --no-print-directory $(NODE_IDP)/node_modules/pinned;; esac
	@[ "$$($(DENY) --version 2>/dev/null)" = "cargo-deny $(DENY_VERSION)" ] || \
	    CARGO_PROFILE_DEV_DEBUG=false $(CARGO) install --debug --locked --root $(TOOLS) \
	        --target-dir $(TOOLS)/build --version $(DENY_VERSION) cargo-deny
	@rm -rf $(TOOLS)/build
	$(CARGO) fetch --locked
	$(CARGO) fetch --locked --manifest-path fuzz/Cargo.toml

install: need-rust ## the C library, its header, and what pkg-config and CMake look for, to PREFIX=/usr/local
	$(CARGO) build --release --locked -p idjag-ffi
	ffi/package/install "$(PREFIX)"

dev: need-rust $(VENV)/pinned ## .venv with a release build of the Python package, its test tools, mcp and fastmcp
	$(VENV)/bin/maturin develop --quiet --release --locked --manifest-path python/Cargo.toml

$(NODE)/node_modules/pinned $(NODE_IDP)/node_modules/pinned: %/node_modules/pinned: %/package.json
	@command -v npm >/dev/null || { echo "npm is missing: install it ('apt-get install npm')" >&2; exit 1; }
	cd $* && npm install --no-audit --no-fund --no-package-lock --loglevel=error
	@cp $< $@

# A file that says which requirements are in there.
$(VENV)/pinned: $(PINNED)
	@$(MAKE) --no-print-directory need-python
	[ -x $(VENV)/bin/python ] || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $(PINNED)
	@cp $(PINNED) $@

wheel: need-rust $(VENV)/pinned ## a wheel in target/wheels, tried where nothing else is; PORTABLE=1: for glibc from 2.17 on
	@rm -rf target/wheels target/wheel-venv
	[ -z "$(PORTABLE)" ] || $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(ZIG)
	PATH="$(VENV)/bin:$$PATH" maturin build --quiet --release --locked --manifest-path python/Cargo.toml \
	    --out target/wheels $(if $(PORTABLE),$(ON_OLD_GLIBC))
	$(PYTHON) -m venv target/wheel-venv
	target/wheel-venv/bin/python -m pip install --quiet --disable-pip-version-check --no-index target/wheels/*.whl
	cd python && IDJAG_PYTHON=$(CURDIR)/target/wheel-venv/bin/python \
	    $(VENV)/bin/python -m pytest -k "the_example_of_the_readme or the_wheel" tests/test_examples.py
	@ls target/wheels/*.whl

test: need-rust ## every test; SKIP=ring leaves a part out
	@for part in $(skipped); do case " $(PARTS) " in *" $$part "*) ;; \
	    *) echo "SKIP: there is no part \`$$part\`; parts: $(PARTS)" >&2; exit 2;; esac; done
	@for part in $(filter-out $(skipped),$(PARTS)); do \
	    echo "== test-$$part"; $(MAKE) --no-print-directory test-$$part || exit; done
	@[ -z "$(skipped)" ] || echo "SKIPPED, so not everything was tested: $(skipped)"

test-rust: need-rust need-tools need-redis ## format, lints, tests, documentation, licences, a small wave
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) fmt --manifest-path benches/peers/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) test --workspace --locked
	$(CARGO) test --manifest-path fuzz/Cargo.toml --target-dir target --locked --no-default-features --test replay
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --workspace --exclude idjag-cli --no-deps --locked
	@[ -x $(DENY) ] || { echo "cargo-deny is missing: run 'make deps'" >&2; exit 1; }
	$(DENY) --log-level error --locked check --hide-inclusion-graph bans licenses sources
	$(CARGO) build --release --locked -p idjag-cli
	target/release/idjag wave --people 50

test-ring: need-rust ## the same engine over ring, without aws-lc-rs
	@tree=$$($(CARGO) tree $(RING) -p idjag -p idjag-fetch -p idjag-log -p idjag-cli -p idjag-tests --prefix none) || exit; case "$$tree" in \
	    *aws-lc-rs*) echo "aws-lc-rs is linked although only ring was asked for" >&2; exit 1;; esac
	$(CARGO) clippy $(RING) -p idjag -p idjag-fetch -p idjag-log -p idjag-cli -p idjag-tests --all-targets -- -D warnings
	$(CARGO) test $(RING) -p idjag -p idjag-fetch -p idjag-log -p idjag-cli -p idjag-tests

# The MCP SDK's client tries an example: here, where it is built. Who leaves Python out goes without.
test-c: export SDK_PYTHON := $(if $(filter python,$(skipped)),,$(VENV)/bin/python)
test-c: need-rust need-c $(if $(filter python,$(skipped)),,need-venv)
test-c: ## the C library: header, vectors, threads, AddressSanitizer, valgrind, installed, examples
	ffi/tests/run

test-python: need-rust need-venv need-node ## the Python package: stubs, types, style, the vector table, real servers, exports, Sigma rules, a wheel
	@$(MAKE) --no-print-directory dev
	$(CARGO) build --release --locked -p idjag-cli
	cd python && $(VENV)/bin/ruff format --check . && $(VENV)/bin/ruff check .
	cd python && $(VENV)/bin/mypy
	cd python && $(VENV)/bin/python -m mypy.stubtest idjag
	cd python && $(VENV)/bin/python -m pytest
	@$(MAKE) --no-print-directory wheel

test-net: need-rust need-node-idp ## keys that are fetched: rotation for a minute under load, an IdP of other make
	$(CARGO) test -p idjag-fetch --locked -- --ignored

test-long: need-rust need-strace ## a server killed a thousand times under load, and a disk that fails at every system call
	IDJAG_KILLS=1000 $(CARGO) test --release --locked -p idjag-cli --test crash -- --include-ignored --nocapture

# Without aws-lc-rs, which takes longest to build and has no part in it.
loom: export RUSTFLAGS := --cfg idjag_loom
loom: need-rust ## the single-use table and the queue of the record under loom: every order of what their threads do
	$(CARGO) test $(RING) -p idjag --lib --target-dir target/loom replay::model
	$(CARGO) test $(RING) -p idjag-log --lib --target-dir target/loom queue::model

# What is changed and which tests run stands in .cargo/mutants.toml.
mutants: export CARGO_PROFILE_DEV_DEBUG := false
mutants: need-rust ## break the code of the checks, piece by piece: a test must fail each time; takes hours
	@$(CARGO) mutants --version >/dev/null 2>&1 || \
	    { echo "cargo-mutants is missing: run 'cargo install --locked cargo-mutants'" >&2; exit 1; }
	@mkdir -p target
	$(CARGO) mutants --output target

# What cargo-fuzz does, without it and without a nightly toolchain. Leaks are looked for at the end, not after each run.
fuzz: export RUSTC_BOOTSTRAP := 1
fuzz: export IDJAG_STEPS := target/fuzz-steps.jsonl
fuzz: export IDJAG_WORLD := tests/vectors/worlds/base.json
fuzz: export RUSTFLAGS := -Zsanitizer=address --cfg fuzzing -Cforce-frame-pointers=yes -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
fuzz: need-rust need-c++ ## each fuzz target for SECONDS=20, under AddressSanitizer; TARGETS=jwks for one
	$(CARGO) build --release --locked --manifest-path fuzz/Cargo.toml --target $(HOST) --target-dir target/fuzz --bins
	@case " $(TARGETS) " in *" c_calls "*) \
	    $(MAKE) --no-print-directory need-c && ffi/tests/fuzzer $(HOST) target/fuzz;; esac
	@for target in $(TARGETS); do \
	    mkdir -p target/fuzz-corpus/$$target fuzz/artifacts/$$target && \
	    target/fuzz/$(HOST)/release/$$target -max_total_time=$(SECONDS) -timeout=10 -detect_leaks=0 -rss_limit_mb=2048 \
	        -dict=fuzz/words.dict -print_final_stats=1 -artifact_prefix=fuzz/artifacts/$$target/ \
	        target/fuzz-corpus/$$target fuzz/corpus/$$target >target/fuzz-corpus/$$target.log 2>&1 \
	        || { tail -n 40 target/fuzz-corpus/$$target.log; echo "fuzz: $$target failed" >&2; exit 1; }; \
	    echo "fuzz: $$target: $$(sed -n 's/^Done //p' target/fuzz-corpus/$$target.log)"; \
	done

bench: need-rust ## the figures of the README, what changes with growth (and its plots), criterion, other libraries
	$(CARGO) run --release --locked -p idjag-benches --bin figures
	$(CARGO) run --release --locked -p idjag-benches --bin growth
	$(CARGO) run --release --locked -p idjag-benches --bin endpoint
	$(CARGO) run --release --locked -p idjag-benches --bin keys
	$(CARGO) run --release --locked -p idjag-benches --bin record
	$(CARGO) build --release --locked -p idjag-ffi
	$(CARGO) bench --locked -p idjag-ffi --bench overhead
	CARGO="$(CARGO)" ffi/benches/run
	$(CARGO) bench --locked -p idjag-stores
	$(CARGO) bench --locked -p idjag-benches
	CARGO="$(CARGO)" benches/peers/run

bench-python: dev ## the Python package beside the MCP SDK and FastMCP, in process and over HTTP; token_server beside FastMCP
	$(CARGO) build --release --locked -p idjag-benches --bin load
	$(VENV)/bin/python python/benches/figures.py
	@! pkg-config --exists libmicrohttpd || { mkdir -p $(SERVED) && \
	    $(MAKE) --no-print-directory install PREFIX=$(SERVED)/prefix && \
	    $(MAKE) --no-print-directory -C ffi/examples PREFIX=$(SERVED)/prefix OUT=$(SERVED); }
	$(VENV)/bin/python python/benches/under_wrk.py

public-api: need-rust ## write core/public-api.txt anew, to be reviewed as a diff
	UPDATE_PUBLIC_API=1 $(CARGO) test --locked -p idjag-tests --test api

need-rust:
	@command -v $(CARGO) >/dev/null || \
	    { echo "cargo is missing: install Rust $(RUST) or newer (https://rustup.rs)" >&2; exit 1; }
	@have=$$($(CARGO) --version | cut -d' ' -f2); printf '%s\n' $(RUST) "$${have%%-*}" | sort -CV || \
	    { echo "cargo $$have is too old: install Rust $(RUST) or newer ('rustup update stable')" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "cc is missing: install a C compiler ('apt-get install gcc libc6-dev')" >&2; exit 1; }

need-tools:
	@for tool in fmt clippy; do $(CARGO) $$tool --version >/dev/null 2>&1 || \
	    { echo "cargo $$tool is missing: run 'rustup component add rustfmt clippy'" >&2; exit 1; }; done

need-strace:
	@command -v strace >/dev/null || { echo "strace is missing: install it ('apt-get install strace')" >&2; exit 1; }

need-redis:
	@command -v redis-server >/dev/null || \
	    { echo "redis-server is missing: run 'make deps' as root, or install $(REDIS); or SKIP=rust" >&2; exit 1; }

need-c++:
	@command -v c++ >/dev/null || { echo "c++ is missing: install it ('apt-get install g++')" >&2; exit 1; }

need-c:
	@for tool in gcc g++ clang valgrind nm pkg-config cmake curl; do command -v $$tool >/dev/null || \
	    { echo "$$tool is missing: run 'make deps' as root, or install $(DEBIAN); or SKIP=c" >&2; exit 1; }; done
	@mkdir -p target; echo 'int LLVMFuzzerTestOneInput(const char *data, unsigned long size) { return !data && size; }' | \
	    clang -x c -fsanitize=fuzzer,address -o target/libfuzzer-is-there - 2>/dev/null || \
	    { echo "clang has no libFuzzer: run 'make deps' as root, or install $(DEBIAN); or SKIP=c" >&2; exit 1; }
	@for library in jansson libmicrohttpd; do pkg-config --exists $$library || \
	    { echo "the development part of $$library is missing: run 'make deps' as root, or install $(DEBIAN); or SKIP=c" >&2; exit 1; }; done

need-python:
	@command -v $(PYTHON) >/dev/null || { echo "python3 is missing: install it ('apt-get install python3 python3-venv')" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "$$($(PYTHON) --version) is too old: install 3.10 or newer, or name one: 'make PYTHON=python3.12 ...'" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	    { echo "Python's venv is missing: install it ('apt-get install python3-venv')" >&2; exit 1; }

need-node:
	@cmp -s $(NODE)/package.json $(NODE)/node_modules/pinned || \
	    { echo "the packages of $(NODE)/package.json are missing: run 'make deps'" >&2; exit 1; }

need-node-idp:
	@cmp -s $(NODE_IDP)/package.json $(NODE_IDP)/node_modules/pinned || \
	    { echo "the packages of $(NODE_IDP)/package.json are missing: run 'make deps'" >&2; exit 1; }

need-venv: need-python
	@cmp -s $(PINNED) $(VENV)/pinned || { echo "the packages of $(PINNED) are missing from .venv: run 'make deps'" >&2; exit 1; }
