#!/bin/sh
# Installs what the build, the tests and the reports need, by Debian package name; as root or through
# sudo, without questions. Chromium is only for looking at reports and stays optional.
set -e
packages="build-essential make gcc clang clang-format cppcheck pkg-config
libsqlite3-dev libcsv-dev libjansson-dev libpopt-dev libcmocka-dev libpthreadpool-dev libcpuinfo-dev
libprotobuf-c-dev protobuf-c-compiler libonnx-dev python3-onnx
libvulkan-dev glslc mesa-vulkan-drivers vulkan-validationlayers sqlite3 procps parallel"
command -v npm >/dev/null 2>&1 || packages="$packages npm"
as_root=
[ "$(id -u)" -eq 0 ] || as_root=sudo
missing=
for p in $packages; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
if [ -n "$missing" ]; then
    $as_root apt-get update -q
    # shellcheck disable=SC2086 # a list of words
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
fi
# libFuzzer and the sanitizers of clang, in a package of clang's own version; only `make fuzz` needs it
rt=libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev
dpkg-query -W -f='${Status}' "$rt" 2>/dev/null | grep -q 'ok installed' ||
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$rt" ||
    echo "setup: left out: make fuzz, because there is no $rt"
echo "setup: everything is installed"
