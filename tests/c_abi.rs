//! The C ABI as C and C++ programs see it: every `tests/c/test_*.c` is compiled against `include/rct.h` as C99 and as
//! C++11, linked with the shared library that cargo has just built, and run; and the library exports what the header
//! declares.
//!
//! With `RCT_VALGRIND` set, the C99 programs run under valgrind, which fails them on bad memory accesses and leaks, but
//! for those that a `tests/c/test_*.supp` excuses; with `RCT_HELGRIND`, under its checker of threads, and
//! `tests/c/helgrind.supp`. They are compiled with `RCT_VALGRIND` (and `RCT_HELGRIND`) defined. With `RCT_SANITIZE`,
//! programs are compiled with the address and undefined behaviour sanitizers. With either, `RCT_SMALL` is defined too.
//!
//! After a change of the header's functions: `nm -D --defined-only librct.so` names what `exported_symbols.txt` is to
//! list.

#[path = "common/native.rs"]
mod native;
#[path = "common/tools.rs"]
mod tools;

use native::{C99, CXX11, c_sources, compile_c, folder_with_library, root, shared_library, succeed};
use std::collections::BTreeSet;
use std::process::{Command, ExitCode};
use tools::Test;

/// Not compiled with sanitizers: a fork may leave locks of their allocator held, and their memory does not fit into the
/// address space that is allowed here.
const NOT_SANITIZED: [&str; 3] = ["test_fork", "test_memory", "test_too_large"];

/// Makes a program do less of the same: what takes seconds here takes minutes under valgrind or sanitizers.
const SMALL: &str = "-DRCT_SMALL";

#[derive(Clone, Copy, PartialEq)]
enum Language {
    C99,
    Cxx11,
}

fn asked(name: &str) -> bool {
    std::env::var_os(name).is_some()
}

fn main() -> ExitCode {
    let mut tests = tests![
        exported_symbols_are_the_headers_functions: ["binutils"],
        soname_carries_the_abi: ["binutils"],
    ];
    let valgrind: &[&str] =
        if asked("RCT_VALGRIND") || asked("RCT_HELGRIND") { &["valgrind", "libc6-dbg"] } else { &[] };
    for program in programs() {
        for (test, language, needs) in
            [("as_c99", Language::C99, valgrind), ("as_cxx11", Language::Cxx11, &["g++"] as &[&str])]
        {
            let (name, program) = (format!("{program}::{test}"), program.clone());
            tests.push(Test::new(name, needs, move || run(&program, language)));
        }
    }
    tools::run(tests)
}

/// Names of the programs in `tests/c`, without those that other tests run.
fn programs() -> BTreeSet<String> {
    let names = std::fs::read_dir(c_sources()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter_map(|name| Some(name.strip_suffix(".c")?.to_owned()))
        .filter(|name| name.starts_with("test_"))
        .collect()
}

fn exported_symbols_are_the_headers_functions() {
    let listed: BTreeSet<String> = include_str!("exported_symbols.txt").lines().map(str::to_owned).collect();
    assert_eq!(declared_functions(), listed, "functions of include/rct.h (left), tests/exported_symbols.txt (right)");
    let table = succeed(Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(shared_library()));
    let name = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    let exported: BTreeSet<String> = String::from_utf8(table.stdout).unwrap().lines().map(name).collect();
    assert_eq!(exported, listed, "symbols of librct.so (left), tests/exported_symbols.txt (right)");
}

fn soname_carries_the_abi() {
    let dynamic = succeed(Command::new("readelf").arg("-d").arg(shared_library()));
    let soname = concat!("Library soname: [librct.so.", env!("RCT_ABI"), "]");
    let text = String::from_utf8(dynamic.stdout).unwrap();
    assert!(text.contains(soname), "no \"{soname}\" in\n{text}");
}

/// Compiles, links and runs a program; its output is this test's.
fn run(program: &str, language: Language) {
    let folder = folder_with_library();
    let mut compiler = match language {
        Language::C99 => C99.to_vec(),
        Language::Cxx11 => CXX11.to_vec(),
    };
    let helgrind = language == Language::C99 && asked("RCT_HELGRIND");
    let valgrind = language == Language::C99 && (helgrind || asked("RCT_VALGRIND"));
    if valgrind {
        compiler.extend(["-DRCT_VALGRIND", SMALL]);
        compiler.extend(helgrind.then_some("-DRCT_HELGRIND"));
    } else if asked("RCT_SANITIZE") && !NOT_SANITIZED.contains(&program) {
        compiler.extend(["-fsanitize=address,undefined", "-fno-sanitize-recover=all", SMALL]);
    }
    let executable = compile_c(folder.path(), program, &compiler);

    let mut command = Command::new(if valgrind { "valgrind".as_ref() } else { executable.as_os_str() });
    if valgrind {
        command.args(["--quiet", "--error-exitcode=99"]);
        if helgrind {
            command.arg("--tool=helgrind");
        } else {
            command.args(["--leak-check=full", "--show-leak-kinds=definite,indirect"]);
            command.arg("--errors-for-leak-kinds=definite,indirect");
        }
        let excused = c_sources().join(format!("{}.supp", if helgrind { "helgrind" } else { program }));
        if excused.exists() {
            command.arg(format!("--suppressions={}", excused.display()));
        }
        command.arg(&executable);
    }
    // As where there is no sanitizer, memory that cannot be had is a NULL.
    command.env("ASAN_OPTIONS", "allocator_may_return_null=1").env("LD_LIBRARY_PATH", folder.path());
    let output = succeed(&mut command);
    tools::say(&String::from_utf8_lossy(&output.stdout));
}

/// The functions that `include/rct.h` declares between its `extern "C"` braces.
fn declared_functions() -> BTreeSet<String> {
    let header = std::fs::read_to_string(root().join("include/rct.h")).unwrap();
    let (_, declarations) = header.split_once("extern \"C\" {").unwrap();
    let (declarations, _) = declarations.split_once("extern \"C\"").unwrap();
    let code: Vec<&str> = declarations.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let before_parentheses = code.split('(').map(str::trim_end);
    let name =
        |text: &str| text.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned();
    before_parentheses.map(name).filter(|name| name.starts_with("rct_")).collect()
}
