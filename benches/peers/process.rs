//! Rows in processes of their own, so that a peer that does not come back ends no more than its part of a row.

use crate::contest::{THREADS, hold};
use crate::contestant::Without;
use crate::measurement::Measurement;
use crate::rows::Row;
use crate::watch::LATE;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a row is run with.
#[derive(Clone, Default)]
pub struct Settings {
    pub quick: bool,
    pub python: Option<PathBuf>,
    /// Contestants that take no part.
    pub without: Vec<String>,
}

/// How a row's process ended.
enum Ended {
    Measured(Vec<Measurement>),
    /// By a contestant, and how.
    By(String, Without),
}

/// The row's measurements; what ended a process is among them.
pub fn run(row: &Row, settings: &Settings) -> Result<Vec<Measurement>, String> {
    let mut settings = settings.clone();
    let mut lost = Vec::new();
    loop {
        match run_once(row, &settings)? {
            Ended::Measured(measurements) => return Ok(measurements.into_iter().chain(lost).collect()),
            Ended::By(contestant, why) => {
                eprintln!("{}: {contestant}: {why:?}; the others once more", row.name());
                lost.extend(THREADS.map(|threads| Measurement {
                    without: Some(why.clone()),
                    ..Measurement::new(row, contestant.clone(), threads)
                }));
                settings.without.push(contestant);
            }
        }
    }
}

fn run_once(row: &Row, settings: &Settings) -> Result<Ended, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["--row", &row.name()]).args(settings.quick.then_some("--quick"));
    for name in &settings.without {
        command.args(["--without", name]);
    }
    if let Some(python) = &settings.python {
        command.arg("--python").arg(python);
    }
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    let lines: Result<Vec<Value>, _> = said.lines().map(serde_json::from_str).collect();
    let lines = lines.map_err(|error| error.to_string())?;
    if output.status.success() {
        let measurements = lines.last().map(|line| line["measurements"].clone()).unwrap_or_default();
        return serde_json::from_value(measurements).map(Ended::Measured).map_err(|error| error.to_string());
    }
    let last = lines.iter().filter_map(|line| line["begins"].as_str()).next_back();
    let contestant = last.ok_or_else(|| format!("{}: {}", row.name(), output.status))?;
    let late = output.status.code() == Some(LATE);
    let why = if late { Without::Late } else { Without::Failed("it ended the process".into()) };
    Ok(Ended::By(contestant.to_string(), why))
}

/// The other end: a row in this process.
pub fn answer(row: &Row, settings: &Settings) -> Result<(), String> {
    let measurements = hold(row, settings.quick, settings.python.as_deref(), &settings.without)?;
    println!("{}", json!({ "measurements": measurements }));
    Ok(())
}
