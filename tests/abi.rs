//! The ABI is the one that `tests/rct.abi` describes: types, layouts, constants and functions of `include/rct.h`, as
//! `abidw` of libabigail reads them from what gcc makes of the header. That the library has these functions,
//! and these structs, is for the tests of `c_abi.rs`. It is the ABI of x86-64.
//!
//! After a change that is meant: `RCT_WRITE_ABI=1 cargo test --test abi`, and commit the description. Where the change
//! breaks programs that are linked with a published library, `ABI` in `build.rs` must rise with it.

#[path = "common/native.rs"]
mod native;
#[path = "common/tools.rs"]
mod tools;

use native::{root, succeed};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use tempfile::TempDir;

/// In place of the system's headers, whose other types are not ours to keep.
const STDDEF: &str = "typedef __SIZE_TYPE__ size_t;\ntypedef __PTRDIFF_TYPE__ ptrdiff_t;\n";
const STDINT: &str = "typedef __INT32_TYPE__ int32_t;\ntypedef __INT64_TYPE__ int64_t;\n\
                      typedef __UINT32_TYPE__ uint32_t;\ntypedef __UINT64_TYPE__ uint64_t;\n\
                      typedef __UINT8_TYPE__ uint8_t;\n";

fn header() -> String {
    std::fs::read_to_string(root().join("include/rct.h")).unwrap()
}

fn committed() -> PathBuf {
    root().join("tests/rct.abi")
}

/// The functions that a header declares, with bodies.
fn definitions(header: &str) -> String {
    let (_, declarations) = header.split_once("extern \"C\" {").unwrap();
    let (declarations, _) = declarations.split_once("#ifdef __cplusplus").unwrap();
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    let lines: Vec<String> = declarations.lines().filter(|line| !line.starts_with('#')).map(code).collect();
    format!("#include \"rct.h\"\n{}\n", lines.join("\n").replace(");", ") { __builtin_trap(); }"))
}

/// Compiles a header, and writes what `abidw` says of it to `rct.abi` in `folder`. Nothing in it is of this machine.
fn describe(header: &str, folder: &Path) -> PathBuf {
    let definitions = definitions(header);
    let files = [("rct.h", header), ("rct.c", &definitions), ("stddef.h", STDDEF), ("stdint.h", STDINT)];
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let mut compiler = Command::new("gcc");
    compiler.args(["-std=c99", "-g", "-gdwarf-4", "-O0", "-fPIC", "-fno-eliminate-unused-debug-types"]);
    compiler.args(["-nostdinc", "-I."]);
    succeed(compiler.args(["-shared", "-nostdlib", "rct.c", "-o", "rct.so"]).current_dir(folder));
    let mut abidw = Command::new("abidw");
    abidw.args(["--load-all-types", "--type-id-style", "hash", "--no-corpus-path", "--no-comp-dir-path"]);
    abidw.args(["--no-show-locs", "--no-elf-needed", "rct.so", "--out-file", "rct.abi"]);
    succeed(abidw.current_dir(folder));
    folder.join("rct.abi")
}

/// What `abidiff` finds between the committed description and another one; exits with 0 where there is nothing.
fn compare(other: &Path) -> Output {
    let mut abidiff = Command::new("abidiff");
    abidiff.args(["--non-reachable-types", "--harmless", "--no-show-locs"]);
    abidiff.arg(committed()).arg(other).output().unwrap()
}

fn main() -> ExitCode {
    tools::run(tests![
        the_header_has_the_committed_abi: ["abigail-tools"],
        a_changed_header_is_seen: ["abigail-tools"],
    ])
}

fn the_header_has_the_committed_abi() {
    let folder = TempDir::new().unwrap();
    let current = describe(&header(), folder.path());
    if std::env::var_os("RCT_WRITE_ABI").is_some() {
        std::fs::copy(&current, committed()).unwrap();
    }
    let found = compare(&current);
    let text = String::from_utf8_lossy(&found.stdout);
    assert!(found.status.success(), "the ABI is not that of tests/rct.abi (see tests/abi.rs):\n{text}");
}

/// Each is seen: a field added, moved, of another type; a constant of another value, or added; a parameter of another
/// type; a function that is new or gone.
fn a_changed_header_is_seen() {
    let changes = [
        ("  double jitter;\n", "  double jitter;\n  double added;\n"),
        ("  double jitter;\n", "  double jitter_;\n"),
        ("  size_t n;\n", "  uint32_t n;\n"),
        ("  int32_t exclude_self;\n", "  int64_t exclude_self;\n"),
        ("  RCT_METRIC_EUCLIDEAN = 2,\n", "  RCT_METRIC_EUCLIDEAN = 3,\n"),
        ("  RCT_ERROR_INTERNAL = 10,\n", "  RCT_ERROR_INTERNAL = 10,\n  RCT_ERROR_ADDED = 11,\n"),
        ("rct_status_name(int32_t status)", "rct_status_name(int64_t status)"),
        ("typedef void (*rct_progress_fn)(double fraction,", "typedef void (*rct_progress_fn)(float fraction,"),
        ("uint32_t rct_abi_version(void);\n", "uint32_t rct_abi_version(void);\nvoid rct_added(void);\n"),
        ("uint32_t rct_abi_version(void);\n", ""),
    ];
    for (before, after) in changes {
        let folder = TempDir::new().unwrap();
        let changed = header().replacen(before, after, 1);
        assert!(changed != header(), "the header has no {before:?}");
        let found = compare(&describe(&changed, folder.path()));
        // 4: the ABI changed; 8: incompatibly. 1 and 2 are errors of the tool.
        let code = found.status.code().unwrap();
        assert!(code & 4 != 0 && code & 3 == 0, "{before:?} -> {after:?} is not seen: {code}");
    }
}
