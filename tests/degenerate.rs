//! Valid input of odd shape, answered exactly: one point, equal points, thousands of duplicates, one dimension, no
//! inducing points, as many as points, and points that lie on one.

mod common;

use common::{Oracle, TRAVERSALS, rng, uniform};
use ndarray::{Array2, s};
use rand::Rng;
use rct::{
    Construction, Control, Covariance, Data, Kernel, KernelFamily, Lengthscale, MetricKind, Options, Query,
    ResidualCoverTree,
};

const METRICS: [MetricKind; 3] = [MetricKind::Residual, MetricKind::Correlation, MetricKind::Euclidean];

/// Checks trees of both constructions over `coords`: stored points, new points, predecessors.
fn check(metric: MetricKind, coords: &Array2<f64>, inducing: Option<&Array2<f64>>, lengthscale: f64, context: &str) {
    let kernel =
        Kernel { family: KernelFamily::Matern32, variance: 2.0, lengthscale: Lengthscale::Isotropic(lengthscale) };
    let n = coords.nrows();
    let inducing = inducing.filter(|_| metric == MetricKind::Residual).map(|z| z.view());
    let oracle = Oracle::new(metric, coords.view(), inducing, kernel.clone(), 1e-6, 1e-10);
    // Some queries: the oracle takes O(n m) for each.
    let ids: Vec<i64> = (0..n as i64).step_by(n.div_ceil(40)).collect();
    for construction in [Construction::Pure, Construction::Hybrid] {
        let covariance = Covariance::Stationary(kernel.clone());
        let options = Options { metric, covariance, construction, threads: 2, ..Options::default() };
        let data = Data { inducing, ..Data::new(coords.view()) };
        let context = format!("{context}, {metric:?}, {construction:?}");
        let tree = ResidualCoverTree::build(&options, &data, &mut Control::none())
            .unwrap_or_else(|error| panic!("{error}; {context}"));
        tree.validate(&mut Control::none()).unwrap_or_else(|error| panic!("{error}; {context}"));
        for traversal in TRAVERSALS {
            let context = format!("{context}, {traversal:?}");
            for k in [1, 10, n + 5] {
                let query = Query { exclude_self: true, traversal, ..Query::ids((&ids[..]).into(), k) };
                let answer = tree.query_batch(&query, &mut Control::none()).unwrap();
                for (q, &id) in ids.iter().enumerate() {
                    let others = |j: usize| j != id as usize;
                    oracle.check(id as usize, k, others, &answer.of(q).collect::<Vec<_>>(), &context);
                }
            }
            // A new point where a stored one is has that one's answer.
            let place = n / 2;
            let query = Query { traversal, ..Query::coords(coords.slice(s![place..place + 1, ..]), 10) };
            let answer = tree.query_batch(&query, &mut Control::none()).unwrap();
            oracle.check(place, 10, |_| true, &answer.of(0).collect::<Vec<_>>(), &context);
        }
        let sets = tree.vecchia_neighbors(10, None, &mut Control::none()).unwrap();
        for &id in &ids {
            let q = id as usize;
            oracle.check(q, 10, |j| j < q, &sets.of(q).collect::<Vec<_>>(), &format!("predecessors; {context}"));
        }
    }
}

#[test]
fn one_point() {
    let coords = uniform(1, 3, &mut rng(1));
    for metric in METRICS {
        check(metric, &coords, None, 1.0, "seed 1");
        check(metric, &coords, Some(&coords), 1.0, "seed 1, on its inducing point");
    }
}

#[test]
fn all_points_equal() {
    let coords = Array2::from_elem((2500, 2), 0.7);
    let inducing = uniform(5, 2, &mut rng(2));
    for metric in METRICS {
        check(metric, &coords, Some(&inducing), 1.0, "seed 2");
    }
}

#[test]
fn thousands_of_duplicates() {
    // 4,000 points at 60 places, the first place alone having 1,500 of them.
    let mut rng = rng(3);
    let places = uniform(60, 2, &mut rng);
    let at = |i: usize, draw: usize| if i % 8 < 3 { 0 } else { draw };
    let chosen: Vec<usize> = (0..4000).map(|i| at(i, rng.random_range(0..60))).collect();
    let coords = places.select(ndarray::Axis(0), &chosen);
    let inducing = uniform(12, 2, &mut rng);
    for metric in METRICS {
        check(metric, &coords, Some(&inducing), 0.3, "seed 3");
    }
}

#[test]
fn one_dimension() {
    let mut rng = rng(4);
    let coords = uniform(1600, 1, &mut rng);
    let inducing = uniform(20, 1, &mut rng);
    for metric in METRICS {
        check(metric, &coords, Some(&inducing), 0.05, "seed 4");
    }
}

#[test]
fn no_inducing_points() {
    let coords = uniform(1600, 2, &mut rng(5));
    check(MetricKind::Residual, &coords, None, 0.2, "seed 5, absent");
    check(MetricKind::Residual, &coords, Some(&Array2::zeros((0, 2))), 0.2, "seed 5, no rows");
}

#[test]
fn as_many_inducing_points_as_points() {
    // Every point is an inducing point: what is left is the jitter's.
    let coords = uniform(200, 2, &mut rng(6));
    check(MetricKind::Residual, &coords, Some(&coords), 0.2, "seed 6");
}

#[test]
fn more_inducing_points_than_points() {
    let mut rng = rng(7);
    let (coords, inducing) = (uniform(30, 2, &mut rng), uniform(90, 2, &mut rng));
    check(MetricKind::Residual, &coords, Some(&inducing), 0.2, "seed 7");
}

#[test]
fn points_on_inducing_points() {
    // Tiny residual variances beside large ones.
    let coords = uniform(1600, 2, &mut rng(8));
    let inducing = coords.slice(s![..;20, ..]).to_owned();
    check(MetricKind::Residual, &coords, Some(&inducing), 0.2, "seed 8");
}

#[test]
fn points_far_apart() {
    // Every correlation underflows to 0: all distances are 1, and ties go to the smallest ids.
    let coords = uniform(1500, 2, &mut rng(9));
    check(MetricKind::Correlation, &coords, None, 1e-9, "seed 9");
    check(MetricKind::Residual, &coords, Some(&coords.slice(s![..10, ..]).to_owned()), 1e-9, "seed 9");
}
