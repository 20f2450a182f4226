#!/bin/sh
# Puts the sources of all Rust dependencies into src/rust/vendor.tar.xz, so that a tarball that `R CMD build` makes
# afterwards is built without a network:
#   sh bindings/r/tools/vendor.sh && R CMD build bindings/r
set -e
cd "$(dirname "$0")/../src/rust"
cargo vendor --locked --versioned-dirs --manifest-path ../../../../Cargo.toml vendor >/dev/null
tar -cf - vendor | xz -9 >vendor.tar.xz
rm -r vendor
ls -l vendor.tar.xz
