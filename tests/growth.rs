//! Inserting and removing: at every moment a tree answers as one that is built of its points at once does, bit for bit.

mod common;

use common::{Oracle, TRAVERSALS, rng, uniform, unit_options};
use ndarray::{Array1, Array2, Axis, s};
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use rct::{
    Construction, Control, Covariance, CovarianceFunction, Data, ErrorKind, Kernel, KernelFamily, Lengthscale,
    MetricKind, Neighbors, Options, Query, ResidualCoverTree, TreeOrder,
};
use std::sync::Arc;

/// Where V comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    Inducing,
    Factor,
    FactorAndVariances,
    None,
    Custom,
}

/// A tree under change, and what it should hold.
struct Model {
    tree: ResidualCoverTree,
    options: Options,
    source: Source,
    inducing: Array2<f64>,
    kernel: Kernel,
    /// Coordinates, V and p of every id that was ever given.
    coords: Array2<f64>,
    factor: Array2<f64>,
    variances: Array1<f64>,
    /// Ids of the points that are there, ascending.
    live: Vec<i64>,
    context: String,
}

/// A covariance of the caller's, which is no function of Euclidean distance.
struct Taxicab;

impl CovarianceFunction for Taxicab {
    fn covariances(&self, x: &[f64], others: &[f64], out: &mut [f64]) -> rct::Result<()> {
        for (other, out) in others.chunks_exact(x.len()).zip(out) {
            let distance: f64 = x.iter().zip(other).map(|(a, b)| (a - b).abs()).sum();
            *out = 1.5 * (-distance / 0.7).exp();
        }
        Ok(())
    }
}

impl Model {
    fn new(seed: u64, largest: usize, rng: &mut ChaCha8Rng) -> Model {
        let d = rng.random_range(1..=4);
        let source = *[
            Source::Inducing,
            Source::Inducing,
            Source::Factor,
            Source::FactorAndVariances,
            Source::None,
            Source::Custom,
        ]
        .choose(rng)
        .unwrap();
        let family = *[KernelFamily::Rbf, KernelFamily::Matern12, KernelFamily::Matern52].choose(rng).unwrap();
        let kernel = Kernel { family, variance: 2.0, lengthscale: Lengthscale::Isotropic(rng.random_range(0.1..1.0)) };
        let inducing = uniform(rng.random_range(1..=20), d, rng);
        let metric = match source {
            Source::None => *[MetricKind::Correlation, MetricKind::Euclidean].choose(rng).unwrap(),
            _ => MetricKind::Residual,
        };
        let covariance = match source {
            Source::Custom => Covariance::Custom(Arc::new(Taxicab)),
            _ => Covariance::Stationary(kernel.clone()),
        };
        let options = Options {
            metric,
            covariance,
            construction: *[Construction::Pure, Construction::Hybrid].choose(rng).unwrap(),
            order: *[TreeOrder::Natural, TreeOrder::Hilbert].choose(rng).unwrap(),
            threads: rng.random_range(1..=2),
            ..Options::default()
        };
        let context = format!("seed {seed}, {source:?}, {options:?}");
        let mut model = Model {
            tree: ResidualCoverTree::build(
                &unit_options(),
                &Data::new(Array2::zeros((1, 1)).view()),
                &mut Control::none(),
            )
            .unwrap(),
            options,
            source,
            inducing,
            kernel,
            coords: Array2::zeros((0, d)),
            factor: Array2::zeros((0, 0)),
            variances: Array1::zeros(0),
            live: Vec::new(),
            context,
        };
        let n = rng.random_range(1..=largest);
        model.more(n, rng);
        model.live = (0..n as i64).collect();
        model.tree = model.fresh();
        model
    }

    /// Makes `count` more points; some where others are.
    fn more(&mut self, count: usize, rng: &mut ChaCha8Rng) {
        let mut more = uniform(count, self.coords.ncols(), rng);
        for mut row in more.rows_mut() {
            if !self.coords.is_empty() && rng.random_bool(0.1) {
                row.assign(&self.coords.row(rng.random_range(0..self.coords.nrows())));
            }
        }
        self.coords.append(Axis(0), more.view()).unwrap();
        let oracle = Oracle::new(
            MetricKind::Residual,
            self.coords.view(),
            Some(self.inducing.view()),
            self.kernel.clone(),
            1e-6,
            1e-10,
        );
        let (factor, variances) = oracle.residual();
        (self.factor, self.variances) = (factor.clone(), variances * 1.25);
    }

    /// The data of some rows.
    fn data<'a>(&self, arrays: &'a (Array2<f64>, Array2<f64>, Array1<f64>)) -> Data<'a> {
        let given = matches!(self.source, Source::Factor | Source::FactorAndVariances);
        Data {
            factor: given.then(|| arrays.1.view()),
            residual_variances: (self.source == Source::FactorAndVariances).then(|| arrays.2.view()),
            ..Data::new(arrays.0.view())
        }
    }

    fn rows(&self, ids: &[i64]) -> (Array2<f64>, Array2<f64>, Array1<f64>) {
        let rows: Vec<usize> = ids.iter().map(|&id| id as usize).collect();
        (self.coords.select(Axis(0), &rows), self.factor.select(Axis(0), &rows), self.variances.select(Axis(0), &rows))
    }

    /// A tree of the points that are there, built at once.
    fn fresh(&self) -> ResidualCoverTree {
        let arrays = self.rows(&self.live);
        let mut data = self.data(&arrays);
        if matches!(self.source, Source::Inducing | Source::Custom) {
            data.inducing = Some(self.inducing.view());
        }
        ResidualCoverTree::build(&self.options, &data, &mut Control::none())
            .unwrap_or_else(|error| panic!("{error}; {}", self.context))
    }

    fn insert(&mut self, count: usize, rng: &mut ChaCha8Rng) {
        let first = self.coords.nrows() as i64;
        self.more(count, rng);
        let ids: Vec<i64> = (first..first + count as i64).collect();
        let arrays = self.rows(&ids);
        let given = self.data(&arrays);
        let inserted =
            self.tree.insert(&given, &mut Control::none()).unwrap_or_else(|error| panic!("{error}; {}", self.context));
        assert_eq!(inserted, first..first + count as i64);
        self.live.extend(ids);
    }

    fn remove(&mut self, count: usize, rng: &mut ChaCha8Rng) {
        let ids: Vec<i64> = self.live.choose_multiple(rng, count).copied().collect();
        self.tree.remove((&ids[..]).into(), &mut Control::none()).unwrap();
        self.live.retain(|id| !ids.contains(id));
    }

    /// An answer of the tree, in places among the points that are there.
    fn places(&self, answer: &Neighbors) -> Vec<Vec<(i64, f64)>> {
        let place = |(id, distance): (i64, f64)| (self.live.binary_search(&id).unwrap() as i64, distance);
        (0..answer.len()).map(|q| answer.of(q).map(place).collect()).collect()
    }

    /// Compares all answers with those of a tree that is built at once.
    fn check(&self, rng: &mut ChaCha8Rng) {
        let n = self.live.len();
        assert_eq!(self.tree.len(), n, "{}", self.context);
        let (none, k) = (&mut Control::none(), rng.random_range(1..=12));
        if n == 0 {
            assert!(self.tree.vecchia_neighbors(k, None, none).unwrap().is_empty());
            return;
        }
        let fresh = self.fresh();
        let plain = |answer: &Neighbors| (0..answer.len()).map(|q| answer.of(q).collect()).collect::<Vec<Vec<_>>>();
        let places: Vec<i64> = (0..rng.random_range(1..=40)).map(|_| rng.random_range(0..n as i64)).collect();
        let ids: Vec<i64> = places.iter().map(|&place| self.live[place as usize]).collect();
        // Ids below a limit are as many places.
        let limits: Array1<i64> =
            (0..ids.len()).map(|_| rng.random_range(0..=self.coords.nrows() as i64 + 2)).collect();
        let below = limits.mapv(|limit| self.live.partition_point(|&id| id < limit) as i64);
        let bounds = Array1::from_elem(1, rng.random_range(0.3..1.0));
        for traversal in TRAVERSALS {
            for (limited, bounded) in [(false, false), (true, false), (true, true)] {
                let ask = |tree: &ResidualCoverTree, ids: &[i64], limits: &Array1<i64>| {
                    let query = Query {
                        traversal,
                        exclude_self: bounded,
                        id_limits: limited.then(|| limits.view()),
                        max_distances: bounded.then(|| bounds.view()),
                        ..Query::ids(ids.into(), k)
                    };
                    let near = tree.query_batch(&query, &mut Control::none()).unwrap();
                    let query = Query { max_distances: None, ..query };
                    (near, tree.radius_batch(&query, 0.6, &mut Control::none()).unwrap())
                };
                let (own, other) = (ask(&self.tree, &ids, &limits), ask(&fresh, &places, &below));
                assert_eq!(
                    self.places(&own.0),
                    plain(&other.0),
                    "{traversal:?}, {limited}, {bounded}; {}",
                    self.context
                );
                assert_eq!(self.places(&own.1), plain(&other.1), "{traversal:?}, radius; {}", self.context);
            }
        }
        let mut order: Vec<i64> = (0..n as i64).collect();
        order.shuffle(rng);
        let by_id: Vec<i64> = order.iter().map(|&place| self.live[place as usize]).collect();
        let own = self.tree.vecchia_neighbors(k, Some((&by_id[..]).into()), none).unwrap();
        let other = fresh.vecchia_neighbors(k, Some((&order[..]).into()), none).unwrap();
        assert_eq!(self.places(&own), plain(&other), "Vecchia in an order; {}", self.context);
        let (own, other) =
            (self.tree.vecchia_neighbors(k, None, none).unwrap(), fresh.vecchia_neighbors(k, None, none).unwrap());
        assert_eq!(self.places(&own), plain(&other), "Vecchia; {}", self.context);
        let (a, b) = (ids[0], ids[ids.len() - 1]);
        let own = self.tree.distances([a][..].into(), [b][..].into()).unwrap();
        let other = fresh.distances([places[0]][..].into(), [places[ids.len() - 1]][..].into()).unwrap();
        assert_eq!(own, other, "distance; {}", self.context);
        if self.source != Source::Factor && self.source != Source::FactorAndVariances {
            let new = uniform(9, self.coords.ncols(), rng);
            let (own, other) = (Query::coords(new.view(), k), Query::coords(new.view(), k));
            let (own, other) = (self.tree.query_batch(&own, none).unwrap(), fresh.query_batch(&other, none).unwrap());
            assert_eq!(self.places(&own), plain(&other), "new points; {}", self.context);
        }
    }
}

#[test]
fn mixes_of_batches_answer_as_trees_built_at_once() {
    for seed in 0..60 {
        let mut rng = rng(seed);
        let mut model = Model::new(seed, 150, &mut rng);
        for turn in 0..12 {
            let n = model.live.len();
            match rng.random_range(0..5) {
                0 | 1 => model.insert(rng.random_range(0..=80), &mut rng),
                2 => model.insert(1, &mut rng),
                3 => model.remove(rng.random_range(0..=n / 3), &mut rng),
                _ if turn > 8 => model.remove(n, &mut rng),
                _ => model.remove(n.min(3), &mut rng),
            }
            model.tree.validate(&mut Control::none()).unwrap_or_else(|error| panic!("{error}; {}", model.context));
            model.check(&mut rng);
        }
    }
}

#[test]
fn ten_thousand_operations_leave_a_valid_tree() {
    let mut rng = rng(7001);
    let mut model = Model::new(7001, 100, &mut rng);
    let d = model.coords.ncols();
    let kernel = Kernel { lengthscale: Lengthscale::Isotropic(0.3), ..Kernel::default() };
    model.options = Options { covariance: Covariance::Stationary(kernel.clone()), threads: 1, ..Options::default() };
    (model.kernel, model.source) = (kernel, Source::Inducing);
    model.tree = model.fresh();
    let mut operations = 0;
    while operations < 10_000 {
        let grow = model.live.len() < 60 || (model.live.len() < 500 && rng.random_bool(0.5));
        let count = rng.random_range(1..=8);
        if grow {
            let first = model.coords.nrows() as i64;
            let rows = uniform(count, d, &mut rng);
            model.coords.append(Axis(0), rows.view()).unwrap();
            assert_eq!(model.tree.insert(&Data::new(rows.view()), &mut Control::none()).unwrap().start, first);
            model.live.extend(first..first + count as i64);
        } else {
            model.remove(count, &mut rng);
        }
        operations += count;
        if rng.random_bool(0.02) {
            model.tree.validate(&mut Control::none()).unwrap();
        }
    }
    // Brute force from the definition, beside the tree that is built at once.
    (model.factor, model.variances) = {
        let z = model.inducing.view();
        let oracle = Oracle::new(MetricKind::Residual, model.coords.view(), Some(z), model.kernel.clone(), 1e-6, 1e-10);
        let ids: Vec<i64> = model.live.iter().copied().step_by(7).collect();
        let found = model.tree.query_batch(&Query::ids((&ids[..]).into(), 9), &mut Control::none()).unwrap();
        for (q, &id) in ids.iter().enumerate() {
            let allowed = |j: usize| model.live.binary_search(&(j as i64)).is_ok();
            oracle.check(
                id as usize,
                9,
                allowed,
                &found.of(q).collect::<Vec<_>>(),
                "ten thousand operations, seed 7001",
            );
        }
        (oracle.residual().0.clone(), oracle.residual().1.clone())
    };
    model.check(&mut rng);
    model.tree.validate(&mut Control::none()).unwrap();
}

#[test]
fn large_parts_with_indices_of_their_own() {
    for (seed, family, lengthscale) in [(1, KernelFamily::Matern52, 0.15), (2, KernelFamily::Matern12, 0.2)] {
        let mut rng = rng(8000 + seed);
        let coords = uniform(14_000, 2 + seed as usize - 1, &mut rng);
        let inducing = coords.slice(s![..40, ..]).to_owned();
        let kernel = Kernel { family, variance: 1.0, lengthscale: Lengthscale::Isotropic(lengthscale) };
        let options = Options {
            covariance: Covariance::Stationary(kernel),
            construction: Construction::Hybrid,
            threads: 2,
            ..Options::default()
        };
        let none = &mut Control::none();
        let data = Data::with_inducing(coords.slice(s![..8000, ..]), inducing.view());
        let mut tree = ResidualCoverTree::build(&options, &data, none).unwrap();
        for rows in [8000..11_000, 11_000..12_300, 12_300..12_400, 12_400..14_000] {
            tree.insert(&Data::new(coords.slice(s![rows, ..])), none).unwrap();
        }
        assert!(tree.stats().parts > 1);
        let gone: Vec<i64> = (0..14_000).filter(|id| id % 9 == 4).collect();
        tree.remove((&gone[..]).into(), none).unwrap();
        assert!(tree.stats().removed > 0);
        let live: Vec<usize> = (0..14_000).filter(|id| id % 9 != 4).collect();
        let rest = coords.select(Axis(0), &live);
        let fresh =
            ResidualCoverTree::build(&options, &Data::with_inducing(rest.view(), inducing.view()), none).unwrap();
        let (own, other) =
            (tree.vecchia_neighbors(15, None, none).unwrap(), fresh.vecchia_neighbors(15, None, none).unwrap());
        for q in 0..live.len() {
            let expected: Vec<_> =
                other.of(q).map(|(place, distance)| (live[place as usize] as i64, distance)).collect();
            assert_eq!(own.of(q).collect::<Vec<_>>(), expected, "row {q}, seed {seed}");
        }
    }
}

#[test]
fn a_factor_that_fits_its_own_batch_alone() {
    let mut rng = rng(8100);
    let coords = uniform(4400, 2, &mut rng);
    let kernel = Kernel { family: KernelFamily::Matern52, variance: 1.0, lengthscale: Lengthscale::Isotropic(0.2) };
    let inducing = coords.slice(s![..30, ..]);
    let metric = MetricKind::Residual;
    let oracle = Oracle::new(metric, coords.view(), Some(inducing), kernel.clone(), 1e-6, 1e-10);
    let factor = oracle.residual().0;
    // The products of the second batch are right among themselves, and wrong with the first.
    let turned = factor.slice(s![3000..4400, ..;-1]);
    let options = Options {
        covariance: Covariance::Stationary(kernel),
        construction: Construction::Hybrid,
        ..Options::default()
    };
    let none = &mut Control::none();
    let first = Data { factor: Some(factor.slice(s![..3000, ..])), ..Data::new(coords.slice(s![..3000, ..])) };
    // Small enough to be a part of its own.
    let second = Data { factor: Some(turned), ..Data::new(coords.slice(s![3000..4400, ..])) };
    let mut tree = ResidualCoverTree::build(&options, &first, none).unwrap();
    tree.insert(&second, none).unwrap();
    assert_eq!(tree.stats().parts, 2);
    let ids: Vec<i64> = (0..4400).step_by(11).collect();
    let query = Query::ids((&ids[..]).into(), 10);
    let brute = Query { traversal: rct::Traversal::BruteForce, ..query.clone() };
    assert!(tree.query_batch(&query, none).unwrap() == tree.query_batch(&brute, none).unwrap());
}

#[test]
fn what_is_refused_leaves_the_tree_as_it_was() {
    let mut rng = rng(9000);
    let coords = uniform(300, 2, &mut rng);
    let none = &mut Control::none();
    let options = Options { threads: 1, ..unit_options() };
    let data = Data::with_inducing(coords.view(), coords.slice(s![..10, ..]));
    let mut tree = ResidualCoverTree::build(&options, &data, none).unwrap();
    tree.remove([5, 250][..].into(), none).unwrap();
    let before = tree.vecchia_neighbors(5, None, none).unwrap();

    let more = uniform(40, 2, &mut rng);
    let mut bad = more.clone();
    bad[[3, 1]] = f64::NAN;
    let wide = uniform(4, 3, &mut rng);
    let stop = &mut || true;
    let stopped = &mut Control::none().with_should_stop(stop);
    let factor = uniform(40, 10, &mut rng);
    let with_factor = Data { factor: Some(factor.view()), ..Data::new(more.view()) };
    let with_inducing = Data::with_inducing(more.view(), more.slice(s![..2, ..]));
    let cases: [(Data<'_>, &mut Control<'_>, ErrorKind, &str); 5] = [
        (Data::new(bad.view()), &mut Control::none(), ErrorKind::NotFinite, "coords[3, 1] is NaN"),
        (Data::new(wide.view()), &mut Control::none(), ErrorKind::InvalidArgument, "3 columns"),
        (with_factor, &mut Control::none(), ErrorKind::InvalidArgument, "factor is given"),
        (with_inducing, &mut Control::none(), ErrorKind::InvalidArgument, "inducing is given"),
        (Data::new(more.view()), stopped, ErrorKind::Cancelled, "should_stop"),
    ];
    for (data, control, kind, words) in cases {
        let error = tree.insert(&data, control).unwrap_err();
        assert!(error.kind() == kind && error.message().contains(words), "{error}");
    }
    let mut many: Vec<i64> = (0..200).filter(|&id| id != 5).collect();
    let stop = &mut || true;
    let cancelled = tree.remove((&many[..]).into(), &mut Control::none().with_should_stop(stop)).unwrap_err();
    assert_eq!(cancelled.kind(), ErrorKind::Cancelled);
    many.push(7);
    for (ids, words) in [
        (&many[..], "7 twice"),
        (&[3, 300][..], "ids[1] is 300"),
        (&[3, -1][..], "ids[1] is -1"),
        (&[5][..], "5, a point that was removed"),
    ] {
        let error = tree.remove(ids.into(), none).unwrap_err();
        assert!(error.kind() == ErrorKind::InvalidArgument && error.message().contains(words), "{error}");
    }
    assert!(tree.query_batch(&Query::ids([250][..].into(), 1), none).unwrap_err().message().contains("removed"));
    assert!(tree.vecchia_neighbors(5, None, none).unwrap() == before);
    tree.validate(none).unwrap();
    assert_eq!(tree.insert(&Data::new(more.view()), none).unwrap(), 300..340);
}
