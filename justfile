# Shorthands; each is one command that also works without just.

default:
    @just --list

# Build, deploy the guestbook, print the address
quickstart:
    scripts/quickstart

# All tests, on real processes and servers
test *FILTER:
    scripts/test {{FILTER}}

# What must hold before a merge
ci:
    .ci/run

lint:
    cargo fmt --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo deny check

# Write the generated files again
bless:
    scripts/bless

# Compare with the peers that are installed
bench *ARGS:
    for run in bench/*/run; do "$run" {{ARGS}} || exit; done

# The binary for servers: one static file
release:
    scripts/install-deps musl
    cargo build --release --package windlass --target x86_64-unknown-linux-musl
    ls -l target/x86_64-unknown-linux-musl/release/windlass
