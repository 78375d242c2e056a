#!/bin/sh
# Checks of the native engine that need more than a stable toolchain: sh deep.sh neon|miri|fuzz [seconds].
# What is not installed is named and left out.
set -eu
cd "$(dirname "$0")"
ARM=aarch64-unknown-linux-gnu

need() {
    command -v "$1" >/dev/null 2>&1 || { echo "$what is not checked: there is no $1${2:+ ($2)}"; exit 0; }
}

# The tests of the search crate, NEON against plain Rust among them, on an emulated processor.
neon() {
    what="the NEON path"
    need cargo
    need qemu-aarch64 "package qemu-user"
    need aarch64-linux-gnu-gcc "package gcc-aarch64-linux-gnu"
    [ -d "$(rustc --print target-libdir --target $ARM)" ] ||
        { echo "$what is not checked: Rust cannot compile for it (rustup target add $ARM)"; exit 0; }
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
    cargo clippy --quiet --locked -p memento-search --all-targets --target $ARM -- -D warnings
    cargo test --quiet --locked -p memento-search --target $ARM
}

# The same tests in Miri: plain Rust, then each kernel, then a processor that stores numbers the other way round.
miri() {
    what="undefined behaviour"
    need cargo
    cargo +nightly miri --version >/dev/null 2>&1 ||
        { echo "$what is not looked for: there is no Miri (rustup toolchain add nightly -c miri,rust-src)"; exit 0; }
    export MIRIFLAGS=-Zmiri-disable-isolation
    test="cargo +nightly miri test --quiet --locked -p memento-search"
    $test
    RUSTFLAGS="-Ctarget-feature=+avx2" $test --test paths bit_identical
    RUSTFLAGS="-Ctarget-feature=+avx2,+avx512f,+avx512bw" $test --test paths bit_identical
    $test --test paths --target $ARM bit_identical
    $test --test file --target s390x-unknown-linux-gnu -- it_is_read damage
}

# Hostile files of codes. Findings are left in fuzz/artifacts; the corpus grows from one run to the next.
fuzz() {
    what="hostile files"
    need cargo
    { cargo +nightly --version && cargo fuzz --version; } >/dev/null 2>&1 ||
        { echo "$what are not tried: there is no nightly Rust or no cargo-fuzz (cargo install cargo-fuzz)"; exit 0; }
    cargo run --quiet --locked -p memento-fuzz --example seeds -- fuzz/corpus/codes
    cargo +nightly fuzz run codes -- -max_total_time="${1:-600}" -print_final_stats=1
}

"$@"
