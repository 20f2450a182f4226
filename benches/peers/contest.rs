//! One row in this process: all contestants in turn, round after round, so that what else the machine does slows all.

use crate::check::Checker;
use crate::contestant::{Contestant, Job, Run, Timed, Without};
use crate::kiddo5::Kiddo5;
use crate::kiddo6::Kiddo6;
use crate::measurement::Measurement;
use crate::ours::Ours;
use crate::python::Python;
use crate::rows::Row;
use crate::watch::Watch;
use rct::MetricKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Numbers of threads.
pub const THREADS: [usize; 2] = [1, 2];
/// Rounds, at least and at most, and their seconds, at least.
const ROUNDS: usize = 3;
const MOST_ROUNDS: usize = 15;
const ENOUGH: f64 = 1.0;
/// From so many seconds on the first round, which is checked and otherwise warms up, counts.
const LONG: f64 = 3.0;
/// From so many seconds on there is no other.
const VERY_LONG: f64 = 10.0;

/// Measures a row. Contestants named in `without` take no part.
pub fn hold(row: &Row, quick: bool, python: Option<&Path>, without: &[String]) -> Result<Vec<Measurement>, String> {
    let job = Job { points: row.set.points(row.n), work: row.work, k: row.k };
    let python = python.map(|path| Python::start(path, &job)).transpose()?;
    let peers = python.as_ref().map(Python::peers).unwrap_or_default();
    let ours = [Ours(MetricKind::Euclidean), Ours(MetricKind::Correlation)];
    let mut contestants: Vec<&dyn Contestant> = vec![&ours[0], &ours[1], &Kiddo5, &Kiddo6];
    contestants.extend(peers.iter().map(|peer| peer as &dyn Contestant));
    contestants.retain(|contestant| !without.contains(&contestant.name()));

    let watch = Watch::new(python.as_ref().map(|python| python.process.clone()));
    let mut entries = Vec::new();
    let mut checker = Checker::new(&job);
    for (contestant, threads) in contestants.into_iter().flat_map(|one| THREADS.map(|threads| (one, threads))) {
        let _watched = watch.over(&contestant.name());
        let mut entry = Entry { contestant, threads, run: Err(Without::NotOffered), seconds: Vec::new(), once: quick };
        entry.run = sheltered(|| contestant.prepare(&job, threads)).and_then(|run| run);
        if let Err(why) = entry.first_round(&job, &mut checker) {
            entry.run = Err(why);
        }
        entries.push(entry);
    }
    while entries.iter().any(Entry::wants_more) {
        for entry in entries.iter_mut().filter(|entry| entry.wants_more()) {
            let _watched = watch.over(&entry.contestant.name());
            match entry.round() {
                Ok(timed) => entry.seconds.push(timed.seconds),
                Err(why) => entry.run = Err(why),
            }
        }
    }
    Ok(entries.into_iter().map(|entry| entry.measurement(row)).collect())
}

/// A contestant with so many threads.
struct Entry<'a> {
    contestant: &'a dyn Contestant,
    threads: usize,
    run: Result<Run<'a>, Without>,
    seconds: Vec<f64>,
    /// Whether the first round is the only one.
    once: bool,
}

impl<'a> Entry<'a> {
    fn round(&mut self) -> Result<Timed<'a>, Without> {
        let run = self.run.as_mut().map_err(|why| why.clone())?;
        sheltered(run)
    }

    /// The round whose answer is checked.
    fn first_round(&mut self, job: &Job, checker: &mut Checker<'_>) -> Result<(), Without> {
        let timed = self.round()?;
        let answer = sheltered(timed.answer)?.map_err(Without::Failed)?;
        checker.check(answer, self.contestant.hidden(job)).map_err(Without::Wrong)?;
        self.once |= timed.seconds > VERY_LONG;
        if self.once || timed.seconds > LONG {
            self.seconds.push(timed.seconds);
        }
        Ok(())
    }

    fn wants_more(&self) -> bool {
        let (rounds, seconds) = (self.seconds.len(), self.seconds.iter().sum::<f64>());
        let enough = rounds >= MOST_ROUNDS || rounds >= ROUNDS && seconds > ENOUGH;
        self.run.is_ok() && !self.once && !enough
    }

    fn measurement(self, row: &Row) -> Measurement {
        let measurement = Measurement::new(row, self.contestant.name(), self.threads);
        match self.run {
            Ok(_) => Measurement { seconds: self.seconds, ..measurement },
            Err(why) => Measurement { without: Some(why), ..measurement },
        }
    }
}

/// What a peer does is its own affair, as long as it comes back.
fn sheltered<T>(work: impl FnOnce() -> T) -> Result<T, Without> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Without::Failed("it panicked".into()))
}
