#!/usr/bin/env bash
# Lints and tests what lies behind cargo features that scripts/test.sh leaves out: Parquet files, and downloads from
# the hub. They change features of what Burn is compiled with, so that only crates without Burn are built here.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
flags=(--release -p trainyard-data -p trainyard-pretrained
    --features "trainyard-data/parquet,trainyard-pretrained/hub")

cargo clippy "${flags[@]}" --all-targets -- -D warnings
cargo nextest run "${flags[@]}" -E 'test(parquet) | test(hub)'
