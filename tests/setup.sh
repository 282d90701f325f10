#!/bin/sh
# Installs what the build, the tests and the reports need, by Debian package name; as root or through
# sudo, without questions. Chromium is only for looking at reports and stays optional.
# With "cross": what `make CROSS=aarch64-linux-gnu-` needs instead. Its libraries are unpacked below
# build/, not installed, because libpthreadpool of one machine excludes that of another.
set -e
packages="build-essential make gcc clang clang-format cppcheck pkg-config
libsqlite3-dev libcsv-dev libjansson-dev libpopt-dev libcmocka-dev libpthreadpool-dev libcpuinfo-dev
libprotobuf-c-dev protobuf-c-compiler libonnx-dev python3-onnx
libvulkan-dev glslc mesa-vulkan-drivers vulkan-validationlayers sqlite3 procps parallel"
command -v npm >/dev/null 2>&1 || packages="$packages npm"
[ "$1" != cross ] || packages="gcc-aarch64-linux-gnu qemu-user-static"
cross_packages="libc6-dev libsqlite3-dev libcsv-dev libjansson-dev libpopt-dev libcmocka-dev libpthreadpool-dev
libcpuinfo-dev libprotobuf-c-dev libvulkan-dev"
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
# arm64 packages and what they depend on, by an apt with a state of its own
unpack_cross() {
    root=$1
    rm -rf "$root" "$root.new"
    mkdir -p "$root.new/apt/lists/partial" "$root.new/apt/archives/partial"
    : >"$root.new/apt/status"
    # shellcheck disable=SC2089 # no word of it has a blank
    options="-q -y -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State=$root.new/apt
        -o Dir::State::lists=$root.new/apt/lists -o Dir::State::status=$root.new/apt/status
        -o Dir::Cache=$root.new/apt -o Dir::Cache::archives=$root.new/apt/archives
        -o APT::Sandbox::User=$(id -un) -o Debug::NoLocking=1 --no-install-recommends"
    # shellcheck disable=SC2086,SC2090 # lists of words
    apt-get $options update
    # shellcheck disable=SC2086,SC2090
    apt-get $options --download-only install $cross_packages
    for deb in "$root.new"/apt/archives/*.deb; do dpkg-deb -x "$deb" "$root.new"; done
    rm -rf "$root.new/apt"
    # links to /lib would lead to this machine's files
    find "$root.new" -type l -lname '/*' | while read -r link; do
        ln -sfr "$root.new$(readlink "$link")" "$link"
    done
    mv "$root.new" "$root"
}
if [ "$1" = cross ]; then
    root=$(cd "$(dirname "$0")/.." && pwd)/build/sysroot-aarch64-linux-gnu
    [ "$(cat "$root/packages" 2>/dev/null)" = "$cross_packages" ] || {
        unpack_cross "$root"
        echo "$cross_packages" >"$root/packages"
    }
    echo "setup: everything for CROSS=aarch64-linux-gnu- is there"
    exit
fi
# libFuzzer and the sanitizers of clang, in a package of clang's own version; only `make fuzz` needs it
rt=libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev
dpkg-query -W -f='${Status}' "$rt" 2>/dev/null | grep -q 'ok installed' ||
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$rt" ||
    echo "setup: left out: make fuzz, because there is no $rt"
echo "setup: everything is installed"
