#!/usr/bin/env bash
# What the engine does on a graphics card, from programs that were built on another machine: without a
# toolchain or a network, within six minutes, into one file.
#
#     scripts/gpu-bench.sh --build DIR    builds both programs into DIR, and puts this script beside them
#     DIR/gpu-bench.sh --bin DIR          runs them on the machine with the card
#
# The programs are trainyard-wgsl.xz and trainyard-native.xz (SPIR-V or Metal shaders), stripped, with
# autotune and fusion, together at most 40 MiB; without .xz they are taken, too, and one that is missing is
# left out. With --bin:
#
#     --adapter NAME    the card, as `trainyard devices` shows it; the best there is unless named
#     --out FILE        where results go (gpu-bench.md); it is written anew, a section at a time
#     --seconds N       when to stop (360); a section that is running then is ended
#     --sections "…"    only these: one, two, cpu, links, budgets, predictions
#     --quick           small models and single rounds: to try the script, also on a software adapter
set -euo pipefail

most_bytes=$((40 << 20))
build= bin= adapter=0 out=gpu-bench.md seconds=360 quick= chosen="one two cpu links budgets predictions"

fail() { printf 'gpu-bench.sh: %s\n' "$*" >&2; exit 2; }
while [ $# -gt 0 ]; do
    case "$1" in
        --quick) quick=1; shift; continue ;;
        -h | --help) sed -n '2,17s/^# \{0,1\}//p' "$0"; exit 0 ;;
        --build | --bin | --adapter | --out | --seconds | --sections) [ $# -gt 1 ] || fail "$1 needs a value" ;;
        *) fail "there is no option $1; --help shows them" ;;
    esac
    case "$1" in
        --build) build=$2 ;;
        --bin) bin=$2 ;;
        --adapter) adapter=$2 ;;
        --out) out=$2 ;;
        --seconds) seconds=$2 ;;
        --sections) chosen=$2 ;;
    esac
    shift 2
done

bytes_of() { cat -- "$@" | wc -c; }

# Twice all of Burn, each with features of its own: half an hour each on two cores.
if [ -n "$build" ]; then
    mkdir -p "$build"
    build=$(cd "$build" && pwd)
    cd "$(dirname "${BASH_SOURCE[0]}")/.."
    for shaders in wgsl native; do
        features=()
        [ "$shaders" = native ] && features=(--features native-shaders)
        cargo build --release -p trainyard --bin trainyard "${features[@]}"
        cp "${CARGO_TARGET_DIR:-target}/release/trainyard" "$build/trainyard-$shaders"
        strip "$build/trainyard-$shaders"
        xz --force "$build/trainyard-$shaders"
    done
    cp scripts/gpu-bench.sh "$build/"
    size=$(bytes_of "$build"/trainyard-{wgsl,native}.xz)
    printf 'gpu-bench.sh: both programs are %s MiB\n' $((size >> 20))
    [ "$size" -le "$most_bytes" ] || fail "they are larger than 40 MiB"
    exit 0
fi
[ -n "$bin" ] || fail "name the folder with the programs: --bin DIR"

work=$(mktemp -d "${TMPDIR:-/tmp}/gpu-bench-XXXXXX")
trap 'rm -rf "$work"' EXIT
programs=()
for shaders in wgsl native; do
    # Native shaders crash software adapters.
    case "$shaders $adapter" in native*llvmpipe* | native*SwiftShader* | native*software*) continue ;; esac
    if [ -f "$bin/trainyard-$shaders.xz" ]; then
        xz --decompress --stdout "$bin/trainyard-$shaders.xz" >"$work/trainyard-$shaders"
        chmod +x "$work/trainyard-$shaders"
    elif [ -x "$bin/trainyard-$shaders" ]; then
        ln -s "$(cd "$bin" && pwd)/trainyard-$shaders" "$work/trainyard-$shaders"
    else
        continue
    fi
    programs+=("$shaders")
done
[ ${#programs[@]} -gt 0 ] || fail "$bin has no trainyard-wgsl or trainyard-native that runs on $adapter"

# What is measured here is not to be found, or left, anywhere else.
export TRAINYARD_CACHE="$work/cache" NO_COLOR=1
end=$((SECONDS + seconds))
# The most that one section may take, so that one that hangs leaves time to the others.
longest=$((seconds / 4))
ran=0 failed=0

say() { printf '%s\n' "$*" >>"$out"; }
wanted() { case " $chosen " in *" $1 "*) true ;; *) false ;; esac; }

# section HEADING PROGRAM ARGUMENTS…: runs it and adds what it printed to the results at once.
section() {
    local heading=$1 shaders=$2 began=$SECONDS limit=$((end - SECONDS)) code=0
    shift 2
    if [ "$limit" -le 0 ]; then
        say "" "## $heading, $shaders" "" "left out: $seconds s are over"
        failed=$((failed + 1))
        return
    fi
    [ "$limit" -le "$longest" ] || limit=$longest
    printf 'gpu-bench.sh: %s, %s …\n' "$heading" "$shaders" >&2
    timeout -k 5 "$limit" "$work/trainyard-$shaders" "$@" >"$work/stdout" 2>"$work/stderr" || code=$?
    {
        printf '\n## %s, %s\n\n' "$heading" "$shaders"
        printf '`trainyard %s`: exit code %s after %s s\n\n```\n' "$*" "$code" $((SECONDS - began))
        cat "$work/stdout"
        [ "$code" = 0 ] || tail -n 20 "$work/stderr"
        printf '```\n'
    } >>"$out"
    sync "$out" 2>/dev/null || true
    if [ "$code" = 0 ]; then ran=$((ran + 1)); else failed=$((failed + 1)); fi
}

# Two logical devices of the card, neither with the memory for all of the model.
budgets() {
    local shaders=$1 sizes='layers = 12\nheads = 8\nwidth = 512\ncontext = 256' batch=32 memory='512 MiB' steps=60
    if [ -n "$quick" ]; then
        sizes='layers = 2\nheads = 2\nwidth = 64\ncontext = 32' batch=8 memory='256 MiB' steps=8
    fi
    {
        printf '[model]\nkind = "gpt"\n%b\n[data]\nbuiltin = "yard"\n' "$sizes"
        printf '[train]\nsteps = %s\nbatch = %s\nmicro_batches = 8\nvalidate_every = 0\n' "$steps" "$batch"
        printf 'validate_whole_at_end = false\n[pipeline]\nlock = ["embed=front", "head=back"]\n'
        printf '[[device]]\nid = "%s"\nadapter = "%s"\nmemory = "'"$memory"'"\n' front "$adapter" back "$adapter"
    } >"$work/$shaders.toml"
    section "a training on two logical devices of $memory" "$shaders" \
        train "$work/$shaders.toml" --set "run.dir=$work/$shaders"
    section "that training, predicted and measured" "$shaders" compare "$work/$shaders"
}

pipeline=(bench pipeline --json --width 1024 --inner 4096 --rows 256 --rounds 9)
predictions=(bench predictions --json --plans 6)
if [ -n "$quick" ]; then
    pipeline=(bench pipeline --json --width 32 --inner 64 --rows 4 --rounds 1)
    predictions=(bench predictions --json --plans 1 --steps 2)
fi

printf '# gpu-bench.sh on %s\n\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$out"
say "$(uname -srm); $(grep -m 1 'model name' /proc/cpuinfo 2>/dev/null | sed 's/.*: //'), $(getconf _NPROCESSORS_ONLN) cores"
say "$(nvidia-smi -L 2>/dev/null || true)"
for shaders in "${programs[@]}"; do
    say "trainyard-$shaders: $(bytes_of "$work/trainyard-$shaders") bytes, $("$work/trainyard-$shaders" --version)"
done
section "the devices" "${programs[0]}" devices

# By what is most worth knowing, should it be cut short.
for shaders in "${programs[@]}"; do
    wanted one && section "one device" "$shaders" "${pipeline[@]}" --devices "$adapter"
    wanted two && section "two logical devices" "$shaders" "${pipeline[@]}" --devices "$adapter,$adapter"
done
for shaders in "${programs[@]}"; do
    wanted cpu && section "the card and one core" "$shaders" "${pipeline[@]}" --devices "$adapter,cpu"
    wanted budgets && budgets "$shaders"
done
for shaders in "${programs[@]}"; do
    wanted links && section "links" "$shaders" bench links --json --devices "$adapter,$adapter,cpu"
    wanted predictions && section "predictions" "$shaders" "${predictions[@]}" --devices "$adapter,$adapter"
done
say "" "$ran sections ran, $failed did not, in $SECONDS s"
printf 'gpu-bench.sh: %s sections ran, %s did not; the results are in %s\n' "$ran" "$failed" "$out"
[ "$failed" = 0 ]
