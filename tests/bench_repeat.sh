#!/bin/sh
# Does a second sweep say the same as the first? Two sweeps in a row, then two more beside a busy loop on another
# core, and the largest change of any variant beside what is asked of grades A and B. Usage: bench_repeat.sh MOPROF
# BUDGET (6m) is the time of one sweep, VARIANTS what is swept, PAIRS (1) how often each pair is run.
set -eu
moprof=$1
variants=${VARIANTS:-all}
budget=${BUDGET:-6m}
pairs=${PAIRS:-1}
dir=$(mktemp -d)
load=
trap 'test -z "$load" || kill "$load" 2> /dev/null; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

sweep() {
    "$moprof" sweep --variants "$variants" --backends cpu --threads 1 --budget "$budget" --seed "$2" --db "$1" \
        --quiet > "$dir/last.txt" || { cat "$dir/last.txt"; exit 1; }
}

# name, database
show() {
    echo
    echo "== $1"
    "$moprof" query repeat --db "$2"
    "$moprof" query --db "$2" -f table "
        SELECT id AS sweep, round(100 * aa_floor, 2) AS aa_floor_percent,
            (SELECT group_concat(name || ' ' || round(value, 4) || iif(passed, '', ' FAILED'), ', ')
             FROM control WHERE sweep_id = sweep.id AND name NOT LIKE 'aa%') AS controls
        FROM sweep WHERE kind = 'sweep' ORDER BY id DESC LIMIT 2"
    "$moprof" query repeat --db "$2" -f csv > "$dir/pairs.csv"
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        { g = $at["grade"]; n[g]++; f = $at["floor_change_percent"] + 0; r = $at["ratio_change_percent"] + 0
          m = $at["median_change_percent"] + 0
          if (f > floor) floor = f
          if (m > median) median = m
          if (r > most[g]) most[g] = r }
        END { printf "clean medians: largest change %.2f %%\n", median
              printf "floor ratios: largest change %.2f %%\n", floor
              for (g = 1; g <= 4; g++) { name = substr("ABCX", g, 1)
                  aim = name == "A" ? "aim 2 %" : name == "B" ? "aim 5 %" : "no aim"
                  if (n[name]) printf "clean-median ratios, grade %s, %d variants: largest change %.2f %% (%s)\n", name, n[name], most[name], aim } }' \
        "$dir/pairs.csv"
}

for pair in $(seq "$pairs"); do
    sweep "$dir/quiet$pair.db" $((2 * pair))
    sweep "$dir/quiet$pair.db" $((2 * pair + 1))
    show "pair $pair: two sweeps in a row" "$dir/quiet$pair.db"
    # the last processor is busy; moprof pins its threads from the first on
    last=$(($(nproc) - 1))
    taskset -c "$last" sh -c 'while :; do :; done' &
    load=$!
    sweep "$dir/busy$pair.db" $((2 * pair))
    sweep "$dir/busy$pair.db" $((2 * pair + 1))
    kill "$load" && load=
    show "pair $pair: two sweeps in a row beside a busy loop on processor $last" "$dir/busy$pair.db"
done
