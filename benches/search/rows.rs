//! What is measured: the rows of the table.

use crate::data::SYNTHETIC;
use rct::{Construction, Traversal, TreeOrder};

/// What a tree is asked.
#[derive(Clone, Copy, PartialEq)]
pub enum Work {
    /// The nearest of so many stored points.
    Stored(usize),
    /// The nearest of so many points that are not stored.
    New(usize),
    /// The Vecchia job: the nearest predecessors of all points.
    Predecessors,
}

/// One measurement, which runs in a process of its own.
#[derive(Clone)]
pub struct Row {
    pub name: String,
    /// Names that choose it on the command line.
    pub tags: Vec<&'static str>,
    pub set: &'static str,
    pub n: usize,
    pub work: Work,
    pub k: usize,
    /// Timed runs, at least; one alone has no warm-up.
    pub runs: usize,
    pub construction: Construction,
    pub order: TreeOrder,
    pub traversal: Traversal,
    /// 0 for one a core.
    pub threads: usize,
}

/// How large the rows are.
struct Sizes {
    n: usize,
    houses: usize,
    stored: usize,
    new: usize,
    batches: &'static [usize],
    /// Powers of two.
    growth: std::ops::RangeInclusive<u32>,
}

const FULL: Sizes =
    Sizes { n: 32_768, houses: 25_357, stored: 1024, new: 10_000, batches: &[1, 8, 64, 1000, 10_000], growth: 13..=20 };
/// To see that every row runs; the figures mean nothing.
const QUICK: Sizes = Sizes { n: 3000, houses: 2000, stored: 64, new: 100, batches: &[1, 100], growth: 10..=12 };

/// Rows of more points than this run only when they are named, once each.
const LARGE: usize = 131_072;

/// Every row.
pub fn rows(quick: bool) -> Vec<Row> {
    let sizes = if quick { QUICK } else { FULL };
    let row = |set: &'static str, n: usize, work: Work| Row {
        name: set.to_string(),
        tags: vec![set],
        set,
        n,
        work,
        k: if work == Work::Predecessors { 30 } else { 50 },
        runs: if n > LARGE { 1 } else { 5 },
        construction: Construction::Hybrid,
        order: TreeOrder::Hilbert,
        traversal: Traversal::Automatic,
        threads: 0,
    };
    let sets = SYNTHETIC.map(|set| set.0);
    let mut rows = Vec::new();
    for set in sets {
        rows.push(Row { tags: vec![set, "stored"], ..row(set, sizes.n, Work::Stored(sizes.stored)) });
    }
    for set in sets.into_iter().chain(["houses"]) {
        let n = if set == "houses" { sizes.houses } else { sizes.n };
        let (name, tags) = (format!("{set} predecessors"), vec![set, "predecessors"]);
        rows.push(Row { name, tags, ..row(set, n, Work::Predecessors) });
    }
    for set in ["square", "cube"] {
        let (name, tags) = (format!("{set} new points"), vec![set, "new-points"]);
        rows.push(Row { name, tags, ..row(set, sizes.n, Work::New(sizes.new)) });
    }
    for set in ["square", "cube", "gold"] {
        for (construction, shape) in [(Construction::Pure, "pure"), (Construction::Hybrid, "hybrid")] {
            for (order, along) in [(TreeOrder::Natural, "natural"), (TreeOrder::Hilbert, "hilbert")] {
                for (traversal, how) in [
                    (Traversal::Automatic, "automatic"),
                    (Traversal::LevelSynchronous, "levels"),
                    (Traversal::BestFirst, "best-first"),
                ] {
                    let (name, tags) = (format!("{set} {shape} {along} {how}"), vec!["choices"]);
                    let work = Work::Stored(sizes.stored);
                    rows.push(Row { name, tags, construction, order, traversal, ..row(set, sizes.n, work) });
                }
            }
        }
    }
    for threads in [1, 2] {
        for &size in sizes.batches {
            let (name, tags) = (format!("batch {size}, threads {threads}"), vec!["batches"]);
            rows.push(Row { name, tags, threads, ..row("square", sizes.n, Work::Stored(size)) });
        }
    }
    for (set, tag) in [("square", "growth-square"), ("cube", "growth-cube")] {
        for n in sizes.growth.clone().map(|power| 1 << power) {
            let (name, tags) = (format!("growth {set} {n}"), vec!["growth", tag]);
            rows.push(Row { name, tags, ..row(set, n, Work::Predecessors) });
        }
    }
    rows
}

/// The rows that have one of the `names`, or, without names, all but the large ones; an error for a name that no row
/// has.
pub fn chosen(rows: Vec<Row>, names: &[String]) -> Result<Vec<Row>, String> {
    let has = |row: &Row, name: &String| row.name == *name || row.tags.contains(&name.as_str());
    if let Some(unknown) = names.iter().find(|&name| !rows.iter().any(|row| has(row, name))) {
        let mut tags: Vec<&str> = rows.iter().flat_map(|row| row.tags.clone()).collect();
        tags.sort_unstable();
        tags.dedup();
        return Err(format!("{unknown:?} is no row; there are {}", tags.join(", ")));
    }
    let wanted = |row: &Row| if names.is_empty() { row.n <= LARGE } else { names.iter().any(|name| has(row, name)) };
    Ok(rows.into_iter().filter(wanted).collect())
}

impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Work::Stored(queries) => write!(f, "{queries} stored points"),
            Work::New(queries) => write!(f, "{queries} new points"),
            Work::Predecessors => write!(f, "predecessors, tree included"),
        }
    }
}
