# Shared by tools/demo and tools/test: says what is missing on a Debian (12, 13) or Ubuntu machine, installs it, builds.
# Sourced, not run. SPDX-License-Identifier: Apache-2.0

say() { printf '\n== %s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

build_packages=(gcc libc6-dev cmake ninja-build pkg-config libuv1-dev libhiredis-dev libprotobuf-c-dev protobuf-c-compiler
    libxgboost-dev libnghttp2-dev libyaml-dev libjansson-dev libxxhash-dev libzstd-dev uthash-dev tzdata)
test_packages=(libcmocka-dev python3 python3-grpcio python3-protobuf protobuf-compiler nghttp2-client nghttp2-server clang git zstd libsimde-dev)
# Optional: the reference of bench/run server (bench/hello.cc).
bench_packages=(g++ libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc nghttp2-client nghttp2-server)

have_package() { dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed; }

# The first package of the list that this release has.
first_known() {
    local p
    for p in "$@"; do apt-cache show "$p" >/dev/null 2>&1 && { echo "$p"; return 0; }; done
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else die "these packages are missing and need root or sudo to install: ${missing[*]}"; fi
}

# Installing a Redis server must not start one: ours is private and comes up with tact.
no_services() {
    [ -e /usr/sbin/policy-rc.d ] && return
    printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
    as_root chmod 755 /usr/sbin/policy-rc.d
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
}

install_packages() {
    local p
    missing=()
    command -v dpkg-query >/dev/null || die "this script installs Debian packages; elsewhere install their like and run cmake: $*"
    for p in "$@"; do have_package "$p" || missing+=("$p"); done
    if ! command -v redis-server >/dev/null && ! command -v valkey-server >/dev/null; then missing+=(redis-server); fi
    if [ "${clang_runtime:-}" ] && ! clang_fuzzes; then missing+=(clang-runtime); fi
    [ ${#missing[@]} = 0 ] && return 0
    say "Installing missing packages: ${missing[*]}"
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
        die "these packages are missing and need root or sudo to install: ${missing[*]}"
    no_services
    as_root apt-get -q update >/tmp/tact-apt.$$ 2>&1 || { cat /tmp/tact-apt.$$ >&2; die "apt-get update failed"; }
    local want=()
    for p in "${missing[@]}"; do
        case $p in
        redis-server) want+=("$(first_known redis-server valkey-server || die "no redis-server or valkey-server here")") ;;
        clang-runtime)
            p=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/libclang-rt-\1-dev/p' | head -1)
            [ -n "$p" ] && want+=("$p") ;;
        *) want+=("$p") ;;
        esac
    done
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${want[@]}" >/tmp/tact-apt.$$ 2>&1 ||
        { cat /tmp/tact-apt.$$ >&2; die "apt-get install failed"; }
    rm -f /tmp/tact-apt.$$
    if [ -e /usr/sbin/policy-rc.d ] && grep -qx 'exit 101' /usr/sbin/policy-rc.d; then as_root rm -f /usr/sbin/policy-rc.d; fi
    trap - EXIT
}

clang_fuzzes() {
    command -v clang >/dev/null || return 1
    local d; d=$(mktemp -d)
    echo 'int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n); int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n) { return p && n ? 0 : 0; }' >"$d/f.c"
    clang -fsanitize=fuzzer,address "$d/f.c" -o "$d/f" >/dev/null 2>&1; local rc=$?
    rm -rf "$d"; return $rc
}

# build PRESET [TARGET…]: quiet unless it fails
build() {
    local preset=$1 log=build/$1.log; shift
    mkdir -p build
    cmake --preset "$preset" >"$log" 2>&1 || { cat "$log" >&2; die "cmake --preset $preset failed"; }
    cmake --build --preset "$preset" -j"$(nproc)" ${1:+--target "$@"} >"$log" 2>&1 ||
        { grep -vE '^\[[0-9]+/[0-9]+\]' "$log" >&2; die "the $preset build failed"; }
}
