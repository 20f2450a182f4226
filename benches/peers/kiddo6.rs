//! kiddo 6: what it recommends, the mutable tree where points are added, the immutable one and its batches elsewhere.

use crate::contestant::{Answer, Contestant, Job, Run, Without, Work, timed};
use crate::threads::Pool;
use kiddo6::batch::{BatchGroups, Executor};
use kiddo6::kd_tree::ConstructionError;
use kiddo6::{ImmutableKdTree, MutableKdTree, QueryResultItem, SquaredEuclidean};
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;

pub struct Kiddo6;

type One = QueryResultItem<(), u32, f64>;

impl Contestant for Kiddo6 {
    fn name(&self) -> String {
        "kiddo 6.3.0".into()
    }

    fn prepare<'a>(&'a self, job: &'a Job, threads: usize) -> Result<Run<'a>, Without> {
        if threads > 1 && job.work == Work::Predecessors {
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
    let (batch, work) = (Rc::new(Batch::<D>::new(job, threads)), job.work);
    Ok(match work {
        Work::Build => Box::new(move || {
            let after = Rc::clone(&batch);
            timed(|| batch.build(), move |tree| Ok(read(after.nearest(&tree).iter())))
        }),
        Work::Predecessors => Box::new(move || {
            timed(|| predecessors(batch.rows, batch.k), |found| Ok(read(found.iter().map(Vec::as_slice))))
        }),
        Work::Nearest | Work::Radius => {
            let tree = batch.build().map_err(|error| Without::Failed(error.to_string()))?;
            Box::new(move || {
                let ask = || if work == Work::Radius { batch.within(&tree) } else { batch.nearest(&tree) };
                timed(|| Ok::<_, ConstructionError>(ask()), |found| Ok(read(found.iter())))
            })
        }
    })
}

/// All queries of a job at once, of the immutable tree.
struct Batch<'a, const D: usize> {
    rows: &'a [[f64; D]],
    asked: &'a [[f64; D]],
    k: NonZero<usize>,
    squared_radius: f64,
    pool: Pool,
    executor: Executor,
}

impl<'a, const D: usize> Batch<'a, D> {
    fn new(job: &'a Job, threads: usize) -> Self {
        let rows = job.points.arrays();
        let pool = Pool::new(threads);
        let executor = if threads == 1 { Executor::serial() } else { Executor::parallel_in_pool(Arc::clone(&pool.0)) };
        let squared_radius = job.points.radius * job.points.radius;
        Batch {
            rows,
            asked: &rows[..job.queries()],
            k: NonZero::new(job.k).expect("k > 0"),
            squared_radius,
            pool,
            executor,
        }
    }

    /// On the threads of the pool, where there are many points.
    fn build(&self) -> Result<ImmutableKdTree<f64, D>, ConstructionError> {
        self.pool.install(|| ImmutableKdTree::new_from_slice(self.rows))
    }

    fn nearest(&self, tree: &ImmutableKdTree<f64, D>) -> BatchGroups<One> {
        tree.query_batch(self.asked).nearest_n::<SquaredEuclidean<f64>>(self.k).with_executor(&self.executor).execute()
    }

    fn within(&self, tree: &ImmutableKdTree<f64, D>) -> BatchGroups<One> {
        let query = tree.query_batch(self.asked).within::<SquaredEuclidean<f64>>(self.squared_radius);
        query.with_executor(&self.executor).execute()
    }
}

/// For each row a query, and then the row is added.
fn predecessors<const D: usize>(rows: &[[f64; D]], k: NonZero<usize>) -> Result<Vec<Vec<One>>, ConstructionError> {
    let mut tree: MutableKdTree<f64, D> = MutableKdTree::default();
    let mut found = Vec::with_capacity(rows.len());
    for (id, row) in (0..).zip(rows) {
        found.push(match NonZero::new(id as usize) {
            Some(before) => tree.query(row).nearest_n::<SquaredEuclidean<f64>>(k.min(before)).execute(),
            None => Vec::new(),
        });
        tree.add(row, id)?;
    }
    Ok(found)
}

fn read<'a>(queries: impl Iterator<Item = &'a [One]>) -> Answer {
    Answer::with_distances(queries.map(|found| found.iter().map(|one| (one.item, one.distance.sqrt()))))
}
