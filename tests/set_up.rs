//! What tests and commands need is installed, or named at once; a test that lacks it says so. Nothing is installed here:
//! programs that are looked for are links and scripts in a folder that is all of `PATH`.

#[path = "common/tools.rs"]
mod tools;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, ExitCode, Output};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tools::Test;

/// Set for a process that is to run this test alone: one that needs CMake, and fails if it runs.
const PROBE: &str = "RCT_PROBE";

fn main() -> ExitCode {
    if std::env::var_os(PROBE).is_some() {
        return tools::run(vec![Test::new("probe", &["gcc", "cmake"], || panic!("it runs"))]);
    }
    tools::run(tests![
        what_is_missing_is_named_in_one_line_within_five_seconds: [],
        root_installs_what_is_missing_and_nothing_else: [],
        what_could_not_be_installed_is_named: [],
        nothing_is_done_where_nothing_is_missing: [],
        a_rust_that_is_missing_or_too_old_is_named: [],
        a_test_that_lacks_a_tool_is_ignored_and_says_so: [],
        a_test_that_lacks_a_tool_fails_where_all_are_required: [],
        tests_of_these_programs_are_all_run: [],
        no_dependency_needs_a_newer_rust: [],
    ])
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder for `PATH`: what `set-up` itself is written with, this Rust, and scripts by name.
fn path(scripts: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in ["sh", "sed", "cut", "sort", "head", "dirname", "env", "cat", "chmod"] {
        let real = ["/bin", "/usr/bin"].map(|folder| Path::new(folder).join(name));
        symlink(real.iter().find(|path| path.exists()).unwrap(), folder.path().join(name)).unwrap();
    }
    let rust = [("cargo", "exit 0"), ("rustc", "echo 'rustc 1.100.0 (abcdef 2027-01-01)'")];
    for (name, text) in rust.iter().chain(scripts) {
        let script = folder.path().join(name);
        std::fs::write(&script, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    }
    folder
}

fn set_up(folder: &TempDir, commands: &[&str]) -> Output {
    let mut shell = Command::new("/bin/sh");
    shell.arg(root().join("tests/set-up")).args(commands).env("PATH", folder.path()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

const SOMEONE: (&str, &str) = ("id", "echo 1000");
const NO_SUDO: (&str, &str) = ("sudo", "exit 1");
/// Root, and an `apt-get` that writes down what it is asked for, and installs make, or what it calls make.
const ROOT: (&str, &str) = ("id", "echo 0");
const APT: (&str, &str) = (
    "apt-get",
    r#"here=$(dirname "$0"); echo "$*" >>"$here/asked"
       case "$*" in *install*) echo '#!/bin/sh' >"$here/make"; chmod +x "$here/make" ;; esac"#,
);
/// `cc -E` and the like succeed.
const CC: (&str, &str) = ("cc", "exit 0");

fn what_is_missing_is_named_in_one_line_within_five_seconds() {
    for folder in [path(&[SOMEONE, CC]), path(&[SOMEONE, NO_SUDO, APT, CC])] {
        let start = Instant::now();
        let output = set_up(&folder, &["examples", "tests"]);
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert_eq!(output.status.code(), Some(1));
        let line = "sudo apt-get update && sudo apt-get install --yes --no-install-recommends make g++ binutils pkg-config \
                    cmake bmake libeigen3-dev clang abigail-tools";
        assert!(text(&output.stdout).lines().any(|said| said.trim() == line), "{}", text(&output.stdout));
        assert!(!folder.path().join("asked").exists(), "it has tried to install");
    }
}

fn root_installs_what_is_missing_and_nothing_else() {
    let folder = path(&[ROOT, APT, CC]);
    let output = set_up(&folder, &["examples"]);
    assert!(output.status.success(), "{}", text(&output.stdout));
    assert_eq!(text(&output.stdout), "");
    let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
    assert_eq!(asked, "--quiet update\ninstall --yes --no-install-recommends --quiet make\n");
}

fn what_could_not_be_installed_is_named() {
    // It installs make, but not the C++ compiler.
    let output = set_up(&path(&[ROOT, APT, CC]), &["examples", "tests"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("--no-install-recommends g++ binutils"), "{}", text(&output.stdout));
}

fn nothing_is_done_where_nothing_is_missing() {
    let folder = path(&[ROOT, APT, CC, ("make", "exit 1")]);
    let output = set_up(&folder, &["examples"]);
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    assert!(!folder.path().join("asked").exists());
}

fn a_rust_that_is_missing_or_too_old_is_named() {
    let oldest = env!("CARGO_PKG_RUST_VERSION");
    for (rustc, found) in [("echo 'rustc 1.9.0 (built from a source tarball)'", "1.9.0"), ("exit 127", "none")] {
        let output = set_up(&path(&[ROOT, APT, ("rustc", rustc)]), &["examples"]);
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stdout);
        assert!(said.contains(&format!("Rust {oldest} or later (found: {found})")), "{said}");
    }
}

/// The test that needs CMake, in a process that finds a C compiler but no CMake.
fn probe(variables: &[(&str, &str)]) -> Output {
    let folder = path(&[CC]);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env_remove("CI").env_remove("RCT_REQUIRE_TOOLS").envs(variables.iter().copied());
    command.env(PROBE, "1").env("PATH", folder.path()).output().unwrap()
}

fn a_test_that_lacks_a_tool_is_ignored_and_says_so() {
    for variables in [&[][..], &[("CI", "false")]] {
        let output = probe(variables);
        let said = text(&output.stdout);
        assert!(output.status.success() && said.contains("probe ... ignored (needs cmake)\n"), "{said}");
        assert!(said.contains("0 passed; 0 failed; 1 ignored"), "{said}");
    }
}

fn a_test_that_lacks_a_tool_fails_where_all_are_required() {
    for variable in [("CI", "true"), ("RCT_REQUIRE_TOOLS", "1")] {
        let output = probe(&[variable]);
        let said = text(&output.stdout);
        assert!(!output.status.success() && said.contains("needs cmake"), "{said}");
    }
}

/// Test programs without Rust's harness run what they list, and the compiler drops what they mark as tests.
fn tests_of_these_programs_are_all_run() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut programs = 0;
    for entry in manifest.split("[[test]]\nname = \"").skip(1) {
        let name = entry.split('"').next().unwrap();
        let program = std::fs::read_to_string(root().join(format!("tests/{name}.rs"))).unwrap();
        assert!(!program.lines().any(|line| line.trim() == concat!("#[", "test]")), "tests/{name}.rs has such a test");
        programs += 1;
    }
    assert!(programs >= 5, "{programs}");
}

/// Clippy knows when what is used of the standard library came, and not what dependencies say.
fn no_dependency_needs_a_newer_rust() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--locked", "--format-version", "1", "--manifest-path"]).arg(root().join("Cargo.toml"));
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let numbers = |version: &str| -> Vec<u32> { version.split('.').map(|number| number.parse().unwrap()).collect() };
    let oldest = numbers(env!("CARGO_PKG_RUST_VERSION"));
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50);
    for package in packages {
        let (name, needed) = (&package["name"], package["rust_version"].as_str());
        let needed = needed.map(numbers).unwrap_or_default();
        assert!(needed[..needed.len().min(2)] <= oldest[..], "{name} needs Rust {needed:?}");
    }
}
