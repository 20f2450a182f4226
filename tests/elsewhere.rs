//! Queries from elsewhere: new points far from all data, with and without a bound. Answers are those of brute force, and where there is
//! nothing to be found little is looked at.

mod common;

use common::{rng, uniform};
use ndarray::{Array1, Array2, s};
use rand::Rng;
use rand::seq::IndexedRandom;
use rct::{Control, Covariance, Data, Kernel, KernelFamily, Lengthscale, Options, Query, ResidualCoverTree, Traversal};

const N: usize = 6000;
const QUERIES: usize = 300;

/// Points of a plan: those of little residual variance have subspaces, those of much affine bounds from the beginning.
fn tree(plan: &str, lengthscale: f64, seed: u64) -> ResidualCoverTree {
    let coords = uniform(N, 2, &mut rng(seed));
    let kernel =
        Kernel { family: KernelFamily::Matern52, variance: 1.0, lengthscale: Lengthscale::Isotropic(lengthscale) };
    let options = Options { covariance: Covariance::Stationary(kernel), threads: 2, ..Options::default() };
    let inducing = coords.slice(s![..100, ..]);
    let data = Data::with_inducing(coords.view(), inducing);
    let tree = ResidualCoverTree::build(&options, &data, &mut Control::none()).unwrap();
    assert_eq!(tree.stats().plan.name(), plan);
    tree
}

/// New points beyond the border by up to `beyond` lengthscales.
fn outside(beyond: f64, lengthscale: f64, seed: u64) -> Array2<f64> {
    let mut rng = rng(seed);
    Array2::from_shape_fn((QUERIES, 2), |(_, j)| match j {
        0 => 1.0 + beyond * lengthscale * rng.random::<f64>(),
        _ => rng.random(),
    })
}

#[test]
fn queries_from_elsewhere_are_answered_exactly() {
    for (plan, lengthscale) in [("leaves and subspaces", 0.15), ("leaves", 0.03)] {
        for seed in 0..4 {
            let tree = tree(plan, lengthscale, seed);
            for (t, beyond) in [0.2, 1.0, 5.0, 1e6].into_iter().enumerate() {
                let points = outside(beyond, lengthscale, 10 * seed + t as u64);
                let mut rng = rng(seed);
                let bound = |_| *[0.05, 0.4, 0.9, f64::INFINITY].choose(&mut rng).unwrap();
                let bounds = Array1::from_iter((0..QUERIES).map(bound));
                for max_distances in [None, Some(bounds.view())] {
                    let query = Query { max_distances, ..Query::coords(points.view(), 20) };
                    let brute_force = Query { traversal: Traversal::BruteForce, ..query.clone() };
                    let truth = tree.query_batch(&brute_force, &mut Control::none()).unwrap();
                    // The first may make what the second has.
                    for again in 0..2 {
                        let found = tree.query_batch(&query, &mut Control::none()).unwrap();
                        let bounded = max_distances.is_some();
                        assert!(found == truth, "{plan}, seed {seed}, {beyond} beyond, {bounded}, {again}");
                    }
                }
            }
        }
    }
}

#[test]
fn where_nothing_is_to_be_found_little_is_looked_at() {
    for (plan, lengthscale) in [("leaves and subspaces", 0.15), ("leaves", 0.03)] {
        let tree = tree(plan, lengthscale, 7);
        let close = Array1::from_elem(1, 0.05);
        for beyond in [0.5, 2.0, 1e3] {
            let mut points = outside(0.0, lengthscale, 8);
            points.column_mut(0).mapv_inplace(|x| x + beyond * lengthscale);
            let query = Query { max_distances: Some(close.view()), ..Query::coords(points.view(), 20) };
            for _ in 0..2 {
                let found = tree.query_batch(&query, &mut Control::none()).unwrap();
                assert!((0..QUERIES).all(|q| found.of(q).len() == 0));
            }
            let counters = tree.stats().last_search.counters;
            let each = counters.distance_evaluations / QUERIES as u64;
            assert!(each < 400 && counters.by_leaves == QUERIES as u64, "{plan}, {beyond} beyond: {counters:?}");
        }
    }
}
