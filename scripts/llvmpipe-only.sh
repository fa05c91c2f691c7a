#!/usr/bin/env bash
# Leaves one Vulkan driver to the tests that follow: llvmpipe, where it is installed. Called by
# cargo-nextest, which hands on what is written to $NEXTEST_ENV.
set -euo pipefail

for file in /usr/share/vulkan/icd.d/lvp_icd*.json; do
    if [ -f "$file" ]; then
        printf 'VK_DRIVER_FILES=%s\nVK_ICD_FILENAMES=%s\n' "$file" "$file" >>"$NEXTEST_ENV"
        break
    fi
done
