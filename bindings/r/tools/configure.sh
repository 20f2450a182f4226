#!/bin/sh
# Runs configure with programs in place of cargo and rustc that tell a version and nothing more, and looks at what it
# says before anything is compiled:
#   sh bindings/r/tools/configure.sh
set -eu
cd "$(dirname "$0")/.."
minimum=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' src/rust/Cargo.toml)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Configure writes where it is: a copy, with as much as it reads before it builds.
mkdir -p "$work/package/src/rust" "$work/system" "$work/none"
cp configure "$work/package/"
cp src/rust/Cargo.toml "$work/package/src/rust/"

# A program that says it is of a version; asked for more, that it was.
program() { # folder name version
  mkdir -p "$1"
  # shellcheck disable=SC2016  # it is the program that expands $1
  printf '#!/bin/sh\n[ "$1" = --version ] && echo "%s %s" || echo "%s was to build"\n' "$2" "$3" "$2" >"$1/$2"
  chmod +x "$1/$2"
}

# What configure says with this folder of system programs and this of rustup's.
said() {
  (cd "$work/package" && PATH=$1:/usr/bin:/bin CARGO_HOME=$2 sh configure --with-rct=bundled 2>&1) || true
}

expect() { # words
  case $output in
    *"$1"*) ;;
    *) printf 'configure does not say "%s" but\n%s\n' "$1" "$output" >&2; exit 1 ;;
  esac
}
refuse() { # words
  case $output in
    *"$1"*) printf 'configure says "%s":\n%s\n' "$1" "$output" >&2; exit 1 ;;
  esac
}

# Debian 12 and 13; one of both too old; the minor number is a number and no text; as rustup is without a toolchain.
for versions in '1.63.0 1.63.0' '1.85.0 1.85.0' "$minimum.0 1.85.0" "1.85.0 $minimum.0" '1.9.0 1.9.0' '0.99.0 0.99.0'; do
  program "$work/system" cargo "${versions% *} (abc 2024-01-01)"
  program "$work/system" rustc "${versions#* } (built from a source tarball)"
  output=$(said "$work/system" "$work/none")
  expect "Rust $minimum or later is needed"
  expect "cargo ${versions% *}, rustc ${versions#* }"
  expect "https://rustup.rs"
  refuse "was to build"
done
printf '#!/bin/sh\nexit 1\n' >"$work/system/rustc"
output=$(said "$work/system" "$work/none")
expect "a rustc that does not tell its version"
refuse "was to build"

# New enough: the very minimum, later ones, and those of rustup where the system's are too old.
for version in "$minimum.0" 1.100.0-nightly 2.0.0; do
  program "$work/system" cargo "$version (abc 2026-01-01)"
  program "$work/system" rustc "$version (abc 2026-01-01)"
  output=$(said "$work/system" "$work/none")
  expect "cargo was to build"
done
program "$work/system" cargo '1.63.0 (abc)'
program "$work/system" rustc '1.63.0 (abc)'
program "$work/rustup/bin" cargo "$minimum.1 (abc)"
program "$work/rustup/bin" rustc "$minimum.1 (abc)"
output=$(said "$work/system" "$work/rustup")
expect "with cargo $minimum.1 (abc) and rustc $minimum.1 (abc)"
expect "cargo was to build"

# None at all.
if ! PATH=/usr/bin:/bin command -v cargo >/dev/null; then
  output=$(said "$work/none" "$work/none")
  expect "no cargo, no rustc"
fi
echo "configure takes Rust $minimum or later, and says so"
