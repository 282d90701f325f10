#!/bin/sh
# tests/onnx/compare.sh WRITER [SPEC...]: single operators, as WRITER --write leaves them, and the
# variants in ONNX Runtime. Without its package a visible skip.
set -e
cd "$(dirname "$0")/../.."
if [ ! -e tests/peers/node_modules/.installed ]; then
    echo "skip: no output was compared, because tests/peers/node_modules has no ONNX Runtime"
    exit 0
fi
writer=$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$writer" --write "$folder"
node tests/onnx/compare.js "$folder"/*
node tests/onnx/compare.js "$@"
