#!/usr/bin/env bash
# Tries to break what README and RELIABILITY.md promise of checkpoints, journals and inputs, and writes the
# figures into the table of RELIABILITY.md.
#
#     scripts/reliability.sh           every attack
#     scripts/reliability.sh NAME…     only these: kills faults flips journal soak inputs
#
# KILLS (1000) is how many trainings are killed. Needs strace, and about half an hour.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
flags=(--release --no-default-features --workspace --features trainyard-studio/inspection)
trainyard="${CARGO_TARGET_DIR:-target}/release/trainyard"
place=$(mktemp -d "${TMPDIR:-/tmp}/trainyard-attack-XXXXXX")
trap 'rm -rf "$place"' EXIT
export TRAINYARD_CACHE="$place/cache"
settings=(--set train.steps=1000000 --set train.checkpoint_every=1 --set train.validate_every=0
    --set train.keep_checkpoints=2)

# Puts a figure into the table of RELIABILITY.md.
figure() {
    local name="$1" words="$2"
    printf '%s: %s\n' "$name" "$words"
    sed -i "s#^| $name | \([^|]*\) |.*#| $name | \1 | $words |#" RELIABILITY.md
}
acknowledged() {
    local saved
    saved=$(cat "$1"/journal*.jsonl 2>/dev/null | grep -a '"type":"checkpoint"' | tail -n 1 | grep -ao '"step":[0-9]*' || true)
    printf '%s' "${saved#*:}"
}
# Fails unless the checkpoint that the run would go on from can be read.
readable() {
    local said
    said=$("$trainyard" evaluate "$1" --json 2>&1) || { printf 'unreadable: %s\n' "$said"; return 1; }
}

# kill -9 at random times, in steps, saves, renames and starts.
kills() {
    local count=0 read=0 unreadable=0 lost=0 before after run="$place/kills"
    while [ $count -lt "${KILLS:-1000}" ]; do
        if [ -e "$run/latest" ]; then
            "$trainyard" resume "$run" >/dev/null 2>&1 &
        else
            rm -rf "$run"
            "$trainyard" train assets/mlp.toml "${settings[@]}" --set "run.dir=$run" >/dev/null 2>&1 &
        fi
        local child=$!
        sleep "0.$(printf '%03d' $((RANDOM % 400)))"
        kill -KILL $child 2>/dev/null || true
        wait $child 2>/dev/null || true
        count=$((count + 1))
        before=$(acknowledged "$run")
        [ -n "$before" ] || continue
        after=$(grep -o '[0-9]*$' "$run/latest" 2>/dev/null | sed 's/^0*//' || true)
        [ "${after:-0}" -ge "$before" ] || lost=$((lost + 1))
        # Reading takes as long as three kills.
        if [ $((count % 10)) -eq 0 ]; then
            read=$((read + 1))
            readable "$run" || unreadable=$((unreadable + 1))
        fi
    done
    figure "kill -9" "$count kills: $lost acknowledged checkpoints lost; of $read that were read, $unreadable unreadable"
    [ $((lost + unreadable)) -eq 0 ]
}

# An error of the system at each write, sync, rename and link of a training that saves twice.
faults() {
    command -v strace >/dev/null || { printf 'faults: skipped, no strace\n'; return 0; }
    local count=0 bad=0 call number said run
    "$trainyard" train assets/mlp.toml "${settings[@]}" --set train.steps=3 --set "run.dir=$place/whole" >/dev/null 2>&1
    for call in write fsync fdatasync rename openat mkdir unlink unlinkat; do
        for number in $(seq 1 "${FAULTS:-40}"); do
            run="$place/fault"
            rm -rf "$run"
            cp -r "$place/whole" "$run"
            strace -f -qq -o "$place/calls" -e "trace=$call" -e "inject=$call:error=ENOSPC:when=$number" \
                "$trainyard" resume "$run" --set train.steps=5 >/dev/null 2>&1 || true
            # Where there are fewer calls nothing was injected.
            grep -q INJECTED "$place/calls" || break
            count=$((count + 1))
            said=$("$trainyard" evaluate "$run" --json 2>&1) || {
                bad=$((bad + 1))
                printf '%s %s: %s\n' "$call" "$number" "$said"
            }
        done
    done
    figure "faults" "$count injected errors: $bad without a checkpoint that loads"
    [ $bad -eq 0 ]
}

tests() { cargo nextest run "${flags[@]}" --run-ignored all --no-capture -E "$1" 2>&1 | tee "$place/said" | tail -n 3; }

flips() {
    tests 'package(trainyard-engine) & test(/every_flipped_bit_is_noticed|every_cut_is_noticed/)'
    grep -q ' 2 passed' "$place/said"
    figure "flips" "every bit and every length of every file of a checkpoint: all noticed"
}

journal() {
    tests 'test(a_million_steps_take_less_than_100_megabytes)'
    grep -q ' 1 passed' "$place/said"
    figure "journal" "$(grep -ao '1,000,000 steps: .*' "$place/said" | head -n 1)"
}

soak() {
    tests 'test(twenty_thousand_steps)'
    grep -q ' 1 passed' "$place/said"
    figure "soak" "$(grep -ao 'after 20,000 steps.*' "$place/said" | head -n 1)"
    tests 'test(ten_thousand_steps)'
    grep -q ' 1 passed' "$place/said"
    figure "soak on adapters" "$(grep -ao 'after 4,000 steps.*' "$place/said" | head -n 1)"
}

inputs() {
    local cases=$((${LONG_SECONDS:-60} * 100))
    PROPTEST_CASES=$cases tests '(package(trainyard-plan) | package(trainyard-config) | package(trainyard-data)) & test(/panic|damaged|propert/)'
    grep -q 'passed' "$place/said"
    ! grep -q ' [0-9]* failed' "$place/said"
    figure "inputs" "$cases random inputs for each of $(grep -o '[0-9]* passed' "$place/said" | tail -n 1 | cut -d ' ' -f 1) properties: no panic"
}

cargo build "${flags[@]}" --bins --tests
attacks=("$@")
[ $# -gt 0 ] || attacks=(kills faults flips journal soak inputs)
for attack in "${attacks[@]}"; do "$attack"; done
