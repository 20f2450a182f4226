//! What all contestants do: the work, how it is timed, and what they answer.

use crate::data::Points;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// What is timed.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// A tree of all points.
    Build,
    /// The k nearest points of every point, itself among them, in a tree that is there.
    Nearest,
    /// All points within the radius of every point, in a tree that is there.
    Radius,
    /// The Vecchia job: the k nearest of the points before every point, from the points alone.
    Predecessors,
}

impl Work {
    pub fn name(self) -> &'static str {
        match self {
            Work::Build => "build",
            Work::Nearest => "nearest",
            Work::Radius => "radius",
            Work::Predecessors => "predecessors",
        }
    }
}

/// A row's work on its points.
pub struct Job {
    pub points: Points,
    pub work: Work,
    pub k: usize,
}

/// How many points are asked for their nearest of a tree that was built, to see whether it is one.
const ASKED: usize = 200;

impl Job {
    /// The points that are asked for: the first so many.
    pub fn queries(&self) -> usize {
        if self.work == Work::Build { ASKED.min(self.points.len()) } else { self.points.len() }
    }
}

/// Neighbours of each query, nearest first or, where only a set was asked for, in any order.
pub struct Answer {
    pub ids: Vec<Vec<u32>>,
    /// Euclidean, where the contestant tells them.
    pub distances: Option<Vec<Vec<f64>>>,
}

impl Answer {
    /// From (id, distance).
    pub fn with_distances<I: Iterator<Item = (u32, f64)>>(queries: impl Iterator<Item = I>) -> Self {
        let (ids, distances) = queries.map(|neighbors| neighbors.unzip()).unzip();
        Answer { ids, distances: Some(distances) }
    }
}

/// Seconds of the work, and how to read what it made, which takes no part in them.
pub struct Timed<'a> {
    pub seconds: f64,
    /// An error says why the work was not done.
    pub answer: Box<dyn FnOnce() -> Result<Answer, String> + 'a>,
}

/// Times `work`; `read` makes an answer of what it made.
pub fn timed<'a, T: 'a, E: ToString + 'a>(
    work: impl FnOnce() -> Result<T, E>,
    read: impl FnOnce(T) -> Result<Answer, E> + 'a,
) -> Timed<'a> {
    let clock = Instant::now();
    let made = work();
    let seconds = clock.elapsed().as_secs_f64();
    Timed { seconds, answer: Box::new(move || made.and_then(read).map_err(|error| error.to_string())) }
}

/// The work, as often as it is called.
pub type Run<'a> = Box<dyn FnMut() -> Timed<'a> + 'a>;

/// Why a contestant has no time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Without {
    /// It does not offer this work, or not on so many threads.
    NotOffered,
    /// It is known not to do this.
    NotRun(String),
    /// It refused, panicked or ended the process.
    Failed(String),
    /// It was not done after the time limit.
    Late,
    /// Its answer is not that of the others.
    Wrong(String),
}

/// Who takes part.
pub trait Contestant {
    /// Name and version, or the metric.
    fn name(&self) -> String;
    /// By how much squared distances may differ that it cannot tell apart, beyond their own rounding.
    fn hidden(&self, _job: &Job) -> f64 {
        0.0
    }
    /// Makes ready what the work needs and its time does not have.
    fn prepare<'a>(&'a self, job: &'a Job, threads: usize) -> Result<Run<'a>, Without>;
}
