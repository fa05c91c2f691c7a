#!/usr/bin/env bash
# Makes the pictures of the studio that the README shows, on an X server without a screen: the
# example as it opens (assets/studio-dark.png), and a run with its measured timeline beside the
# predicted one (assets/studio-light.png). Needs Xvfb and a Vulkan driver, Mesa's llvmpipe will do.
# Builds the programs, unless a folder with both is given:
#
#     scripts/screenshots.sh [FOLDER]
#
# What is predicted was measured a moment before, so the machine should have nothing else to do.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
programs="${1:-}"
if [ -z "$programs" ]; then
    # As scripts/test.sh builds them.
    cargo build --release --no-default-features --workspace --features trainyard-studio/inspection --bins
    programs="${CARGO_TARGET_DIR:-target}/release"
fi

work=$(mktemp -d)
# Without -noreset the server would start anew whenever a window closes, and be away meanwhile. Its
# pointer is in the middle of the screen, which is outside of the window in one as large as this.
Xvfb -displayfd 3 -noreset -screen 0 3840x2160x24 -nolisten tcp 3>"$work/display" 2>/dev/null &
server=$!
trap 'kill "$server"; rm -rf "$work"' EXIT
until [ -s "$work/display" ]; do sleep 0.1; done
DISPLAY=":$(cat "$work/display")"
export DISPLAY
unset WAYLAND_DISPLAY

# With a cache of its own, so that it measures now and not on another day.
XDG_CACHE_HOME="$work" "$programs/trainyard" demo --steps 200 --directory "$work/runs/demo" >/dev/null 2>&1
picture() {
    "$programs/trainyard-studio" --screenshot "assets/studio-$1.png" --theme "$1" --size 1600x1000 "${@:2}"
    ls -l "assets/studio-$1.png"
}
picture dark
picture light "$work/runs/demo"
