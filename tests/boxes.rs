//! Metrics that fall with distance are searched by boxes: the answers are those of brute force, bit for bit, in any number of
//! dimensions, for points that are equally far by the thousand, and however queries are limited. Ties do not make them slow. The
//! seed of a failing case is printed.

mod common;

use common::{rng, uniform};
use ndarray::{Array1, Array2, s};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rct::{
    Control, Covariance, Data, Kernel, KernelFamily, Lengthscale, MetricKind, Neighbors, Options, Query, QueryPoints,
    ResidualCoverTree, Traversal,
};

const METRICS: [MetricKind; 2] = [MetricKind::Euclidean, MetricKind::Correlation];

fn points(rng: &mut ChaCha8Rng) -> Array2<f64> {
    let n = rng.random_range(1..3000);
    let d = *[1, 2, 2, 3, 4, 7, 12, 20].get(rng.random_range(0..8)).unwrap();
    let mut coords = uniform(n, d, rng);
    match rng.random_range(0..6) {
        0 => {
            let places = uniform(rng.random_range(1..12), d, rng);
            coords
                .rows_mut()
                .into_iter()
                .for_each(|mut row| row.assign(&places.row(rng.random_range(0..places.nrows()))));
        }
        1 => coords.mapv_inplace(|x| (x * 9.0).floor()),
        2 => coords.column_mut(0).fill(0.3),
        3 => coords.slice_mut(s![..n / 2, ..]).fill(0.5),
        4 => coords.mapv_inplace(|x| x * x * x * x),
        _ => {}
    }
    coords
}

fn options(metric: MetricKind, traversal: Traversal, rng: &mut ChaCha8Rng) -> Options {
    let family = match rng.random_range(0..5) {
        0 => KernelFamily::Rbf,
        1 => KernelFamily::Matern12,
        2 => KernelFamily::Matern32,
        3 => KernelFamily::Matern52,
        _ => KernelFamily::RationalQuadratic { alpha: rng.random_range(0.1..3.0) },
    };
    // Some leave no correlation but between the nearest, some hardly anything else.
    let lengthscale = Lengthscale::Isotropic(10f64.powf(rng.random_range(-3.5..4.0)));
    let covariance = Covariance::Stationary(Kernel { family, variance: rng.random_range(0.1..10.0), lengthscale });
    Options { metric, traversal, covariance, threads: rng.random_range(1..3), ..Options::default() }
}

fn assert_same(found: &Neighbors, truth: &Neighbors, what: &str) {
    assert_eq!(found.len(), truth.len());
    for q in 0..found.len() {
        let (found, truth): (Vec<_>, Vec<_>) = (found.of(q).collect(), truth.of(q).collect());
        assert_eq!(found, truth, "query {q}; {what}");
    }
}

/// Asks a tree in all ways, by boxes and by brute force.
fn check(tree: &ResidualCoverTree, slow: &ResidualCoverTree, ids: &[i64], rng: &mut ChaCha8Rng, what: &str) {
    let (d, k) = (tree.stats().d, rng.random_range(1..40));
    let some: Array1<i64> = (0..ids.len().min(150)).map(|_| ids[rng.random_range(0..ids.len())]).collect();
    let limits: Array1<i64> = some.iter().map(|_| rng.random_range(0..=ids.len() as i64 + 5)).collect();
    let bounds: Array1<f64> = some.iter().map(|_| 10f64.powf(rng.random_range(-4.0..3.0))).collect();
    let new = uniform(some.len(), d, rng) * 1.5;
    let both = |query: Query<'_>, radius: Option<f64>, what: &str| {
        let ask = |traversal| {
            let (query, control) = (Query { traversal, ..query.clone() }, &mut Control::none());
            match radius {
                Some(radius) => tree.radius_batch(&query, radius, control).unwrap(),
                None => tree.query_batch(&query, control).unwrap(),
            }
        };
        assert_same(&ask(Traversal::Automatic), &ask(Traversal::BruteForce), what);
    };
    for stored in [true, false] {
        let new = || QueryPoints::New { coords: new.view(), factor: None, residual_variances: None };
        let points = if stored { QueryPoints::Ids(some.view()) } else { new() };
        let all = Query { points, exclude_self: rng.random(), ..Query::ids(some.view(), k) };
        let what = format!("stored {stored}, k {k}, {what}");
        both(all.clone(), None, &what);
        both(Query { id_limits: Some(limits.view()), ..all.clone() }, None, &format!("limits, {what}"));
        both(Query { max_distances: Some(bounds.view()), ..all.clone() }, None, &format!("bounds, {what}"));
        both(all, Some(bounds[0]), &format!("radius {}, {what}", bounds[0]));
    }
    let mut order = ids.to_vec();
    for sorted in [true, false] {
        if !sorted {
            order.shuffle(rng);
        }
        let order = Some(order[..].into());
        let found = tree.vecchia_neighbors(k, order, &mut Control::none()).unwrap();
        let truth = slow.vecchia_neighbors(k, order, &mut Control::none()).unwrap();
        assert_same(&found, &truth, &format!("predecessors, sorted {sorted}, k {k}, {what}"));
    }
}

fn check_seed(seed: u64) {
    let rng = &mut rng(seed);
    let coords = points(rng);
    for metric in METRICS {
        let fast = options(metric, Traversal::Automatic, rng);
        let what =
            format!("seed {seed}, {metric:?}, n {}, d {}, {:?}", coords.nrows(), coords.ncols(), fast.covariance);
        let build = |options: &Options| {
            ResidualCoverTree::build(options, &Data::new(coords.view()), &mut Control::none()).expect(&what)
        };
        let slow = Options { traversal: Traversal::BruteForce, ..fast.clone() };
        let (mut tree, mut slow) = (build(&fast), build(&slow));
        assert_eq!(tree.stats().plan.name(), "boxes");
        let ids: Vec<i64> = (0..coords.nrows() as i64).collect();
        check(&tree, &slow, &ids, rng, &what);
        if !seed.is_multiple_of(3) || ids.len() < 10 {
            continue;
        }
        // Parts, and points that are gone.
        let more = points(rng);
        let more = more.slice(s![..more.nrows() / 3, ..more.ncols().min(coords.ncols())]);
        let gone: Array1<i64> = ids.iter().copied().filter(|id| id % 7 == 3).collect();
        for tree in [&mut tree, &mut slow] {
            if more.ncols() == coords.ncols() && more.nrows() > 0 {
                tree.insert(&Data::new(more), &mut Control::none()).unwrap();
            }
            tree.remove(gone.view(), &mut Control::none()).unwrap();
        }
        let count = coords.nrows() as i64 + if more.ncols() == coords.ncols() { more.nrows() as i64 } else { 0 };
        let ids: Vec<i64> = (0..count).filter(|id| !gone.iter().any(|gone| gone == id)).collect();
        check(&tree, &slow, &ids, rng, &format!("after changes, {what}"));
    }
}

#[test]
fn answers_are_those_of_brute_force() {
    (0..36).for_each(check_seed);
}

/// `RCT_SEEDS=from..to cargo test --release --test boxes -- --ignored`
#[test]
#[ignore = "minutes: many seeds"]
fn answers_are_those_of_brute_force_many() {
    let seeds = std::env::var("RCT_SEEDS").unwrap_or_else(|_| "1000..3000".into());
    let (from, to) = seeds.split_once("..").expect("from..to");
    (from.parse().unwrap()..to.parse().unwrap()).for_each(check_seed);
}

/// Of many equal points a query looks at hardly more than of as many different ones.
#[test]
fn ties_are_not_looked_at_one_by_one() {
    let (n, k) = (20_000, 20);
    let rng = &mut rng(5);
    let places = uniform(10, 2, rng);
    let side = 141;
    let geometries: [(&str, Array2<f64>); 5] = [
        ("one place", Array2::from_shape_fn((n, 2), |(_, j)| places[[0, j]])),
        ("two places", Array2::from_shape_fn((n, 2), |(i, j)| places[[i % 2, j]])),
        ("ten places", Array2::from_shape_fn((n, 2), |(i, j)| places[[i % 10, j]])),
        ("a lattice", Array2::from_shape_fn((side * side, 2), |(i, j)| [i / side, i % side][j] as f64 / 100.0)),
        (
            "a constant column",
            Array2::from_shape_fn((n, 2), |(i, j)| if j == 0 { 0.5 } else { (i * 7919 % n) as f64 / 1e4 }),
        ),
    ];
    for metric in METRICS {
        for (name, coords) in &geometries {
            let kernel = Kernel { lengthscale: Lengthscale::Isotropic(0.3), ..Kernel::default() };
            let options =
                Options { metric, covariance: Covariance::Stationary(kernel), threads: 1, ..Options::default() };
            let tree = ResidualCoverTree::build(&options, &Data::new(coords.view()), &mut Control::none()).unwrap();
            let mut order: Vec<i64> = (0..coords.nrows() as i64).collect();
            order.shuffle(rng);
            let looked_at = |what: &str, queries: usize| {
                let each = tree.stats().last_search.counters.distance_evaluations as f64 / queries as f64;
                assert!(each < 700.0, "{name}, {metric:?}, {what}: {each} evaluations a query");
            };
            tree.vecchia_neighbors(k, Some(order[..].into()), &mut Control::none()).unwrap();
            looked_at("predecessors", coords.nrows());
            let query = Query { exclude_self: true, ..Query::ids(order[..1000].into(), k) };
            tree.query_batch(&query, &mut Control::none()).unwrap();
            looked_at("stored points", 1000);
        }
    }
}
