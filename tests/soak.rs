//! A long life in short: `tests/c/soak.c` mixes all verbs on several trees, checks every answer, and sees that memory,
//! files and threads do not grow. The ignored test is the long one. `RCT_SOAK_SEED` and `RCT_SOAK_ROUNDS` choose others.
#![cfg(target_os = "linux")]

#[path = "common/native.rs"]
mod native;

use native::{C99, compile_c, folder_with_library, succeed};
use std::process::Command;

fn soak(rounds: u64, seed: u64) {
    let given = |name, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (rounds, seed) = (given("RCT_SOAK_ROUNDS", rounds), given("RCT_SOAK_SEED", seed));
    let folder = folder_with_library();
    let program = compile_c(folder.path(), "soak", &C99);
    let mut command = Command::new(program);
    // One arena: with more, which of them keeps how much for later depends on the threads' timing.
    command.args([rounds.to_string(), seed.to_string()]).env("MALLOC_ARENA_MAX", "1");
    command.env("LD_LIBRARY_PATH", folder.path());
    print!("{}", String::from_utf8_lossy(&succeed(&mut command).stdout));
}

#[test]
fn a_few_thousand_rounds() {
    soak(5_000, 1);
}

#[test]
#[ignore = "takes about five minutes"]
fn many_rounds() {
    soak(200_000, rand::random());
}
