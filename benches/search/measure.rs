//! One row measured: the library's work first, with the peak of its memory, and then the brute force that checks it.

use crate::data::Data;
use crate::memory::{forget_peak, peak_bytes};
use crate::rows::{Row, Work};
use ndarray::Array1;
use rand::{SeedableRng, seq::index::sample};
use rand_chacha::ChaCha8Rng;
use rct::{Control, Covariance, Neighbors, Options, Query, ResidualCoverTree, Traversal};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::time::Instant;

/// Brute force finds the predecessors of all points up to this n, and beyond it those of some.
const WHOLE: usize = 65_536;
/// How many those are.
const SOME: usize = 1024;

/// A row's figures: a line of JSON.
#[derive(Serialize, Deserialize)]
pub struct Measurement {
    pub name: String,
    pub set: String,
    pub n: usize,
    pub d: usize,
    pub m: usize,
    pub k: usize,
    pub work: String,
    pub queries: usize,
    /// Seconds for V and p.
    pub seconds_v: f64,
    /// Seconds for order and tree, after V.
    pub seconds_tree: f64,
    /// Seconds of the search: the median of so many `runs` after a warm-up, or one run without.
    pub seconds_search: f64,
    pub runs: usize,
    /// Seconds of the work: the search, for predecessors the tree as well.
    pub seconds: f64,
    pub queries_per_second: f64,
    /// Products of length m a query, those of bounds too.
    pub evaluations: f64,
    /// The share of the brute force's neighbours that were found, over the queries that were `checked`.
    pub recall: f64,
    pub checked: usize,
    /// Seconds of the work by brute force; extrapolated where not all queries were checked.
    pub seconds_brute: f64,
    /// seconds_brute / seconds
    pub ratio: f64,
    /// Bytes of V in f64.
    pub v_bytes: f64,
    /// Bytes that the tree says it holds.
    pub tree_bytes: f64,
    /// The most bytes of this process, coordinates and answers included, while it built and searched.
    pub peak_bytes: Option<f64>,
    pub peak_over_v: Option<f64>,
    /// Whether the peak is that of build and search alone; otherwise it is also that of making the data.
    pub peak_is_own: bool,
    pub threads: usize,
    pub simd: String,
}

/// Runs a row in this process, which should be new.
pub fn measure(row: &Row) -> Measurement {
    let new = if let Work::New(queries) = row.work { queries } else { 0 };
    let data = Data::new(row.set, row.n, new);
    let ids = match row.work {
        Work::Stored(queries) => some_ids(row.n, queries),
        _ => Array1::default(0),
    };
    let query = match row.work {
        Work::New(_) => Query::coords(data.new.view(), row.k),
        _ => Query::ids(ids.view(), row.k),
    };
    let covariance = Covariance::Stationary(data.kernel.clone());
    let &Row { construction, order, traversal, threads, .. } = row;
    let options = Options { covariance, construction, order, traversal, threads, ..Options::default() };
    let peak_is_own = forget_peak();
    let arrays = rct::Data::with_inducing(data.coords.view(), data.inducing.view());
    let tree = ResidualCoverTree::build(&options, &arrays, &mut Control::none()).expect("a tree");
    let (seconds_search, found) = median(row.runs, || match row.work {
        Work::Predecessors => tree.vecchia_neighbors(row.k, None, &mut Control::none()).expect("an answer"),
        _ => ask(&tree, &query),
    });
    let peak = peak_bytes();
    let stats = tree.stats();

    let queries = found.len();
    let brute = Query { traversal: Traversal::BruteForce, ..query };
    let (seconds_brute, recall, checked) = match row.work {
        Work::Predecessors => {
            let ids = if row.n <= WHOLE { (0..row.n as i64).collect() } else { some_ids(row.n, SOME) };
            let brute = Query {
                id_limits: Some(ids.view()),
                exclude_self: true,
                ..Query { points: rct::QueryPoints::Ids(ids.view()), ..brute }
            };
            let (seconds, truth) = median(1, || ask(&tree, &brute));
            let pairs = ids.iter().enumerate().map(|(t, &id)| (found.ids_of(id as usize), truth.ids_of(t)));
            (seconds * queries as f64 / ids.len() as f64, recall(pairs), ids.len())
        }
        _ => {
            let (seconds, truth) = median(row.runs, || ask(&tree, &brute));
            (seconds, recall((0..queries).map(|q| (found.ids_of(q), truth.ids_of(q)))), queries)
        }
    };

    let seconds_tree = stats.seconds.order + stats.seconds.tree;
    let seconds = if row.work == Work::Predecessors { seconds_search + seconds_tree } else { seconds_search };
    let v_bytes = (stats.n * stats.m * 8) as f64;
    Measurement {
        name: row.name.clone(),
        set: row.set.to_string(),
        n: stats.n,
        d: stats.d,
        m: stats.m,
        k: row.k,
        work: row.work.to_string(),
        queries,
        seconds_v: stats.seconds.factor,
        seconds_tree,
        seconds_search,
        runs: row.runs,
        seconds,
        queries_per_second: queries as f64 / seconds,
        evaluations: stats.last_search.counters.distance_evaluations as f64 / queries as f64,
        recall,
        checked,
        seconds_brute,
        ratio: seconds_brute / seconds,
        v_bytes,
        tree_bytes: stats.memory_bytes as f64,
        peak_bytes: peak,
        peak_over_v: peak.map(|peak| peak / v_bytes),
        peak_is_own,
        threads: if threads > 0 { threads } else { std::thread::available_parallelism().map_or(1, usize::from) },
        simd: simd(),
    }
}

fn ask(tree: &ResidualCoverTree, query: &Query<'_>) -> Neighbors {
    tree.query_batch(query, &mut Control::none()).expect("an answer")
}

/// Random ids, ascending.
fn some_ids(n: usize, count: usize) -> Array1<i64> {
    let mut ids = sample(&mut ChaCha8Rng::seed_from_u64(11), n, count.min(n)).into_vec();
    ids.sort_unstable();
    ids.into_iter().map(|id| id as i64).collect()
}

/// The median seconds of `work` and its last answer: `runs` runs and 0.1 s at least after one that is not counted, or
/// a single run. One answer is held at a time.
fn median(runs: usize, mut work: impl FnMut() -> Neighbors) -> (f64, Neighbors) {
    if runs > 1 {
        drop(work());
    }
    let mut seconds: Vec<f64> = Vec::new();
    loop {
        let clock = Instant::now();
        let answer = work();
        seconds.push(clock.elapsed().as_secs_f64());
        if seconds.len() >= runs && (runs == 1 || seconds.iter().sum::<f64>() > 0.1) {
            seconds.sort_by(f64::total_cmp);
            return (seconds[seconds.len() / 2], answer);
        }
    }
}

/// The share of the true neighbours that were found, from pairs of (found, true).
fn recall(pairs: impl Iterator<Item = (Vec<i64>, Vec<i64>)>) -> f64 {
    let (mut same, mut all) = (0, 0);
    for (found, truth) in pairs {
        all += truth.len();
        if found == truth {
            same += truth.len();
            continue;
        }
        // The same neighbours in another order, or one of them twice, are an error too.
        let found: HashSet<i64> = found.into_iter().collect();
        same += truth.len().saturating_sub(1).min(truth.iter().filter(|id| found.contains(id)).count());
    }
    if all == 0 { 1.0 } else { same as f64 / all as f64 }
}

/// The instruction set that the library's kernels choose, by the same crate.
fn simd() -> String {
    let arch = format!("{:?}", pulp::Arch::new());
    match arch.split('(').next() {
        Some("V4") => "AVX-512".into(),
        Some("V3") => "AVX2".into(),
        Some("Scalar") => "portable".into(),
        other => other.unwrap_or_default().into(),
    }
}
