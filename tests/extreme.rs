//! Coordinates and lengthscales whose quotients, or their squares, are very large or very small: answers are those of the
//! definition in arithmetic that neither overflows nor underflows, or the culprit is named.

mod common;

use common::{Oracle, TRAVERSALS, rng, uniform};
use ndarray::{Array1, Array2, ArrayView2, Axis, array, concatenate, s};
use rand::Rng;
use rct::{
    Construction, Control, Covariance, Data, ErrorKind, InducingMethod, Kernel, KernelFamily, Lengthscale, LoadOptions,
    MetricKind, Model, Options, Ordering, Query, ResidualCoverTree, Result, Traversal, order, select_inducing,
};

fn options(metric: MetricKind, family: KernelFamily, lengthscale: Lengthscale) -> Options {
    let kernel = Kernel { family, variance: 1.0, lengthscale };
    Options { metric, covariance: Covariance::Stationary(kernel), threads: 1, ..Options::default() }
}

fn euclidean(lengthscale: f64) -> Options {
    options(MetricKind::Euclidean, KernelFamily::Matern32, Lengthscale::Isotropic(lengthscale))
}

fn build(options: &Options, coords: ArrayView2<'_, f64>) -> ResidualCoverTree {
    ResidualCoverTree::build(options, &Data::new(coords), &mut Control::none()).unwrap()
}

fn oracle(options: &Options, coords: ArrayView2<'_, f64>) -> Oracle {
    let Covariance::Stationary(kernel) = &options.covariance else { unreachable!() };
    Oracle::new(options.metric, coords, None, kernel.clone(), options.jitter, options.residual_floor)
}

fn ask(tree: &ResidualCoverTree, query: &Query<'_>) -> Vec<Vec<(i64, f64)>> {
    let found = tree.query_batch(query, &mut Control::none()).unwrap();
    (0..found.len()).map(|q| found.of(q).collect()).collect()
}

/// Checks answers of all kinds about points with ids 0, 1, ...; distances are about as large as `size`.
fn check(tree: &ResidualCoverTree, truth: &Oracle, size: f64, context: &str) {
    let n = truth.coords.nrows();
    tree.validate(&mut Control::none()).unwrap_or_else(|error| panic!("{error}; {context}"));
    let ids: Array1<i64> = (0..n as i64).step_by(n.div_ceil(25)).collect();
    let bounds: Array1<f64> = (0..ids.len()).map(|t| size * (0.05 + 0.02 * t as f64)).collect();
    for traversal in TRAVERSALS {
        let context = format!("{traversal:?}; {context}");
        let query = Query { traversal, exclude_self: true, ..Query::ids(ids.view(), 8) };
        for (found, &id) in ask(tree, &query).iter().zip(&ids) {
            truth.check(id as usize, 8, |j| j != id as usize, found, &context);
        }
        let bounded = Query { max_distances: Some(bounds.view()), ..query.clone() };
        for ((found, &id), &bound) in ask(tree, &bounded).iter().zip(&ids).zip(&bounds) {
            let id = id as usize;
            truth.check(id, 8, |j| j != id && truth.distance(id, j) < bound, found, &format!("bounded; {context}"));
        }
        // A stored point as a new one, which finds itself.
        let new = truth.coords.select(Axis(0), &ids.iter().map(|&id| id as usize).collect::<Vec<_>>());
        let query = Query { traversal, ..Query::coords(new.view(), 8) };
        for (found, &id) in ask(tree, &query).iter().zip(&ids) {
            truth.check(id as usize, 8, |_| true, found, &format!("new; {context}"));
        }
        let query = Query { traversal, ..Query::ids(ids.view(), 1) };
        let found = tree.radius_batch(&query, 0.2 * size, &mut Control::none()).unwrap();
        for (q, &id) in ids.iter().enumerate() {
            let near = |j: usize| truth.distance(id as usize, j) < 0.2 * size;
            truth.check(id as usize, n, near, &found.of(q).collect::<Vec<_>>(), &format!("radius; {context}"));
        }
    }
    let sets = tree.vecchia_neighbors(5, None, &mut Control::none()).unwrap();
    for &id in &ids {
        let q = id as usize;
        truth.check(q, 5, |j| j < q, &sets.of(q).collect::<Vec<_>>(), &format!("predecessors; {context}"));
    }
    let others = ids.mapv(|id| (id * 7 + 3) % n as i64);
    for ((&i, &j), distance) in ids.iter().zip(&others).zip(tree.distances(ids.view(), others.view()).unwrap()) {
        let expected = truth.distance(i as usize, j as usize);
        let tolerance = truth.tolerance(i as usize, j as usize);
        assert!((distance - expected).abs() <= tolerance, "{distance} of {i} and {j}, not {expected}; {context}");
    }
}

/// Of 400 points in the unit square, 148 had right neighbours with a lengthscale of 1e160, and none with 1e200.
#[test]
fn euclidean_distances_of_any_size() {
    for (seed, (unit, lengthscale)) in
        (0..).zip([(1.0, 1e160), (1.0, 1e200), (1.0, 1e300), (1e-160, 1.0), (1e-200, 1e100), (1e-300, 1.0)])
    {
        for (unit, lengthscale) in [(unit, lengthscale), (1.0 / unit, 1.0 / lengthscale)] {
            for (n, d) in [(150, 1), (400, 2), (150, 5)] {
                let coords = uniform(n, d, &mut rng(seed)) * unit;
                let options = euclidean(lengthscale);
                let tree = build(&options, coords.view());
                let context = format!("seed {seed}, unit {unit:e}, lengthscale {lengthscale:e}, d {d}");
                check(&tree, &oracle(&options, coords.view()), unit / lengthscale, &context);
                let bytes = tree.to_bytes(&mut Control::none()).unwrap();
                let loaded = ResidualCoverTree::from_bytes(&bytes, &LoadOptions::default(), &mut Control::none());
                let ids: Array1<i64> = (0..n as i64).collect();
                let query = Query::ids(ids.view(), 9);
                assert_eq!(ask(&loaded.unwrap(), &query), ask(&tree, &query), "{context}");
            }
        }
    }
}

#[test]
fn lengthscales_of_any_size_beside_each_other() {
    for seed in 0..12 {
        let mut rng = rng(seed);
        let d = rng.random_range(1..=4);
        let size = 10f64.powi(rng.random_range(-290..290));
        let units: Array1<f64> = (0..d).map(|_| 10f64.powi(rng.random_range(-10..10))).collect();
        let lengthscales: Vec<f64> = units.iter().map(|unit| unit / size).collect();
        let coords = (uniform(200, d, &mut rng) - 0.3) * &units;
        let lengthscale = Lengthscale::PerDimension(lengthscales);
        let mut options = options(MetricKind::Euclidean, KernelFamily::Matern32, lengthscale);
        options.portable_simd = seed % 4 == 0;
        options.threads = 1 + seed as usize % 2;
        check(&build(&options, coords.view()), &oracle(&options, coords.view()), size, &format!("seed {seed}"));
    }
}

/// Far from all points a query is at one distance from them all, up to rounding, so that ids decide; nearer it is not.
#[test]
fn new_points_far_away() {
    let coords = uniform(1500, 2, &mut rng(31));
    for lengthscale in [1.0, 1e150, 1e200, 1e-250] {
        let options = euclidean(lengthscale);
        let tree = build(&options, coords.view());
        for far in [1e10, 1e100, 1e149, 1e160, 1e300] {
            if f64::is_infinite(3.0 * far / lengthscale) {
                continue;
            }
            let new = array![[far, 0.3], [0.2, -far], [far, far], [0.5, 0.5]];
            let all = concatenate![Axis(0), coords, new];
            let truth = oracle(&options, all.view());
            for traversal in TRAVERSALS {
                let context = format!("lengthscale {lengthscale:e}, {far:e} away, {traversal:?}");
                let query = Query { traversal, ..Query::coords(new.view(), 6) };
                for (q, found) in ask(&tree, &query).iter().enumerate() {
                    if q < 3 {
                        truth.check(1500 + q, 6, |j| j < 1500, found, &context);
                    }
                    if q < 3 && far >= 1e100 {
                        assert!(found.iter().map(|&(id, _)| id).eq(0..6), "{found:?}; {context}");
                    }
                }
                // Bounds are in the unit of each query.
                let radius = 1.2 * far / lengthscale;
                let found = tree.radius_batch(&query, radius, &mut Control::none()).unwrap();
                let counts: Vec<usize> = (0..4).map(|q| found.of(q).len()).collect();
                assert_eq!(counts, [1500, 1500, 0, 1500], "{context}");
                let bound = array![radius];
                let bounded = Query { max_distances: Some(bound.view()), ..query.clone() };
                let counts: Vec<usize> = ask(&tree, &bounded).iter().map(Vec::len).collect();
                assert_eq!(counts, [6, 6, 0, 6], "{context}");
            }
        }
        // The one in the middle is answered as alone, whatever comes with it.
        let new = array![[1e200 * lengthscale.min(1.0), 0.0], [0.5, 0.5]];
        let both = ask(&tree, &Query::coords(new.view(), 6));
        assert_eq!(both[1..], ask(&tree, &Query::coords(new.slice(s![1.., ..]), 6)));
    }
}

/// Smaller points come after larger ones, and larger ones after smaller: answers are those of a tree of all of them.
#[test]
fn points_of_other_sizes_are_inserted() {
    for sizes in [[1.0, 1e60, 1e180], [1e-200, 1.0, 1e90], [1e250, 1e-40, 1.0], [1e-300, 1e-170, 1e-150]] {
        let parts = sizes.map(|size| uniform(150, 2, &mut rng(41)) * size);
        let all = concatenate![Axis(0), parts[0], parts[1], parts[2]];
        let options = euclidean(1.0);
        let mut tree = build(&options, parts[0].view());
        for part in &parts[1..] {
            tree.insert(&Data::new(part.view()), &mut Control::none()).unwrap();
        }
        tree.validate(&mut Control::none()).unwrap();
        let fresh = build(&options, all.view());
        let ids: Array1<i64> = (0..450).collect();
        for traversal in TRAVERSALS {
            let query = Query { traversal, ..Query::ids(ids.view(), 12) };
            assert_eq!(ask(&tree, &query), ask(&fresh, &query), "{sizes:?}, {traversal:?}");
        }
        let expected = fresh.vecchia_neighbors(7, None, &mut Control::none()).unwrap();
        assert!(tree.vecchia_neighbors(7, None, &mut Control::none()).unwrap() == expected, "{sizes:?}");
        // Of an empty tree nothing is left of the sizes before.
        tree.remove(ids.view(), &mut Control::none()).unwrap();
        tree.insert(&Data::new(parts[0].view()), &mut Control::none()).unwrap();
        let few: Array1<i64> = (0..150).collect();
        let fresh = build(&options, parts[0].view());
        let expected: Vec<Vec<_>> = ask(&fresh, &Query::ids(few.view(), 5));
        let found = ask(&tree, &Query::ids(few.mapv(|id| id + 450).view(), 5));
        for (found, expected) in found.iter().zip(expected) {
            let expected: Vec<_> = expected.into_iter().map(|(id, distance)| (id + 450, distance)).collect();
            assert_eq!(*found, expected, "{sizes:?}");
        }
    }
}

#[test]
fn refits_from_one_extreme_to_the_other() {
    let coords = uniform(200, 2, &mut rng(51));
    for construction in [Construction::Pure, Construction::Hybrid] {
        let with = |lengthscale| Options { construction, ..euclidean(lengthscale) };
        let mut tree = build(&with(1.0), coords.view());
        for lengthscale in [1e200, 1e-200, 0.3, 1e300] {
            let options = with(lengthscale);
            tree.refit(&options, &Model::default(), &mut Control::none()).unwrap();
            let context = format!("{construction:?}, {lengthscale:e}");
            check(&tree, &oracle(&options, coords.view()), 1.0 / lengthscale, &context);
        }
    }
}

/// No power of two holds squares of all sizes: what is less than 1e-100 of the largest coordinate counts as 0.
#[test]
fn coordinates_too_small_for_the_largest_count_as_0() {
    let mut column = vec![0.0; 40];
    let unit = 2f64.powi(-664);
    (0..40).for_each(|i| column[i] = unit * i as f64);
    let small = Array2::from_shape_vec((40, 1), column.clone()).unwrap();
    let tree = build(&euclidean(1.0), small.view());
    assert_eq!(ask(&tree, &Query::ids(array![20].view(), 3))[0][..2], [(20, 0.0), (19, unit)]);
    column[39] = 1.0;
    let both = Array2::from_shape_vec((40, 1), column).unwrap();
    let tree = build(&euclidean(1.0), both.view());
    let ids = array![20, 39];
    for traversal in TRAVERSALS {
        let query = Query { traversal, ..Query::ids(ids.view(), 3) };
        let expected = [vec![(0, 0.0), (1, 0.0), (2, 0.0)], vec![(39, 0.0), (0, 1.0), (1, 1.0)]];
        assert_eq!(ask(&tree, &query), expected, "{traversal:?}");
    }
    // Of as much as 1e-90 it does not.
    let pair = array![[0.0], [2e-90], [1e-90], [1.0]];
    let tree = build(&euclidean(1.0), pair.view());
    assert_eq!(ask(&tree, &Query::ids(array![0].view(), 3))[0], [(0, 0.0), (2, 1e-90), (1, 2e-90)]);
}

fn refused<T>(result: Result<T>, words: &[&str]) {
    let error = result.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(words.iter().all(|word| error.message().contains(word)), "{error}");
    assert!(error.message().len() < 150, "{error}");
}

#[test]
fn distances_that_overflow_are_refused_by_name() {
    let control = &mut Control::none();
    let coords = array![[0.0, 1.0], [-1e308, 0.5]];
    let options = euclidean(1.0);
    refused(ResidualCoverTree::build(&options, &Data::new(coords.view()), control), &["coords[1, 0] is -1e308, which"]);
    let usual = array![[0.0, 1.0], [1.0, 0.5]];
    let mut tree = build(&options, usual.view());
    let huge = array![[1.0, 1.0], [3.0, 1.5e308]];
    refused(tree.query_batch(&Query::coords(huge.view(), 1), control), &["query coords[1, 1] is 1.5e308, which"]);
    refused(tree.insert(&Data::new(huge.view()), control), &["coords[1, 1] is 1.5e308, which"]);
    let large = array![[1e100, 2.0]];
    tree.insert(&Data::new(large.view()), control).unwrap();
    let words = ["coordinate 0 of point 2 is 1e100, which overflows"];
    refused(tree.refit(&euclidean(1e-250), &Model::default(), control), &words);
    let many = array![[0.0, 1e300]];
    let words = ["coords[0, 1] is 1e300, which overflows when divided by its lengthscale"];
    refused(ResidualCoverTree::build(&euclidean(1e-10), &Data::new(many.view()), control), &words);
    assert_eq!(tree.len(), 3);
    tree.validate(control).unwrap();
}

const FAMILIES: [KernelFamily; 7] = [
    KernelFamily::Rbf,
    KernelFamily::Matern12,
    KernelFamily::Matern32,
    KernelFamily::Matern52,
    KernelFamily::RationalQuadratic { alpha: 1e-3 },
    KernelFamily::RationalQuadratic { alpha: 0.02 },
    KernelFamily::RationalQuadratic { alpha: 1e300 },
];

/// The rational quadratic kernel has a tail of a power of the distance, which is something where squares overflow; of
/// the others nothing is left, and everything where squares underflow.
#[test]
fn covariances_at_distances_of_any_size() {
    for r in [0.0, 1e-300, 1e-170, 1e-10, 1.0, 3e7, 1e153, 1e155, 1e200, 1e308] {
        for family in FAMILIES {
            let kernel = Kernel { family, variance: 2.5, lengthscale: Lengthscale::Isotropic(1.0) };
            let expected = match family {
                KernelFamily::RationalQuadratic { alpha } => {
                    // In logarithms throughout.
                    let log = 2.0 * f64::ln(r) - 2f64.ln() - f64::ln(alpha);
                    2.5 * (-alpha * if log < 30.0 { log.exp().ln_1p() } else { log }).exp()
                }
                _ => common::covariance(&kernel, r),
            };
            let value = kernel.covariance(r);
            assert!((value - expected).abs() <= 1e-12 * expected, "{family:?} at {r:e}: {value}, not {expected}");
        }
    }
}

#[test]
fn correlations_of_points_of_any_distance() {
    // The largest of the sizes would have no other distances than 0 and 1 with any other kernel.
    for (seed, size) in (60..).zip([1e160, 1e200, 1e307, 1e25, 1e-200]) {
        for family in FAMILIES {
            let coords = uniform(120, 2, &mut rng(seed)) - 0.5;
            for construction in [Construction::Pure, Construction::Hybrid] {
                let lengthscale = Lengthscale::Isotropic(1.0 / size);
                let options = Options { construction, ..options(MetricKind::Correlation, family, lengthscale) };
                let context = format!("seed {seed}, size {size:e}, {family:?}, {construction:?}");
                check(&build(&options, coords.view()), &oracle(&options, coords.view()), 1.0, &context);
            }
        }
    }
}

/// Residuals of a kernel with a power tail, of clusters that are far apart: every traversal finds what brute force does,
/// and that what the oracle does.
#[test]
fn residuals_of_a_kernel_with_a_power_tail() {
    for (seed, size) in (70..).zip([1e18, 1e20, 1e40, 1e160, 1e300]) {
        let mut rng = rng(seed);
        let n = 2500;
        let mut coords = uniform(n, 2, &mut rng);
        // Three clusters in arbitrary order, each the size of a lengthscale or so.
        coords.column_mut(0).mapv_inplace(|x| 4.0 * x);
        let shift: Vec<f64> = (0..n).map(|_| size * f64::from(rng.random_range(0..3u8))).collect();
        coords.column_mut(0).iter_mut().zip(&shift).for_each(|(x, shift)| *x += shift);
        let inducing = coords.slice(s![..;n / 40, ..]).to_owned();
        for (alpha, construction) in [(1e-3, Construction::Pure), (0.05, Construction::Hybrid)] {
            let family = KernelFamily::RationalQuadratic { alpha };
            let kernel = Kernel { family, variance: 1.0, lengthscale: Lengthscale::Isotropic(0.2) };
            let options = Options {
                construction,
                covariance: Covariance::Stationary(kernel.clone()),
                threads: 1,
                ..Options::default()
            };
            let context = format!("seed {seed}, size {size:e}, alpha {alpha}, {construction:?}");
            let data = Data::with_inducing(coords.view(), inducing.view());
            let tree = ResidualCoverTree::build(&options, &data, &mut Control::none());
            let tree = tree.unwrap_or_else(|error| panic!("{error}; {context}"));
            let ids: Array1<i64> = (0..n as i64).step_by(9).collect();
            let query = Query::ids(ids.view(), 10);
            let truth = ask(&tree, &Query { traversal: Traversal::BruteForce, ..query.clone() });
            assert!(ask(&tree, &query) == truth, "{context}");
            let definition = Oracle::new(
                MetricKind::Residual,
                coords.view(),
                Some(inducing.view()),
                kernel.clone(),
                options.jitter,
                options.residual_floor,
            );
            for (found, &id) in truth.iter().zip(&ids).step_by(40) {
                definition.check(id as usize, 10, |_| true, found, &context);
            }
        }
    }
}

/// Scaling by a power of two changes nothing but the unit.
#[test]
fn orders_and_inducing_points_of_any_size() {
    let coords = uniform(700, 3, &mut rng(80)) - 0.2;
    for exponent in [-1000, -700, -540, 500, 700, 1000] {
        let unit = 2f64.powi(exponent);
        let scaled = &coords * unit;
        for ordering in [Ordering::Hilbert, Ordering::Maximin] {
            let expected = order(coords.view(), ordering, 1, &mut Control::none()).unwrap();
            assert!(order(scaled.view(), ordering, 1, &mut Control::none()).unwrap() == expected, "{exponent}");
        }
        for method in [InducingMethod::KMeansPlusPlus, InducingMethod::Random] {
            let expected = select_inducing(coords.view(), 20, method, 1, &mut Control::none()).unwrap() * unit;
            let found = select_inducing(scaled.view(), 20, method, 1, &mut Control::none()).unwrap();
            assert!(found == expected, "{exponent}, {method:?}");
        }
    }
}
