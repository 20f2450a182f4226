//! The automatic traversal on sets large enough for its cells, its panels and its prefixes: every answer is that of
//! brute force, which is checked against the oracle on a sample. The seed of a failing case is printed.

mod common;

use common::{Oracle, rng, uniform};
use ndarray::{Array1, Array2, s};
use rand::Rng;
use rand::seq::IndexedRandom;
use rct::{
    Construction, Control, Covariance, Data, Kernel, KernelFamily, Lengthscale, MetricKind, Options, Query,
    ResidualCoverTree, Traversal,
};

struct Case {
    tree: ResidualCoverTree,
    oracle: Oracle,
    coords: Array2<f64>,
    context: String,
}

fn case(seed: u64) -> Case {
    let mut rng = rng(seed);
    let n = rng.random_range(2500..6000);
    let d = *[1, 2, 2, 3, 3, 5].choose(&mut rng).unwrap();
    let mut coords = uniform(n, d, &mut rng);
    if rng.random_bool(0.3) {
        // Duplicates, and a thousand points in a corner.
        for i in 0..n / 10 {
            let row = coords.row(rng.random_range(0..n)).to_owned();
            coords.row_mut(i).assign(&row);
        }
        coords.slice_mut(s![n - 1000.., ..]).mapv_inplace(|x| 0.02 * x);
    }
    let family = *[
        KernelFamily::Rbf,
        KernelFamily::Matern12,
        KernelFamily::Matern32,
        KernelFamily::Matern52,
        KernelFamily::RationalQuadratic { alpha: 1.3 },
    ]
    .choose(&mut rng)
    .unwrap();
    let lengthscale = Lengthscale::PerDimension((0..d).map(|_| rng.random_range(0.08..0.5)).collect());
    let kernel = Kernel { family, variance: rng.random_range(0.2..4.0), lengthscale };
    let m = rng.random_range(1..=120);
    let inducing = if rng.random_bool(0.5) { coords.slice(s![..m, ..]).to_owned() } else { uniform(m, d, &mut rng) };
    let options = Options {
        covariance: Covariance::Stationary(kernel.clone()),
        construction: Construction::Hybrid,
        threads: rng.random_range(1..=3),
        portable_simd: rng.random_bool(0.2),
        ..Options::default()
    };
    let context = format!("seed {seed}: n {n}, d {d}, m {m}, {options:?}");
    let data = Data::with_inducing(coords.view(), inducing.view());
    let tree = ResidualCoverTree::build(&options, &data, &mut Control::none())
        .unwrap_or_else(|error| panic!("{error}; {context}"));
    let oracle = Oracle::new(MetricKind::Residual, coords.view(), Some(inducing.view()), kernel, 1e-6, 1e-10);
    Case { tree, oracle, coords, context }
}

#[test]
fn automatic_answers_are_those_of_brute_force_and_of_the_oracle() {
    let (mut by_ball, mut by_panels) = (0, 0);
    for seed in 3000..3024 {
        let Case { tree, oracle, coords, context } = case(seed);
        let mut rng = rng(seed + 1_000_000);
        let n = coords.nrows();
        let k = rng.random_range(1..=40);
        let ids: Vec<i64> = (0..150).map(|_| rng.random_range(0..n as i64)).collect();
        let exclude_self = rng.random_bool(0.5);
        let limits: Array1<i64> = ids.iter().map(|_| rng.random_range(0..=n as i64)).collect();
        let bounds = Array1::from_elem(1, rng.random_range(0.3..1.0));
        let plain = Query { exclude_self, ..Query::ids((&ids[..]).into(), k) };
        let limited = Query { id_limits: Some(limits.view()), ..plain.clone() };
        let bounded = Query { max_distances: Some(bounds.view()), ..plain.clone() };
        let mut new = uniform(60, coords.ncols(), &mut rng);
        new.row_mut(0).assign(&coords.row(5));
        new.row_mut(1).fill(40.0);
        let unseen = Query::coords(new.view(), k);
        for (what, query) in [("plain", plain), ("limited", limited), ("bounded", bounded), ("unseen", unseen)] {
            let brute = Query { traversal: Traversal::BruteForce, ..query.clone() };
            let truth = tree.query_batch(&brute, &mut Control::none()).unwrap();
            let found = tree.query_batch(&query, &mut Control::none()).unwrap();
            let counters = tree.stats().last_search.counters;
            by_ball += counters.pruned_by_ball;
            by_panels += counters.pruned_by_cell;
            assert!(found == truth, "{what}; {context}");
            if what == "plain" {
                for (q, &id) in ids.iter().enumerate().step_by(10) {
                    let allowed = |j: usize| !(exclude_self && j == id as usize);
                    oracle.check(id as usize, k, allowed, &found.of(q).collect::<Vec<_>>(), &context);
                }
            }
        }
    }
    assert!(by_ball > 0, "no case was decided by cells");
    assert!(by_panels > 0, "no case was decided by panels");
}

#[test]
fn the_vecchia_job_is_that_of_brute_force_in_any_order() {
    for seed in 4000..4010 {
        let Case { tree, oracle, coords, context } = case(seed);
        let n = coords.nrows();
        let order: Array1<i64> = (0..n as i64).map(|t| (t * 7919 + 11) % n as i64).collect();
        let is_permutation = order.iter().collect::<std::collections::HashSet<_>>().len() == n;
        for order in [None, is_permutation.then(|| order.view())] {
            let found = tree.vecchia_neighbors(12, order, &mut Control::none()).unwrap();
            let id_at = |t: usize| order.map_or(t, |order| order[t] as usize);
            for t in (0..n).step_by(97).chain([0, 1, n - 1]) {
                let mut before = vec![false; n];
                (0..t).for_each(|earlier| before[id_at(earlier)] = true);
                let answer: Vec<_> = found.of(t).collect();
                oracle.check(id_at(t), 12, |j| before[j], &answer, &context);
            }
            if order.is_none() {
                let ids: Array1<i64> = (0..n as i64).collect();
                let query = Query {
                    id_limits: Some(ids.view()),
                    exclude_self: true,
                    traversal: Traversal::BruteForce,
                    ..Query::ids(ids.view(), 12)
                };
                assert!(found == tree.query_batch(&query, &mut Control::none()).unwrap(), "{context}");
            }
        }
    }
}
