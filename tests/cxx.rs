//! `include/rct.hpp` as C++ programs see it: every `tests/cxx/test_*.cpp` is compiled as C++17 with all warnings,
//! linked with the shared library that cargo has just built and with the oracle of the C tests, and run. What must not
//! compile does not, and says in a sentence of ours what to write instead.
//!
//! With `RCT_SANITIZE` set, under the address and undefined behaviour sanitizers.

#[path = "common/native.rs"]
mod native;
#[path = "common/tools.rs"]
mod tools;

use native::{folder_with_library, root, succeed};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Output};
use tempfile::TempDir;
use tools::Test;

/// Linked with every program.
const SUPPORT: [&str; 4] = ["answer", "check", "oracle", "problem"];

const WARNINGS: [&str; 12] = [
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wsign-conversion",
    "-Wshadow",
    "-Wpedantic",
    "-Wold-style-cast",
    "-Wcast-qual",
    "-Wextra-semi",
    "-Wnon-virtual-dtor",
    "-Wzero-as-null-pointer-constant",
    "-Werror",
];

fn main() -> ExitCode {
    let mut tests = tests![
        clang_has_no_complaint: ["clang", "libeigen3-dev"],
        the_c_header_has_no_old_casts: ["g++", "clang"],
        natural_programs_compile: ["g++", "clang", "libeigen3-dev"],
        what_cannot_be_meant_is_refused_in_one_sentence: ["g++", "clang", "libeigen3-dev"],
        no_function_is_declared_in_silence: ["g++", "clang"],
    ];
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

/// `rct.h` alone is as quiet in any C++ from C++11 on.
fn the_c_header_has_no_old_casts() {
    for compiler in COMPILERS {
        for standard in ["-std=c++11", "-std=c++17", "-std=c++20"] {
            let mut command = Command::new(compiler);
            command.args(["-x", "c++", standard, "-fsyntax-only"]).args(WARNINGS);
            command.args((compiler == "c++").then_some("-Wuseless-cast"));
            succeed(command.arg("-include").arg(root().join("include/rct.h")).arg("/dev/null"));
        }
    }
}

/// Programs that a newcomer writes; `tree` must be a tree.
const NATURAL: [&str; 13] = [
    "rct::Tree tree(rct::Options().lengthscale(0.2), rct::Data(coords));",
    "rct::Tree tree(rct::Data(coords), rct::Options().lengthscale(0.2));",
    "rct::Tree tree(rct::Options().lengthscale(0.2), coords);",
    "rct::Tree tree(coords, rct::Options().lengthscale(0.2));",
    "rct::Tree tree(rct::Options().lengthscale(0.2), rct::Data(rct::row_major(values, 2)));",
    "rct::Tree tree(rct::Data(rct::row_major(values, 2)), rct::Options().lengthscale(0.2));",
    "rct::Tree tree(options, rct::Data(coords));",
    "rct::Tree tree(rct::Data(coords), options);",
    "rct::Tree tree{rct::Options(), rct::Data(coords)};",
    "auto tree = rct::Tree(rct::Options(), rct::Data(coords));",
    "const rct::Data data(coords); rct::Tree tree(options, data);",
    "rct::Tree tree(options); tree.build(coords); const std::int64_t ids[] = {1, 2}; tree.remove(ids);",
    "rct::Tree tree(options, eigen);",
];

/// What cannot be meant, and words of the sentence that the compiler must say.
const REFUSED: [(&str, &str); 22] = [
    ("rct::Tree tree;", NEEDS_OPTIONS),
    ("rct::Tree tree(coords);", NEEDS_OPTIONS),
    ("rct::Tree tree{rct::Data(coords)};", NEEDS_OPTIONS),
    ("rct::Tree tree(options, floats);", NOT_DOUBLE),
    ("rct::Tree tree(floats, options);", NOT_DOUBLE),
    ("rct::Data data(eigen); data.inducing(floats);", NOT_DOUBLE),
    ("rct::order(floats, rct::Ordering::maximin);", NOT_DOUBLE),
    ("std::vector<float> other(4); rct::Data data(rct::row_major(other, 2));", NOT_DOUBLE),
    ("rct::Tree tree(options, eigen * 2);", NOT_EVALUATED),
    ("rct::Tree tree(options, floats.cast<double>());", NOT_EVALUATED),
    ("rct::Data data(eigen.transpose() * eigen);", NOT_EVALUATED),
    ("rct::Query::of_points(eigen.row(0) + eigen.row(1));", NOT_EVALUATED),
    ("rct::Tree tree(options, Eigen::MatrixXd(eigen * 2));", TEMPORARY),
    ("rct::Data data(rct::row_major(std::vector<double>(4), 2));", TEMPORARY),
    ("rct::Query::of_ids(std::vector<std::int64_t>{1, 2});", TEMPORARY),
    ("rct::Query::of_ids({1, 2});", "rct: a list in braces may be gone when it is read"),
    ("std::vector<int> ids; rct::Query::of_ids(ids);", "rct: ids must be std::int64_t"),
    ("rct::Tree tree(options, values);", "rct: this is a vector; rct::row_major(vector, columns)"),
    ("rct::Tree tree(options, values.data());", "rct: a pointer or array alone has no rows and columns"),
    ("rct::Query::of_ids(&id);", "rct: a pointer alone has no length; give {pointer, length}"),
    ("rct::VectorView<const double> vector(eigen);", "rct: this is a matrix; a vector is wanted"),
    ("rct::MatrixView<double> out(coords);", "rct: no answer can be written here, which is const"),
];
const NEEDS_OPTIONS: &str = "rct: a tree needs options: rct::Tree tree(rct::Options().lengthscale(x), data)";
const NOT_DOUBLE: &str = "rct: values must be double; put these in a matrix or vector of double that has a name";
const NOT_EVALUATED: &str = "rct: this is not contiguous in memory, or an expression that Eigen has not evaluated";
const TEMPORARY: &str = "rct: this is a temporary, which may be gone when it is read; give it a name";

/// What the standard takes for the declaration of a function. The compilers say so unasked.
const DECLARATIONS: [&str; 3] = [
    "rct::Tree tree(rct::Options(), rct::Data(coords));",
    "rct::Tree tree(rct::Options(options), rct::Data(coords));",
    "rct::Tree tree(rct::Options());",
];

fn natural_programs_compile() {
    let (of_eigen, others): (Vec<&str>, Vec<&str>) =
        NATURAL.into_iter().partition(|statement| statement.contains("eigen"));
    for statements in [of_eigen, others] {
        let check =
            |statement| format!("{{ {statement} static_assert(std::is_same_v<decltype(tree), rct::Tree>); }}\n");
        let checked: String = statements.into_iter().map(check).collect();
        for (compiler, output) in compile_statement(&checked) {
            assert!(output.status.success(), "{compiler}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

fn what_cannot_be_meant_is_refused_in_one_sentence() {
    for (statement, words) in REFUSED {
        for (compiler, output) in compile_statement(statement) {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && said.contains(words), "{compiler}: {statement}\n{said}");
            assert_eq!(said.matches("error:").count(), 1, "{compiler}: {statement}\n{said}");
        }
    }
}

fn no_function_is_declared_in_silence() {
    for statement in DECLARATIONS {
        for (compiler, output) in compile_statement(statement) {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("disambiguated as a function declaration"), "{compiler}: {statement}\n{said}");
        }
    }
}

const COMPILERS: [&str; 2] = ["c++", "clang++"];

/// What each compiler says, without being asked for warnings, of a statement in a function.
fn compile_statement(statement: &str) -> [(&'static str, Output); 2] {
    let of_eigen = ["eigen", "floats"].iter().any(|name| statement.contains(name));
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("statement.cpp");
    let eigen = if of_eigen {
        format!("#include \"{}\"\n", root().join("tests/cxx/eigen.hpp").display())
    } else {
        "namespace Eigen { class MatrixXd; class MatrixXf; }\n".to_owned()
    };
    let text = format!(
        "#include <cstdint>\n#include <type_traits>\n#include <utility>\n#include <vector>\n#include \"rct.hpp\"\n{eigen}\
         [[maybe_unused]] static void statement(std::vector<double> &values, const Eigen::MatrixXd &eigen,\n\
         const Eigen::MatrixXf &floats, const rct::Options &options, const std::int64_t &id) {{\n\
         const auto coords = rct::row_major(std::as_const(values), 2);\n\
         (void)coords, (void)eigen, (void)floats, (void)options, (void)id;\n{statement}\n}}\n"
    );
    std::fs::write(&file, text).unwrap();
    let compile = |compiler| {
        let mut command = Command::new(compiler);
        command.args(["-std=c++17", "-fsyntax-only", "-I"]).arg(root().join("include")).arg(&file);
        (compiler, command.output().unwrap())
    };
    COMPILERS.map(compile)
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
    compiler.args(WARNINGS).arg("-Wuseless-cast").arg(source(program)).args(objects);
    succeed(compiler.args(["-L.", "-lrct", "-lpthread", "-o", program]));
    let output = succeed(Command::new(folder.path().join(program)).env("LD_LIBRARY_PATH", folder.path()));
    tools::say(&String::from_utf8_lossy(&output.stdout));
}

fn source(program: &str) -> PathBuf {
    root().join(format!("tests/cxx/{program}.cpp"))
}
