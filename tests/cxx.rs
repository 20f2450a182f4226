//! `include/rct.hpp` as C++ programs see it: every `tests/cxx/test_*.cpp` is compiled as C++17 with all warnings,
//! linked with the shared library that cargo has just built and with the oracle of the C tests, and run.
//!
//! With `RCT_SANITIZE` set, under the address and undefined behaviour sanitizers.

#[path = "common/native.rs"]
mod native;
#[path = "common/tools.rs"]
mod tools;

use native::{folder_with_library, root, succeed};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use tools::Test;

/// Linked with every program.
const SUPPORT: [&str; 4] = ["answer", "check", "oracle", "problem"];

const WARNINGS: [&str; 7] =
    ["-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Wpedantic", "-Werror"];

fn main() -> ExitCode {
    let mut tests = tests![clang_has_no_complaint: ["clang", "libeigen3-dev"]];
    for program in programs() {
        let includes_eigen = std::fs::read_to_string(source(&program)).unwrap().contains("<eigen3/");
        let needs: &[&str] = if includes_eigen { &["g++", "libeigen3-dev"] } else { &["g++"] };
        tests.push(Test::new(program.clone(), needs, move || run(&program)));
    }
    tools::run(tests)
}

/// Names of the programs in `tests/cxx`.
fn programs() -> BTreeSet<String> {
    let names = std::fs::read_dir(root().join("tests/cxx")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| Some(name.strip_suffix(".cpp")?.to_owned())).collect()
}

/// Each header by itself, the tests and the example.
fn clang_has_no_complaint() {
    let headers = std::fs::read_dir(root().join("include/rct")).unwrap().map(|entry| entry.unwrap().path());
    let programs = programs().into_iter().map(|program| source(&program));
    let alone = [root().join("include/rct.hpp"), root().join("examples-c/quickstart.cpp")];
    for file in headers.chain(programs).chain(alone) {
        let mut clang = Command::new("clang++");
        clang.args(["-x", "c++", "-std=c++17", "-fsyntax-only", "-Wno-pragma-once-outside-header"]).args(WARNINGS);
        succeed(clang.arg("-I").arg(root().join("include")).arg(file));
    }
}

/// Compiles, links and runs a program; its output is this test's.
fn run(program: &str) {
    let folder = folder_with_library();
    let sanitizers: &[&str] = match std::env::var_os("RCT_SANITIZE") {
        Some(_) => &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
        None => &[],
    };
    let compile = || {
        let mut compiler = Command::new("c++");
        compiler.current_dir(folder.path()).args(["-std=c++17", "-O1", "-g", "-I"]).arg(root().join("include"));
        compiler.args(sanitizers);
        compiler
    };
    let support = SUPPORT.map(|name| root().join(format!("tests/c/{name}.c")));
    succeed(compile().args(["-c", "-x", "c++"]).args(support));
    let objects = SUPPORT.map(|name| format!("{name}.o"));
    let mut compiler = compile();
    compiler.args(WARNINGS).arg(source(program)).args(objects);
    succeed(compiler.args(["-L.", "-lrct", "-lpthread", "-o", program]));
    let output = succeed(Command::new(folder.path().join(program)).env("LD_LIBRARY_PATH", folder.path()));
    tools::say(&String::from_utf8_lossy(&output.stdout));
}

fn source(program: &str) -> PathBuf {
    root().join(format!("tests/cxx/{program}.cpp"))
}
