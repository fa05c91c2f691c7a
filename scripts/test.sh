#!/usr/bin/env bash
# Builds the programs and runs every test. Arguments go to cargo-nextest:
#
#     scripts/test.sh -E 'package(trainyard-plan)'
#
# `--no-default-features` leaves out autotune and fusion. They make a GPU fast, but on a software
# adapter compiling what they try costs minutes, and results do not depend on them. `inspection` is
# the port through which a test drives the studio's real window.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
flags=(--release --no-default-features --workspace --features trainyard-studio/inspection)
nextest_version=0.9.143

say() { printf '\ntest.sh: %s\n' "$*"; }

# Without the adapters the tests that need them skip, so this is no reason to stop.
scripts/install-test-adapters.sh || say "the software adapters could not be installed; going on"

# A process a test: Burn's and the drivers' settings are global to a process.
if ! cargo nextest --version >/dev/null 2>&1; then
    say "installing cargo-nextest $nextest_version"
    cargo install cargo-nextest --locked --version "$nextest_version"
fi

# Only software adapters, the same ones on every machine. Set VK_DRIVER_FILES to test others.
drivers=()
for file in /usr/share/vulkan/icd.d/lvp_icd*.json /usr/lib*/chromium*/vk_swiftshader_icd.json; do
    if [ -f "$file" ]; then
        drivers+=("$file")
    fi
done
if [ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] && [ ${#drivers[@]} -gt 0 ]; then
    VK_DRIVER_FILES=$(IFS=:; echo "${drivers[*]}")
    export VK_DRIVER_FILES
    # The name that Vulkan loaders before 1.3.207 know.
    export VK_ICD_FILENAMES="$VK_DRIVER_FILES"
fi
# Tests that need another number of threads set it themselves.
unset LP_NUM_THREADS
export RUST_BACKTRACE="${RUST_BACKTRACE:-1}"
say "Vulkan drivers: ${VK_DRIVER_FILES:-as the system finds them}"

# Cargo builds no programs for the tests of another package, so build them first. With the tests,
# so that both are built with the same features of what they share, and Burn only once.
say "building the programs and the tests"
cargo build "${flags[@]}" --bins --tests

say "running the tests"
tests=passed
cargo nextest run "${flags[@]}" "$@" || tests=FAILED

say "running the examples in the documentation"
examples=passed
cargo test --doc "${flags[@]}" || examples=FAILED

say "tests $tests, documentation examples $examples"
[ "$tests" = passed ] && [ "$examples" = passed ]
