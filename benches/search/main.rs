//! Queries a second on the data sets that the README reports, each checked against brute force in the same run.
//!
//! ```text
//! cargo bench --bench search                      all rows of up to 131,072 points
//! cargo bench --bench search -- gold houses       those of some data sets, or with some of the names below
//! cargo bench --bench search -- --quick           all rows in seconds, small: whether they run, not how fast
//! cargo bench --bench search -- growth > benches/growth.jsonl
//! cargo bench --bench search -- --plot benches/growth.jsonl benches/growth.svg
//! ```
//!
//! Each line of standard output is one measurement as JSON (the fields are those of `Measurement`); a table for people
//! goes to standard error, where ~ marks what is extrapolated, and <= a peak that could not be told apart from that of
//! making the data. Every row runs in a process of its own, so that its peak of memory is its own. The run fails where
//! a row does, or where an answer differs from brute force.
//!
//! - stored: gold, cube, cube-512, cube-rough, square, square-512: 32,768 points, 1,024 of them asked for their 50
//!   nearest
//! - predecessors: all points of those, and of the house sales, k = 30, tree included
//! - new-points: 10,000 points that are not stored, k = 50
//! - choices: traversals, constructions and orders side by side
//! - batches: batch sizes and thread counts, on square
//! - growth (growth-square, growth-cube): predecessors, n from 8,192 to 1,048,576, which takes 4 GiB; those above
//!   131,072 run once

mod data;
mod measure;
mod memory;
mod plot;
mod rows;

use measure::{Measurement, measure};
use rows::{chosen, rows};
use std::process::{Command, ExitCode, Stdio};

/// What precedes the name of a row in the arguments of the process that runs it.
const ONE_ROW: &str = "--row";

fn main() -> ExitCode {
    // Cargo adds --bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    if let [flag, from, to] = arguments
        && flag == "--plot"
    {
        return plot::draw(from, to);
    }
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let names: Vec<String> = arguments.iter().filter(|&argument| argument != "--quick").cloned().collect();
    if let [flag, name] = &names[..]
        && flag == ONE_ROW
    {
        let row = rows(quick).into_iter().find(|row| row.name == *name).ok_or("no such row")?;
        println!("{}", serde_json::to_string(&measure(&row)).map_err(|error| error.to_string())?);
        return Ok(());
    }
    print_header();
    let mut failed = Vec::new();
    for row in chosen(rows(quick), &names)? {
        match in_own_process(&row.name, quick) {
            Ok(line) => {
                println!("{line}");
                let measured: Measurement = serde_json::from_str(&line).map_err(|error| error.to_string())?;
                print_row(&measured);
                if measured.recall < 1.0 {
                    failed.push(format!("{} is not exact", row.name));
                }
            }
            Err(message) => failed.push(format!("{}: {message}", row.name)),
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// Runs this program again for one row; its line of JSON.
fn in_own_process(name: &str, quick: bool) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args([ONE_ROW, name]).args(quick.then_some("--quick")).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(output.status.to_string());
    }
    String::from_utf8(output.stdout).map(|line| line.trim_end().to_string()).map_err(|error| error.to_string())
}

fn print_header() {
    eprintln!(
        "{:<32} {:>8} {:>2} {:>4} {:>3} {:>7} {:>7} {:>11} {:>8} {:>11} {:>7} {:>8}",
        "row", "n", "d", "m", "k", "V s", "tree s", "queries/s", "x brute", "evaluations", "recall", "peak/V"
    );
}

fn print_row(row: &Measurement) {
    let peak = match row.peak_over_v {
        Some(peak) if row.peak_is_own => format!("{peak:.2}"),
        // The peak cannot be reset here: that of making the data counts too.
        Some(peak) => format!("<={peak:.2}"),
        None => "unknown".to_string(),
    };
    let extrapolated = if row.checked < row.queries { "~" } else { "" };
    let ratio = format!("{extrapolated}{:.1}", row.ratio);
    eprintln!(
        "{:<32} {:>8} {:>2} {:>4} {:>3} {:>7.2} {:>7.2} {:>11.0} {ratio:>8} {:>11.0} {:>7.4} {peak:>8}",
        row.name,
        row.n,
        row.d,
        row.m,
        row.k,
        row.seconds_v,
        row.seconds_tree,
        row.queries_per_second,
        row.evaluations,
        row.recall
    );
}
