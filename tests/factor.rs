//! What a tree hands out of what it has computed: V, p, Z, L, residual covariances, ids and options.

mod common;

use common::{Oracle, rng, uniform, unit_options};
use ndarray::{Array1, Array2, ArrayView1, Axis, s};
use rand::Rng;
use rand::seq::IndexedRandom;
use rct::{
    Construction, Control, Covariance, CovarianceFunction, Data, ErrorKind, Kernel, KernelFamily, Lengthscale,
    LoadOptions, MetricKind, Model, Options, QueryPoints, ResidualCoverTree, Result,
};
use std::sync::Arc;

fn new_points(coords: &Array2<f64>) -> QueryPoints<'_> {
    QueryPoints::New { coords: coords.view(), factor: None, residual_variances: None }
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance
}

/// Checks all of a tree whose point i is row i of the oracle, of which those of `live` are there.
fn check(tree: &ResidualCoverTree, truth: &Oracle, live: &[i64], context: &str) {
    let none = &mut Control::none();
    assert_eq!(tree.ids().unwrap(), live, "{context}");
    let (v, p) = truth.residual();
    let found = tree.factor(&QueryPoints::Ids(live.into()), none).unwrap();
    assert_eq!(found.v.dim(), (live.len(), v.ncols()), "{context}");
    let unit = truth.kernel.variance;
    for (t, &id) in live.iter().enumerate() {
        let i = id as usize;
        assert!(close(found.residual_variances[t], p[i], 1e-9 * unit), "p of {id}; {context}");
        for (a, b) in found.v.row(t).iter().zip(v.row(i)) {
            assert!(close(*a, *b, 1e-6 * unit.sqrt()), "V of {id}: {a} {b}; {context}");
        }
    }
    // A point that is new has, bit for bit, what it would have stored.
    let coords = truth.coords.select(Axis(0), &live.iter().map(|&id| id as usize).collect::<Vec<_>>());
    assert_eq!(tree.factor(&new_points(&coords), none).unwrap(), found, "{context}");

    let pairs = |t: usize| (live[t * 7 % live.len()], live[t * 13 % live.len()]);
    let (i, j): (Vec<i64>, Vec<i64>) = (0..60).map(pairs).unzip();
    let (i, j) = (ArrayView1::from(&i), ArrayView1::from(&j));
    let covariances = tree.residual_covariances(i, j).unwrap();
    let rho = tree.correlations(i, j).unwrap();
    let position = |id: i64| live.iter().position(|&other| other == id).unwrap();
    for (t, &covariance) in covariances.iter().enumerate() {
        let (a, b) = (position(i[t]), position(j[t]));
        let sds = (found.residual_variances[a] * found.residual_variances[b]).sqrt();
        let truth = if a == b {
            assert_eq!(covariance, found.residual_variances[a], "{context}");
            covariance
        } else {
            truth.k(i[t] as usize, j[t] as usize) - v.row(i[t] as usize).dot(&v.row(j[t] as usize))
        };
        assert!(close(covariance, truth, 1e-9 * unit), "{} {}: {covariance} {truth}; {context}", i[t], j[t]);
        assert!(close((covariance / sds).clamp(-1.0, 1.0), rho[t], 1e-12), "{context}");
    }
}

#[test]
fn what_a_tree_has_computed_is_the_definitions() {
    for seed in 0..40 {
        let mut rng = rng(seed);
        let (n, d) = (rng.random_range(1..=200), rng.random_range(1..=5));
        let mut coords = uniform(n + 30, d, &mut rng);
        coords.row_mut(n / 2).assign(&uniform(1, d, &mut rng).row(0));
        let family = *[KernelFamily::Rbf, KernelFamily::Matern12, KernelFamily::Matern32].choose(&mut rng).unwrap();
        let kernel = |rng: &mut rand_chacha::ChaCha8Rng| Kernel {
            family,
            variance: rng.random_range(0.2..5.0),
            lengthscale: match rng.random_bool(0.5) {
                true => Lengthscale::Isotropic(rng.random_range(0.1..1.0)),
                false => Lengthscale::PerDimension((0..d).map(|_| rng.random_range(0.1..1.0)).collect()),
            },
        };
        let metric = *[MetricKind::Residual, MetricKind::Residual, MetricKind::Correlation].choose(&mut rng).unwrap();
        let m = if metric == MetricKind::Residual { *[0, 1, n.min(9), n].choose(&mut rng).unwrap() } else { 0 };
        let z = coords.slice(s![..m, ..]).to_owned();
        let first = kernel(&mut rng);
        let mut options = Options {
            metric,
            covariance: Covariance::Stationary(first.clone()),
            construction: *[Construction::Pure, Construction::Hybrid].choose(&mut rng).unwrap(),
            threads: rng.random_range(1..=2),
            ..Options::default()
        };
        let context = format!("seed {seed}, n {n}, m {m}, {options:?}");
        let none = &mut Control::none();
        let given = (metric == MetricKind::Residual).then(|| z.view());
        let data = Data { inducing: given, ..Data::new(coords.slice(s![..n, ..])) };
        let mut tree = ResidualCoverTree::build(&options, &data, none).unwrap();
        tree.insert(&Data::new(coords.slice(s![n.., ..])), none).unwrap();
        let mut live: Vec<i64> = (0..(n + 30) as i64).collect();
        let gone: Vec<i64> = live.iter().copied().filter(|_| rng.random_bool(0.1)).collect();
        tree.remove(ArrayView1::from(&gone), none).unwrap();
        live.retain(|id| !gone.contains(id));

        let oracle = |kernel: &Kernel| Oracle::new(metric, coords.view(), given, kernel.clone(), 1e-6, 1e-10);
        check(&tree, &oracle(&first), &live, &context);
        let bytes = tree.to_bytes(none).unwrap();
        let loaded = ResidualCoverTree::from_bytes(&bytes, &LoadOptions::default(), none).unwrap();
        check(&loaded, &oracle(&first), &live, &context);
        assert_eq!(format!("{:?}", loaded.options()), format!("{options:?}"));

        let second = kernel(&mut rng);
        options.covariance = Covariance::Stationary(second.clone());
        tree.refit(&options, &Model::default(), none).unwrap();
        check(&tree, &oracle(&second), &live, &context);
        assert_eq!(format!("{:?}", tree.options()), format!("{options:?}"));

        for (tree, kernel) in [(&loaded, &first), (&tree, &second)] {
            let found = tree.inducing_factor().unwrap();
            assert_eq!((&found.points, found.cholesky.dim()), (&z, (m, m)), "{context}");
            let product = found.cholesky.dot(&found.cholesky.t());
            for ((i, j), &value) in product.indexed_iter() {
                let (a, b) = (z.row(i).to_vec(), z.row(j).to_vec());
                let k = common::covariance(kernel, common::scaled_distance(kernel, &a, &b));
                let k = k + if i == j { 1e-6 * kernel.variance } else { 0.0 };
                assert!(close(value, k, 1e-12 * kernel.variance * m as f64), "{i} {j}: {value} {k}; {context}");
                assert!(i >= j || found.cholesky[[i, j]] == 0.0, "{context}");
            }
        }
    }
}

#[test]
fn a_factor_of_the_callers_is_given_back() {
    let mut rng = rng(7);
    let (coords, v) = (uniform(50, 2, &mut rng), 0.1 * uniform(50, 3, &mut rng));
    let p = Array1::from_iter(v.rows().into_iter().map(|row| 1.0 - row.dot(&row)));
    let none = &mut Control::none();
    let data = Data { factor: Some(v.view()), residual_variances: Some(p.view()), ..Data::new(coords.view()) };
    let tree = ResidualCoverTree::build(&unit_options(), &data, none).unwrap();
    let ids: Vec<i64> = (0..50).rev().collect();
    let found = tree.factor(&QueryPoints::Ids(ArrayView1::from(&ids)), none).unwrap();
    assert_eq!((found.v, found.residual_variances), (v.slice(s![..;-1, ..]).to_owned(), p.slice(s![..;-1]).to_owned()));
    let (factor, residual_variances) = (Some(v.view()), Some(p.view()));
    let new = QueryPoints::New { coords: coords.view(), factor, residual_variances };
    assert_eq!(tree.factor(&new, none).unwrap().v, v);
    assert_eq!(tree.factor(&new_points(&coords), none).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(tree.inducing_factor().unwrap_err().kind(), ErrorKind::Unsupported);
}

/// exp(-abs(x - y)) of the first coordinates, with a variance that depends on the place.
struct Uneven;

impl Uneven {
    fn of(x: &[f64], y: &[f64]) -> f64 {
        (1.0 + x[0]) * (1.0 + y[0]) * (-(x[0] - y[0]).abs()).exp()
    }
}

impl CovarianceFunction for Uneven {
    fn covariances(&self, x: &[f64], others: &[f64], out: &mut [f64]) -> Result<()> {
        others.chunks_exact(x.len()).zip(out).for_each(|(y, out)| *out = Self::of(x, y));
        Ok(())
    }
}

#[test]
fn a_covariance_of_the_callers_and_distances_without_one() {
    let mut rng = rng(8);
    let coords = uniform(150, 2, &mut rng);
    let z = coords.slice(s![..6, ..]);
    let options = Options { covariance: Covariance::Custom(Arc::new(Uneven)), ..Options::default() };
    let none = &mut Control::none();
    let tree = ResidualCoverTree::build(&options, &Data::with_inducing(coords.view(), z), none).unwrap();
    let truth = Oracle::with_covariance(coords.view(), z, Uneven::of, 1e-6, 1e-10);
    let new = tree.factor(&new_points(&coords), none).unwrap();
    for (i, &p) in new.residual_variances.iter().enumerate() {
        assert!(close(p, truth.residual().1[i], 1e-9), "{i}");
    }
    assert_eq!(new, tree.factor(&QueryPoints::Ids(Array1::from_iter(0..150).view()), none).unwrap());

    let options = Options { metric: MetricKind::Euclidean, ..Options::default() };
    let tree = ResidualCoverTree::build(&options, &Data::new(coords.view()), none).unwrap();
    let ids = ArrayView1::from(&[1, 2]);
    let refused = [
        tree.factor(&QueryPoints::Ids(ids), none).unwrap_err(),
        tree.inducing_factor().unwrap_err(),
        tree.residual_covariances(ids, ids).unwrap_err(),
    ];
    assert!(refused.iter().all(|error| error.kind() == ErrorKind::Unsupported), "{refused:?}");
}

#[test]
fn a_factor_can_be_stopped() {
    let coords = uniform(3000, 2, &mut rng(9));
    let none = &mut Control::none();
    let data = Data::with_inducing(coords.view(), coords.slice(s![..50, ..]));
    let tree = ResidualCoverTree::build(&unit_options(), &data, none).unwrap();
    let ids = Array1::from_iter(0..3000);
    for points in [QueryPoints::Ids(ids.view()), new_points(&coords)] {
        let stop = &mut || true;
        let stopped = tree.factor(&points, &mut Control::none().with_should_stop(stop));
        assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled);
    }
}
