//! Every answer agrees with the oracle: random cases over metrics, kernels, orders, constructions, traversals,
//! thread counts, memory layouts, dimensions 1 to 10 and m from 0 to n. The seed of a failing case is printed.

mod common;

use common::{Oracle, TRAVERSALS, rng, uniform};
use ndarray::{Array1, Array2, Axis, ShapeBuilder, concatenate, s};
use rand::Rng;
use rand::seq::IndexedRandom;
use rct::{
    Construction, Control, Covariance, Data, Kernel, KernelFamily, Lengthscale, MetricKind, Options, Query,
    ResidualCoverTree, TreeOrder,
};

fn family(rng: &mut impl Rng) -> KernelFamily {
    *[
        KernelFamily::Rbf,
        KernelFamily::Matern12,
        KernelFamily::Matern32,
        KernelFamily::Matern52,
        KernelFamily::RationalQuadratic { alpha: 0.8 },
    ]
    .choose(rng)
    .unwrap()
}

/// A random tree and its oracle.
struct Case {
    tree: ResidualCoverTree,
    oracle: Oracle,
    inducing: Option<Array2<f64>>,
    n: usize,
    context: String,
}

fn random_case(seed: u64, largest: usize) -> Case {
    let mut rng = rng(seed);
    let n = rng.random_range(1..=largest);
    let d = rng.random_range(1..=10);
    let mut coords = uniform(n, d, &mut rng);
    if rng.random_bool(0.3) {
        // Duplicates, and some collinear points.
        for i in 0..n / 3 {
            let from = rng.random_range(0..n);
            let row = coords.row(from).to_owned();
            coords.row_mut(i).assign(&row);
        }
    }
    let metric = *[MetricKind::Residual, MetricKind::Residual, MetricKind::Correlation, MetricKind::Euclidean]
        .choose(&mut rng)
        .unwrap();
    let lengthscale = if rng.random_bool(0.5) {
        Lengthscale::Isotropic(rng.random_range(0.05..1.5))
    } else {
        Lengthscale::PerDimension((0..d).map(|_| rng.random_range(0.05..1.5)).collect())
    };
    let kernel = Kernel { family: family(&mut rng), variance: rng.random_range(0.1..9.0), lengthscale };
    let inducing = (metric == MetricKind::Residual).then(|| match rng.random_range(0..4) {
        0 => coords.clone(),
        1 => Array2::zeros((0, d)),
        2 => uniform(rng.random_range(1..=40), d, &mut rng),
        _ => coords.slice(s![..rng.random_range(1..=n), ..]).to_owned(),
    });
    let options = Options {
        metric,
        covariance: Covariance::Stationary(kernel.clone()),
        construction: *[Construction::Pure, Construction::Hybrid].choose(&mut rng).unwrap(),
        order: *[TreeOrder::Natural, TreeOrder::Hilbert].choose(&mut rng).unwrap(),
        threads: rng.random_range(1..=3),
        jitter: 1e-6,
        portable_simd: rng.random_bool(0.2),
        ..Options::default()
    };
    // Row-major, column-major, or every other column of a wider matrix, rows backwards.
    let (layout, given) = match rng.random_range(0..3) {
        0 => ("rows", coords.clone()),
        1 => {
            let mut columns = Array2::zeros((n, d).f());
            columns.assign(&coords);
            ("columns", columns)
        }
        _ => {
            let mut wide = Array2::from_elem((n, 2 * d), f64::NAN);
            wide.slice_mut(s![..;-1, ..;2]).assign(&coords);
            ("strided", wide)
        }
    };
    let view = if layout == "strided" { given.slice(s![..;-1, ..;2]) } else { given.view() };
    let data = Data { inducing: inducing.as_ref().map(|z| z.view()), ..Data::new(view) };
    let m = inducing.as_ref().map_or(0, |z| z.nrows());
    let context = format!("seed {seed}: n {n}, d {d}, m {m}, {layout}, {options:?}");
    let tree = ResidualCoverTree::build(&options, &data, &mut Control::none())
        .unwrap_or_else(|error| panic!("{error}; {context}"));
    tree.validate(&mut Control::none()).unwrap_or_else(|error| panic!("{error}; {context}"));
    let oracle = Oracle::new(metric, coords.view(), inducing.as_ref().map(|z| z.view()), kernel, 1e-6, 1e-10);
    Case { tree, oracle, inducing, n, context }
}

#[test]
fn stored_points_by_every_traversal() {
    for seed in 0..120 {
        let case = random_case(seed, 300);
        let mut rng = rng(seed + 1_000_000);
        let k = rng.random_range(1..=60.min(case.n + 3));
        let ids: Vec<i64> = (0..rng.random_range(1..=80)).map(|_| rng.random_range(0..case.n as i64)).collect();
        let exclude_self = rng.random_bool(0.5);
        let mut first = None;
        for traversal in TRAVERSALS {
            let query = Query { exclude_self, traversal, ..Query::ids((&ids[..]).into(), k) };
            let answer = case.tree.query_batch(&query, &mut Control::none()).unwrap();
            let context = format!("{traversal:?}; {}", case.context);
            for (q, &id) in ids.iter().enumerate() {
                let allowed = |j: usize| !(exclude_self && j == id as usize);
                case.oracle.check(id as usize, k, allowed, &answer.of(q).collect::<Vec<_>>(), &context);
            }
            assert_eq!(*first.get_or_insert_with(|| answer.clone()), answer, "{context}");
        }
    }
}

#[test]
fn predecessors_and_bounds_by_every_traversal() {
    for seed in 200..280 {
        let case = random_case(seed, 300);
        let mut rng = rng(seed + 1_000_000);
        let k = rng.random_range(1..=30);
        let ids: Vec<i64> = (0..case.n as i64).collect();
        let limits: Array1<i64> = match rng.random_range(0..3) {
            0 => ids.iter().copied().collect(),
            1 => Array1::from_elem(1, rng.random_range(0..=case.n as i64 + 5)),
            _ => (0..case.n).map(|_| rng.random_range(0..=case.n as i64)).collect(),
        };
        let limit = |q: usize| limits[if limits.len() == 1 { 0 } else { q }] as usize;
        let bound = rng.random_range(0.3..1.0);
        let bounds = Array1::from_elem(1, bound);
        let bounded = rng.random_bool(0.5);
        for traversal in TRAVERSALS {
            let query = Query {
                id_limits: Some(limits.view()),
                max_distances: bounded.then(|| bounds.view()),
                traversal,
                ..Query::ids((&ids[..]).into(), k)
            };
            let answer = case.tree.query_batch(&query, &mut Control::none()).unwrap();
            let context = format!("{traversal:?}, bounded {bounded}; {}", case.context);
            for q in 0..case.n {
                let near = |j: usize| {
                    // At the bound itself, rounding may decide either way: follow the answer there.
                    let score = |d: f64| if case.oracle.metric == MetricKind::Euclidean { -d } else { 1.0 - d * d };
                    let off = score(case.oracle.distance(q, j)) - score(bound);
                    if off.abs() <= case.oracle.tolerance(q, j) {
                        return answer.of(q).any(|(id, _)| id as usize == j);
                    }
                    off > 0.0
                };
                let allowed = |j: usize| j < limit(q) && (!bounded || near(j));
                case.oracle.check(q, k, allowed, &answer.of(q).collect::<Vec<_>>(), &context);
            }
        }
    }
}

#[test]
fn new_points_are_answered_as_if_stored() {
    for seed in 400..450 {
        let case = random_case(seed, 250);
        let mut rng = rng(seed + 1_000_000);
        let d = case.oracle.coords.ncols();
        let q = rng.random_range(1..=70);
        let mut new = uniform(q, d, &mut rng);
        // Some lie on stored points, some far outside.
        new.row_mut(0).assign(&case.oracle.coords.row(0));
        if q > 1 {
            new.row_mut(1).fill(1e6);
        }
        let k = rng.random_range(1..=20);
        // The oracle of stored and new points together; new points are not neighbours.
        let both = concatenate(Axis(0), &[case.oracle.coords.view(), new.view()]).unwrap();
        let oracle = Oracle::new(
            case.oracle.metric,
            both.view(),
            case.inducing.as_ref().map(|z| z.view()),
            case.oracle.kernel.clone(),
            1e-6,
            1e-10,
        );
        for traversal in TRAVERSALS {
            let query = Query { traversal, ..Query::coords(new.view(), k) };
            let answer = case.tree.query_batch(&query, &mut Control::none()).unwrap();
            let context = format!("{traversal:?}; {}", case.context);
            for t in 0..q {
                let answer: Vec<_> = answer.of(t).collect();
                oracle.check(case.n + t, k, |j| j < case.n, &answer, &context);
                // One query alone has the same bits as in the batch.
                if t % 13 == 0 {
                    let one = Query { traversal, ..Query::coords(new.slice(s![t..t + 1, ..]), k) };
                    let alone = case.tree.query_batch(&one, &mut Control::none()).unwrap();
                    assert_eq!(alone.of(0).collect::<Vec<_>>(), answer, "{context}");
                }
            }
        }
    }
}
