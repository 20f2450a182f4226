//! What README.md says of the C API is true: its programs are the quickstarts or tests, and it names every function. That they
//! print what it shows: `tests/install.rs`.
//! Its Rust program is compiled and run with the documentation tests.

use std::path::Path;

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_c_program_is_the_quickstart() {
    let readme = text("README.md");
    let (_, program) = readme.split_once("```c\n").unwrap();
    let (program, _) = program.split_once("```").unwrap();
    assert!(program == text("examples-c/quickstart.c"), "README.md does not show examples-c/quickstart.c as it is");
}

#[test]
fn the_cpp_lines_are_of_programs() {
    let readme = text("README.md");
    let blocks: Vec<_> = readme.split("```cpp\n").skip(1).collect();
    assert_eq!(blocks.len(), 2);
    for (block, file) in blocks.iter().zip(["examples-c/quickstart.cpp", "tests/cxx/test_life.cpp"]) {
        let (lines, _) = block.split_once("```").unwrap();
        let indented: String = lines.lines().map(|line| format!("  {line}\n").replace("  \n", "\n")).collect();
        assert!(text(file).contains(&indented), "README.md does not show lines of {file} as they are");
    }
}

#[test]
fn every_function_is_named() {
    let readme = text("README.md");
    let listed = include_str!("exported_symbols.txt");
    let missing: Vec<_> = listed.lines().filter(|name| !readme.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "README.md does not name {missing:?}");
}

#[test]
fn the_oldest_rust_is_that_of_the_manifest() {
    let wanted = format!("[Rust](https://rustup.rs) {} or later", env!("CARGO_PKG_RUST_VERSION"));
    assert!(text("README.md").contains(&wanted), "README.md does not say {wanted:?}");
}

/// The first two blocks of commands.
#[test]
fn the_commands_to_try_are_those_that_ci_runs() {
    let readme = text("README.md");
    let (_, section) = readme.split_once("\n## Try it\n").unwrap();
    let ci = text(".ci/run");
    for block in section.split("```sh\n").skip(1).take(2) {
        let (command, _) = block.split_once("\n```").unwrap();
        assert!(ci.lines().any(|line| line == command), ".ci/run has no line {command:?}");
    }
}
