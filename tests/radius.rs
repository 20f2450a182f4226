//! All points within a radius: what the oracle finds there, by every traversal, for stored and new points.

mod common;

use common::{Oracle, TRAVERSALS, rng, uniform};
use ndarray::{Array1, concatenate};
use rand::Rng;
use rct::{
    Construction, Control, Covariance, Data, ErrorKind, Kernel, KernelFamily, Lengthscale, MetricKind, Options, Query,
    ResidualCoverTree,
};

/// Stored points, new points.
const N: usize = 1400;
const NEW: usize = 15;

/// A tree over the first N points of the oracle.
fn tree_and_oracle(metric: MetricKind, construction: Construction, seed: u64) -> (ResidualCoverTree, Oracle) {
    let mut rng = rng(seed);
    let mut coords = uniform(N, 2, &mut rng);
    for i in 0..20 {
        // Duplicates, at distance 0.
        let row = coords.row(i).to_owned();
        coords.row_mut(N - 1 - i).assign(&row);
    }
    let (new, inducing) = (uniform(NEW, 2, &mut rng), uniform(30, 2, &mut rng));
    let inducing = (metric == MetricKind::Residual).then_some(inducing);
    let kernel = Kernel { family: KernelFamily::Matern32, variance: 3.0, lengthscale: Lengthscale::Isotropic(0.3) };
    let covariance = Covariance::Stationary(kernel.clone());
    let options = Options { metric, covariance, construction, threads: 2, ..Options::default() };
    let data = Data { inducing: inducing.as_ref().map(|z| z.view()), ..Data::new(coords.view()) };
    let tree = ResidualCoverTree::build(&options, &data, &mut Control::none()).unwrap();
    let both = concatenate![ndarray::Axis(0), coords, new];
    let oracle = Oracle::new(metric, both.view(), inducing.as_ref().map(|z| z.view()), kernel, 1e-6, 1e-10);
    (tree, oracle)
}

/// Checks the answer to query `q`: all allowed points nearer than `radius`, those at the radius itself as it says.
fn check(
    oracle: &Oracle,
    q: usize,
    radius: f64,
    allowed: impl Fn(usize) -> bool,
    answer: &[(i64, f64)],
    context: &str,
) {
    let score = if oracle.metric == MetricKind::Euclidean { -radius } else { 1.0 - radius * radius };
    let within = |j: usize| {
        let off = oracle.score(q, j) - score;
        if off.abs() <= oracle.tolerance(q, j) { answer.iter().any(|&(id, _)| id as usize == j) } else { off > 0.0 }
    };
    assert!(answer.iter().all(|&(_, distance)| distance < radius), "beyond {radius}; {context}");
    oracle.check(q, usize::MAX, |j| j < N && allowed(j) && within(j), answer, context);
}

#[test]
fn every_point_within_the_radius_is_found() {
    let cases = [
        (MetricKind::Residual, Construction::Pure, 1),
        (MetricKind::Residual, Construction::Hybrid, 2),
        (MetricKind::Correlation, Construction::Pure, 3),
        (MetricKind::Euclidean, Construction::Pure, 4),
    ];
    for (metric, construction, seed) in cases {
        let (tree, oracle) = tree_and_oracle(metric, construction, seed);
        let ids: Vec<i64> = (0..N as i64).step_by(71).chain([N as i64 - 1]).collect();
        let new = oracle.coords.slice(ndarray::s![N.., ..]);
        for radius in [1e-6, 0.1, 0.5, 0.9, 0.99, 1.0] {
            for traversal in TRAVERSALS {
                let context = format!("radius {radius}, {traversal:?}, {metric:?}, {construction:?}, seed {seed}");
                let query = Query { traversal, ..Query::ids((&ids[..]).into(), 1) };
                let answer = tree.radius_batch(&query, radius, &mut Control::none()).unwrap();
                for (q, &id) in ids.iter().enumerate() {
                    check(&oracle, id as usize, radius, |_| true, &answer.of(q).collect::<Vec<_>>(), &context);
                }
                let query = Query { traversal, ..Query::coords(new, 1) };
                let answer = tree.radius_batch(&query, radius, &mut Control::none()).unwrap();
                for q in 0..NEW {
                    check(&oracle, N + q, radius, |_| true, &answer.of(q).collect::<Vec<_>>(), &context);
                }
            }
        }
    }
}

#[test]
fn id_limits_and_self_exclusion_hold() {
    let seed = 5;
    let (tree, oracle) = tree_and_oracle(MetricKind::Residual, Construction::Pure, seed);
    let mut rng = rng(seed + 1_000_000);
    let ids: Vec<i64> = (0..40).map(|_| rng.random_range(0..N as i64)).collect();
    let limits: Array1<i64> = ids.iter().map(|_| rng.random_range(0..=N as i64)).collect();
    for traversal in TRAVERSALS {
        let query =
            Query { id_limits: Some(limits.view()), exclude_self: true, traversal, ..Query::ids((&ids[..]).into(), 1) };
        let answer = tree.radius_batch(&query, 0.95, &mut Control::none()).unwrap();
        for (q, &id) in ids.iter().enumerate() {
            let allowed = |j: usize| j != id as usize && (j as i64) < limits[q];
            let context = format!("{traversal:?}, seed {seed}");
            check(&oracle, id as usize, 0.95, allowed, &answer.of(q).collect::<Vec<_>>(), &context);
        }
    }
}

#[test]
fn a_radius_beyond_every_distance_finds_all_points() {
    let (tree, _) = tree_and_oracle(MetricKind::Residual, Construction::Pure, 6);
    let ids = [0, 700];
    for radius in [1.0 + 1e-9, 2.0, f64::INFINITY] {
        let answer = tree.radius_batch(&Query::ids((&ids[..]).into(), 1), radius, &mut Control::none()).unwrap();
        assert!((0..ids.len()).all(|q| answer.of(q).len() == N), "radius {radius}");
    }
}

#[test]
fn a_radius_that_is_not_positive_is_refused() {
    let (tree, _) = tree_and_oracle(MetricKind::Euclidean, Construction::Pure, 7);
    let ask = |radius| tree.radius_batch(&Query::ids((&[0][..]).into(), 1), radius, &mut Control::none());
    for (radius, kind) in [
        (0.0, ErrorKind::InvalidArgument),
        (-1.0, ErrorKind::InvalidArgument),
        (f64::NEG_INFINITY, ErrorKind::InvalidArgument),
        (f64::NAN, ErrorKind::NotFinite),
    ] {
        assert_eq!(ask(radius).map_err(|error| error.kind()), Err(kind), "radius {radius}");
    }
}
