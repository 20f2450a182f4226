//! Many points at few places under the residual metric: the index has one of each place, and the answers are those of brute force,
//! bit for bit. The seed of a failing case is printed.

mod common;

use common::{rng, uniform};
use ndarray::{Array1, Array2, Axis, s};
use rand::Rng;
use rand::seq::SliceRandom;
use rct::{
    Control, Covariance, Data, Kernel, KernelFamily, Lengthscale, Neighbors, Options, Query, QueryPoints,
    ResidualCoverTree, Traversal,
};

fn assert_same(found: &Neighbors, truth: &Neighbors, what: &str) {
    assert_eq!(found.len(), truth.len());
    for q in 0..found.len() {
        let (found, truth): (Vec<_>, Vec<_>) = (found.of(q).collect(), truth.of(q).collect());
        assert_eq!(found, truth, "query {q}; {what}");
    }
}

/// n points at so many places, some of which have many more than others.
fn at_places(n: usize, places: &Array2<f64>, rng: &mut impl Rng) -> Array2<f64> {
    let count = places.nrows();
    let draw = |rng: &mut dyn rand::RngCore| rng.random_range(0..count).min(rng.random_range(0..count));
    let of: Vec<usize> = (0..n).map(|i| if i < count { i } else { draw(rng) }).collect();
    places.select(Axis(0), &of)
}

fn options(traversal: Traversal, lengthscale: f64, family: KernelFamily) -> Options {
    let kernel = Kernel { family, lengthscale: Lengthscale::Isotropic(lengthscale), variance: 1.7 };
    Options { traversal, covariance: Covariance::Stationary(kernel), threads: 2, ..Options::default() }
}

fn check(tree: &ResidualCoverTree, ids: &[i64], rng: &mut impl Rng, what: &str) {
    let (d, k) = (tree.stats().d, rng.random_range(1..35));
    let some: Array1<i64> = (0..200).map(|_| ids[rng.random_range(0..ids.len())]).collect();
    let limits: Array1<i64> = some.iter().map(|_| rng.random_range(0..=ids.len() as i64 + 5)).collect();
    let bounds: Array1<f64> = some.iter().map(|_| rng.random_range(0.01..1.1)).collect();
    let new = Array2::from_shape_fn((some.len(), d), |_| rng.random::<f64>());
    let both = |query: Query<'_>, radius: Option<f64>, what: &str| {
        let ask = |traversal| {
            let (query, control) = (Query { traversal, ..query.clone() }, &mut Control::none());
            match radius {
                Some(radius) => tree.radius_batch(&query, radius, control).unwrap(),
                None => tree.query_batch(&query, control).unwrap(),
            }
        };
        assert_same(&ask(Traversal::Automatic), &ask(Traversal::BruteForce), what);
    };
    for (stored, exclude_self) in [(true, true), (true, false), (false, false)] {
        let new = QueryPoints::New { coords: new.view(), factor: None, residual_variances: None };
        let points = if stored { QueryPoints::Ids(some.view()) } else { new };
        let all = Query { points, exclude_self, ..Query::ids(some.view(), k) };
        let what = format!("stored {stored}, exclude_self {exclude_self}, k {k}, {what}");
        both(all.clone(), None, &what);
        both(Query { id_limits: Some(limits.view()), ..all.clone() }, None, &format!("limits, {what}"));
        both(Query { max_distances: Some(bounds.view()), ..all.clone() }, None, &format!("bounds, {what}"));
        both(all, Some(bounds[0]), &format!("radius {}, {what}", bounds[0]));
    }
}

/// Predecessors in the order of ids and in a random one, by a tree and by brute force.
fn check_predecessors(tree: &ResidualCoverTree, slow: &ResidualCoverTree, ids: &[i64], rng: &mut impl Rng, what: &str) {
    let mut order = ids.to_vec();
    for sorted in [true, false] {
        if !sorted {
            order.shuffle(rng);
        }
        let k = rng.random_range(1..35);
        let predecessors =
            |tree: &ResidualCoverTree| tree.vecchia_neighbors(k, Some(order[..].into()), &mut Control::none()).unwrap();
        let what = format!("predecessors, sorted {sorted}, k {k}, {what}");
        assert_same(&predecessors(tree), &predecessors(slow), &what);
    }
}

#[test]
fn answers_are_those_of_brute_force() {
    let families = [KernelFamily::Matern32, KernelFamily::Rbf, KernelFamily::Matern12];
    let mut plans = std::collections::BTreeSet::new();
    for seed in 0..10 {
        let rng = &mut rng(seed);
        let d = rng.random_range(1..4);
        // Few enough to be scored one and all, or so many that there is an index.
        let count = if seed % 3 == 0 { rng.random_range(1..400) } else { rng.random_range(1200..2600) };
        // Of a lattice many are equally far.
        let lattice = seed % 4 == 1;
        let places = uniform(count, d, rng).mapv(|x| if lattice { (x * 40.0).floor() / 40.0 } else { x });
        let coords = at_places(rng.random_range(2600..6000), &places, rng);
        let inducing = uniform(rng.random_range(5..80), d, rng);
        let (family, lengthscale) = (families[seed as usize % 3], rng.random_range(0.05..0.6));
        let what =
            format!("seed {seed}, n {}, d {d}, {count} places, {family:?}, lengthscale {lengthscale}", coords.nrows());
        let data = Data { inducing: Some(inducing.view()), ..Data::new(coords.view()) };
        let build = |traversal| {
            let options = options(traversal, lengthscale, family);
            ResidualCoverTree::build(&options, &data, &mut Control::none()).expect(&what)
        };
        let (mut tree, mut slow) = (build(Traversal::Automatic), build(Traversal::BruteForce));
        plans.insert(tree.stats().plan.name());
        let ids: Vec<i64> = (0..coords.nrows() as i64).collect();
        check(&tree, &ids, rng, &what);
        check_predecessors(&tree, &slow, &ids, rng, &what);

        let bytes = tree.to_bytes(&mut Control::none()).unwrap();
        let loaded = ResidualCoverTree::from_bytes(&bytes, &Default::default(), &mut Control::none()).unwrap();
        check(&loaded, &ids, rng, &format!("loaded, {what}"));
        if seed < 2 {
            tree.validate(&mut Control::none()).expect(&what);
        }

        let gone: Array1<i64> = ids.iter().copied().filter(|id| id % 5 == 2).collect();
        let more = coords.slice(s![..500.min(coords.nrows()), ..]);
        for tree in [&mut tree, &mut slow] {
            tree.remove(gone.view(), &mut Control::none()).unwrap();
            tree.insert(&Data::new(more), &mut Control::none()).unwrap();
        }
        let ids: Vec<i64> =
            (0..ids.len() as i64 + more.nrows() as i64).filter(|&id| id % 5 != 2 || id >= ids.len() as i64).collect();
        check(&tree, &ids, rng, &format!("after changes, {what}"));
        check_predecessors(&tree, &slow, &ids, rng, &format!("after changes, {what}"));
    }
    assert!(plans.len() >= 3, "only the plans {plans:?} were searched");
}

/// A caller's own V may tell points at one place apart.
#[test]
fn rows_of_the_callers_tell_points_apart() {
    let rng = &mut rng(77);
    let coords = at_places(4000, &uniform(1500, 2, rng), rng);
    let factor = Array2::from_shape_fn((4000, 6), |(i, j)| if i % 3 == 0 { 0.05 * j as f64 } else { 0.1 });
    let data = Data { factor: Some(factor.view()), ..Data::new(coords.view()) };
    let build = |traversal| {
        let options = options(traversal, 0.3, KernelFamily::Matern32);
        ResidualCoverTree::build(&options, &data, &mut Control::none()).unwrap()
    };
    let (tree, slow) = (build(Traversal::Automatic), build(Traversal::BruteForce));
    let ids: Vec<i64> = (0..4000).collect();
    check_predecessors(&tree, &slow, &ids, rng, "own factor");
    let query = |traversal| {
        let query = Query { exclude_self: true, traversal, ..Query::ids(ids[..].into(), 20) };
        tree.query_batch(&query, &mut Control::none()).unwrap()
    };
    assert_same(&query(Traversal::Automatic), &query(Traversal::BruteForce), "own factor");
}

/// Of points at few places a query is scored with hardly more than of points at as many places as there are points.
#[test]
fn twins_are_not_scored_one_by_one() {
    let (n, k) = (20_000, 20);
    let rng = &mut rng(5);
    let inducing = uniform(50, 2, rng);
    for count in [1, 2, 10, 1500] {
        let places = uniform(count, 2, rng);
        let coords = Array2::from_shape_fn((n, 2), |(i, j)| places[[i % count, j]]);
        let data = Data { inducing: Some(inducing.view()), ..Data::new(coords.view()) };
        let options = options(Traversal::Automatic, 0.3, KernelFamily::Matern32);
        let tree = ResidualCoverTree::build(&options, &data, &mut Control::none()).unwrap();
        let mut order: Vec<i64> = (0..n as i64).collect();
        order.shuffle(rng);
        tree.vecchia_neighbors(k, Some(order[..].into()), &mut Control::none()).unwrap();
        let each = tree.stats().last_search.counters.distance_evaluations as f64 / n as f64;
        assert!(each < 700.0, "{count} places: {each} evaluations a query");
    }
}
