#!/usr/bin/env bash
# What takes too long for every change: one entry for all of it. Each part ends in a line with its
# figure, `long.sh PART: …`, and fails where the figure is wrong.
#
#     scripts/long.sh                 every part
#     scripts/long.sh PART…           only these
#     scripts/long.sh --list          the parts
#
# Parts that need something which is not there are skipped and say so, or fail with
# TRAINYARD_REQUIRE_ALL=1. LONG_SECONDS (600) is how long soaks and attacks go on.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# As scripts/test.sh builds, so that everything is built once.
flags=(--release --no-default-features --workspace --features trainyard-studio/inspection)
seconds="${LONG_SECONDS:-600}"

parts=(
    "wasm      the planner builds for the web"
    "cross     Windows and macOS: all crates type-check"
    "soak      a training killed and resumed over and over ends as one that was not"
    "attacks   property tests with many more cases; fuzzing where a nightly toolchain is"
    "reliability  kills, injected faults, flipped bits, a million steps, hostile inputs"
    "executor  random orders of the executor's threads; steps with devices that fail, hang and get lost"
    "training  validation losses of the example settings, three seeds each"
    "fine-tuning  LoRA, full fine-tuning and generation of TRAINYARD_MODEL beside PyTorch, three rounds"
    "speed     a gpt's step on one CPU device is as fast as with the program TRAINYARD_BASELINE"
    "benches   the engine's, the planner's, the predictions' and the studio's figures"
)

list() { printf '%s\n' "${parts[@]}"; }
figure() { printf 'long.sh %s: %s\n' "$part" "$*"; }
missing() {
    printf 'long.sh %s: skipped, %s\n' "$part" "$*" >&2
    [ "${TRAINYARD_REQUIRE_ALL:-0}" = 0 ]
}
folder() { mktemp -d "${TMPDIR:-/tmp}/trainyard-long-XXXXXX"; }
programs() {
    cargo build "${flags[@]}" --bins --tests
    trainyard="${CARGO_TARGET_DIR:-target}/release/trainyard"
}

wasm() { figure "$(scripts/wasm.sh | tail -n 1)"; }

# C parts (mimalloc, blake3) are not compiled: stubs stand for their compilers.
cross() {
    local stubs checked=() target
    stubs=$(folder)
    printf '#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = -o ] && : >"$2"; shift; done\n' >"$stubs/cc"
    printf '#!/bin/sh\nfor file; do case "$file" in *.a | *.lib) : >"${file#-out:}" ;; esac; done\n' >"$stubs/ar"
    chmod +x "$stubs/cc" "$stubs/ar"
    for target in x86_64-pc-windows-msvc aarch64-apple-darwin; do
        local check=(cargo check --no-default-features --workspace --target "$target") code=0
        if ! timeout 120 rustup target add "$target"; then
            check=(scripts/rustc-web.sh "${check[@]}" -Z build-std=std,panic_unwind)
        fi
        env "CC_${target//-/_}=$stubs/cc" "CXX_${target//-/_}=$stubs/cc" "AR_${target//-/_}=$stubs/ar" \
            RANLIB="$stubs/ar" SDKROOT="$stubs" "${check[@]}" || code=$?
        case $code in
            0) checked+=("$target") ;;
            69) missing "no library for $target to be had" || return 1 ;;
            *) return "$code" ;;
        esac
    done
    rm -rf "$stubs"
    figure "${#checked[@]} of 2 targets type-check: ${checked[*]:-}"
}

# The last digits of a run's last step: equal digits are equal bits.
last_loss() { grep '"type":"step"' "$1/journal.jsonl" | tail -n 1 | grep -o '"loss":[^,]*'; }

soak() {
    programs
    local place kills=0 rounds=0 end arguments expected found
    place=$(folder)
    # Short steps and many checkpoints: most kills fall between them, some into one.
    arguments=(--set train.steps=4000 --set train.checkpoint_every=20 --set train.validate_every=0
        --set train.validate_whole_at_end=false)
    "$trainyard" train assets/mlp.toml "${arguments[@]}" --set "run.dir=$place/whole" 2>/dev/null
    expected=$(last_loss "$place/whole")
    end=$((SECONDS + seconds))
    while [ $SECONDS -lt $end ]; do
        rm -rf "$place/killed" "$place/done"
        while [ ! -f "$place/done" ]; do
            local resume=()
            [ -f "$place/killed/latest" ] && resume=(--resume)
            [ ${#resume[@]} -eq 0 ] && rm -rf "$place/killed"
            "$trainyard" train assets/mlp.toml "${arguments[@]}" --set "run.dir=$place/killed" \
                "${resume[@]}" 2>/dev/null &
            local child=$!
            # Past the end of the time nothing is killed any more.
            if [ $SECONDS -lt $end ]; then
                timeout "$((RANDOM % 2)).$((1 + RANDOM % 9))" tail --pid=$child -f /dev/null || true
                kill -KILL "$child" 2>/dev/null && kills=$((kills + 1))
            fi
            wait "$child" 2>/dev/null && touch "$place/done"
        done
        rounds=$((rounds + 1))
        found=$(last_loss "$place/killed")
        if [ "$found" != "$expected" ]; then
            figure "round $rounds: ended with $found, without kills $expected ($place)"
            return 1
        fi
    done
    rm -rf "$place"
    figure "killed $kills times in $rounds trainings, each ended as without kills: $expected"
    [ "$kills" -gt 0 ]
}

attacks() {
    local cases=$((seconds * 20)) target count=0
    PROPTEST_CASES=$cases cargo nextest run "${flags[@]}" \
        -E '(package(trainyard-plan) | package(trainyard-config) | package(trainyard-data) | package(trainyard-pretrained)) & test(/propert|damaged|random|panic/)'
    if cargo +nightly fuzz --version >/dev/null 2>&1; then
        fuzz/seed.sh
        for target in $(cargo +nightly fuzz list); do
            cargo +nightly fuzz run "$target" -- "-max_total_time=$((seconds / 10))"
            count=$((count + 1))
        done
    else
        missing "cargo +nightly fuzz is not there: no fuzzing" || return 1
    fi
    figure "$cases cases of each property, $count fuzz targets for $((seconds / 10)) s each"
}

reliability() {
    LONG_SECONDS="$seconds" scripts/reliability.sh
    figure "the table of RELIABILITY.md"
}

# EXECUTOR_SCHEDULES (100000) and EXECUTOR_STEPS (1000000) say how many.
executor() {
    local place
    place=$(folder)
    EXECUTOR_SCHEDULES="${EXECUTOR_SCHEDULES:-100000}" EXECUTOR_STEPS="${EXECUTOR_STEPS:-1000000}" \
        EXECUTOR_THREADS="$(nproc)" cargo nextest run "${flags[@]}" --no-capture \
        -E 'package(trainyard-engine) & test(/^executor_tests::/)' 2>&1 | tee "$place/said"
    grep -ao 'executor: .*' "$place/said" | sort -u | while read -r line; do figure "${line#executor: }"; done
    grep -q 'steps with faults, each right' "$place/said"
    rm -rf "$place"
}

# The text of the README's figure, where TRAINYARD_TEXT names it; else the program's own.
training() {
    programs
    local place seed losses=() data=(--set data.builtin=yard)
    place=$(folder)
    [ -n "${TRAINYARD_TEXT:-}" ] && data=(--set "data.text=$TRAINYARD_TEXT")
    for seed in 1 2 3; do
        "$trainyard" train assets/nanogpt-cpu.toml "${data[@]}" --set "train.seed=$seed" \
            --set "run.dir=$place/$seed" 2>"$place/said"
        losses+=("$(grep -o 'validation loss [0-9.]*' "$place/said" | tail -n 1 | grep -o '[0-9.]*$')")
    done
    rm -rf "$place"
    figure "nanoGPT's CPU setting, validation losses ${losses[*]}"
}

# TRAINYARD_PYTHON has torch, transformers, peft and gguf; TRAINYARD_MODEL is a decoder, and TRAINYARD_TEXT a text.
fine-tuning() {
    local what
    for what in PYTHON MODEL TEXT; do
        what="TRAINYARD_$what"
        [ -n "${!what:-}" ] || { missing "$what names nothing" || return 1; return; }
    done
    programs
    for what in lora full generate; do
        "$TRAINYARD_PYTHON" scripts/against-torch.py "$what" "$trainyard" "$TRAINYARD_MODEL" "$TRAINYARD_TEXT" |
            while read -r line; do figure "$what: $line"; done
    done
}

# The median step of a short training, µs.
median_step() {
    local program="$1" place="$2"
    rm -rf "$place/run"
    "$program" train "$place/gpt.toml" --set "run.dir=$place/run" >/dev/null 2>&1
    "$program" compare "$place/run" --json | grep -A 2 '"step_us"' | grep -o '"measured": [0-9.]*' | grep -o '[0-9.]*$'
}

# In turn, so that what else the machine does slows both; the ratios are taken round by round.
speed() {
    [ -x "${TRAINYARD_BASELINE:-}" ] || { missing "TRAINYARD_BASELINE names no program" || return 1; return; }
    programs
    local place before after ratios=()
    place=$(folder)
    printf '%s\n' '[model]' 'kind = "gpt"' 'layers = 4' 'heads = 4' 'width = 128' 'context = 64' \
        '[data]' 'builtin = "yard"' '[train]' 'steps = 60' 'batch = 12' 'micro_batches = 4' \
        'learning_rate = 1e-3' 'validate_every = 0' '[[device]]' 'id = "one"' 'adapter = "cpu"' \
        'threads = 1' >"$place/gpt.toml"
    for _ in 1 2 3 4 5 6 7; do
        before=$(median_step "$TRAINYARD_BASELINE" "$place")
        after=$(median_step "$trainyard" "$place")
        ratios+=("$(awk "BEGIN { printf \"%.3f\", $after / $before }")")
    done
    rm -rf "$place"
    local median
    median=$(printf '%s\n' "${ratios[@]}" | sort -n | sed -n 4p)
    figure "a gpt's step took $median times as long as with the baseline (${ratios[*]})"
    awk "BEGIN { exit !($median <= 1.02) }"
}

benches() {
    programs
    "$trainyard" bench pipeline
    "$trainyard" bench planner assets/mlp.toml
    "$trainyard" bench predictions
    "$trainyard" bench noise
    cargo bench -p trainyard-plan
    cargo bench -p trainyard-studio --bench board --bench timeline
    figure "the tables above; $("$trainyard" bench pipeline --json | grep -o '"overhead": [0-9.]*')"
}

case "${1:-}" in
    --list) list; exit 0 ;;
    -h | --help) sed -n 's/^# \{0,1\}//p' "$0" | head -n 11; exit 0 ;;
esac
chosen=("$@")
[ $# -gt 0 ] || mapfile -t chosen < <(list | cut -d ' ' -f 1)
for part in "${chosen[@]}"; do
    if ! list | cut -d ' ' -f 1 | grep -qx -- "$part"; then
        printf 'long.sh: there is no part %s; there are:\n' "$part" >&2
        list >&2
        exit 2
    fi
done
if [ ${#chosen[@]} -eq 1 ]; then
    part="${chosen[0]}"
    "$part"
    exit
fi
failed=()
for part in "${chosen[@]}"; do
    # A shell of its own for each, so that one that fails does not end the others.
    scripts/long.sh "$part" || failed+=("$part")
done
[ ${#failed[@]} -eq 0 ] || { printf 'long.sh: FAILED: %s\n' "${failed[*]}" >&2; exit 1; }
