#!/usr/bin/env bash
# Runs a command with Debian's compiler for the web, which brings the sources of the standard library: so
# Cargo can build that for a target whose library rustup cannot fetch (-Z build-std). Its packages are
# unpacked into a cache folder and installed nowhere.
#
#     scripts/rustc-web.sh cargo check --target TARGET -Z build-std=std,panic_unwind
#
# Ends with 69 where it cannot be had.
set -euo pipefail

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

[ -f "$cache/complete" ] || unpack || exit 69
library=$(find "$cache/usr/lib" -name 'librustc_driver-*.so' -printf '%h\n' | head -n 1)
# Not with the artifacts of the usual compiler.
export CARGO_TARGET_DIR="$cache/target" RUSTC="$cache/usr/bin/rustc" RUSTC_BOOTSTRAP=1
export LD_LIBRARY_PATH="$library:$(dirname "$library")"
exec "$@"
