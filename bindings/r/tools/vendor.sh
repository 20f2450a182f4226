#!/bin/sh
# Puts the sources of all Rust dependencies into src/rust/vendor.tar.xz, so that a tarball that `R CMD build` makes
# afterwards is built without a network:
#   sh bindings/r/tools/vendor.sh && R CMD build bindings/r
# A package of R may have 5 MB. So there are whole only those crates that the library is built of where R is on Unix; of
# the others, of Windows, browsers and the library's own tests, there is what cargo reads to see that it needs none.
set -e
cd "$(dirname "$0")/../src/rust"
root=$PWD/../../../..

targets="aarch64-apple-darwin x86_64-apple-darwin
  aarch64-unknown-linux-gnu armv7-unknown-linux-gnueabihf i686-unknown-linux-gnu powerpc64le-unknown-linux-gnu
  riscv64gc-unknown-linux-gnu s390x-unknown-linux-gnu x86_64-unknown-linux-gnu
  aarch64-unknown-linux-musl x86_64-unknown-linux-musl x86_64-unknown-freebsd"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$root" && cargo vendor --locked --versioned-dirs "$work/vendor") >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
for target in $targets; do
  # Not in a pipe, which would hide a failure.
  (cd "$root" && cargo tree --locked --target "$target" --edges normal,build --prefix none --format '{p}') >"$work/tree"
  cat "$work/tree" >>"$work/needed"
done
awk '{ print $1 "-" substr($2, 2) }' "$work/needed" | sort -u >"$work/names"

for crate in "$work"/vendor/*; do
  (
    cd "$crate"
    sums=.cargo-checksum.json
    if grep -qxF "$(basename "$crate")" "$work/names"; then
      # Neither is needed to build; the sums of these files go with them.
      rm -rf tests benches examples .github
      sed -E -e 's/"(tests|benches|examples|\.github)\/[^"]*":"[0-9a-f]*",?//g' -e 's/,}/}/' $sums >"$work/sums"
    else
      # The manifest, and the file that it must have; what the lock file compares is the sum of the package.
      find . -mindepth 1 -maxdepth 1 ! -name Cargo.toml ! -name $sums -exec rm -rf {} +
      mkdir src
      : >src/lib.rs
      sed -E 's/"files":\{[^}]*\}/"files":{}/' $sums >"$work/sums"
    fi
    cp "$work/sums" $sums
  )
done
(cd "$work" && find vendor -type f | LC_ALL=C sort | tar -cf - --no-recursion -T -) | xz -9e >vendor.tar.xz
ls -l vendor.tar.xz
