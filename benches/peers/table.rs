//! The table for people: Markdown.

use crate::contest::THREADS;
use crate::contestant::Without;
use crate::measurement::Measurement;
use crate::watch::LIMIT;
use std::fmt::Write;

/// A table for each number of threads: a line for each row, and a column for each contestant.
pub fn markdown(all: &[Measurement]) -> String {
    let mut text = String::new();
    for threads in THREADS {
        let some: Vec<&Measurement> = all.iter().filter(|one| one.threads == threads).collect();
        let contestants = distinct(some.iter().map(|one| one.contestant.clone()));
        let rows = distinct(some.iter().map(|one| (one.set.clone(), one.n, one.work.name(), one.k)));
        let title = if threads == 1 { "One thread".to_string() } else { format!("{threads} threads") };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{title}, seconds:\n\n| points | n | work | k | {} |", contestants.join(" | "));
        let _ = writeln!(text, "|{}", " --- |".repeat(4 + contestants.len()));
        for (set, n, work, k) in rows {
            let of_row = |one: &&&Measurement| one.set == set && one.n == n && one.work.name() == work && one.k == k;
            let row: Vec<&Measurement> = some.iter().filter(of_row).copied().collect();
            let ours: Vec<f64> = row.iter().filter(|one| one.is_ours()).filter_map(|one| one.median()).collect();
            let cells = contestants.iter().map(|name| {
                row.iter().find(|one| one.contestant == *name).map_or("-".to_string(), |one| cell(one, &ours))
            });
            let _ = writeln!(text, "| {set} | {n} | {work} | {k} | {} |", cells.collect::<Vec<_>>().join(" | "));
        }
        text.push('\n');
    }
    text
}

/// Seconds; of a peer, how many times as long ours take.
fn cell(one: &Measurement, ours: &[f64]) -> String {
    let Some(median) = one.median() else {
        return match &one.without {
            Some(Without::NotRun(_)) => "not run".to_string(),
            Some(Without::Failed(_)) => "fails".to_string(),
            Some(Without::Late) => format!("over {LIMIT}"),
            Some(Without::Wrong(_)) => "wrong".to_string(),
            Some(Without::NotOffered) | None => "-".to_string(),
        };
    };
    if one.is_ours() {
        return digits(median);
    }
    let ratios: Vec<String> = ours.iter().map(|ours| digits(ours / median)).collect();
    format!("{} ({})", digits(median), ratios.join(", "))
}

/// Two digits that mean something, or three.
fn digits(value: f64) -> String {
    let places = if value >= 100.0 { 0 } else { (1 - value.log10().floor() as i32).max(0) };
    format!("{value:.*}", places as usize)
}

fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut kept = Vec::new();
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}
