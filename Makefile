# The commands that people and CI run. `make` alone lists them.

CARGO ?= cargo
# Parts of `make test` to leave out, separated by commas: make test SKIP=ring
SKIP ?=
# For `make fuzz`: seconds for each target, and which targets.
SECONDS ?= 20
TARGETS ?= jws claims jwk jwks config policy directory exchange endpoint dpop never_forged batch_equals_single \
    verify_roundtrip c_calls

# For `make install`: everything goes to PREFIX/lib and PREFIX/include.
PREFIX ?= /usr/local

PARTS := rust ring c
# Parts of what is not here yet: leaving them out is said, and changes nothing.
LATER := python net
RUST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
RING := --locked --no-default-features --features ring

# What `make test-c` needs, by Debian's names.
DEBIAN := g++ clang valgrind binutils make pkg-config cmake curl libjansson-dev libmicrohttpd-dev

# Tools that cargo builds: pinned, and kept out of the home directory.
TOOLS := $(CURDIR)/target/tools
DENY_VERSION := 0.20.2
DENY := $(TOOLS)/bin/cargo-deny

comma := ,
skipped := $(subst $(comma), ,$(SKIP))
export CARGO_TERM_PROGRESS_WHEN ?= never
# What is built is looked for under target/.
unexport CARGO_TARGET_DIR

.PHONY: help demo deps install test test-rust test-ring test-c loom mutants fuzz bench public-api \
    need-rust need-tools need-c++ need-c
.DEFAULT_GOAL := help

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1 \2/p' Makefile | while read -r name what; do \
	    printf 'make %-12s%s\n' "$$name" "$$what"; done

demo: need-rust ## the main job: a company of 2,000 people gets its tokens, and the hostile get none
	$(CARGO) run --release --locked -p idjag-cli -- wave

deps: need-rust need-tools ## install what the tests need beside cargo and cc: c++, cargo-deny, tools and libraries for C
	@$(MAKE) -s --no-print-directory need-c 2>/dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $(DEBIAN); \
	fi
	@$(MAKE) --no-print-directory need-c++
	@case " $(skipped) " in *" c "*) ;; *) $(MAKE) --no-print-directory need-c;; esac
	@[ "$$($(DENY) --version 2>/dev/null)" = "cargo-deny $(DENY_VERSION)" ] || \
	    CARGO_PROFILE_DEV_DEBUG=false $(CARGO) install --debug --locked --root $(TOOLS) \
	        --target-dir $(TOOLS)/build --version $(DENY_VERSION) cargo-deny
	@rm -rf $(TOOLS)/build
	$(CARGO) fetch --locked
	$(CARGO) fetch --locked --manifest-path fuzz/Cargo.toml

install: need-rust ## the C library, its header, and what pkg-config and CMake look for, to PREFIX=/usr/local
	$(CARGO) build --release --locked -p idjag-ffi
	ffi/package/install "$(PREFIX)"

test: need-rust ## every test; SKIP=ring leaves a part out
	@for part in $(skipped); do case " $(PARTS) $(LATER) " in *" $$part "*) ;; \
	    *) echo "SKIP: there is no part \`$$part\`; parts: $(PARTS), and later $(LATER)" >&2; exit 2;; esac; done
	@for part in $(filter-out $(skipped),$(PARTS)); do \
	    echo "== test-$$part"; $(MAKE) --no-print-directory test-$$part || exit; done
	@[ -z "$(skipped)" ] || echo "SKIPPED, so not everything was tested: $(skipped)"

test-rust: need-rust need-tools ## format, lints, tests, documentation, licences, a small wave
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
	@tree=$$($(CARGO) tree $(RING) -p idjag -p idjag-cli -p idjag-tests --prefix none) || exit; case "$$tree" in \
	    *aws-lc-rs*) echo "aws-lc-rs is linked although only ring was asked for" >&2; exit 1;; esac
	$(CARGO) clippy $(RING) -p idjag -p idjag-cli -p idjag-tests --all-targets -- -D warnings
	$(CARGO) test $(RING) -p idjag -p idjag-cli -p idjag-tests

test-c: need-rust need-c ## the C library: header, vectors, threads, AddressSanitizer, valgrind, installed, examples
	ffi/tests/run

# Without aws-lc-rs, which takes longest to build and has no part in it.
loom: export RUSTFLAGS := --cfg loom
loom: need-rust ## the single-use table under loom: every order of what its threads do
	$(CARGO) test $(RING) -p idjag --lib --target-dir target/loom replay::model

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
	$(CARGO) build --release --locked -p idjag-ffi
	$(CARGO) bench --locked -p idjag-ffi --bench overhead
	$(CARGO) bench --locked -p idjag-benches
	CARGO="$(CARGO)" benches/peers/run

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

need-c++:
	@command -v c++ >/dev/null || { echo "c++ is missing: install it ('apt-get install g++')" >&2; exit 1; }

need-c:
	@for tool in gcc g++ clang valgrind nm pkg-config cmake curl; do command -v $$tool >/dev/null || \
	    { echo "$$tool is missing: run 'make deps' as root, or install $(DEBIAN); or SKIP=c" >&2; exit 1; }; done
	@for library in jansson libmicrohttpd; do pkg-config --exists $$library || \
	    { echo "the development part of $$library is missing: run 'make deps' as root, or install $(DEBIAN); or SKIP=c" >&2; exit 1; }; done
