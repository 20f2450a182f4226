//! A covariance function of the caller's own: exact over the definition, refused where it cannot be a covariance, and
//! never called on another thread.

mod common;

use common::{Oracle, TRAVERSALS, rng, uniform};
use ndarray::{Array2, concatenate, s};
use rct::{
    Construction, Control, Covariance, CovarianceFunction, Data, Error, ErrorKind, MetricKind, Options, Query,
    ResidualCoverTree, Result,
};
use std::sync::Arc;
use std::thread::ThreadId;

/// Stored points, new points.
const N: usize = 1200;
const NEW: usize = 20;
const K: usize = 8;

/// A function of two points as a covariance.
struct Pairwise<F>(F);

impl<F: Fn(&[f64], &[f64]) -> f64 + Send + Sync> CovarianceFunction for Pairwise<F> {
    fn covariances(&self, x: &[f64], others: &[f64], out: &mut [f64]) -> Result<()> {
        others.chunks_exact(x.len()).zip(out).for_each(|(other, out)| *out = (self.0)(x, other));
        Ok(())
    }
}

/// Neither stationary nor isotropic: exponential of the L1 distance, standard deviation growing along the first axis.
fn nonstationary(x: &[f64], y: &[f64]) -> f64 {
    let apart: f64 = x.iter().zip(y).map(|(x, y)| (x - y).abs()).sum();
    (1.0 + 2.0 * x[0]) * (1.0 + 2.0 * y[0]) * (-apart / 0.3).exp()
}

fn options(function: impl CovarianceFunction + 'static, construction: Construction) -> Options {
    Options { covariance: Covariance::Custom(Arc::new(function)), construction, threads: 3, ..Options::default() }
}

fn build(options: &Options, data: &Data<'_>) -> Result<ResidualCoverTree> {
    ResidualCoverTree::build(options, data, &mut Control::none())
}

/// The kind and the message of the error with which a build over 40 points fails.
fn refusal(function: impl CovarianceFunction + 'static) -> (ErrorKind, String) {
    let coords = uniform(40, 2, &mut rng(7));
    let error = build(&options(function, Construction::Pure), &Data::new(coords.view())).err().expect("a refusal");
    (error.kind(), error.message().to_owned())
}

#[test]
fn stored_and_new_points_are_answered_exactly() {
    for (seed, construction, m) in
        [(1, Construction::Pure, 25), (2, Construction::Hybrid, 25), (3, Construction::Pure, 0)]
    {
        let mut rng = rng(seed);
        let (coords, new) = (uniform(N, 2, &mut rng), uniform(NEW, 2, &mut rng));
        let inducing = uniform(m, 2, &mut rng);
        let both = concatenate![ndarray::Axis(0), coords, new];
        let oracle = Oracle::with_covariance(both.view(), inducing.view(), nonstationary, 1e-6, 1e-10);
        let tree = build(
            &options(Pairwise(nonstationary), construction),
            &Data::with_inducing(coords.view(), inducing.view()),
        )
        .unwrap();
        tree.validate(&mut Control::none()).unwrap();
        assert!(!tree.stats().brute_force_only);
        let ids: Vec<i64> = (0..N as i64).step_by(41).collect();
        for traversal in TRAVERSALS {
            let context = format!("{traversal:?}; seed {seed}");
            let query = Query { exclude_self: true, traversal, ..Query::ids((&ids[..]).into(), K) };
            let answer = tree.query_batch(&query, &mut Control::none()).unwrap();
            for (q, &id) in ids.iter().enumerate() {
                let others = |j: usize| j < N && j != id as usize;
                oracle.check(id as usize, K, others, &answer.of(q).collect::<Vec<_>>(), &context);
            }
            let query = Query { traversal, ..Query::coords(new.view(), K) };
            let answer = tree.query_batch(&query, &mut Control::none()).unwrap();
            for q in 0..NEW {
                oracle.check(N + q, K, |j| j < N, &answer.of(q).collect::<Vec<_>>(), &context);
            }
        }
        let sets = tree.vecchia_neighbors(K, None, &mut Control::none()).unwrap();
        for q in (0..N).step_by(29) {
            oracle.check(q, K, |j| j < q, &sets.of(q).collect::<Vec<_>>(), &format!("predecessors; seed {seed}"));
        }
    }
}

#[test]
fn an_asymmetric_function_is_refused() {
    let (kind, message) = refusal(Pairwise(|x: &[f64], y: &[f64]| nonstationary(x, y) * (1.0 + 0.01 * x[1])));
    assert_eq!(kind, ErrorKind::InvalidArgument);
    assert!(message.contains("not symmetric"), "{message}");
}

#[test]
fn a_symmetric_function_that_is_no_covariance_means_brute_force() {
    // 1 nearby, 0 farther away: if x ~ y and y ~ z, but not x ~ z, the matrix has a negative eigenvalue.
    fn nearby(x: &[f64], y: &[f64]) -> f64 {
        let squared: f64 = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum();
        f64::from(squared < 0.04) * (1.0 - squared)
    }
    let coords = uniform(N, 2, &mut rng(4));
    let none = Array2::zeros((0, 2));
    let oracle = Oracle::with_covariance(coords.view(), none.view(), nearby, 1e-6, 1e-10);
    let tree = build(&options(Pairwise(nearby), Construction::Pure), &Data::new(coords.view())).unwrap();
    assert!(tree.stats().brute_force_only);
    let ids: Vec<i64> = (0..N as i64).step_by(97).collect();
    let answer = tree.query_batch(&Query::ids((&ids[..]).into(), K), &mut Control::none()).unwrap();
    for (q, &id) in ids.iter().enumerate() {
        oracle.check(id as usize, K, |_| true, &answer.of(q).collect::<Vec<_>>(), "seed 4");
    }
}

#[test]
fn a_value_that_is_not_finite_is_refused() {
    let (kind, message) = refusal(Pairwise(|x: &[f64], y: &[f64]| if x == y { 1.0 } else { f64::NAN }));
    assert_eq!(kind, ErrorKind::NotFinite);
    assert!(message.contains("covariance callback returned NaN"), "{message}");
}

#[test]
fn a_variance_that_is_not_positive_is_refused() {
    let (kind, message) = refusal(Pairwise(|_: &[f64], _: &[f64]| 0.0));
    assert_eq!(kind, ErrorKind::InvalidArgument);
    assert!(message.contains("variance must be positive"), "{message}");
}

#[test]
fn an_error_of_the_function_is_the_builds() {
    struct Failing;
    impl CovarianceFunction for Failing {
        fn covariances(&self, _: &[f64], _: &[f64], _: &mut [f64]) -> Result<()> {
            Err(Error::new(ErrorKind::Cancelled, "enough"))
        }
    }
    assert_eq!(refusal(Failing), (ErrorKind::Cancelled, "enough".to_owned()));
}

#[test]
fn the_euclidean_metric_has_no_use_for_one() {
    let coords = uniform(40, 2, &mut rng(5));
    let options = Options { metric: MetricKind::Euclidean, ..options(Pairwise(nonstationary), Construction::Pure) };
    let error = build(&options, &Data::new(coords.view())).err().expect("a refusal");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn it_is_called_on_the_calling_thread_only() {
    struct AtHome(ThreadId);
    impl CovarianceFunction for AtHome {
        fn covariances(&self, x: &[f64], others: &[f64], out: &mut [f64]) -> Result<()> {
            assert_eq!(std::thread::current().id(), self.0);
            Pairwise(nonstationary).covariances(x, others, out)
        }
    }
    let coords = uniform(600, 2, &mut rng(6));
    let function = AtHome(std::thread::current().id());
    let data = Data::with_inducing(coords.view(), coords.slice(s![..10, ..]));
    let tree = build(&options(function, Construction::Pure), &data).unwrap();
    tree.vecchia_neighbors(K, None, &mut Control::none()).unwrap();
    tree.query_batch(&Query::coords(coords.view(), K), &mut Control::none()).unwrap();
}
