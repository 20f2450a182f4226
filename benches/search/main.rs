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

/// What is asked for.
#[derive(Default)]
struct Arguments {
    quick: bool,
    /// The file of measurements, and that of the figure.
    plot: Option<[String; 2]>,
    /// The row that this process is for.
    row: Option<String>,
    names: Vec<String>,
}

impl Arguments {
    fn read() -> Result<Arguments, lexopt::Error> {
        use lexopt::prelude::*;
        let (mut read, mut parser) = (Arguments::default(), lexopt::Parser::from_env());
        while let Some(argument) = parser.next()? {
            match argument {
                Long("quick") => read.quick = true,
                Long("plot") => read.plot = Some([parser.value()?.string()?, parser.value()?.string()?]),
                Long("row") => read.row = Some(parser.value()?.string()?),
                // Cargo adds it.
                Long("bench") => {}
                Value(name) => read.names.push(name.string()?),
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(read)
    }
}

fn main() -> ExitCode {
    let (message, status) = match Arguments::read().map(run) {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(message)) => (message, 1),
        Err(error) => (error.to_string(), 2),
    };
    eprintln!("{message}");
    ExitCode::from(status)
}

fn run(Arguments { quick, plot, row, names }: Arguments) -> Result<(), String> {
    if let Some([from, to]) = plot {
        return plot::draw(&from, &to);
    }
    if let Some(name) = row {
        let row = rows(quick).into_iter().find(|row| row.name == name).ok_or("no such row")?;
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
    command.args(["--row", name]).args(quick.then_some("--quick")).stderr(Stdio::inherit());
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
