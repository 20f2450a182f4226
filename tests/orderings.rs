//! Orderings are permutations with the properties they are named for, and inducing points cover the points.

use ndarray::{Array1, Array2, ArrayView2, Axis, ShapeBuilder, array, s};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rct::{Control, ErrorKind, InducingMethod, Ordering, order, select_inducing};

const ORDERINGS: [Ordering; 4] = [Ordering::Natural, Ordering::Hilbert, Ordering::Maximin, Ordering::Random];
const METHODS: [InducingMethod; 2] = [InducingMethod::KMeansPlusPlus, InducingMethod::Random];

fn ordered(coords: ArrayView2<'_, f64>, ordering: Ordering, seed: u64) -> Vec<usize> {
    order(coords, ordering, seed, &mut Control::none()).unwrap()
}

fn selected(coords: ArrayView2<'_, f64>, m: usize, method: InducingMethod, seed: u64) -> Array2<f64> {
    select_inducing(coords, m, method, seed, &mut Control::none()).unwrap()
}

fn uniform(rng: &mut ChaCha8Rng, n: usize, d: usize) -> Array2<f64> {
    Array2::from_shape_simple_fn((n, d), || rng.random::<f64>())
}

/// All points of {0, ..., side - 1}^d, in a random order.
fn shuffled_grid(side: usize, d: usize, seed: u64) -> Array2<f64> {
    let n = side.pow(d as u32);
    let ids = ordered(Array2::zeros((n, 1)).view(), Ordering::Random, seed);
    Array2::from_shape_fn((n, d), |(i, j)| (ids[i] / side.pow(j as u32) % side) as f64)
}

fn assert_permutation(order: &[usize], n: usize, what: &str) {
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..n), "{what}: {order:?} is not a permutation of 0..{n}");
}

fn squared_distance(coords: ArrayView2<'_, f64>, a: usize, b: usize) -> f64 {
    coords.row(a).iter().zip(coords.row(b)).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// The definition of the maximin ordering, O(n^2 d).
fn maximin_by_definition(coords: ArrayView2<'_, f64>) -> Vec<usize> {
    let n = coords.nrows();
    let mean: Array1<f64> = coords.columns().into_iter().map(|column| column.iter().sum::<f64>() / n as f64).collect();
    let from_mean = |i: usize| coords.row(i).iter().zip(&mean).map(|(x, y)| (x - y) * (x - y)).sum::<f64>();
    let mut next = (0..n).min_by(|&a, &b| from_mean(a).total_cmp(&from_mean(b))).unwrap();
    let mut least = vec![f64::INFINITY; n];
    let mut left: Vec<usize> = (0..n).collect();
    let mut order = Vec::new();
    loop {
        order.push(next);
        left.retain(|&i| i != next);
        left.iter().for_each(|&i| least[i] = least[i].min(squared_distance(coords, i, next)));
        match left.iter().copied().max_by(|&a, &b| least[a].total_cmp(&least[b]).then(b.cmp(&a))) {
            Some(farthest) => next = farthest,
            None => return order,
        }
    }
}

/// Mean squared distance of the points from the nearest of `centres`.
fn quantization_error(coords: ArrayView2<'_, f64>, centres: ArrayView2<'_, f64>) -> f64 {
    let nearest = |point: ndarray::ArrayView1<'_, f64>| {
        let squared = |centre: ndarray::ArrayView1<'_, f64>| (&point - &centre).mapv(|x| x * x).sum();
        centres.rows().into_iter().map(squared).fold(f64::INFINITY, f64::min)
    };
    coords.rows().into_iter().map(nearest).sum::<f64>() / coords.nrows() as f64
}

/// `n` points around `clusters` centres, most of them around few.
fn clustered(rng: &mut ChaCha8Rng, n: usize, d: usize, clusters: usize) -> Array2<f64> {
    let centres = uniform(rng, clusters, d) * 100.0;
    let mut coords = uniform(rng, n, d);
    for mut row in coords.rows_mut() {
        let cluster = (rng.random::<f64>().powi(3) * clusters as f64) as usize;
        row += &centres.row(cluster);
    }
    coords
}

#[test]
fn every_ordering_is_a_permutation_in_every_dimension() {
    for d in 1..=10 {
        for n in [1, 2, 3, 15, 16, 17, 33, 200] {
            let mut rng = ChaCha8Rng::seed_from_u64((d * 1000 + n) as u64);
            let coords = uniform(&mut rng, n, d);
            let with_duplicates = coords.mapv(|x| (3.0 * x).floor());
            for ordering in ORDERINGS {
                assert_permutation(&ordered(coords.view(), ordering, 5), n, &format!("{ordering:?}, d = {d}"));
                let order = ordered(with_duplicates.view(), ordering, 5);
                assert_permutation(&order, n, &format!("{ordering:?} with duplicates, d = {d}"));
            }
        }
    }
}

#[test]
fn more_dimensions_than_a_hilbert_key_has_bits() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for d in [64, 127, 128, 129, 300] {
        let coords = uniform(&mut rng, 50, d);
        for ordering in ORDERINGS {
            assert_permutation(&ordered(coords.view(), ordering, 0), 50, &format!("{ordering:?}, d = {d}"));
        }
    }
}

#[test]
fn natural_is_as_given() {
    assert_eq!(ordered(array![[3.0], [1.0], [2.0]].view(), Ordering::Natural, 7), [0, 1, 2]);
}

#[test]
fn maximin_is_the_definition_on_random_points() {
    for seed in 0..600 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (n, d) = (rng.random_range(1..150), rng.random_range(1..=10));
        let mut coords = uniform(&mut rng, n, d);
        match seed % 6 {
            // Lattices of many ties and duplicates.
            0 => coords.mapv_inplace(|x| (4.0 * x).floor()),
            1 => coords.mapv_inplace(|x| (40.0 * x).floor() / 8.0 - 2.0),
            // Every point twice or more.
            2 => {
                let copies: Vec<usize> = (0..n).map(|_| rng.random_range(0..n)).collect();
                coords = coords.select(Axis(0), &copies);
            }
            // A dense cluster and a few points far away.
            3 => coords.mapv_inplace(|x| if x < 0.97 { x * 1e-6 } else { x * 1e3 }),
            // One dimension is constant.
            4 => coords.column_mut(0).fill(3.0),
            _ => {}
        }
        let expected = maximin_by_definition(coords.view());
        assert_eq!(ordered(coords.view(), Ordering::Maximin, 0), expected, "seed {seed}: n = {n}, d = {d}");
    }
}

#[test]
fn maximin_is_the_definition_on_larger_sets() {
    for (seed, d) in [(1, 1), (2, 2), (3, 3), (4, 8)] {
        let coords = uniform(&mut ChaCha8Rng::seed_from_u64(seed), 2500, d);
        let expected = maximin_by_definition(coords.view());
        assert!(ordered(coords.view(), Ordering::Maximin, 0) == expected, "seed {seed}: d = {d}");
    }
}

#[test]
fn maximin_breaks_the_ties_of_a_lattice_by_id() {
    for (side, d) in [(45, 2), (12, 3), (6, 4)] {
        for (name, coords) in [("shuffled", shuffled_grid(side, d, 4)), ("centred", shuffled_grid(side, d, 5) - 2.0)] {
            let expected = maximin_by_definition(coords.view());
            assert!(ordered(coords.view(), Ordering::Maximin, 0) == expected, "{name} lattice {side}^{d}");
        }
    }
}

#[test]
fn maximin_ends_with_the_duplicates_by_id() {
    let coords = array![[1.0], [4.0], [1.0], [0.0], [4.0], [1.0]];
    // The mean is 11/6: id 0 first, then 4, then 0, then copies.
    assert_eq!(ordered(coords.view(), Ordering::Maximin, 0), [0, 1, 3, 2, 4, 5]);
}

#[test]
fn equal_points_keep_their_order() {
    let coords = Array2::from_elem((100, 3), 0.1);
    for ordering in [Ordering::Natural, Ordering::Hilbert, Ordering::Maximin] {
        assert!(ordered(coords.view(), ordering, 0).into_iter().eq(0..100), "{ordering:?}");
    }
}

#[test]
fn hilbert_visits_a_full_grid_one_step_at_a_time() {
    for (side, d) in [(2, 2), (32, 2), (64, 2), (8, 3), (16, 3), (4, 4), (2, 7)] {
        for unit in [1.0, 1e300, 1e-300, 0.3] {
            let coords = shuffled_grid(side, d, 11) * unit;
            let order = ordered(coords.view(), Ordering::Hilbert, 0);
            for pair in order.windows(2) {
                let step = &coords.row(pair[0]) - &coords.row(pair[1]);
                let moved: f64 = step.iter().map(|x| (x / unit).abs()).sum();
                assert!((moved - 1.0).abs() < 1e-9, "{side}^{d}, unit {unit}: moved {moved} from {pair:?}");
            }
        }
    }
}

#[test]
fn hilbert_in_one_dimension_is_ascending() {
    let coords = uniform(&mut ChaCha8Rng::seed_from_u64(6), 5000, 1);
    let order = ordered(coords.view(), Ordering::Hilbert, 0);
    assert!(order.is_sorted_by_key(|&i| coords[[i, 0]]));
}

#[test]
fn hilbert_follows_a_thread_along_its_length() {
    for along in 0..3 {
        let mut coords = uniform(&mut ChaCha8Rng::seed_from_u64(8), 400, 3) * 1e-13;
        coords.column_mut(along).mapv_inplace(|x| 1e13 * x);
        let order = ordered(coords.view(), Ordering::Hilbert, 0);
        assert!(order.is_sorted_by_key(|&i| coords[[i, along]]), "along dimension {along}");
    }
}

#[test]
fn orderings_do_not_depend_on_the_unit() {
    let coords = uniform(&mut ChaCha8Rng::seed_from_u64(12), 500, 3) - 0.5;
    for ordering in [Ordering::Hilbert, Ordering::Maximin] {
        let expected = ordered(coords.view(), ordering, 0);
        for exponent in [-960, -500, 500, 1000, 1023] {
            let scaled = &coords * 2f64.powi(exponent);
            assert!(ordered(scaled.view(), ordering, 0) == expected, "{ordering:?}, unit 2^{exponent}");
        }
    }
}

#[test]
fn huge_and_tiny_ranges_are_no_obstacle() {
    for unit in [1e308, 1e300, 1e-300, 1e-310] {
        let coords = array![[1.0, -1.0], [0.1, 0.0], [-1.0, 1.0], [-1.0, -1.0], [0.1, 0.0]] * unit;
        assert_eq!(ordered(coords.view(), Ordering::Maximin, 0), [1, 2, 3, 0, 4], "unit {unit}");
        assert_permutation(&ordered(coords.view(), Ordering::Hilbert, 0), 5, &format!("unit {unit}"));
    }
    // A dimension without range may lie anywhere.
    let coords = array![[1e308, 0.0], [1e308, 3e-300], [1e308, 1e-300]];
    assert_eq!(ordered(coords.view(), Ordering::Hilbert, 0), [0, 2, 1]);
    assert_eq!(ordered(coords.view(), Ordering::Maximin, 0), [2, 1, 0]);
}

#[test]
fn orderings_do_not_depend_on_the_layout() {
    let coords = uniform(&mut ChaCha8Rng::seed_from_u64(13), 300, 4);
    let mut by_columns = Array2::zeros((300, 4).f());
    by_columns.assign(&coords);
    let mut reversed = coords.slice(s![..;-1, ..]).to_owned();
    reversed.invert_axis(Axis(0));
    for ordering in ORDERINGS {
        let expected = ordered(coords.view(), ordering, 3);
        assert_eq!(ordered(by_columns.view(), ordering, 3), expected, "{ordering:?}");
        assert_eq!(ordered(reversed.view(), ordering, 3), expected, "{ordering:?}");
    }
}

#[test]
fn the_seed_decides_random_choices() {
    let coords = uniform(&mut ChaCha8Rng::seed_from_u64(14), 1000, 2);
    let order = ordered(coords.view(), Ordering::Random, 1);
    assert_eq!(order, ordered(coords.view(), Ordering::Random, 1));
    assert_ne!(order, ordered(coords.view(), Ordering::Random, 2));
    for method in METHODS {
        let inducing = selected(coords.view(), 20, method, 1);
        assert_eq!(inducing, selected(coords.view(), 20, method, 1), "{method:?}");
        assert_ne!(inducing, selected(coords.view(), 20, method, 2), "{method:?}");
    }
    // What this seed gives on every machine.
    let first: Vec<usize> = ordered(coords.slice(s![..10, ..]), Ordering::Random, 42);
    assert_eq!(first, [2, 7, 3, 9, 8, 1, 5, 4, 0, 6]);
}

#[test]
fn bad_coordinates_are_refused() {
    let mut nan = Array2::zeros((20, 3));
    nan[[12, 1]] = f64::NAN;
    let mut infinite = Array2::zeros((2, 2));
    infinite[[1, 0]] = f64::NEG_INFINITY;
    let none = &mut Control::none();
    for ordering in ORDERINGS {
        let error = order(nan.view(), ordering, 0, none).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::NotFinite, "coords[12, 1] is NaN"));
        let error = order(infinite.view(), ordering, 0, none).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::NotFinite, "coords[1, 0] is -inf"));
        let error = order(Array2::zeros((2, 0)).view(), ordering, 0, none).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("2 x 0"), "{error}");
        assert_eq!(order(Array2::zeros((0, 2)).view(), ordering, 0, none).unwrap(), [0; 0], "{ordering:?}");
    }
    for method in METHODS {
        let error = select_inducing(nan.view(), 2, method, 0, none).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::NotFinite, "coords[12, 1] is NaN"));
        let error = select_inducing(infinite.view(), 3, method, 0, none).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("m is 3") && error.message().contains("2 rows"), "{error}");
        let error = select_inducing(Array2::zeros((4, 0)).view(), 0, method, 0, none).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn a_caller_can_stop_every_call() {
    let coords = uniform(&mut ChaCha8Rng::seed_from_u64(15), 100, 2);
    for ordering in ORDERINGS {
        let mut stop = || true;
        let stopped = order(coords.view(), ordering, 0, &mut Control::none().with_should_stop(&mut stop));
        assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled, "{ordering:?}");
    }
    for method in METHODS {
        let mut stop = || true;
        let stopped = select_inducing(coords.view(), 5, method, 0, &mut Control::none().with_should_stop(&mut stop));
        assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled, "{method:?}");
    }
}

#[test]
fn long_calls_report_and_stop_halfway() {
    let coords = uniform(&mut ChaCha8Rng::seed_from_u64(16), 60_000, 4);
    assert_reports_and_stops("maximin", |control| order(coords.view(), Ordering::Maximin, 0, control).map(|_| ()));
    assert_reports_and_stops("k-means", |control| {
        select_inducing(coords.view(), 300, InducingMethod::KMeansPlusPlus, 0, control).map(|_| ())
    });
}

fn assert_reports_and_stops(name: &str, call: impl Fn(&mut Control<'_>) -> rct::Result<()>) {
    let mut reported = Vec::new();
    let mut progress = |done| reported.push(done);
    call(&mut Control::none().with_progress(&mut progress)).unwrap();
    assert!(reported.len() >= 8 && reported.is_sorted(), "{name}: {reported:?}");
    assert_eq!((reported[0], reported[reported.len() - 1]), (0.0, 1.0), "{name}");

    let mut asked = 0;
    let mut stop = || {
        asked += 1;
        asked == 5
    };
    let error = call(&mut Control::none().with_should_stop(&mut stop)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{name}");
    assert_eq!(asked, 5, "{name} went on after it was asked to stop");
}

#[test]
fn random_inducing_points_are_distinct_rows() {
    let coords = Array2::from_shape_fn((40, 2), |(i, j)| (i * 10 + j) as f64);
    let mut drawn = vec![0; 40];
    for seed in 0..200 {
        let inducing = selected(coords.view(), 10, InducingMethod::Random, seed);
        let mut ids: Vec<usize> = inducing.column(0).iter().map(|x| *x as usize / 10).collect();
        inducing.rows().into_iter().zip(&ids).for_each(|(row, &id)| assert_eq!(row, coords.row(id)));
        ids.iter().for_each(|&id| drawn[id] += 1);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 10, "seed {seed}");
    }
    // 50 expected of each, standard deviation 6.
    assert!(drawn.iter().all(|&count| (20..=80).contains(&count)), "{drawn:?}");
}

#[test]
fn no_inducing_points_are_a_matrix_without_rows() {
    for method in METHODS {
        assert_eq!(selected(Array2::zeros((5, 3)).view(), 0, method, 0).dim(), (0, 3));
        assert_eq!(selected(Array2::zeros((0, 3)).view(), 0, method, 0).dim(), (0, 3));
    }
}

#[test]
fn k_means_covers_clustered_points_better_than_random() {
    for seed in 0..10 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let coords = clustered(&mut rng, 2000, 1 + seed as usize % 4, 30);
        let [k_means, random] = METHODS.map(|method| {
            let inducing = selected(coords.view(), 30, method, seed);
            quantization_error(coords.view(), inducing.view())
        });
        assert!(k_means < 0.5 * random, "seed {seed}: k-means {k_means}, random {random}");
    }
}

#[test]
fn k_means_centres_are_the_means_of_their_points() {
    for seed in 0..10 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut coords = clustered(&mut rng, 300, 3, 4);
        coords.column_mut(1).fill(-7.5);
        let centres = selected(coords.view(), 4, InducingMethod::KMeansPlusPlus, seed);
        let mut sums = Array2::<f64>::zeros((4, 3));
        let mut counts = [0.0; 4];
        for point in coords.rows() {
            let squared = |c: usize| (&point - &centres.row(c)).mapv(|x| x * x).sum();
            let nearest = (0..4).min_by(|&a, &b| squared(a).total_cmp(&squared(b))).unwrap();
            sums.row_mut(nearest).scaled_add(1.0, &point);
            counts[nearest] += 1.0;
        }
        for ((sum, count), centre) in sums.rows().into_iter().zip(counts).zip(centres.rows()) {
            let mean = &sum / count;
            assert!((&mean - &centre).iter().all(|x| x.abs() < 1e-9), "seed {seed}: {mean} {centres}");
        }
    }
}

#[test]
fn k_means_of_many_points_looks_at_enough_of_them() {
    let coords = clustered(&mut ChaCha8Rng::seed_from_u64(17), 50_000, 2, 10);
    let inducing = selected(coords.view(), 12, InducingMethod::KMeansPlusPlus, 0);
    // A cluster is a unit square: its points are 1/6 from its centre.
    let error = quantization_error(coords.view(), inducing.view());
    assert!(error < 0.3, "{error}");
}

#[test]
fn as_many_centres_as_points_are_the_points() {
    let coords = uniform(&mut ChaCha8Rng::seed_from_u64(18), 60, 3);
    let inducing = selected(coords.view(), 60, InducingMethod::KMeansPlusPlus, 0);
    assert_eq!(quantization_error(coords.view(), inducing.view()), 0.0);
}

/// Equal rows are one place: there are as many inducing points as places, and an error tells how many these are.
#[test]
fn inducing_points_are_at_distinct_points() {
    let coords = Array2::from_shape_fn((40, 2), |(i, j)| if j == 0 { (i % 5) as f64 } else { 0.25 });
    // Of more rows than are looked at, nearly all are one, so that few of those drawn are distinct.
    let copies = Array2::from_shape_fn((60_000, 2), |(i, j)| if i < 30 { (i * 2 + j) as f64 } else { -0.0 });
    for method in [InducingMethod::KMeansPlusPlus, InducingMethod::Random] {
        for (coords, places) in [(coords.view(), 5), (copies.view(), 31)] {
            let inducing = selected(coords, places, method, 2);
            assert_eq!(quantization_error(coords, inducing.view()), 0.0, "{method:?}");
            assert_eq!(quantization_error(inducing.view(), coords), 0.0, "{method:?}");
            let error = select_inducing(coords, places + 1, method, 2, &mut Control::none()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert_eq!(error.message(), format!("m is {} but coords has {places} distinct rows", places + 1));
        }
    }
    // Distinct, though the squares of their distances are 0.
    let close = Array2::from_shape_fn((7, 1), |(i, _)| if i == 6 { 1.0 } else { 1e-300 * i as f64 });
    assert_eq!(quantization_error(close.view(), selected(close.view(), 7, InducingMethod::Random, 0).view()), 0.0);
    let mut all = selected(close.view(), 7, InducingMethod::KMeansPlusPlus, 0).into_raw_vec_and_offset().0;
    all.sort_by(f64::total_cmp);
    all.dedup();
    assert_eq!(all.len(), 7, "{all:?}");
}

#[test]
fn k_means_does_not_depend_on_the_unit() {
    let coords = clustered(&mut ChaCha8Rng::seed_from_u64(19), 500, 2, 8) - 50.0;
    let expected = selected(coords.view(), 9, InducingMethod::KMeansPlusPlus, 0);
    for exponent in [-950, 500, 1010] {
        let unit = 2f64.powi(exponent);
        let inducing = selected((&coords * unit).view(), 9, InducingMethod::KMeansPlusPlus, 0);
        assert_eq!(inducing / unit, expected, "unit 2^{exponent}");
    }
}
