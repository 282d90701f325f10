#!/bin/sh
# The rules of docs/architecture.md that a machine can check. Prints each offence; exit 1 if any.
#   1. include order of the rooms   2. file and function sizes   3. formatting   4. symbols keep the
#   prefix   5. static analysis by cppcheck
cd "$(dirname "$0")/.." || exit 1
bad=0
say() { echo "lint: $1"; bad=1; }

# room|may include (prefixes); the first matching room of a path wins
rules='profiler/base|profiler/base
kernels|profiler/base kernels
variants|profiler/base kernels/op.h kernels/op.def kernels/act.def kernels/tensor.h variants
onnx|profiler/base kernels/op.h kernels/op.def kernels/act.def kernels/tensor.h variants onnx
db|profiler/base db
reports|profiler/base db reports
profiler/engine|profiler/base kernels variants profiler/engine
profiler/measure|profiler/base kernels/op.h kernels/cpu/isa.h variants profiler/engine profiler/measure db/record.h
profiler/cli|*
tests|*'
files=$(git ls-files '*.c' '*.h' '*.def')
for f in $files; do
    allowed=$(echo "$rules" | while IFS='|' read -r room may; do
        case "$f" in "$room"/*) echo "$may"; break ;; esac
    done)
    [ -n "$allowed" ] || { say "$f lies in no room"; continue; }
    for inc in $(sed -n 's/^#include "\(.*\)".*/\1/p' "$f"); do
        ok=
        for p in $allowed; do
            case "$inc" in $p | "$p"/*) ok=1 ;; esac
            [ "$p" = '*' ] && ok=1
        done
        [ "$inc" = build_id.h ] && ok=1
        case "$f:$inc" in
            tests/*) ;;
            *:tests/*) say "$f includes $inc: tests are included by nothing"; continue ;;
        esac
        [ -n "$ok" ] || say "$f may not include $inc"
    done
done

for f in $(git ls-files '*.c' '*.h' '*.comp' '*.glsl'); do
    n=$(wc -l <"$f")
    [ "$n" -le 500 ] || say "$f has $n lines, 500 are allowed"
done
# a function starts at a brace in column 1 and ends at the next one; kernels may be twice as long
for f in $(git ls-files '*.c'); do
    limit=60
    case "$f" in kernels/cpu/*) limit=120 ;; esac
    awk -v f="$f" -v limit=$limit '/^\{/ { start = NR }
        /^\}/ { if (start && NR - start + 1 > limit)
            printf "lint: %s:%d: a function of %d lines, %d are allowed\n", f, start, NR - start + 1, limit; start = 0 }' "$f"
done >"${TMPDIR:-/tmp}/moprof-lint.$$"
[ -s "${TMPDIR:-/tmp}/moprof-lint.$$" ] && { cat "${TMPDIR:-/tmp}/moprof-lint.$$"; bad=1; }
rm -f "${TMPDIR:-/tmp}/moprof-lint.$$"

if command -v clang-format >/dev/null; then
    git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror >/dev/null 2>&1 || {
        for f in $(git ls-files '*.c' '*.h'); do
            clang-format --dry-run -Werror "$f" >/dev/null 2>&1 || say "$f is not formatted; run 'make format'"
        done
    }
else
    echo "lint: clang-format is not installed, formatting not checked"
fi

lib=build/release/libmoprof.a
if [ -f "$lib" ]; then
    # onnx__: what protoc-c makes of onnx.proto
    nm -g --defined-only "$lib" 2>/dev/null | awk 'NF == 3 && $3 !~ /^(mop_|onnx__)/ { print "lint: symbol " $3 " lacks the prefix mop_" }' >&2
    nm -g --defined-only "$lib" 2>/dev/null | awk 'NF == 3 && $3 !~ /^(mop_|onnx__)/ { n++ } END { exit n > 0 }' || bad=1
fi

if command -v cppcheck >/dev/null; then
    git ls-files '*.c' | grep -v '^tests/' | xargs cppcheck --quiet --error-exitcode=1 --inline-suppr -I. \
        --std=c11 --enable=warning,portability --suppress=missingIncludeSystem -DMOP_ISA=scalar \
        -DMOP_ISA_LEVEL=MOP_ISA_SCALAR -j2 || bad=1
else
    echo "lint: cppcheck is not installed, static analysis not done"
fi
[ "$bad" -eq 0 ] && echo "lint: clean"
exit "$bad"
