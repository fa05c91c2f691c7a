#!/usr/bin/env bash
# Makes the pictures of the studio that the README shows, assets/studio-*.png, on an X server without
# a screen: the example as it opens, and a run with its measured timeline beside the predicted one.
# Needs Xvfb and a Vulkan driver (Mesa's llvmpipe will do).
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target="${CARGO_TARGET_DIR:-target}"
cargo build --release --bin trainyard --bin trainyard-studio --package trainyard --package trainyard-studio

work=$(mktemp -d)
Xvfb -displayfd 3 -noreset -screen 0 3840x2160x24 -nolisten tcp 3>"$work/display" 2>/dev/null &
server=$!
trap 'kill "$server"; rm -rf "$work"' EXIT
until [ -s "$work/display" ]; do sleep 0.1; done
DISPLAY=":$(cat "$work/display")"
export DISPLAY
unset WAYLAND_DISPLAY

"$target/release/trainyard" demo --steps 40 --directory "$work/demo" >/dev/null
picture() { "$target/release/trainyard-studio" --screenshot "assets/studio-$1.png" "${@:2}"; }
picture example --theme dark --size 1440x900
picture run --theme light --size 1440x900 "$work/demo"
