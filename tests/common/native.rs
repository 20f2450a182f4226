//! What the tests of C and C++ programs share: the library that cargo has just built, and commands that must succeed.
#![allow(dead_code)]

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// The output of a command that exits with 0; otherwise the test fails with it.
pub fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    if !output.status.success() {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        panic!("{command:?}: {}\n{out}{err}", output.status);
    }
    output
}

/// The shared library of this build. Cargo leaves it beside the tests, and for some commands a folder further up; the
/// newer of the two is the current one.
pub fn shared_library() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    let folders = executable.ancestors().skip(1).take(2);
    let candidates = folders.map(|folder| folder.join("librct.so")).filter(|path| path.exists());
    let newest = candidates.max_by_key(|path| path.metadata().and_then(|data| data.modified()).unwrap());
    newest.unwrap_or_else(|| panic!("no librct.so near {}", executable.display()))
}

/// A folder with links to that library, by the name that is linked with and by its SONAME.
pub fn folder_with_library() -> TempDir {
    let folder = TempDir::new().unwrap();
    symlink(shared_library(), folder.path().join(concat!("librct.so.", env!("RCT_ABI")))).unwrap();
    symlink(concat!("librct.so.", env!("RCT_ABI")), folder.path().join("librct.so")).unwrap();
    folder
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compilers of programs in `tests/c`.
pub const C99: [&str; 4] = ["cc", "-x", "c", "-std=c99"];
pub const CXX11: [&str; 4] = ["c++", "-x", "c++", "-std=c++11"];

/// Linked with every program.
const SUPPORT: [&str; 7] = ["answer", "check", "living", "oracle", "problem", "scratch", "witness"];

const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Werror", "-pedantic"];

/// Compiles and links a program of `tests/c` into `folder`, which is one that [`folder_with_library`] has made.
pub fn compile_c(folder: &Path, program: &str, compiler: &[&str]) -> PathBuf {
    let executable = folder.join(program);
    let mut command = Command::new(compiler[0]);
    command.args(&compiler[1..]).args(WARNINGS).args(["-O1", "-g", "-I"]).arg(root().join("include"));
    command.args(SUPPORT.iter().chain([&program]).map(|name| c_sources().join(format!("{name}.c"))));
    command.args(["-x", "none", "-L"]).arg(folder).args(["-lrct", "-lm", "-lpthread", "-o"]).arg(&executable);
    succeed(&mut command);
    executable
}

pub fn c_sources() -> PathBuf {
    root().join("tests/c")
}
