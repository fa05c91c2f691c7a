#!/usr/bin/env bash
# Installs what tests need: software graphics adapters, so that a machine without a GPU can run them
# all (llvmpipe over Vulkan and over OpenGL from Mesa, SwiftShader from Debian's chromium), a virtual
# display for the one test that opens a real window, and the tools that messages name. Does nothing
# where all is there already, and nothing on systems without apt: tests that miss something skip and
# say so.
set -euo pipefail

say() { printf 'install-test-adapters: %s\n' "$*"; }

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "no apt on this system; nothing installed. Tests use the adapters that are here"
    exit 0
fi

packages=(
    # llvmpipe over Vulkan, and the loader that finds it.
    mesa-vulkan-drivers libvulkan1
    # llvmpipe over OpenGL.
    libgl1-mesa-dri libegl1
    # A display without a screen, and what a window loads at run time.
    xvfb xauth libx11-6 libx11-xcb1 libxcursor1 libxi6 libxrandr2 libxkbcommon-x11-0
    # What messages name to unpack and to convert files with.
    bzip2 xz-utils zstd unzip p7zip-full poppler-utils
)
# SwiftShader's driver lies inside Debian's chromium. Ubuntu's package of that name is a snap.
if [ "$(. /etc/os-release && echo "${ID:-}")" = debian ]; then
    packages+=(chromium)
fi

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    say "all ${#packages[@]} packages are installed"
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        say "run this as root, or install: ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi

say "installing ${missing[*]}"
"${as_root[@]}" apt-get update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends "${missing[@]}"
say "done"
