//! Queries a second on the data sets that the README reports, each checked against brute force in the same run.
//!
//! `cargo bench` runs all of them; `cargo bench --bench search -- gold houses` those that are named. Each line of
//! standard output is one measurement as JSON; a table for people goes to standard error. The run fails where an answer
//! differs from brute force.
//!
//! - gold, cube, cube-512, cube-rough, square, square-512: 32,768 points, 1,024 of them asked for their 50 nearest
//! - predecessors: all 32,768 points of square and cube, and the house sales, k = 30, tree included
//! - new-points: 10,000 points that are not stored, k = 50
//! - choices: traversals, constructions and orders side by side, on square
//! - batches: batch sizes and thread counts, on square
//! - growth: predecessors of square and cube, n from 8,192 to 131,072; growth-square goes on to 1,048,576 (8 GiB)

use ndarray::{Array1, Array2, s};
use rand::{Rng, SeedableRng, seq::index::sample};
use rand_chacha::ChaCha8Rng;
use rct::{
    Construction, Control, Covariance, Data, InducingMethod, Kernel, KernelFamily, Lengthscale, Neighbors, Options,
    Ordering, Query, ResidualCoverTree, Traversal, TreeOrder, order, select_inducing,
};
use std::time::Instant;

/// Runs of each measurement, after one that is not counted.
const RUNS: usize = 5;
const N: usize = 32_768;

/// A data set: points, kernel and inducing points.
struct Set {
    name: &'static str,
    coords: Array2<f64>,
    inducing: Array2<f64>,
    options: Options,
}

/// The name, dimensions, whether normal, kernel, lengthscale and m of the synthetic sets.
const SETS: [(&str, usize, bool, KernelFamily, f64, usize); 6] = [
    ("gold", 3, true, KernelFamily::Rbf, 1.0, 512),
    ("cube", 3, false, KernelFamily::Matern52, 0.1, 200),
    ("cube-512", 3, false, KernelFamily::Matern52, 0.2, 512),
    ("cube-rough", 3, false, KernelFamily::Matern12, 0.2, 200),
    ("square", 2, false, KernelFamily::Matern52, 0.1, 200),
    ("square-512", 2, false, KernelFamily::Matern32, 0.2, 512),
];

fn points(n: usize, d: usize, normal: bool, rng: &mut ChaCha8Rng) -> Array2<f64> {
    Array2::from_shape_fn((n, d), |_| {
        let (u, v): (f64, f64) = (rng.random(), rng.random());
        if normal { (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos() } else { u }
    })
}

fn synthetic(name: &str, n: usize) -> Set {
    let &(name, d, normal, family, lengthscale, m) =
        SETS.iter().find(|set| set.0 == name).expect("the name of a synthetic set");
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let coords = points(n, d, normal, &mut rng);
    let chosen = sample(&mut rng, n, m);
    let inducing = Array2::from_shape_fn((m, d), |(i, j)| coords[[chosen.index(i), j]]);
    let kernel = Kernel { family, variance: 1.0, lengthscale: Lengthscale::Isotropic(lengthscale) };
    let construction = Construction::Hybrid;
    let options = Options { covariance: Covariance::Stationary(kernel), construction, ..Options::default() };
    Set { name, coords, inducing, options }
}

/// The house sales in maximin order, with the kernel that the C example fits to them.
fn houses() -> Set {
    let text = std::fs::read_to_string("examples-c/house_sales.csv").expect("the house sales");
    let fields = |line: &str| line.split(',').take(2).map(|field| field.parse().expect("a number")).collect();
    let rows: Vec<Vec<f64>> = text.lines().skip(1).map(fields).collect();
    let given = Array2::from_shape_fn((rows.len(), 2), |(i, j)| rows[i][j]);
    let along = order(given.view(), Ordering::Maximin, 1, &mut Control::none()).expect("an order");
    let coords = Array2::from_shape_fn(given.dim(), |(i, j)| given[[along[i] as usize, j]]);
    let method = InducingMethod::KMeansPlusPlus;
    let inducing = select_inducing(coords.view(), 200, method, 1, &mut Control::none()).expect("inducing points");
    let lengthscale = Lengthscale::Isotropic(2900.0);
    let kernel = Kernel { family: KernelFamily::Matern32, variance: 1.0, lengthscale };
    let construction = Construction::Hybrid;
    let options = Options { covariance: Covariance::Stationary(kernel), construction, ..Options::default() };
    Set { name: "houses", coords, inducing, options }
}

fn build(set: &Set, options: &Options) -> ResidualCoverTree {
    let data = Data::with_inducing(set.coords.view(), set.inducing.view());
    ResidualCoverTree::build(options, &data, &mut Control::none()).expect("a tree")
}

/// The median seconds of `work`, and its last answer.
fn median(runs: usize, mut work: impl FnMut() -> Neighbors) -> (f64, Neighbors) {
    let mut answer = work();
    let mut seconds: Vec<f64> = (0..runs)
        .map(|_| {
            let clock = Instant::now();
            answer = work();
            clock.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    (seconds[runs / 2], answer)
}

/// The share of the neighbours in `truth` that are in `found`.
fn recall(found: &Neighbors, truth: &Neighbors) -> f64 {
    let (mut same, mut all) = (0, 0);
    for q in 0..truth.len() {
        let expected: std::collections::HashSet<i64> = truth.ids_of(q).into_iter().collect();
        all += expected.len();
        same += found.ids_of(q).into_iter().filter(|id| expected.contains(id)).count();
    }
    if all == 0 { 1.0 } else { same as f64 / all as f64 }
}

/// Peak memory of this process in MiB, where the system tells.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}

/// Prints a measurement, for people and for programs, and fails where it is not exact.
fn report(tree: &ResidualCoverTree, name: &str, k: usize, seconds: f64, brute_seconds: f64, recall: f64) {
    let stats = tree.stats();
    let queries = stats.last_search.queries as f64;
    let evaluations = stats.last_search.counters.distance_evaluations as f64 / queries;
    let (rate, ratio) = (queries / seconds, brute_seconds / seconds);
    let v_mib = (stats.n * stats.m * 8) as f64 / 1_048_576.0;
    eprintln!(
        "{name:<24} n {:>7} m {:>3}  V {:>6.2} s  tree {:>5.2} s  {rate:>9.0} queries/s  {ratio:>5.1} x brute  {evaluations:>7.0} evaluations  recall {recall:.4}  tree {:.2} x V",
        stats.n,
        stats.m,
        stats.seconds.factor,
        stats.seconds.tree,
        stats.memory_bytes as f64 / 1_048_576.0 / v_mib
    );
    println!(
        "{{\"name\":\"{name}\",\"n\":{},\"d\":{},\"m\":{},\"k\":{k},\"seconds_v\":{:.4},\"seconds_tree\":{:.4},\"seconds\":{seconds:.6},\"queries_per_second\":{rate:.1},\"ratio\":{ratio:.2},\"evaluations\":{evaluations:.1},\"recall\":{recall:.6},\"tree_mib\":{:.1},\"peak_mib\":{:.1}}}",
        stats.n,
        stats.d,
        stats.m,
        stats.seconds.factor,
        stats.seconds.tree,
        stats.memory_bytes as f64 / 1_048_576.0,
        peak_mib()
    );
    assert_eq!(recall, 1.0, "{name} is not exact");
}

/// `queries` by the automatic traversal (or another) and by brute force.
fn compare(tree: &ResidualCoverTree, name: &str, query: &Query<'_>) {
    let brute = Query { traversal: Traversal::BruteForce, ..query.clone() };
    let (brute_seconds, truth) = median(3, || tree.query_batch(&brute, &mut Control::none()).expect("an answer"));
    let (seconds, found) = median(RUNS, || tree.query_batch(query, &mut Control::none()).expect("an answer"));
    report(tree, name, query.k, seconds, brute_seconds, recall(&found, &truth));
}

/// The Vecchia job of all points, the time of the tree (after V) included; V itself is needed by brute force too.
fn predecessors(set: &Set, name: &str, runs: usize) {
    let brute = build(set, &Options { traversal: Traversal::BruteForce, ..set.options.clone() });
    let job = |tree: &ResidualCoverTree| tree.vecchia_neighbors(30, None, &mut Control::none()).expect("an answer");
    let (brute_seconds, truth) = median(1, || job(&brute));
    drop(brute);
    let tree = build(set, &set.options);
    let (seconds, found) = median(runs, || job(&tree));
    let seconds = seconds + tree.stats().seconds.tree + tree.stats().seconds.order;
    report(&tree, name, 30, seconds, brute_seconds, recall(&found, &truth));
}

/// 1,024 random ids.
fn some_ids(n: usize) -> Array1<i64> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    sample(&mut rng, n, 1024.min(n)).iter().map(|i| i as i64).collect()
}

fn choices() {
    let set = synthetic("square", N);
    let ids = some_ids(N);
    for (construction, shape) in [(Construction::Pure, "pure"), (Construction::Hybrid, "hybrid")] {
        for (order, along) in [(TreeOrder::Natural, "natural"), (TreeOrder::Hilbert, "hilbert")] {
            let tree = build(&set, &Options { construction, order, ..set.options.clone() });
            let traversals = [
                (Traversal::Automatic, "automatic"),
                (Traversal::LevelSynchronous, "levels"),
                (Traversal::BestFirst, "best-first"),
            ];
            for (traversal, how) in traversals {
                let query = Query { traversal, ..Query::ids(ids.view(), 50) };
                compare(&tree, &format!("{shape} {along} {how}"), &query);
            }
        }
    }
}

fn batches() {
    let set = synthetic("square", N);
    for threads in [1, 2] {
        let tree = build(&set, &Options { threads, ..set.options.clone() });
        for size in [1, 8, 64, 1000, 10_000] {
            let ids: Array1<i64> = (0..size as i64).map(|i| i * 3 % N as i64).collect();
            compare(&tree, &format!("batch {size}, threads {threads}"), &Query::ids(ids.view(), 50));
        }
    }
}

fn growth(name: &str, sizes: impl Iterator<Item = usize>) {
    for n in sizes {
        let set = synthetic(name, n);
        if n <= N {
            predecessors(&set, &format!("growth {name} {n}"), 1);
            continue;
        }
        // Brute force over all would take hours: a sample of the answers is checked.
        let tree = build(&set, &set.options);
        let clock = Instant::now();
        let found = tree.vecchia_neighbors(30, None, &mut Control::none()).expect("an answer");
        let seconds = clock.elapsed().as_secs_f64() + tree.stats().seconds.tree + tree.stats().seconds.order;
        let evaluations = tree.stats().last_search.counters.distance_evaluations as f64 / n as f64;
        let ids = some_ids(n);
        let query = Query {
            id_limits: Some(ids.view()),
            exclude_self: true,
            traversal: Traversal::BruteForce,
            ..Query::ids(ids.view(), 30)
        };
        let truth = tree.query_batch(&query, &mut Control::none()).expect("an answer");
        let ratio = tree.stats().last_search.seconds * n as f64 / ids.len() as f64 / seconds;
        let same = ids.iter().enumerate().all(|(q, &id)| found.ids_of(id as usize) == truth.ids_of(q));
        assert!(same, "growth {name} {n} is not exact");
        let (m, us) = (tree.stats().m, 1e6 * seconds / n as f64);
        let label = format!("growth {name} {n}");
        eprintln!("{label:<24} {us:.1} us a point  {ratio:.1} x brute (from 1,024)  {evaluations:.0} evaluations");
        println!(
            "{{\"name\":\"{label}\",\"n\":{n},\"m\":{m},\"k\":30,\"seconds\":{seconds:.4},\"ratio\":{ratio:.2},\"evaluations\":{evaluations:.1},\"recall\":1.0,\"peak_mib\":{:.1}}}",
            peak_mib()
        );
    }
}

fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|given| given == name);
    for (name, ..) in SETS {
        if wanted(name) {
            let set = synthetic(name, N);
            let ids = some_ids(N);
            compare(&build(&set, &set.options), set.name, &Query::ids(ids.view(), 50));
        }
    }
    if wanted("predecessors") {
        for name in ["square", "cube"] {
            predecessors(&synthetic(name, N), &format!("{name}, predecessors"), 3);
        }
    }
    if wanted("predecessors") || wanted("houses") {
        predecessors(&houses(), "houses, predecessors", 3);
    }
    if wanted("new-points") {
        for name in ["square", "cube"] {
            let set = synthetic(name, N + 10_000);
            let stored = Set { coords: set.coords.slice(s![..N, ..]).to_owned(), ..synthetic(name, N) };
            let new = set.coords.slice(s![N.., ..]);
            compare(&build(&stored, &stored.options), &format!("{name}, new points"), &Query::coords(new, 50));
        }
    }
    if wanted("choices") {
        choices();
    }
    if wanted("batches") {
        batches();
    }
    if wanted("growth") {
        ["square", "cube"].iter().for_each(|name| growth(name, (13..=17).map(|power| 1 << power)));
    }
    if names.iter().any(|name| name == "growth-square") {
        growth("square", (18..=20).map(|power| 1 << power));
    }
}
