//! What README.md says of the C API is true: its program is the quickstart, and it names every function.
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
fn every_function_is_named() {
    let readme = text("README.md");
    let listed = include_str!("exported_symbols.txt");
    let missing: Vec<_> = listed.lines().filter(|name| !readme.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "README.md does not name {missing:?}");
}
