//! `make -C bindings/c install` installs what C and C++ programs are built with through pkg-config and CMake, with the
//! shared and the static library, wherever the installed files are moved; and the commands of README.md do as it says.
//!
//! The program is the quickstart of `examples-c`, in C and in C++, which prints what README.md shows.

#[path = "common/native.rs"]
mod native;
#[path = "common/tools.rs"]
mod tools;

use native::{root, succeed};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use tempfile::TempDir;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    tools::run(tests![
        an_installed_library_serves_c_and_cxx_wherever_it_is_moved: ["make", "binutils", "g++", "pkg-config", "cmake"],
        it_can_be_staged_has_any_library_folder_and_is_uninstalled: ["bmake", "binutils", "g++", "pkg-config", "cmake"],
        bad_folders_are_refused: ["make", "bmake"],
        the_commands_of_the_readme_do_what_it_says: ["make", "g++", "pkg-config"],
    ])
}

/// `make -C bindings/c <goal>` with these variables, by GNU's make or another.
fn make(program: &str, goal: &str, variables: &[String]) {
    succeed(Command::new(program).arg("-C").arg(root().join("bindings/c")).arg(goal).args(variables));
}

/// The output of the program that README.md shows.
fn expected() -> String {
    readme_block("## Quickstart", "text").to_owned()
}

/// A section of README.md.
fn readme_section(section: &str) -> &'static str {
    let readme = include_str!("../README.md");
    let (_, text) = readme.split_once(&format!("\n{section}\n")).unwrap_or_else(|| panic!("no section {section}"));
    text.split("\n## ").next().unwrap_or_default()
}

/// The first block of a language in a section of README.md.
fn readme_block(section: &str, language: &str) -> &'static str {
    let text = readme_section(section);
    let (_, block) = text.split_once(&format!("```{language}\n")).unwrap_or_else(|| panic!("{section}: no {language}"));
    block.split("```").next().unwrap_or_default()
}

/// Whether a program asks the loader for librct.so.
fn needs_shared_library(program: &Path) -> bool {
    let dynamic = succeed(Command::new("readelf").arg("-d").arg(program));
    String::from_utf8(dynamic.stdout).unwrap().contains(concat!("[librct.so.", env!("RCT_ABI"), "]"))
}

/// Runs a program, which finds the library in `lib` if it looks for it.
fn prints_the_quickstart(program: &Path, lib: &Path) {
    let output = succeed(Command::new(program).env("LD_LIBRARY_PATH", lib));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected(), "{}", program.display());
}

/// What `pkg-config` says of the library, as arguments.
fn pkg_config(lib: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    let output = succeed(command.args(arguments).arg("rct").env("PKG_CONFIG_PATH", lib.join("pkgconfig")));
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

/// Builds and runs the C and the C++ program with what pkg-config says; `-static` with all libraries, libc too.
fn check_pkg_config(lib: &Path) {
    let folder = TempDir::new().unwrap();
    assert_eq!(pkg_config(lib, &["--modversion"]), [VERSION]);
    for (compiler, source) in [("cc", "quickstart.c"), ("c++", "quickstart.cpp")] {
        for linked in ["shared", "static"] {
            let program = folder.path().join(format!("{source}-{linked}"));
            let mut command = Command::new(compiler);
            command.arg(root().join("examples-c").join(source)).arg("-o").arg(&program);
            if linked == "static" {
                command.arg("-static").args(pkg_config(lib, &["--static", "--cflags", "--libs"]));
            } else {
                command.args(pkg_config(lib, &["--cflags", "--libs"]));
            }
            let said = String::from_utf8(succeed(&mut command).stderr).unwrap();
            warned_as_the_readme_says(&said);
            assert_eq!(needs_shared_library(&program), linked == "shared");
            prints_the_quickstart(&program, lib);
        }
    }
}

/// What the linker says of a static program is what README.md says of it.
fn warned_as_the_readme_says(said: &str) {
    let section = readme_section("## C");
    for warning in said.lines().filter(|line| line.contains("warning")) {
        let (_, text) = warning.split_once("Using '").unwrap_or_else(|| panic!("{warning}"));
        let (function, text) = text.split_once("' in statically linked applications ").unwrap();
        assert!(section.contains(&format!("`{function}`")), "README.md does not name {function}: {warning}");
        assert!(section.replace('\n', " ").contains(text.trim_start_matches("requires ")), "{warning}");
    }
}

/// The installed libraries have nothing that no program needs, and are of the sizes that README.md states.
fn check_sizes(lib: &Path) {
    let section = readme_section("## C");
    for file in ["librct.a", "librct.so"] {
        let path = lib.join(file);
        let sections = String::from_utf8(succeed(Command::new("objdump").arg("-h").arg(&path)).stdout).unwrap();
        for needless in [".debug_", ".llvmbc", ".llvmcmd"] {
            assert!(!sections.contains(needless), "{file} has a section {needless}");
        }
        let (_, stated) = section.split_once(&format!("`{file}` has ")).unwrap();
        let stated: f64 = stated.split_once(" MB").unwrap().0.parse().unwrap();
        let size = std::fs::metadata(&path).unwrap().len() as f64 / 1e6;
        // Of the build that is installed by default, on this kind of machine.
        let as_stated = cfg!(not(target_arch = "x86_64")) || (0.7..1.3).contains(&(size / stated));
        assert!(as_stated, "{file} has {size:.1} MB; README.md says {stated}");
    }
}

/// Builds and runs them through `find_package`, in which CMake finds the package from `prefix`. No LD_LIBRARY_PATH:
/// CMake sets the run path of what it builds.
fn check_cmake(prefix: &Path) {
    let folder = TempDir::new().unwrap();
    let define = |name: &str, path: &Path| format!("-D{name}={}", path.display());
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(root().join("tests/install")).arg("-B").arg(folder.path());
    configure.arg(define("CMAKE_PREFIX_PATH", prefix)).arg(define("EXAMPLES", &root().join("examples-c")));
    succeed(configure.arg(format!("-DWANTED={VERSION}")));
    succeed(Command::new("cmake").arg("--build").arg(folder.path()));
    for language in ["c", "cpp"] {
        for linked in ["shared", "static"] {
            let program = folder.path().join(format!("{language}_{linked}"));
            assert_eq!(needs_shared_library(&program), linked == "shared");
            prints_the_quickstart(&program, Path::new(""));
        }
    }
}

/// Files and links below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn an_installed_library_serves_c_and_cxx_wherever_it_is_moved() {
    let temporary = TempDir::new().unwrap();
    let prefix = temporary.path().join("first");
    make("make", "install", &[format!("PREFIX={}", prefix.display())]);
    for (link, to) in [
        ("librct.so".to_owned(), concat!("librct.so.", env!("RCT_ABI")).to_owned()),
        (concat!("librct.so.", env!("RCT_ABI")).to_owned(), format!("librct.so.{VERSION}")),
    ] {
        assert_eq!(std::fs::read_link(prefix.join("lib").join(link)).unwrap(), Path::new(&to));
    }
    check_sizes(&prefix.join("lib"));
    let moved = temporary.path().join("second");
    std::fs::rename(&prefix, &moved).unwrap();
    check_pkg_config(&moved.join("lib"));
    check_cmake(&moved);
}

/// With BSD make; the other test has GNU's.
fn it_can_be_staged_has_any_library_folder_and_is_uninstalled() {
    let stage = TempDir::new().unwrap();
    let stage_option = format!("DESTDIR={}", stage.path().display());
    let options = [stage_option, "PREFIX=/opt/rct".to_owned(), "LIBDIR=lib/x86_64-linux-gnu".to_owned()];
    make("bmake", "install", &options);
    let prefix = stage.path().join("opt/rct");
    for file in files(stage.path()) {
        let staged = stage.path().to_string_lossy().into_owned();
        let name = file.display();
        assert!(file.starts_with(&prefix), "{name} is not below PREFIX");
        let text = std::fs::read(&file).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(&staged), "{name} knows where it was staged");
    }
    check_pkg_config(&prefix.join("lib/x86_64-linux-gnu"));
    check_cmake(&prefix);
    make("bmake", "uninstall", &options);
    assert_eq!(files(stage.path()), Vec::<PathBuf>::new());
}

fn bad_folders_are_refused() {
    for make in ["make", "bmake"] {
        let refused = |variable: &str| {
            let mut command = Command::new(make);
            let output =
                command.arg("-C").arg(root().join("bindings/c")).arg("install").arg(variable).output().unwrap();
            assert!(!output.status.success(), "{make} {variable}");
            String::from_utf8(output.stderr).unwrap()
        };
        assert!(refused("PREFIX=out").contains("PREFIX is 'out'; it must be an absolute path"));
        assert!(refused("LIBDIR=/usr/lib").contains("LIBDIR is '/usr/lib'; it must be below PREFIX"));
        assert!(refused("LIBDIR=../lib").contains("LIBDIR is '../lib'"));
    }
}

/// Runs the commands of the sections on C and C++ as they stand, with another home folder.
fn the_commands_of_the_readme_do_what_it_says() {
    let home = TempDir::new().unwrap();
    let checkout = TempDir::new().unwrap();
    for name in ["bindings", "examples-c"] {
        std::os::unix::fs::symlink(root().join(name), checkout.path().join(name)).unwrap();
    }
    let of_home = |variable: &str, folder: &str| {
        std::env::var_os(variable).map(PathBuf::from).or(std::env::home_dir().map(|home| home.join(folder))).unwrap()
    };
    let script = format!("set -e\n{}\n{}", readme_block("## C", "sh"), readme_block("## C++", "sh"));
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).current_dir(checkout.path()).env("HOME", home.path());
    shell.env("CARGO_HOME", of_home("CARGO_HOME", ".cargo")).env("RUSTUP_HOME", of_home("RUSTUP_HOME", ".rustup"));
    let output = String::from_utf8(succeed(&mut shell).stdout).unwrap();
    assert_eq!(readme_block("## C++", "text"), expected());
    assert!(output.matches(&expected()).count() == 2, "{output}");
}
