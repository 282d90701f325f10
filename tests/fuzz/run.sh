#!/bin/sh
# Runs the fuzzers one after another: tests/fuzz/run.sh SECONDS BUILD_DIR TARGET... What they add to the
# corpus and what they find stays in BUILD_DIR/fuzz. Exit 1 if one found something.
seconds=$1
build=$2
shift 2
bad=0
export LSAN_OPTIONS=suppressions=tests/lsan.supp:print_suppressions=0
for t in "$@"; do
    mkdir -p "$build/fuzz/corpus/$t" "$build/fuzz/found"
    log=$build/fuzz/$t.log
    if nice -n 19 "$build/fuzz/$t" -max_total_time="$seconds" -timeout=120 -rss_limit_mb=2048 -max_len=8192 \
        -close_fd_mask=1 -verbosity=1 -print_final_stats=1 -artifact_prefix="$build/fuzz/found/$t-" \
        "$build/fuzz/corpus/$t" "tests/fuzz/corpus/$t" >"$log" 2>&1; then
        echo "fuzz $t: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, nothing found"
    else
        bad=1
        echo "fuzz $t: found something; the input is in $build/fuzz/found, the whole log in $log"
        grep -m 12 'fuzz: \|ERROR: \|SUMMARY: \|runtime error\|    #[0-9] ' "$log"
    fi
done
exit "$bad"
