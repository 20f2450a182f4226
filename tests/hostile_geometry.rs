//! Degenerate geometry in numbers that reach the automatic traversal's cells, panels and prefixes: every answer is that
//! of brute force, bit for bit, and a sample of them that of the oracle. The seed of a failing case is printed.
//!
//! `cargo test --release --test hostile_geometry -- --ignored` runs many more seeds.

mod common;

use common::{Oracle, rng, uniform};
use ndarray::{Array1, Array2, Axis, concatenate, s};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rct::{
    Construction, Control, Covariance, Data, Kernel, KernelFamily, Lengthscale, MetricKind, Neighbors, Options, Query,
    QueryPoints, ResidualCoverTree, Traversal,
};

/// Points of one unit of length: lengthscales multiply them afterwards.
type Geometry = fn(usize, &mut ChaCha8Rng) -> Array2<f64>;

const GEOMETRIES: [(&str, Geometry); 10] = [
    ("a line along an axis", |n, rng| {
        let mut coords = Array2::zeros((n, 3));
        coords.column_mut(1).mapv_inplace(|_| rng.random());
        coords
    }),
    ("a line in general direction", |n, rng| {
        Array2::from_shape_fn((n, 1), |_| rng.random::<f64>()).dot(&uniform(1, 3, rng))
    }),
    ("a lattice", |n, _| {
        let side = (n as f64).sqrt().ceil() as usize;
        Array2::from_shape_fn((n, 2), |(i, j)| if j == 0 { i / side } else { i % side } as f64 / side as f64)
    }),
    ("a coarse lattice, many points at each place", |n, rng| {
        Array2::from_shape_fn((n, 3), |_| f64::from(rng.random_range(0..4)) / 4.0)
    }),
    ("duplicates by the thousand, sorted", |n, rng| {
        let mut coords = uniform(n, 2, rng);
        let place = coords.row(0).to_owned();
        coords.slice_mut(s![..n / 2, ..]).assign(&place);
        coords
    }),
    ("nearly duplicates", |n, rng| {
        let places = uniform(n / 40, 2, rng);
        Array2::from_shape_fn((n, 2), |(i, j)| places[[i % (n / 40), j]] + 1e-13 * rng.random::<f64>())
    }),
    ("all points equal", |n, rng| {
        let place = uniform(1, 2, rng);
        Array2::from_shape_fn((n, 2), |(_, j)| place[[0, j]])
    }),
    ("two distant clusters", |n, rng| {
        let mut coords = 0.2 * uniform(n, 2, rng);
        coords.slice_mut(s![..;2, ..]).mapv_inplace(|x| x + 1e4);
        coords
    }),
    ("spacing that shrinks by powers", |n, rng| {
        let scale = Array1::from_iter((0..n).map(|i| 0.5f64.powf(60.0 * i as f64 / n as f64)));
        uniform(n, 2, rng) * scale.insert_axis(Axis(1))
    }),
    ("points in general position, sorted", |n, rng| {
        let mut all = uniform(n, 3, rng);
        let mut first = all.column(0).to_vec();
        first.sort_unstable_by(f64::total_cmp);
        all.column_mut(0).assign(&Array1::from(first));
        all
    }),
];

const FAMILIES: [KernelFamily; 5] = [
    KernelFamily::Rbf,
    KernelFamily::Matern12,
    KernelFamily::Matern32,
    KernelFamily::Matern52,
    KernelFamily::RationalQuadratic { alpha: 0.7 },
];

struct Case {
    coords: Array2<f64>,
    inducing: Array2<f64>,
    kernel: Kernel,
    jitter: f64,
    floor: f64,
    seed: u64,
    context: String,
}

impl Case {
    /// A case over `n` points of a geometry.
    fn new(name: &str, geometry: Geometry, n: usize, seed: u64) -> Case {
        let mut rng = rng(seed);
        let coords = geometry(n, &mut rng);
        let d = coords.ncols();
        let m = rng.random_range(1..=80);
        let inducing = match rng.random_range(0..3) {
            0 => coords.slice(s![..;n / m, ..]).to_owned(),
            1 => uniform(m, d, &mut rng),
            // Twice the same, and a few that are nearly so.
            _ => {
                let some = coords.slice(s![..;2 * n / (m + 1), ..]).to_owned();
                let near = &some + &(1e-9 * uniform(some.nrows(), d, &mut rng));
                concatenate![Axis(0), some, near, some]
            }
        };
        let lengthscale = if rng.random_bool(0.5) {
            Lengthscale::Isotropic(*[0.01, 0.1, 0.3, 1.0, 10.0].choose(&mut rng).unwrap())
        } else {
            Lengthscale::PerDimension((0..d).map(|_| rng.random_range(0.05..1.0)).collect())
        };
        let family = *FAMILIES.choose(&mut rng).unwrap();
        let variance = *[1.0, 1e-8, 3e7].choose(&mut rng).unwrap();
        let jitter = *[1e-2, 1e-6, 1e-6, 1e-9, 1e-12].choose(&mut rng).unwrap();
        let floor = *[1e-1, 1e-4, 1e-10, 1e-10, 1e-15].choose(&mut rng).unwrap();
        Case {
            coords,
            inducing,
            kernel: Kernel { family, variance, lengthscale },
            jitter,
            floor,
            seed,
            context: format!("{name}, seed {seed}, n {n}"),
        }
    }

    /// Multiplies coordinates, inducing points and lengthscales by a factor a dimension: nothing else changes.
    fn scale(&mut self, factors: &[f64]) {
        let factors = Array1::from(factors[..self.coords.ncols()].to_vec());
        self.coords *= &factors;
        self.inducing *= &factors;
        let own = |j: usize| match &self.kernel.lengthscale {
            Lengthscale::Isotropic(l) => *l,
            Lengthscale::PerDimension(all) => all[j],
            Lengthscale::Missing => 1.0,
        };
        let scaled = factors.iter().enumerate().map(|(j, factor)| factor * own(j)).collect();
        self.kernel.lengthscale = Lengthscale::PerDimension(scaled);
    }

    fn options(&self) -> Options {
        let mut rng = rng(self.seed + 1);
        Options {
            covariance: Covariance::Stationary(self.kernel.clone()),
            construction: Construction::Hybrid,
            threads: rng.random_range(1..=2),
            jitter: self.jitter,
            residual_floor: self.floor,
            portable_simd: rng.random_bool(0.2),
            ..Options::default()
        }
    }

    /// Whether two implementations of the definition in double precision agree on V: the inducing covariance's
    /// condition tells what rounding becomes.
    fn well_conditioned(&self) -> bool {
        self.jitter >= 1e-6
    }

    /// Builds the tree and compares; a name for what it was searched with.
    fn check(&self) -> Counts {
        let data = Data::with_inducing(self.coords.view(), self.inducing.view());
        let context = format!("{}, m {}, {:?}", self.context, self.inducing.nrows(), self.options());
        let tree = ResidualCoverTree::build(&self.options(), &data, &mut Control::none());
        let tree = tree.unwrap_or_else(|error| panic!("{error}; {context}"));
        let oracle = self.well_conditioned().then(|| {
            let (coords, inducing) = (self.coords.view(), Some(self.inducing.view()));
            Oracle::new(MetricKind::Residual, coords, inducing, self.kernel.clone(), self.jitter, self.floor)
        });
        check(&tree, &self.coords, oracle.as_ref(), self.seed, &context)
    }
}

/// What a tree was seen to search with.
#[derive(Default, Clone, Copy)]
struct Counts {
    cells: u64,
    panels: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.cells += other.cells;
        self.panels += other.panels;
    }
}

/// Compares a tree's answers of every kind with those of its brute force, and some with the oracle.
fn check(tree: &ResidualCoverTree, coords: &Array2<f64>, oracle: Option<&Oracle>, seed: u64, context: &str) -> Counts {
    let mut rng = rng(seed + 2);
    let n = coords.nrows();
    tree.validate(&mut Control::none()).unwrap_or_else(|error| panic!("{error}; {context}"));
    let k = rng.random_range(1..=30);
    let mut ids: Vec<i64> = (0..50).map(|_| rng.random_range(0..n as i64)).collect();
    ids.extend([0, n as i64 - 1]);
    let exclude_self = rng.random_bool(0.5);
    let plain = Query { exclude_self, ..Query::ids((&ids[..]).into(), k) };
    let mut limits: Array1<i64> = ids.iter().map(|_| rng.random_range(0..=n as i64)).collect();
    limits.slice_mut(s![..4]).assign(&ndarray::array![0, 1, 1025, n as i64]);
    let limited = Query { id_limits: Some(limits.view()), ..plain.clone() };
    let bounds: Array1<f64> = ids.iter().map(|_| rng.random::<f64>().max(1e-9)).collect();
    let bounded = Query { max_distances: Some(bounds.view()), ..plain.clone() };
    let everything = Query { k: n + 3, ..Query::ids((&ids[..2]).into(), k) };
    let mut queries = vec![("plain", plain), ("limited", limited), ("bounded", bounded), ("everything", everything)];
    // New points: stored ones, some between stored ones, one far away.
    let mut new = coords.select(Axis(0), &ids.iter().map(|&id| id as usize).collect::<Vec<_>>());
    for i in 1..new.nrows() / 2 {
        let between = 0.5 * &new.row(i) + 0.5 * &new.row(i - 1);
        new.row_mut(i).assign(&between);
    }
    new.row_mut(0).mapv_inplace(|x| 37.0 * x);
    let with_factor = tree.query_batch(&Query::coords(new.slice(s![..1, ..]), 1), &mut Control::none()).is_err();
    if !with_factor {
        queries.push(("unseen", Query::coords(new.view(), k)));
    }

    let mut counts = Counts::default();
    let mut compare = |what: &str, query: &Query<'_>, ask: &dyn Fn(&Query<'_>) -> Neighbors| {
        let truth = ask(&Query { traversal: Traversal::BruteForce, ..query.clone() });
        let most = tree.stats().last_search.counters.distance_evaluations;
        let found = ask(query);
        let counters = tree.stats().last_search.counters;
        counts += Counts { cells: counters.pruned_by_ball, panels: counters.pruned_by_cell };
        assert!(found == truth, "{what}; {}; {context}", difference(&found, &truth));
        let spent = counters.distance_evaluations;
        assert!(spent <= 3 * most + 1000, "{what}: {spent} evaluations, brute force {most}; {context}");
        truth
    };
    for (what, query) in &queries {
        let truth = compare(what, query, &|query| tree.query_batch(query, &mut Control::none()).unwrap());
        for q in 0..truth.len() {
            assert!(truth.of(q).all(|(_, distance)| distance >= 0.0), "{what}: a distance is no number; {context}");
        }
        if let (Some(oracle), "plain") = (oracle, *what) {
            for (q, &id) in ids.iter().enumerate().step_by(9) {
                let allowed = |j: usize| !(exclude_self && j == id as usize);
                oracle.check(id as usize, k, allowed, &truth.of(q).collect::<Vec<_>>(), context);
            }
        }
    }
    let radius = rng.random_range(0.01..0.7);
    compare("radius", &queries[0].1, &|query| tree.radius_batch(query, radius, &mut Control::none()).unwrap());

    let sets = tree.vecchia_neighbors(7, None, &mut Control::none()).unwrap();
    let all: Array1<i64> = (0..n as i64).collect();
    let before = Query { id_limits: Some(all.view()), exclude_self: true, ..Query::ids(all.view(), 7) };
    let before = Query { traversal: Traversal::BruteForce, ..before };
    let truth = tree.query_batch(&before, &mut Control::none()).unwrap();
    assert!(sets == truth, "predecessors; {}; {context}", difference(&sets, &truth));
    counts
}

/// The first place where two answers differ.
fn difference(found: &Neighbors, truth: &Neighbors) -> String {
    let rows = (0..truth.len()).map(|q| (q, found.of(q).collect::<Vec<_>>(), truth.of(q).collect::<Vec<_>>()));
    for (q, found, truth) in rows {
        if let Some(place) = (0..found.len().max(truth.len())).find(|&place| found.get(place) != truth.get(place)) {
            return format!("query {q}, place {place}: {:?}, not {:?}", found.get(place), truth.get(place));
        }
    }
    "no difference".into()
}

/// Every geometry with each of `seeds`, after a change of the case.
fn each_geometry(seeds: std::ops::Range<u64>, change: impl Fn(&mut Case)) -> Counts {
    let mut counts = Counts::default();
    for (g, (name, geometry)) in GEOMETRIES.into_iter().enumerate() {
        for seed in seeds.clone() {
            let n = rng(seed + g as u64).random_range(2500..6000);
            let mut case = Case::new(name, geometry, n, seed);
            change(&mut case);
            counts += case.check();
        }
    }
    counts
}

#[test]
fn degenerate_geometry() {
    let counts = each_geometry(100..102, |_| {});
    assert!(counts.cells > 0 && counts.panels > 0, "no case was decided by cells, or none by panels");
}

#[test]
#[ignore = "minutes: many seeds"]
fn degenerate_geometry_many() {
    each_geometry(200..240, |_| {});
}

#[test]
fn huge_tiny_and_unlike_units() {
    each_geometry(300..301, |case| case.scale(&[1e290, 1e290, 1e290]));
    each_geometry(302..304, |case| case.scale(&[1e-300, 1e-300, 1e-300]));
    each_geometry(304..306, |case| case.scale(&[1e-6, 1e6, 1.0]));
}

#[test]
fn tiny_residuals_in_every_cell() {
    // Every twentieth point is an inducing point: of residual variances, what jitter leaves and the floor.
    each_geometry(402..404, |case| {
        let mut rng = rng(case.seed + 3);
        case.inducing = case.coords.slice(s![..;20, ..]).to_owned();
        case.jitter = *[1e-8, 1e-10, 1e-12].choose(&mut rng).unwrap();
        case.floor = *[1e-9, 1e-12, 1e-15].choose(&mut rng).unwrap();
    });
}

#[test]
fn lengthscales_of_very_different_size() {
    each_geometry(500..501, |case| case.kernel.lengthscale = unlike(&[1e-6, 1e6, 0.3], case));
    each_geometry(502..504, |case| case.kernel.lengthscale = unlike(&[1e6, 1e6, 1e6], case));
    each_geometry(504..506, |case| case.kernel.lengthscale = unlike(&[0.2, 1e6, 1e-6], case));
}

fn unlike(all: &[f64], case: &Case) -> Lengthscale {
    Lengthscale::PerDimension(all[..case.coords.ncols()].to_vec())
}

#[test]
fn coordinates_far_from_zero_and_covariances_that_underflow() {
    each_geometry(600..601, |case| {
        case.coords.mapv_inplace(|x| x * 1e290);
        case.inducing.mapv_inplace(|x| x * 1e290);
    });
    each_geometry(602..604, |case| {
        case.coords.mapv_inplace(|x| x * 1e-300);
        case.inducing.mapv_inplace(|x| x * 1e-300);
    });
}

#[test]
fn a_factor_with_rows_of_zeros() {
    each_factor_with_rows_of_zeros(700..702);
}

#[test]
#[ignore = "minutes: many seeds"]
fn a_factor_with_rows_of_zeros_many() {
    each_factor_with_rows_of_zeros(720..760);
}

/// A row of zeros says that the inducing points explain nothing of a point: no residual of the kernel, but where the
/// point is far from all of them.
fn each_factor_with_rows_of_zeros(seeds: std::ops::Range<u64>) {
    let mut refused = 0;
    for (g, (name, geometry)) in GEOMETRIES.into_iter().enumerate() {
        for seed in seeds.clone() {
            let mut case = Case::new(name, geometry, 3000 + 300 * g, seed);
            case.jitter = case.jitter.max(1e-6);
            let mut rng = rng(seed + 4);
            let coords = case.coords.view();
            let inducing = Some(case.inducing.view());
            let kernel = || case.kernel.clone();
            let full = Oracle::new(MetricKind::Residual, coords, inducing, kernel(), case.jitter, case.floor);
            let mut factor = full.factor;
            let zeros = [0, 1, 3, 40, 1000][(seed + g as u64) as usize % 5];
            for _ in 0..zeros {
                factor.row_mut(rng.random_range(0..coords.nrows())).fill(0.0);
            }
            let oracle = Oracle::from_factor(MetricKind::Residual, coords, factor, None, kernel(), case.floor);
            let data = Data { factor: Some(oracle.factor.view()), ..Data::new(coords) };
            let options = case.options();
            let context = format!("{zeros} rows of zeros, {}, m {}, {options:?}", case.context, oracle.factor.ncols());
            let tree = ResidualCoverTree::build(&options, &data, &mut Control::none());
            let tree = tree.unwrap_or_else(|error| panic!("{error}; {context}"));
            // What is a residual is searched as one; what is none may still be one as far as any bound goes.
            let only = tree.stats().brute_force_only;
            assert!(zeros > 0 || !only, "{context}");
            refused += u32::from(only);
            check(&tree, &case.coords, Some(&oracle), seed, &context);
        }
    }
    assert!(refused > 0, "no such factor was seen to be no residual");
}

/// A tree over 3,000 points in a square, every tenth an inducing point, or the error.
fn extreme(variance: f64, jitter: f64, residual_floor: f64, family: KernelFamily) -> rct::Result<()> {
    let coords = uniform(3000, 2, &mut rng(800));
    let inducing = coords.slice(s![..;30, ..]);
    let kernel = Kernel { family, variance, lengthscale: Lengthscale::Isotropic(0.2) };
    let covariance = Covariance::Stationary(kernel.clone());
    let options =
        Options { covariance, construction: Construction::Hybrid, jitter, residual_floor, ..Options::default() };
    let tree = ResidualCoverTree::build(&options, &Data::with_inducing(coords.view(), inducing), &mut Control::none())?;
    let oracle = (jitter >= 1e-6)
        .then(|| Oracle::new(MetricKind::Residual, coords.view(), Some(inducing), kernel, jitter, residual_floor));
    check(&tree, &coords, oracle.as_ref(), 800, &format!("seed 800, {options:?}"));
    Ok(())
}

#[test]
fn extreme_options_are_answered_or_refused() {
    for family in [KernelFamily::Matern12, KernelFamily::Matern52] {
        for (variance, jitter, floor) in [
            (1e-290, 1e-6, 1e-18),
            (1e307, 1e-13, 1e-200),
            (1e300, 0.0, 5e-324),
            (1.0, 1e3, 1e-307),
            (1e-307, 1e-6, 1.0),
        ] {
            extreme(variance, jitter, floor, family).unwrap();
        }
        for (variance, jitter, floor, culprit) in [
            (1.0, 1e-6, 5e-324, "residual_floor is 5e-324; times the variance 1 it is"),
            (1e-200, 1e-6, 1e-150, "residual_floor is 1e-150; times the variance 1e-200 it is 0,"),
            (1e300, 1e10, 1e-10, "jitter is 10000000000"),
        ] {
            let error = extreme(variance, jitter, floor, family).unwrap_err();
            assert_eq!(error.kind(), rct::ErrorKind::InvalidArgument);
            assert!(error.to_string().starts_with(culprit), "{error}");
        }
    }
}

#[test]
fn new_points_with_rows_of_zeros() {
    // The stored points' V is a residual's; of the new points', a few rows are not.
    for (g, (name, geometry)) in GEOMETRIES.into_iter().enumerate() {
        for seed in 900..903 {
            let mut case = Case::new(name, geometry, 3000, seed);
            case.jitter = case.jitter.max(1e-6);
            let (coords, inducing) = (case.coords.view(), Some(case.inducing.view()));
            let full =
                Oracle::new(MetricKind::Residual, coords, inducing, case.kernel.clone(), case.jitter, case.floor);
            let options = case.options();
            let context = format!("{}, m {}, {options:?}", case.context, full.factor.ncols());
            let data =
                Data { factor: Some(full.factor.slice(s![..2600, ..])), ..Data::new(coords.slice(s![..2600, ..])) };
            let tree = ResidualCoverTree::build(&options, &data, &mut Control::none());
            let tree = tree.unwrap_or_else(|error| panic!("{error}; {context}"));
            let mut new = full.factor.slice(s![2600.., ..]).to_owned();
            new.slice_mut(s![g..;29, ..]).fill(0.0);
            let points = QueryPoints::New {
                coords: coords.slice(s![2600.., ..]),
                factor: Some(new.view()),
                residual_variances: None,
            };
            let query = Query { points, ..Query::ids((&[][..]).into(), 9) };
            let brute = Query { traversal: Traversal::BruteForce, ..query.clone() };
            let truth = tree.query_batch(&brute, &mut Control::none()).unwrap();
            let found = tree.query_batch(&query, &mut Control::none()).unwrap();
            assert!(found == truth, "{}; {context}", difference(&found, &truth));
        }
    }
}
