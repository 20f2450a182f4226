//! A factor V of the caller's own, with and without residual variances p: the definition over the V and p given, for
//! stored and for new points, also where they are no residual of the kernel.

mod common;

use common::{Oracle, TRAVERSALS, rng, uniform};
use ndarray::{Array1, Array2, s};
use rand::Rng;
use rct::{
    Construction, Control, Covariance, Data, ErrorKind, Kernel, KernelFamily, Lengthscale, MetricKind, Options, Query,
    QueryPoints, ResidualCoverTree, Traversal,
};

/// Stored points, new points.
const N: usize = 1500;
const NEW: usize = 40;
const K: usize = 12;

/// The options of every tree here.
fn options(construction: Construction) -> Options {
    Options { covariance: Covariance::Stationary(kernel()), construction, threads: 2, ..Options::default() }
}

fn kernel() -> Kernel {
    Kernel { family: KernelFamily::Matern52, variance: 2.0, lengthscale: Lengthscale::Isotropic(0.2) }
}

/// N + NEW points and the V that their inducing points give.
fn residual(seed: u64, m: usize) -> Oracle {
    let mut rng = rng(seed);
    let coords = uniform(N + NEW, 2, &mut rng);
    let inducing = uniform(m, 2, &mut rng);
    Oracle::new(MetricKind::Residual, coords.view(), Some(inducing.view()), kernel(), 1e-6, 1e-10)
}

/// The oracle over V and, where given, p.
fn oracle(coords: &Array2<f64>, factor: Array2<f64>, variances: Option<Array1<f64>>) -> Oracle {
    Oracle::from_factor(MetricKind::Residual, coords.view(), factor, variances, kernel(), 1e-10)
}

/// A tree over the first N points of an oracle.
fn tree(oracle: &Oracle, with_variances: bool, construction: Construction) -> ResidualCoverTree {
    let data = Data {
        factor: Some(oracle.factor.slice(s![..N, ..])),
        residual_variances: with_variances.then(|| oracle.variances.slice(s![..N])),
        ..Data::new(oracle.coords.slice(s![..N, ..]))
    };
    let tree = ResidualCoverTree::build(&options(construction), &data, &mut Control::none()).unwrap();
    tree.validate(&mut Control::none()).unwrap();
    tree
}

/// The points of an oracle from N on, as queries.
fn new_points(oracle: &Oracle, with_variances: bool) -> QueryPoints<'_> {
    QueryPoints::New {
        coords: oracle.coords.slice(s![N.., ..]),
        factor: Some(oracle.factor.slice(s![N.., ..])),
        residual_variances: with_variances.then(|| oracle.variances.slice(s![N..])),
    }
}

/// Checks stored and new points, by every traversal.
fn check(tree: &ResidualCoverTree, oracle: &Oracle, with_variances: bool, context: &str) {
    let ids: Vec<i64> = (0..N as i64).step_by(37).collect();
    for traversal in TRAVERSALS {
        let context = format!("{traversal:?}; {context}");
        let query = Query { exclude_self: true, traversal, ..Query::ids((&ids[..]).into(), K) };
        let answer = tree.query_batch(&query, &mut Control::none()).unwrap();
        for (q, &id) in ids.iter().enumerate() {
            let others = |j: usize| j < N && j != id as usize;
            oracle.check(id as usize, K, others, &answer.of(q).collect::<Vec<_>>(), &context);
        }
        let query =
            Query { points: new_points(oracle, with_variances), traversal, ..Query::ids((&ids[..0]).into(), K) };
        let answer = tree.query_batch(&query, &mut Control::none()).unwrap();
        for q in 0..NEW {
            oracle.check(N + q, K, |j| j < N, &answer.of(q).collect::<Vec<_>>(), &context);
        }
    }
}

#[test]
fn without_residual_variances() {
    for (seed, construction) in [(1, Construction::Pure), (2, Construction::Hybrid)] {
        let oracle = residual(seed, 30);
        let tree = tree(&oracle, false, construction);
        assert!(!tree.stats().brute_force_only && tree.stats().m == 30);
        check(&tree, &oracle, false, &format!("seed {seed}"));
    }
}

#[test]
fn with_residual_variances() {
    for (seed, construction) in [(3, Construction::Pure), (4, Construction::Hybrid)] {
        let full = residual(seed, 30);
        let oracle = oracle(&full.coords, full.factor.clone(), Some(full.variances.clone()));
        let tree = tree(&oracle, true, construction);
        assert!(!tree.stats().brute_force_only);
        check(&tree, &oracle, true, &format!("seed {seed}"));
    }
}

#[test]
fn with_residual_variances_larger_than_what_is_left() {
    // As with observation noise: an independent part that lowers every correlation, by more for some points.
    for (seed, construction) in [(5, Construction::Pure), (6, Construction::Hybrid)] {
        let full = residual(seed, 30);
        let mut rng = rng(seed + 1_000_000);
        let noisy = full.variances.mapv(|p| p + if rng.random_bool(0.5) { 0.0 } else { rng.random_range(0.0..0.5) });
        let oracle = oracle(&full.coords, full.factor.clone(), Some(noisy));
        let tree = tree(&oracle, true, construction);
        assert!(!tree.stats().brute_force_only);
        check(&tree, &oracle, true, &format!("seed {seed}"));
    }
}

#[test]
fn residual_variances_smaller_than_what_is_left_mean_brute_force() {
    // Correlations beyond 1, clamped: no metric, yet the definition has an answer.
    let full = residual(7, 30);
    let oracle = oracle(&full.coords, full.factor.clone(), Some(full.variances.mapv(|p| 0.3 * p)));
    let tree = tree(&oracle, true, Construction::Pure);
    assert!(tree.stats().brute_force_only);
    check(&tree, &oracle, true, "seed 7");
    assert_eq!(tree.stats().last_search.traversal, Traversal::BruteForce);
}

#[test]
fn a_factor_that_is_no_residual_means_brute_force() {
    // Small enough to leave positive variances everywhere: only the covariances tell.
    for (seed, scale) in [(8, 0.2), (9, 3.0)] {
        let mut rng = rng(seed);
        let coords = uniform(N + NEW, 2, &mut rng);
        let factor = Array2::from_shape_fn((N + NEW, 5), |_| scale * (rng.random::<f64>() - 0.5));
        let oracle = oracle(&coords, factor, None);
        let tree = tree(&oracle, false, Construction::Pure);
        assert!(tree.stats().brute_force_only, "seed {seed}");
        check(&tree, &oracle, false, &format!("seed {seed}"));
    }
}

#[test]
fn new_points_that_do_not_fit_the_factor_are_answered_by_definition() {
    // The stored V is a residual's, so the tree has bounds; the new points' V, or their p, break them.
    for seed in [10, 11, 12] {
        let full = residual(seed, 30);
        let mut rng = rng(seed + 1_000_000);
        let (mut factor, mut variances) = (full.factor.clone(), full.variances.clone());
        match seed {
            10 => factor.slice_mut(s![N.., ..]).fill(0.0),
            11 => factor.slice_mut(s![N.., ..]).mapv_inplace(|v| v + 0.3 * (rng.random::<f64>() - 0.5)),
            _ => variances.slice_mut(s![N..]).mapv_inplace(|p| 0.1 * p),
        }
        let with_variances = seed == 12;
        let oracle = oracle(&full.coords, factor, with_variances.then_some(variances));
        let tree = tree(&oracle, with_variances, Construction::Pure);
        assert!(!tree.stats().brute_force_only, "seed {seed}");
        check(&tree, &oracle, with_variances, &format!("seed {seed}"));
    }
}

#[test]
fn new_points_need_what_the_tree_was_built_with() {
    let full = residual(13, 30);
    let oracle = oracle(&full.coords, full.factor.clone(), Some(full.variances.clone()));
    for built_with_variances in [false, true] {
        let tree = tree(&oracle, built_with_variances, Construction::Pure);
        let ask = |points| {
            let query = Query { points, ..Query::ids((&[][..]).into(), K) };
            tree.query_batch(&query, &mut Control::none()).map_err(|error| error.kind())
        };
        assert_eq!(ask(new_points(&oracle, !built_with_variances)), Err(ErrorKind::InvalidArgument));
        let coords = oracle.coords.slice(s![N.., ..]);
        let bare = QueryPoints::New { coords, factor: None, residual_variances: None };
        assert_eq!(ask(bare), Err(ErrorKind::InvalidArgument));
        assert!(ask(new_points(&oracle, built_with_variances)).is_ok());
    }
}
