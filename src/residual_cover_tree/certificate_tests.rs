//! Answers depend on no projection: with any of them off they are those of brute force, at the cost of evaluations.

use super::tree::{Neighbors, ResidualCoverTree};
use crate::control::Control;
use crate::data::{Data, Query};
use crate::kernel::{Covariance, Kernel, KernelFamily, Lengthscale};
use crate::options::{Construction, Options, Traversal};
use crate::search::InUse;
use ndarray::{Array1, Array2, s};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A tree of `n` points with `m` inducing points.
fn tree(n: usize, d: usize, family: KernelFamily, lengthscale: f64, m: usize, seed: u64) -> ResidualCoverTree {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let coords = Array2::from_shape_fn((n, d), |_| rng.random::<f64>());
    let inducing = coords.slice(s![..m, ..]);
    let kernel = Kernel { family, variance: 1.0, lengthscale: Lengthscale::Isotropic(lengthscale) };
    let options = Options {
        covariance: Covariance::Stationary(kernel),
        construction: Construction::Hybrid,
        threads: 2,
        ..Options::default()
    };
    let data = Data::with_inducing(coords.view(), inducing);
    ResidualCoverTree::build(&options, &data, &mut Control::none()).unwrap()
}

/// The answer to `query` with these certificates, and the evaluations that it took.
fn ask(tree: &mut ResidualCoverTree, query: &Query<'_>, certificates: InUse) -> (Neighbors, u64) {
    tree.in_use = certificates;
    let found = tree.query_batch(query, &mut Control::none()).unwrap();
    (found, tree.stats().last_search.counters.distance_evaluations)
}

/// Turns a projection off.
type Off = fn(&mut InUse);

/// Compares answers with each projection off, and all of them.
fn each_may_be_off(tree: &mut ResidualCoverTree, certificates: &[(&str, Off)]) {
    let ids: Array1<i64> = (0..300).map(|t| t * 19).collect();
    let limits = ids.mapv(|id| (id * 7) % 5000 + 1000);
    let plain = Query::ids(ids.view(), 20);
    let limited = Query { id_limits: Some(limits.view()), ..plain.clone() };
    for query in [plain, limited] {
        let brute = Query { traversal: Traversal::BruteForce, ..query.clone() };
        let (truth, _) = ask(tree, &brute, InUse::ALL);
        let (found, least) = ask(tree, &query, InUse::ALL);
        assert!(found == truth);
        let mut none = InUse::ALL;
        for (name, off) in certificates {
            let mut some = InUse::ALL;
            off(&mut some);
            off(&mut none);
            let (found, evaluations) = ask(tree, &query, some);
            assert!(found == truth, "{name}");
            assert!(evaluations > least, "{name} decides nothing: {evaluations} evaluations without, {least} with it");
        }
        assert!(ask(tree, &query, none).0 == truth);
    }
}

#[test]
fn subspaces() {
    // Smooth, with few inducing points: all of them matter everywhere.
    let mut tree = tree(6000, 2, KernelFamily::Rbf, 0.3, 20, 21);
    let index = &tree.parts[0].index;
    assert!(index.subspaces.is_some() && index.leaves.is_none());
    each_may_be_off(
        &mut tree,
        &[
            ("table", |on| on.table = false),
            ("cross_grams", |on| on.cross_grams = false),
            ("members", |on| on.members = false),
        ],
    );
    // What it excludes each member's bound excludes too: it saves time, not evaluations.
    let ids: Array1<i64> = (0..300).map(|t| t * 19).collect();
    let query = Query::ids(ids.view(), 20);
    let (found, _) = ask(&mut tree, &query, InUse { subspaces: false, ..InUse::ALL });
    assert!(found == ask(&mut tree, &query, InUse::ALL).0);
}

#[test]
fn leaves() {
    let mut tree = tree(6000, 3, KernelFamily::Matern12, 0.2, 60, 22);
    let index = &tree.parts[0].index;
    assert!(index.subspaces.is_none() && index.leaves.is_some());
    each_may_be_off(&mut tree, &[("regions", |on| on.regions = false), ("points", |on| on.points = false)]);
}

#[test]
fn panels_of_cells() {
    // Subspaces of one leaf, as the table of few is small, and of two.
    for (n, lengthscale, m, in_each) in [(6000, 0.1, 150, 1), (20000, 0.1, 200, 2)] {
        let mut tree = tree(n, 2, KernelFamily::Matern52, lengthscale, m, 23);
        let index = &tree.parts[0].index;
        let (subspaces, leaves) = (index.subspaces.as_ref().unwrap().len(), index.leaves.as_ref().unwrap().len());
        assert_eq!(leaves.div_ceil(subspaces), in_each);
        each_may_be_off(&mut tree, &[("cross_grams", |on| on.cross_grams = false), ("points", |on| on.points = false)]);
        // All leaves are open where the table is off.
        let ids: Array1<i64> = (0..300).map(|t| t * 19).collect();
        let query = Query::ids(ids.view(), 20);
        let (found, _) = ask(&mut tree, &query, InUse { table: false, ..InUse::ALL });
        assert!(found == ask(&mut tree, &query, InUse::ALL).0);
    }
}

/// Their leaves hold points of several subspaces, each of which has two leaves of all points.
#[test]
fn panels_of_prefixes() {
    let n = 20000;
    let mut tree = tree(n, 2, KernelFamily::Matern52, 0.1, 200, 24);
    let part = &tree.parts[0];
    let positions = &part.layout.positions[..n / 4];
    let prefix = part.prefix_index(tree.common(), positions, &mut Control::none()).unwrap();
    assert!(prefix.starts.is_some() && prefix.subspaces.is_none());
    assert!(part.index.subspaces.as_ref().unwrap().len() < part.index.leaves.as_ref().unwrap().len());
    let ids: Array1<i64> = (0..n as i64).collect();
    let query = Query {
        id_limits: Some(ids.view()),
        exclude_self: true,
        traversal: Traversal::BruteForce,
        ..Query::ids(ids.view(), 20)
    };
    let (truth, _) = ask(&mut tree, &query, InUse::ALL);
    let parts: [Off; 4] = [|_| (), |on| on.table = false, |on| on.cross_grams = false, |on| on.points = false];
    for off in parts {
        off(&mut tree.in_use);
        assert!(tree.vecchia_neighbors(20, None, &mut Control::none()).unwrap() == truth);
        tree.in_use = InUse::ALL;
    }
    // Of points that are in no subspace of the part that is searched; in another order all rows are mixed.
    let mut rng = ChaCha8Rng::seed_from_u64(25);
    let more = Array2::from_shape_fn((400, 2), |_| rng.random::<f64>());
    tree.insert(&Data::new(more.view()), &mut Control::none()).unwrap();
    assert_eq!(tree.parts.len(), 2);
    let order: Array1<i64> = (0..n as i64 + 400).map(|t| t * 7919 % (n as i64 + 400)).collect();
    let found = tree.vecchia_neighbors(20, Some(order.view()), &mut Control::none()).unwrap();
    tree.options.traversal = Traversal::BruteForce;
    assert!(tree.vecchia_neighbors(20, Some(order.view()), &mut Control::none()).unwrap() == found);
}
