//! kiddo 5: its mutable tree, which it recommends where points are added, for all work. Batches on several threads are
//! this program's: kiddo 5 has none.

use crate::contestant::{Answer, Contestant, Job, Run, Without, Work, timed};
use crate::data::Points;
use crate::threads::Pool;
use kiddo5::{KdTree, NearestNeighbour, SquaredEuclidean};
use rayon::prelude::*;
use std::collections::HashMap;

pub struct Kiddo5;

/// Points with one coordinate in common of which a leaf has room: the tree says that it needs larger ones for more.
const BUCKET: usize = 32;

type Found = Vec<NearestNeighbour<f64, u64>>;

impl Contestant for Kiddo5 {
    fn name(&self) -> String {
        "kiddo 5.2.4".into()
    }

    fn prepare<'a>(&'a self, job: &'a Job, threads: usize) -> Result<Run<'a>, Without> {
        if most_in_common(&job.points) > BUCKET {
            return Err(Without::NotRun("more points share a coordinate than a leaf has room for".into()));
        }
        if threads > 1 && matches!(job.work, Work::Build | Work::Predecessors) {
            return Err(Without::NotOffered);
        }
        match job.points.d {
            2 => prepare::<2>(job, threads),
            3 => prepare::<3>(job, threads),
            8 => prepare::<8>(job, threads),
            16 => prepare::<16>(job, threads),
            d => panic!("add d = {d} to the dimensions"),
        }
    }
}

fn prepare<const D: usize>(job: &Job, threads: usize) -> Result<Run<'_>, Without> {
    let rows = job.points.arrays::<D>();
    let asked = &rows[..job.queries()];
    Ok(match job.work {
        Work::Build => Box::new(move || {
            let ask = |tree: KdTree<f64, D>| asked.iter().map(|row| nearest(&tree, row, job.k)).collect();
            timed(|| Ok(build(rows)), move |tree| read(ask(tree)))
        }),
        Work::Predecessors => Box::new(move || timed(|| Ok(predecessors(rows, job.k)), read)),
        Work::Nearest | Work::Radius => {
            let (tree, pool) = (build(rows), Pool::new(threads));
            let within = job.points.radius * job.points.radius;
            Box::new(move || {
                let one = |row| match job.work {
                    Work::Radius => tree.within::<SquaredEuclidean>(row, within),
                    _ => nearest(&tree, row, job.k),
                };
                let all = || -> Vec<Found> {
                    if threads == 1 { asked.iter().map(one).collect() } else { asked.par_iter().map(one).collect() }
                };
                timed(|| Ok(pool.install(all)), read)
            })
        }
    })
}

fn build<const D: usize>(rows: &[[f64; D]]) -> KdTree<f64, D> {
    let mut tree = KdTree::with_capacity(rows.len());
    for (id, row) in (0..).zip(rows) {
        tree.add(row, id);
    }
    tree
}

fn nearest<const D: usize>(tree: &KdTree<f64, D>, row: &[f64; D], k: usize) -> Found {
    tree.nearest_n::<SquaredEuclidean>(row, k)
}

/// For each row a query, and then the row is added.
fn predecessors<const D: usize>(rows: &[[f64; D]], k: usize) -> Vec<Found> {
    let mut tree: KdTree<f64, D> = KdTree::with_capacity(rows.len());
    let mut found = Vec::with_capacity(rows.len());
    for (id, row) in (0..).zip(rows) {
        found.push(nearest(&tree, row, k.min(id as usize)));
        tree.add(row, id);
    }
    found
}

fn read(found: Vec<Found>) -> Result<Answer, String> {
    let queries = found.iter().map(|found| found.iter().map(|one| (one.item as u32, one.distance.sqrt())));
    Ok(Answer::with_distances(queries))
}

/// How many points have the same value of one coordinate, at most.
fn most_in_common(points: &Points) -> usize {
    let count = |axis: usize| {
        let mut counts: HashMap<u64, usize> = HashMap::new();
        for i in 0..points.len() {
            *counts.entry(points.row(i)[axis].to_bits()).or_default() += 1;
        }
        counts.into_values().max().unwrap_or(0)
    };
    (0..points.d).map(count).max().unwrap_or(0)
}
