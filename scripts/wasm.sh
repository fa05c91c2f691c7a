#!/usr/bin/env bash
# Builds the planner for wasm: it is pure, so it builds where there are neither files nor clocks.
#
# The target's standard library comes from rustup, or, where rustup cannot reach its server, from
# Debian's packages of a compiler for the web, which are unpacked into a cache folder and installed
# nowhere. Where neither can be had this says so, and fails with TRAINYARD_REQUIRE_ALL=1.
#
#     scripts/wasm.sh [rustup|debian]     only this way
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=wasm32-unknown-unknown
way="${1:-any}"
started=$SECONDS

done_with() {
    printf 'wasm.sh: trainyard-plan builds for %s (%s) in %d s\n' "$target" "$1" $((SECONDS - started))
    exit 0
}

if [ "$way" != debian ] && command -v rustup >/dev/null && timeout 120 rustup target add "$target"; then
    cargo build --package trainyard-plan --target "$target"
    done_with "rustup's library"
fi

# Debian's compiler with the sources of its library, which is built along (-Z build-std).
if [ "$way" != rustup ]; then
    linker=$(find "$(rustc --print sysroot)" -name rust-lld | head -n 1)
    code=0
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker" scripts/rustc-web.sh \
        cargo build --package trainyard-plan --target "$target" -Z build-std=std,panic_abort || code=$?
    case $code in
        0) done_with "Debian's compiler" ;;
        69) ;;
        *) exit "$code" ;;
    esac
fi

echo "wasm.sh: no library for $target to be had here; not built for wasm" >&2
case "${TRAINYARD_REQUIRE_ALL:-0}" in
    0) ;;
    *) exit 1 ;;
esac
