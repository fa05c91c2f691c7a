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
cache="${XDG_CACHE_HOME:-$HOME/.cache}/trainyard/rustc-web"
depends_on() {
    apt-cache depends "$1" 2>/dev/null | sed -n "s/.*Depends: \\($2[0-9.]*\\)\$/\\1/p" | head -n 1
}
packages() {
    local library llvm
    library=$(depends_on libstd-rust-web-dev libstd-rust-web-)
    llvm=$(depends_on "$library" libllvm)
    [ -n "$library" ] && [ -n "$llvm" ] || return 1
    echo rustc-web rust-web-src libstd-rust-web-dev "$library" "$llvm"
}
unpack() {
    local names folder
    command -v apt-get >/dev/null || return 1
    names=$(packages) || { timeout 300 apt-get update >&2 && names=$(packages); } || return 1
    rm -rf "$cache"
    mkdir -p "$cache/packages"
    # shellcheck disable=SC2086  # several names
    (cd "$cache/packages" && timeout 900 apt-get download $names >&2) || return 1
    for package in "$cache"/packages/*.deb; do
        dpkg-deb --extract "$package" "$cache" || return 1
    done
    rm -rf "$cache/packages"
    folder=$(find "$cache/usr/src" -maxdepth 1 -name 'rustc-*' | head -n 1)
    mkdir -p "$cache/usr/lib/rustlib/src"
    ln -sfn "$folder" "$cache/usr/lib/rustlib/src/rust"
    touch "$cache/complete"
}
if [ "$way" != rustup ] && { [ -f "$cache/complete" ] || unpack; }; then
    library=$(find "$cache/usr/lib" -name 'librustc_driver-*.so' -printf '%h\n' | head -n 1)
    linker=$(find "$(rustc --print sysroot)" -name rust-lld | head -n 1)
    # Not with the artifacts of the usual compiler.
    CARGO_TARGET_DIR="$cache/target" RUSTC="$cache/usr/bin/rustc" RUSTC_BOOTSTRAP=1 \
        LD_LIBRARY_PATH="$library:$(dirname "$library")" \
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker" \
        cargo build --package trainyard-plan --target "$target" -Z build-std=std,panic_abort
    done_with "Debian's compiler"
fi

echo "wasm.sh: no library for $target to be had here; not built for wasm" >&2
case "${TRAINYARD_REQUIRE_ALL:-0}" in
    0) ;;
    *) exit 1 ;;
esac
