//! Arguments drawn at random from what breaks programs: every call answers as brute force does, or returns an error that
//! says why. Nothing panics. The seed of a failing case is printed.

mod common;

use common::rng;
use ndarray::{Array1, Array2};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rct::{
    Construction, Control, Covariance, Data, Error, ErrorKind, Kernel, KernelFamily, Lengthscale, MetricKind, Options,
    Query, QueryPoints, ResidualCoverTree, Traversal, TreeOrder,
};

const VALUES: [f64; 18] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    5e-324,
    -5e-324,
    0.0,
    -0.0,
    -1.0,
    1e-300,
    1e300,
    1e-150,
    1e150,
    1e-12,
    1e12,
    1.0,
];

/// Mostly a value in [0.1, 1), else one of [`VALUES`].
fn value(rng: &mut ChaCha8Rng, hostile: f64) -> f64 {
    if rng.random_bool(hostile) { *VALUES.choose(rng).unwrap() } else { rng.random_range(0.1..1.0) }
}

/// Mostly `right`, else something near it.
fn size(rng: &mut ChaCha8Rng, right: usize) -> usize {
    if rng.random_bool(0.97) { right } else { *[0, 1, right + 1, right.saturating_sub(1)].choose(rng).unwrap() }
}

fn matrix(rows: usize, columns: usize, rng: &mut ChaCha8Rng) -> Array2<f64> {
    // Hostile values in few matrices, few values in most of these, so that what comes after the checks is reached.
    let hostile = *[0.0, 0.0, 0.0, 0.0, 0.001, 0.2].choose(rng).unwrap();
    let mut values = Array2::from_shape_fn((rows, columns), |_| value(rng, hostile));
    if rng.random_bool(0.1) {
        let scale = *[1e-300, 1e-20, 1e20, 1e300].choose(rng).unwrap();
        values *= scale;
    }
    values
}

fn vector(len: usize, rng: &mut ChaCha8Rng) -> Array1<f64> {
    let column = matrix(len, 1, rng);
    column.column(0).to_owned()
}

fn ids(len: usize, n: usize, rng: &mut ChaCha8Rng) -> Array1<i64> {
    let one = |rng: &mut ChaCha8Rng| rng.random_range(0..n.max(1) as i64);
    let mut ids = Array1::from_iter((0..len).map(|_| one(rng)));
    if len > 0 && rng.random_bool(0.1) {
        ids[rng.random_range(0..len)] = *[-1, n as i64, i64::MAX, i64::MIN].choose(rng).unwrap();
    }
    ids
}

fn options(d: usize, rng: &mut ChaCha8Rng) -> Options {
    let hostile = if rng.random_bool(0.4) { 0.3 } else { 0.0 };
    let alpha = value(rng, hostile);
    let family = *[
        KernelFamily::Rbf,
        KernelFamily::Matern12,
        KernelFamily::Matern32,
        KernelFamily::Matern52,
        KernelFamily::RationalQuadratic { alpha },
    ]
    .choose(rng)
    .unwrap();
    let lengthscale = if rng.random_bool(0.5) {
        Lengthscale::Isotropic(value(rng, hostile))
    } else {
        Lengthscale::PerDimension((0..size(rng, d)).map(|_| value(rng, hostile)).collect())
    };
    let kernel = Kernel { family, variance: value(rng, hostile), lengthscale };
    Options {
        metric: *[MetricKind::Residual, MetricKind::Residual, MetricKind::Correlation, MetricKind::Euclidean]
            .choose(rng)
            .unwrap(),
        covariance: Covariance::Stationary(kernel),
        construction: *[Construction::Pure, Construction::Hybrid].choose(rng).unwrap(),
        order: *[TreeOrder::Natural, TreeOrder::Hilbert].choose(rng).unwrap(),
        traversal: *common::TRAVERSALS.choose(rng).unwrap(),
        threads: *[1, 1, 1, 2, 5000].choose(rng).unwrap(),
        jitter: 0.01 * value(rng, hostile),
        residual_floor: 1e-3 * value(rng, hostile),
        portable_simd: rng.random_bool(0.3),
    }
}

/// An error that a caller can act on.
fn explained(error: &Error, context: &str) {
    assert!(error.kind() != ErrorKind::Internal && !error.to_string().is_empty(), "{error:?}; {context}");
}

/// Builds, and asks; returns how many queries were answered.
fn case(seed: u64) -> usize {
    let mut rng = rng(seed);
    let rng = &mut rng;
    let n = *[0, 1, 2, 7, 60, 300, 1500, 2500].choose(rng).unwrap();
    let d = *[1, 1, 2, 3, 7].choose(rng).unwrap();
    let m = *[0, 1, 2, 15, 40, n.min(90) + 1].choose(rng).unwrap();
    let coords = matrix(n, size(rng, d), rng);
    let options = options(d, rng);
    let residual = options.metric == MetricKind::Residual || rng.random_bool(0.1);
    let inducing = (residual && rng.random_bool(0.6)).then(|| matrix(m, size(rng, d), rng));
    let factor = (residual && rng.random_bool(if inducing.is_some() { 0.05 } else { 0.6 }))
        .then(|| *[0.01, 0.3, 1.0].choose(rng).unwrap() * matrix(size(rng, n), m, rng));
    let variances = rng.random_bool(if factor.is_some() { 0.5 } else { 0.03 }).then(|| vector(size(rng, n), rng));
    let context = format!("seed {seed}: n {n}, d {d}, m {m}, {options:?}");
    let data = Data {
        coords: coords.view(),
        inducing: inducing.as_ref().map(|z| z.view()),
        factor: factor.as_ref().map(|v| v.view()),
        residual_variances: variances.as_ref().map(|p| p.view()),
    };
    let tree = match ResidualCoverTree::build(&options, &data, &mut Control::none()) {
        Ok(tree) => tree,
        Err(error) => {
            explained(&error, &context);
            return 0;
        }
    };
    tree.validate(&mut Control::none()).unwrap_or_else(|error| panic!("{error}; {context}"));
    let mut answered = 0;
    for _ in 0..6 {
        let count = *[0, 1, 5, 40].choose(rng).unwrap();
        let chosen = ids(count, n, rng);
        let new = matrix(count, size(rng, d), rng);
        let new_factor = (factor.is_some() != rng.random_bool(0.03)).then(|| 0.1 * matrix(size(rng, count), m, rng));
        let new_variances = (variances.is_some() != rng.random_bool(0.03)).then(|| vector(size(rng, count), rng));
        let one_or_each = if rng.random_bool(0.3) { 1 } else { size(rng, count) };
        let limits = rng.random_bool(0.4).then(|| ids(one_or_each, n + 1, rng));
        let bounds = rng.random_bool(0.3).then(|| vector(one_or_each, rng));
        let points = if rng.random_bool(0.6) {
            QueryPoints::Ids(chosen.view())
        } else {
            QueryPoints::New {
                coords: new.view(),
                factor: new_factor.as_ref().map(|v| v.view()),
                residual_variances: new_variances.as_ref().map(|p| p.view()),
            }
        };
        let query = Query {
            points,
            k: *[0, 1, 3, 30, n + 2, usize::MAX].choose(rng).unwrap(),
            id_limits: limits.as_ref().map(|l| l.view()),
            max_distances: bounds.as_ref().map(|b| b.view()),
            exclude_self: rng.random_bool(0.5),
            traversal: *common::TRAVERSALS.choose(rng).unwrap(),
        };
        let radius = value(rng, 0.2);
        let by_radius = rng.random_bool(0.3);
        let ask = |query: &Query<'_>| match by_radius {
            true => tree.radius_batch(query, radius, &mut Control::none()),
            false => tree.query_batch(query, &mut Control::none()),
        };
        let brute = Query { traversal: Traversal::BruteForce, ..query.clone() };
        let what = format!("k {}, {:?}, radius {radius} ({by_radius}); {context}", query.k, query.traversal);
        match (ask(&query), ask(&brute)) {
            (Ok(found), Ok(truth)) => {
                answered += truth.len();
                assert!(found == truth, "{what}");
                for q in 0..truth.len() {
                    assert!(truth.of(q).all(|(_, distance)| distance >= 0.0), "a distance is no number; {what}");
                }
            }
            (Err(error), Err(same)) => {
                explained(&error, &what);
                assert_eq!(error.to_string(), same.to_string(), "{what}");
            }
            (found, truth) => panic!("{:?}, {:?}; {what}", found.err(), truth.err()),
        }
    }
    let k = *[0, 1, 9].choose(rng).unwrap();
    if let Err(error) = tree.vecchia_neighbors(k, None, &mut Control::none()) {
        explained(&error, &context);
    }
    answered
}

#[test]
fn random_arguments() {
    let answered: usize = (0..600).map(case).sum();
    assert!(answered > 5000, "{answered} queries were answered: too few to tell anything");
}

#[test]
#[ignore = "minutes: many seeds"]
fn random_arguments_many() {
    (1000..20_000).for_each(|seed| {
        case(seed);
    });
}
