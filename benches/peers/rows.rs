//! What is measured: the rows of the table.

use crate::contestant::Work;
use crate::data::Set;

/// Points of a kind and the work on them.
#[derive(Clone)]
pub struct Row {
    pub set: Set,
    pub n: usize,
    pub work: Work,
    pub k: usize,
}

/// d of the uniform points, and how many there are.
const UNIFORM: [(usize, &[usize]); 4] =
    [(2, &[10_000, 100_000, 1_000_000]), (3, &[10_000, 100_000]), (8, &[10_000, 100_000]), (16, &[10_000])];

/// For a quick run, in few dimensions and in many: more points than are always answered by brute force.
const QUICK: [[usize; 1]; 2] = [[1500], [1100]];

/// Every row. Of 16 dimensions there are no more points, because 100,000 take all minutes.
pub fn rows(quick: bool) -> Vec<Row> {
    let mut sets: Vec<(Set, usize)> = Vec::new();
    for (d, ns) in UNIFORM {
        let ns = if quick { &QUICK[(d >= 8) as usize] } else { ns };
        sets.extend(ns.iter().map(|&n| (Set::Uniform(d), n)));
    }
    sets.push((Set::Houses, if quick { 1500 } else { 25_357 }));
    sets.push((Set::Lattice, if quick { 1600 } else { 1_000_000 }));
    let few = if quick { 1100 } else { 10_000 };
    sets.extend([1, 2, 10].map(|places| (Set::Places(places), few)));
    sets.push((Set::Mostly, few));
    let mut rows = Vec::new();
    for (set, n) in sets {
        for work in [Work::Build, Work::Nearest, Work::Radius, Work::Predecessors] {
            let high = matches!(set, Set::Uniform(8..));
            let repeated = matches!(set, Set::Places(_) | Set::Mostly);
            // In a radius around a place are all points of the place; in many dimensions, none or all.
            if work == Work::Radius && (high || repeated) {
                continue;
            }
            let k = if high && work != Work::Predecessors { 10 } else { 30 };
            rows.push(Row { set, n, work, k });
        }
    }
    rows
}

impl Row {
    pub fn name(&self) -> String {
        format!("{} {} {}", self.set.name(), self.n, self.work.name())
    }

    fn has(&self, name: &str) -> bool {
        name == self.name() || name == self.set.name() || name == self.n.to_string() || name == self.work.name()
    }
}

/// The rows that have one of the `names`, or all without names; an error for a name that no row has.
pub fn chosen(rows: Vec<Row>, names: &[String]) -> Result<Vec<Row>, String> {
    if let Some(unknown) = names.iter().find(|name| !rows.iter().any(|row| row.has(name))) {
        let mut known: Vec<String> = rows.iter().flat_map(|row| [row.set.name(), row.work.name().into()]).collect();
        known.sort_unstable();
        known.dedup();
        return Err(format!("{unknown:?} is no row; there are {}, and numbers of points", known.join(", ")));
    }
    Ok(rows.into_iter().filter(|row| names.is_empty() || names.iter().any(|name| row.has(name))).collect())
}
