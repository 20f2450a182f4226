//! This library against its peers: k-d trees of Rust and of Python, under the Euclidean metric and, as plain correlation
//! is a function of Euclidean distance, under that.
//!
//! ```text
//! cargo bench --manifest-path benches/peers/Cargo.toml                         all rows: half an hour
//! cargo bench --manifest-path benches/peers/Cargo.toml -- houses predecessors  those of a set, a number or a work
//! cargo bench --manifest-path benches/peers/Cargo.toml -- --quick              all, small: whether they run, not how fast
//!     --python PATH    with the peers of Python; this one has what python.txt names
//!     --json FILE      each measurement as a line of JSON (the fields are those of `Measurement`)
//!     --table FILE     only the table, of such a file
//!     --plot FILE SVG  only the plot of time against n, of such a file
//! ```
//!
//! A Markdown table goes to standard output, what happens to standard error. All take part in a row in turn, one round
//! after another, at least 3 rounds where one takes no more than 10 s, with one and with two threads; medians are
//! compared. Answers are compared with each other for all queries, and with brute force for some (`check.rs`). Every
//! row runs in a process of its own, so that a peer that panics or does not come back costs no more than its cell.
//!
//! - sets: uniform-2, -3, -8, -16; houses; lattice; places-1, -2, -10 (all points at so many places); mostly-one-place
//! - work: build; nearest (the k nearest of all points); radius; predecessors (the Vecchia job, from the points alone)

mod check;
mod contest;
mod contestant;
mod data;
mod kiddo5;
mod kiddo6;
mod measurement;
mod ours;
mod plot;
mod process;
mod python;
mod rows;
mod table;
mod threads;
mod watch;

use contestant::Without;
use lexopt::prelude::*;
use measurement::Measurement;
use process::Settings;
use rows::{Row, chosen, rows};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the program is to do.
enum Task {
    Measure {
        names: Vec<String>,
        json: Option<PathBuf>,
        settings: Settings,
    },
    /// One row in this process.
    Row {
        name: String,
        settings: Settings,
    },
    Table(PathBuf),
    Plot(PathBuf, PathBuf),
}

fn main() -> ExitCode {
    let task = arguments().map_err(|error| error.to_string());
    match task.and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Task, lexopt::Error> {
    let (mut names, mut json, mut row, mut settings) = (Vec::new(), None, None, Settings::default());
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            // Cargo adds it.
            Long("bench") => {}
            Long("quick") => settings.quick = true,
            Long("python") => settings.python = Some(parser.value()?.into()),
            Long("json") => json = Some(parser.value()?.into()),
            Long("table") => return Ok(Task::Table(parser.value()?.into())),
            Long("plot") => return Ok(Task::Plot(parser.value()?.into(), parser.value()?.into())),
            Long("row") => row = Some(parser.value()?.string()?),
            Long("without") => settings.without.push(parser.value()?.string()?),
            Value(name) => names.push(name.string()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(match row {
        Some(name) => Task::Row { name, settings },
        None => Task::Measure { names, json, settings },
    })
}

fn run(task: Task) -> Result<(), String> {
    match task {
        Task::Measure { names, json, settings } => measure(&names, json.as_deref(), &settings),
        Task::Row { name, settings } => {
            let row = rows(settings.quick).into_iter().find(|row| row.name() == name).ok_or("no such row")?;
            process::answer(&row, &settings)
        }
        Task::Table(from) => {
            print!("{}", table::markdown(&measurement::read(&from)?));
            Ok(())
        }
        Task::Plot(from, to) => plot::draw(&measurement::read(&from)?, &to),
    }
}

fn measure(names: &[String], json: Option<&Path>, settings: &Settings) -> Result<(), String> {
    if settings.python.is_none() {
        eprintln!("The peers of Python are left out: --python PATH names a Python that has them.");
    }
    let mut file = json.map(File::create).transpose().map_err(|error| error.to_string())?;
    let (mut all, mut failed) = (Vec::new(), Vec::new());
    for row in chosen(rows(settings.quick), names)? {
        eprintln!("{}", row.name());
        for measurement in process::run(&row, settings)? {
            if let Some(file) = &mut file {
                let line = serde_json::to_string(&measurement).map_err(|error| error.to_string())?;
                writeln!(file, "{line}").map_err(|error| error.to_string())?;
            }
            failed.extend(failure(&row, &measurement));
            all.push(measurement);
        }
    }
    print!("{}", table::markdown(&all));
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// What makes the run fail: a wrong answer of whoever it is, and no answer of this library.
fn failure(row: &Row, measurement: &Measurement) -> Option<String> {
    let why = measurement.without.as_ref()?;
    let fails = measurement.is_ours() || matches!(why, Without::Wrong(_));
    fails.then(|| format!("{}: {}: {why:?}", row.name(), measurement.contestant))
}
