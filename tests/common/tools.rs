//! Tests that need programs of other packages: a test program with `harness = false` hands them to [`run`], which reports a
//! test whose packages are missing as ignored, and says which these are. The harness of Rust has "ok" and "FAILED" for a
//! test that has begun, and cannot say so.
//!
//! With `RCT_REQUIRE_TOOLS` set, or `CI=true`, such a test fails. All are for Linux, and ignored elsewhere.
#![allow(dead_code)]

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode};

/// Debian's packages, each with a shell command that succeeds where it is installed.
const PACKAGES: &str = include_str!("../packages.txt");

pub struct Test {
    name: String,
    needs: Vec<&'static str>,
    body: Box<dyn FnOnce() + Send>,
}

impl Test {
    /// `needs`: names of `packages.txt`.
    pub fn new(name: impl Into<String>, needs: &[&'static str], body: impl FnOnce() + Send + 'static) -> Self {
        Self { name: name.into(), needs: needs.to_vec(), body: Box::new(body) }
    }
}

/// Functions as tests of their names, each with the packages that it needs.
#[macro_export]
macro_rules! tests {
    ($($name:ident: [$($package:literal),*]),* $(,)?) => {
        vec![$($crate::tools::Test::new(stringify!($name), &[$($package),*], $name)),*]
    };
}

thread_local! {
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// What a test has to say: shown with `--nocapture`, and where the test fails.
pub fn say(text: &str) {
    SAID.with_borrow_mut(|said| {
        said.push_str(text);
        said.push('\n');
    });
}

/// The `main` of a test program.
pub fn run(tests: Vec<Test>) -> ExitCode {
    let arguments = Arguments::from_args();
    let show = arguments.nocapture;
    let required = std::env::var_os("RCT_REQUIRE_TOOLS").is_some() || std::env::var("CI").is_ok_and(|ci| ci == "true");
    let trial = |test: Test| {
        let Test { name, needs, body } = test;
        Trial::ignorable_test(name, move || run_one(&needs, body, show, required))
    };
    libtest_mimic::run(&arguments, tests.into_iter().map(trial).collect()).exit_code()
}

fn run_one(needs: &[&str], body: impl FnOnce(), show: bool, required: bool) -> Result<Completion, Failed> {
    if !cfg!(target_os = "linux") {
        return Ok(Completion::ignored_with("needs Linux"));
    }
    let missing: Vec<&str> = needs.iter().copied().filter(|package| !is_installed(package)).collect();
    if !missing.is_empty() {
        let reason = format!("needs {}", missing.join(", "));
        return if required { Err(reason.into()) } else { Ok(Completion::ignored_with(reason)) };
    }
    let outcome = catch_unwind(AssertUnwindSafe(body));
    let said = SAID.take();
    match outcome {
        Ok(()) => {
            if show {
                print!("{said}");
            }
            Ok(Completion::Completed)
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
            Err(format!("{said}{}", text.unwrap_or_default()).into())
        }
    }
}

/// Whether the command of a package succeeds.
fn is_installed(package: &str) -> bool {
    let lines = PACKAGES.lines().filter(|line| !line.starts_with('#'));
    // Who needs it, the package, and the command, between spaces.
    let check = lines.filter_map(|line| line.split_once(' ')).find_map(|(_, line)| {
        let (name, check) = line.trim_start().split_once(' ')?;
        (name == package).then_some(check)
    });
    let check = check.unwrap_or_else(|| panic!("tests/packages.txt has no {package}"));
    Command::new("sh").args(["-c", check]).output().unwrap().status.success()
}
