#!/bin/sh
# Runs the cmocka programs of a build and counts: tests/run.sh BUILD_DIR [GLOB]. The closing line is
# "N passed, N failed, N skipped". Exit 1 if anything failed or a program died. With EMULATOR, which
# runs programs of another machine, a program that it cannot do justice to counts as one skipped test.
build=$1
pick=${2:-*}
passed=0 failed=0 skipped=0
log=$(mktemp)
# leaks inside the Vulkan driver; read by sanitizer builds only
LSAN_OPTIONS="suppressions=$(cd "$(dirname "$0")" && pwd)/lsan.supp:print_suppressions=0"
export LSAN_OPTIONS
# kernels as shipped, whatever this machine was tuned to
MOPROF_TUNE=
# and no pipelines of earlier runs
MOPROF_PIPELINES=
export MOPROF_TUNE MOPROF_PIPELINES
trap 'rm -f "$log"' EXIT
# why the emulator does not run a test program; nothing if it does
not_emulated() {
    case "$1" in
    cli/* | onnx/test_checker) echo "it starts programs of the other machine" ;;
    engine/test_resident) echo "it would measure the emulator's memory" ;;
    engine/test_calibrate) echo "it measures a machine, and the emulator is none" ;;
    db/test_faults | db/test_inspect | db/test_survival | measure/test_controls | measure/test_supervisor | \
        measure/test_sweep) echo "it takes minutes under the emulator" ;;
    esac
}
for t in "$build"/tests/*/test_*; do
    case "$t" in *.o | *.d) continue ;; esac
    name=${t#"$build"/tests/}
    # shellcheck disable=SC2254 # the pick is meant as a pattern
    case "$name" in $pick) ;; *) continue ;; esac
    reason=$([ -z "$EMULATOR" ] || not_emulated "$name")
    if [ -n "$reason" ]; then
        echo "skip: $name: $reason"
        skipped=$((skipped + 1))
        continue
    fi
    # shellcheck disable=SC2086 # the emulator is a command with its options
    $EMULATOR "$t" >"$log" 2>&1
    rc=$?
    ran=$(grep -c '^\[ RUN' "$log")
    ok=$(grep -c '^\[       OK' "$log")
    # cmocka names a skipped test where it stands and again in its closing list
    skip=$(grep '^\[  SKIPPED \] [A-Za-z_]' "$log" | sort -u | wc -l)
    bad=$((ran - ok - skip))
    # a program that died, or failed before its first test, counts as one failure at least
    [ "$rc" -ne 0 ] && [ "$bad" -le 0 ] && bad=1
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    if [ "$bad" -gt 0 ] || [ "$rc" -ne 0 ]; then
        echo "FAIL $name (exit $rc)"
        grep -v '^\[ RUN\|^\[       OK' "$log" | head -60
    else
        echo "ok   $name: $ok passed$([ "$skip" -gt 0 ] && echo ", $skip skipped")"
        grep -i 'skip:' "$log"
    fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
