//! Nothing at all is answered with nothing: batches of no ids, no points or no pairs; and a tree of which all points were
//! removed is refitted, saved, loaded and inserted into like any other.

mod common;

use common::{TRAVERSALS, rng, uniform};
use ndarray::{Array1, Array2, ArrayView1, s};
use rct::{
    Control, Covariance, Data, ErrorKind, InducingMethod, Kernel, KernelFamily, Lengthscale, LoadOptions, MetricKind,
    Model, Options, Ordering, Query, ResidualCoverTree, Result, order, select_inducing,
};
use std::sync::Arc;

const METRICS: [MetricKind; 3] = [MetricKind::Residual, MetricKind::Correlation, MetricKind::Euclidean];

fn options(metric: MetricKind, lengthscale: f64) -> Options {
    let lengthscale = Lengthscale::Isotropic(lengthscale);
    let kernel = Kernel { family: KernelFamily::Matern32, variance: 2.0, lengthscale };
    Options { metric, covariance: Covariance::Stationary(kernel), threads: 1, ..Options::default() }
}

fn data<'a>(metric: MetricKind, coords: &'a Array2<f64>, inducing: &'a Array2<f64>) -> Data<'a> {
    let inducing = (metric == MetricKind::Residual).then(|| inducing.view());
    Data { inducing, ..Data::new(coords.view()) }
}

fn build(options: &Options, data: &Data<'_>) -> ResidualCoverTree {
    ResidualCoverTree::build(options, data, &mut Control::none()).unwrap()
}

/// Removes all points.
fn empty(tree: &mut ResidualCoverTree, ids: std::ops::Range<i64>) {
    let ids: Array1<i64> = ids.collect();
    tree.remove(ids.view(), &mut Control::none()).unwrap();
    assert!(tree.is_empty());
}

fn reloaded(tree: &ResidualCoverTree) -> ResidualCoverTree {
    let bytes = tree.to_bytes(&mut Control::none()).unwrap();
    ResidualCoverTree::from_bytes(&bytes, &LoadOptions::default(), &mut Control::none()).unwrap()
}

fn invalid<T>(result: Result<T>, words: &[&str]) {
    let error = result.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(words.iter().all(|word| error.message().contains(word)), "{error}");
}

#[test]
fn batches_of_nothing() {
    let (coords, inducing) = (uniform(50, 2, &mut rng(1)), uniform(5, 2, &mut rng(2)));
    let (ids, none, wrong) = (Array1::<i64>::zeros(0), Array2::<f64>::zeros((0, 2)), Array2::<f64>::zeros((0, 3)));
    for metric in METRICS {
        let mut tree = build(&options(metric, 0.3), &data(metric, &coords, &inducing));
        for traversal in TRAVERSALS {
            for query in [Query::ids(ids.view(), 4), Query::coords(none.view(), 4)] {
                let query = Query { traversal, ..query };
                assert!(tree.query_batch(&query, &mut Control::none()).unwrap().is_empty());
                assert!(tree.radius_batch(&query, 0.5, &mut Control::none()).unwrap().is_empty());
            }
        }
        assert!(tree.distances(ids.view(), ids.view()).unwrap().is_empty());
        if metric != MetricKind::Euclidean {
            assert!(tree.correlations(ids.view(), ids.view()).unwrap().is_empty());
        }
        tree.remove(ids.view(), &mut Control::none()).unwrap();
        assert_eq!(tree.insert(&Data::new(none.view()), &mut Control::none()).unwrap(), 50..50);
        assert_eq!(tree.len(), 50);
        // The number of columns is told of a matrix of no rows, too.
        let query = Query::coords(wrong.view(), 4);
        invalid(tree.query_batch(&query, &mut Control::none()), &["coords", "0 x 3", "0 x 2"]);
        invalid(tree.insert(&Data::new(wrong.view()), &mut Control::none()), &["coords", "3", "2"]);
        invalid(tree.query_batch(&Query::ids(ids.view(), 0), &mut Control::none()), &["k is 0"]);
    }
    let built =
        ResidualCoverTree::build(&options(MetricKind::Euclidean, 1.0), &Data::new(none.view()), &mut Control::none());
    invalid(built, &["coords is 0 x 2"]);
}

#[test]
fn orders_and_choices_of_nothing() {
    let none = Array2::<f64>::zeros((0, 2));
    for ordering in [Ordering::Natural, Ordering::Hilbert, Ordering::Maximin, Ordering::Random] {
        assert!(order(none.view(), ordering, 1, &mut Control::none()).unwrap().is_empty());
        let columns = Array2::<f64>::zeros((0, 0));
        invalid(order(columns.view(), ordering, 1, &mut Control::none()), &["coords is 0 x 0"]);
    }
    for method in [InducingMethod::KMeansPlusPlus, InducingMethod::Random] {
        assert_eq!(select_inducing(none.view(), 0, method, 1, &mut Control::none()).unwrap().dim(), (0, 2));
        invalid(select_inducing(none.view(), 1, method, 1, &mut Control::none()), &["m is 1", "0 rows"]);
    }
}

#[test]
fn an_empty_tree_is_refitted_and_saved_like_any_other() {
    let all = uniform(300, 2, &mut rng(3));
    let (old, new) = (uniform(6, 2, &mut rng(4)), uniform(9, 2, &mut rng(5)));
    let (first, later) = (all.slice(s![..100, ..]).to_owned(), all.slice(s![100.., ..]).to_owned());
    for metric in METRICS {
        let mut tree = build(&options(metric, 0.3), &data(metric, &first, &old));
        empty(&mut tree, 0..100);
        let other = options(metric, 0.11);
        let model = Model { inducing: (metric == MetricKind::Residual).then(|| new.view()), ..Model::default() };
        tree.refit(&other, &model, &mut Control::none()).unwrap();
        assert!(tree.vecchia_neighbors(3, None, &mut Control::none()).unwrap().is_empty());
        tree = reloaded(&reloaded(&tree));
        assert_eq!(tree.insert(&Data::new(later.view()), &mut Control::none()).unwrap(), 100..300);
        tree.validate(&mut Control::none()).unwrap();
        let fresh = build(&other, &data(metric, &later, &new));
        let ids: Array1<i64> = (0..200).collect();
        let query = Query::ids(ids.view(), 7);
        let expected = fresh.query_batch(&query, &mut Control::none()).unwrap();
        let shifted = ids.mapv(|id| id + 100);
        let query = Query::ids(shifted.view(), 7);
        let found = tree.query_batch(&query, &mut Control::none()).unwrap();
        for q in 0..200 {
            let expected: Vec<_> = expected.of(q).map(|(id, distance)| (id + 100, distance)).collect();
            assert_eq!(found.of(q).collect::<Vec<_>>(), expected, "{metric:?}, {q}");
        }
        // The next time, too, inducing points that are absent stay.
        empty(&mut tree, 100..300);
        tree.refit(&options(metric, 0.2), &Model::default(), &mut Control::none()).unwrap();
        assert_eq!(tree.stats().m, if metric == MetricKind::Residual { 9 } else { 0 });
        invalid(tree.refit(&options(metric, -1.0), &Model::default(), &mut Control::none()), &["lengthscale", "-1"]);
    }
}

#[test]
fn an_empty_tree_with_the_callers_factor() {
    let (coords, factor) = (uniform(80, 2, &mut rng(6)), uniform(80, 3, &mut rng(7)) * 0.4);
    let options = options(MetricKind::Residual, 0.3);
    let given = Data { factor: Some(factor.view()), ..Data::new(coords.view()) };
    let mut tree = build(&options, &given);
    empty(&mut tree, 0..80);
    let control = &mut Control::none();
    invalid(tree.refit(&options, &Model::default(), control), &["factor is missing"]);
    invalid(
        tree.refit(&options, &Model { factor: Some(factor.view()), ..Model::default() }, control),
        &["factor", "80"],
    );
    // Of another number of columns.
    let none = Array2::<f64>::zeros((0, 2));
    tree.refit(&options, &Model { factor: Some(none.view()), ..Model::default() }, control).unwrap();
    invalid(tree.insert(&given, control), &["factor", "80 x 3", "80 x 2"]);
    let narrow = factor.slice(s![.., ..2]);
    let given = Data { factor: Some(narrow), ..Data::new(coords.view()) };
    assert_eq!(tree.insert(&given, control).unwrap(), 80..160);
    let fresh = build(&options, &given);
    for (own, expected) in [(80, 0), (159, 79)] {
        let found = tree.query_batch(&Query::ids(ArrayView1::from(&[own]), 5), control).unwrap();
        let truth = fresh.query_batch(&Query::ids(ArrayView1::from(&[expected]), 5), control).unwrap();
        let truth: Vec<_> = truth.of(0).map(|(id, distance)| (id + 80, distance)).collect();
        assert_eq!(found.of(0).collect::<Vec<_>>(), truth);
    }
}

/// Its least residual variance is that of the points that come.
#[test]
fn an_empty_tree_with_a_custom_covariance() {
    struct Exponential;
    impl rct::CovarianceFunction for Exponential {
        fn covariances(&self, x: &[f64], others: &[f64], out: &mut [f64]) -> Result<()> {
            for (out, other) in out.iter_mut().zip(others.chunks_exact(x.len())) {
                let r = x.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                *out = 3.0 * (-r / 0.2).exp();
            }
            Ok(())
        }
    }
    let (coords, inducing) = (uniform(60, 2, &mut rng(8)), uniform(4, 2, &mut rng(9)));
    let covariance = Covariance::Custom(Arc::new(Exponential));
    let options = Options { covariance, residual_floor: 0.5, threads: 1, ..Options::default() };
    let data = Data::with_inducing(coords.view(), inducing.view());
    let fresh = build(&options, &data);
    let mut tree = build(&options, &data);
    empty(&mut tree, 0..60);
    tree.refit(&options, &Model::default(), &mut Control::none()).unwrap();
    tree.insert(&Data::new(coords.view()), &mut Control::none()).unwrap();
    let found = tree.vecchia_neighbors(5, None, &mut Control::none()).unwrap();
    let truth = fresh.vecchia_neighbors(5, None, &mut Control::none()).unwrap();
    for q in 0..60 {
        let truth: Vec<_> = truth.of(q).map(|(id, distance)| (id + 60, distance)).collect();
        assert_eq!(found.of(q).collect::<Vec<_>>(), truth);
    }
}
