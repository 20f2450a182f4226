//! What a row has for one contestant with so many threads: a line of JSON.

use crate::contestant::{Without, Work};
use crate::rows::Row;
use serde::{Deserialize, Serialize};
use std::path::Path;

#[derive(Clone, Serialize, Deserialize)]
pub struct Measurement {
    pub set: String,
    pub n: usize,
    pub d: usize,
    pub work: Work,
    pub k: usize,
    pub contestant: String,
    pub threads: usize,
    /// Of each round, as they came.
    pub seconds: Vec<f64>,
    /// Why there are none.
    pub without: Option<Without>,
}

impl Measurement {
    /// Without a time so far.
    pub fn new(row: &Row, contestant: String, threads: usize) -> Self {
        let &Row { set, n, work, k } = row;
        Measurement { set: set.name(), n, d: set.d(), work, k, contestant, threads, seconds: Vec::new(), without: None }
    }

    pub fn median(&self) -> Option<f64> {
        let mut seconds = self.seconds.clone();
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).copied()
    }

    /// Whether it is this library's.
    pub fn is_ours(&self) -> bool {
        self.contestant.starts_with("rct ")
    }
}

/// The measurements of a file.
pub fn read(path: &Path) -> Result<Vec<Measurement>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let parse = |(number, line)| {
        serde_json::from_str(line).map_err(|error| format!("{}, line {}: {error}", path.display(), number + 1))
    };
    text.lines().enumerate().map(parse).collect()
}
