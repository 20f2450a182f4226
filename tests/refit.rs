//! Refitting: a tree answers as one that is built anew with the new parameters does, bit for bit.

mod common;

use common::{Oracle, TRAVERSALS, rng, uniform, unit_options};
use ndarray::{Array1, Array2, Axis, s};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rct::{
    Construction, Control, Covariance, Data, ErrorKind, Kernel, KernelFamily, Lengthscale, MetricKind, Model, Options,
    Query, ResidualCoverTree, TreeOrder,
};

fn kernel(d: usize, rng: &mut ChaCha8Rng) -> Kernel {
    let family = *[KernelFamily::Rbf, KernelFamily::Matern12, KernelFamily::Matern52].choose(rng).unwrap();
    let lengthscale = match rng.random_bool(0.5) {
        true => Lengthscale::Isotropic(rng.random_range(0.1..1.0)),
        false => Lengthscale::PerDimension((0..d).map(|_| rng.random_range(0.1..1.0)).collect()),
    };
    Kernel { family, variance: rng.random_range(0.2..5.0), lengthscale }
}

/// The neighbours of all points, near and earlier, with every traversal.
fn answers(tree: &ResidualCoverTree, ids: &[i64]) -> Vec<Vec<Vec<(i64, f64)>>> {
    let none = &mut Control::none();
    let mut all = Vec::new();
    for traversal in TRAVERSALS {
        let query = Query { traversal, ..Query::ids(ids.into(), 7) };
        all.push(tree.query_batch(&query, none).unwrap());
    }
    all.push(tree.vecchia_neighbors(6, None, none).unwrap());
    all.iter().map(|answer| (0..answer.len()).map(|q| answer.of(q).collect()).collect()).collect()
}

#[test]
fn a_refitted_tree_answers_as_one_built_anew() {
    for seed in 0..80 {
        let mut rng = rng(seed);
        let (n, d) = (rng.random_range(1..=250), rng.random_range(1..=4));
        let coords = uniform(n, d, &mut rng);
        let metric = *[MetricKind::Residual, MetricKind::Residual, MetricKind::Correlation, MetricKind::Euclidean]
            .choose(&mut rng)
            .unwrap();
        let mut options = Options {
            metric,
            covariance: Covariance::Stationary(kernel(d, &mut rng)),
            construction: *[Construction::Pure, Construction::Hybrid].choose(&mut rng).unwrap(),
            order: *[TreeOrder::Natural, TreeOrder::Hilbert].choose(&mut rng).unwrap(),
            threads: rng.random_range(1..=2),
            ..Options::default()
        };
        let residual = metric == MetricKind::Residual;
        let mut inducing = residual.then(|| uniform(rng.random_range(0..=20), d, &mut rng));
        let data = Data { inducing: inducing.as_ref().map(|z| z.view()), ..Data::new(coords.view()) };
        let none = &mut Control::none();
        let mut tree = ResidualCoverTree::build(&options, &data, none).unwrap();
        let mut live: Vec<i64> = (0..n as i64).collect();
        let mut all = coords;
        for turn in 0..3 {
            if rng.random_bool(0.3) && live.len() > 3 {
                let gone = [live[1], live[live.len() - 1]];
                tree.remove((&gone).into(), none).unwrap();
                live.retain(|id| !gone.contains(id));
            }
            if rng.random_bool(0.3) {
                let more = uniform(30, d, &mut rng);
                live.extend(tree.insert(&Data::new(more.view()), none).unwrap());
                all.append(Axis(0), more.view()).unwrap();
            }
            let kernel = kernel(d, &mut rng);
            options.covariance = Covariance::Stationary(kernel.clone());
            options.jitter = rng.random_range(1e-7..1e-5);
            options.threads = rng.random_range(1..=2);
            if rng.random_bool(0.2) {
                options.construction = Construction::Pure;
            }
            let renew = residual && rng.random_bool(0.5);
            if renew {
                inducing = Some(uniform(rng.random_range(0..=20), d, &mut rng));
            }
            let z = inducing.as_ref().map(|z| z.view());
            let context = format!("seed {seed}, turn {turn}, n {n}, d {d}, {options:?}");
            let model = Model { inducing: z.filter(|_| renew), ..Model::default() };
            tree.refit(&options, &model, none).unwrap_or_else(|error| panic!("{error}; {context}"));
            tree.validate(none).unwrap_or_else(|error| panic!("{error}; {context}"));
            assert!(tree.stats().parts == 1 && tree.stats().removed == 0);
            let rows: Vec<usize> = live.iter().map(|&id| id as usize).collect();
            let points = all.select(Axis(0), &rows);
            let fresh =
                ResidualCoverTree::build(&options, &Data { inducing: z, ..Data::new(points.view()) }, none).unwrap();
            let places: Vec<i64> = (0..live.len() as i64).step_by(3).collect();
            let ids: Vec<i64> = places.iter().map(|&place| live[place as usize]).collect();
            let mut expected = answers(&fresh, &places);
            expected.iter_mut().flatten().flatten().for_each(|(id, _)| *id = live[*id as usize]);
            let found = answers(&tree, &ids);
            assert_eq!(found, expected, "{context}");
            // The definition, not only another tree.
            let oracle = Oracle::new(metric, all.view(), z, kernel, options.jitter, options.residual_floor);
            for (&id, answer) in ids.iter().zip(&found[0]).take(20) {
                oracle.check(id as usize, 7, |j| live.binary_search(&(j as i64)).is_ok(), answer, &context);
            }
        }
    }
}

#[test]
fn large_trees_keep_their_nodes() {
    for (d, family) in [(2, KernelFamily::Matern52), (3, KernelFamily::Matern12)] {
        let mut rng = rng(500 + d as u64);
        let coords = uniform(9000, d, &mut rng);
        let inducing = coords.slice(s![..50, ..]);
        let none = &mut Control::none();
        let options = |lengthscale: f64| Options {
            covariance: Covariance::Stationary(Kernel {
                family,
                variance: 1.0,
                lengthscale: Lengthscale::Isotropic(lengthscale),
            }),
            construction: Construction::Hybrid,
            threads: 2,
            ..Options::default()
        };
        let data = Data::with_inducing(coords.view(), inducing);
        let mut tree = ResidualCoverTree::build(&options(0.15), &data, none).unwrap();
        tree.validate(none).unwrap();
        for lengthscale in [0.1515, 0.165, 0.3] {
            let shape = tree.stats().shape;
            tree.refit(&options(lengthscale), &Model::default(), none).unwrap();
            assert_eq!(tree.stats().shape, shape);
            let fresh = ResidualCoverTree::build(&options(lengthscale), &data, none).unwrap();
            let (own, other) =
                (tree.vecchia_neighbors(20, None, none).unwrap(), fresh.vecchia_neighbors(20, None, none).unwrap());
            assert!(own == other, "lengthscale {lengthscale}, d {d}");
        }
    }
}

#[test]
fn what_is_refused_leaves_the_tree_as_it_was() {
    let mut rng = rng(900);
    let coords = uniform(300, 2, &mut rng);
    let none = &mut Control::none();
    let options = Options { threads: 1, ..unit_options() };
    let data = Data::with_inducing(coords.view(), coords.slice(s![..10, ..]));
    let mut tree = ResidualCoverTree::build(&options, &data, none).unwrap();
    let before = tree.vecchia_neighbors(5, None, none).unwrap();
    let refuse = |tree: &mut ResidualCoverTree, options: &Options, model: &Model<'_>, kind: ErrorKind, words: &str| {
        let error = tree.refit(options, model, &mut Control::none()).unwrap_err();
        assert!(error.kind() == kind && error.message().contains(words), "{error}");
    };
    let none_changed = Model::default();
    let euclidean = Options { metric: MetricKind::Euclidean, ..options.clone() };
    refuse(&mut tree, &euclidean, &none_changed, ErrorKind::InvalidArgument, "metric is Euclidean");
    let kernel = Kernel { variance: -1.0, ..Kernel::default() };
    let negative = Options { covariance: Covariance::Stationary(kernel), ..options.clone() };
    refuse(&mut tree, &negative, &none_changed, ErrorKind::InvalidArgument, "variance is -1");
    let (twice, wide) = (Array2::zeros((2, 2)), Array2::zeros((3, 5)));
    let model = Model { inducing: Some(twice.view()), ..Model::default() };
    refuse(
        &mut tree,
        &Options { jitter: 0.0, ..options.clone() },
        &model,
        ErrorKind::NotPositiveDefinite,
        "positive definite",
    );
    let model = Model { inducing: Some(wide.view()), ..Model::default() };
    refuse(&mut tree, &options, &model, ErrorKind::InvalidArgument, "inducing has 5 columns");
    let model = Model { factor: Some(wide.view()), ..Model::default() };
    refuse(&mut tree, &options, &model, ErrorKind::InvalidArgument, "factor has 3 rows");
    let p = Array1::ones(300);
    let model = Model { residual_variances: Some(p.view()), ..Model::default() };
    refuse(&mut tree, &options, &model, ErrorKind::InvalidArgument, "residual_variances is given without factor");
    let short = Kernel { lengthscale: Lengthscale::PerDimension(vec![1.0, 1e-300]), ..Kernel::default() };
    let mut far = coords.clone();
    far[[7, 1]] = 1e100;
    let far = ResidualCoverTree::build(&options, &Data::new(far.view()), none);
    let overflows = Options { covariance: Covariance::Stationary(short), ..options.clone() };
    refuse(
        &mut far.unwrap(),
        &overflows,
        &none_changed,
        ErrorKind::InvalidArgument,
        "coordinate 1 of point 7 is 1e100, which overflows",
    );
    let mut asked = 0;
    let stop = &mut || {
        asked += 1;
        asked > 3
    };
    let other = Options { jitter: 1e-4, ..options.clone() };
    let stopped = tree.refit(&other, &none_changed, &mut Control::none().with_should_stop(stop)).unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Cancelled);
    assert!(tree.options().jitter == options.jitter && tree.vecchia_neighbors(5, None, none).unwrap() == before);
    tree.validate(none).unwrap();
}

#[test]
fn a_factor_of_the_callers() {
    let mut rng = rng(901);
    let coords = uniform(400, 2, &mut rng);
    let kernel = |lengthscale| Kernel { lengthscale: Lengthscale::Isotropic(lengthscale), ..Kernel::default() };
    let oracle = |l: f64| {
        let z = coords.slice(s![..12, ..]);
        Oracle::new(MetricKind::Residual, coords.view(), Some(z), kernel(l), 1e-6, 1e-10)
    };
    let options = |l: f64| Options { covariance: Covariance::Stationary(kernel(l)), threads: 1, ..Options::default() };
    let (first, second) = (oracle(0.3), oracle(0.5));
    let none = &mut Control::none();
    let data = Data { factor: Some(first.residual().0.view()), ..Data::new(coords.view()) };
    let mut tree = ResidualCoverTree::build(&options(0.3), &data, none).unwrap();
    let error = tree.refit(&options(0.5), &Model::default(), none).unwrap_err();
    assert!(error.message().contains("factor is missing"), "{error}");
    let model = Model { factor: Some(second.residual().0.view()), ..Model::default() };
    tree.refit(&options(0.5), &model, none).unwrap();
    let ids: Vec<i64> = (0..400).step_by(9).collect();
    let found = tree.query_batch(&Query::ids((&ids[..]).into(), 8), none).unwrap();
    for (q, &id) in ids.iter().enumerate() {
        second.check(id as usize, 8, |_| true, &found.of(q).collect::<Vec<_>>(), "seed 901");
    }
}
