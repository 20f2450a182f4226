//! A lengthscale must be given, and a build says where it does not fit the coordinates.

mod common;

use common::{normal, rng, uniform};
use ndarray::Array2;
use rct::{
    Control, Covariance, Data, ErrorKind, Kernel, KernelFamily, Lengthscale, LengthscaleCheck, LoadOptions, MetricKind,
    Model, Options, ResidualCoverTree,
};

fn options(metric: MetricKind, family: KernelFamily, lengthscale: Lengthscale) -> Options {
    let kernel = Kernel { family, lengthscale, ..Kernel::default() };
    Options { metric, covariance: Covariance::Stationary(kernel), threads: 1, ..Options::default() }
}

fn built(coords: &Array2<f64>, options: &Options) -> ResidualCoverTree {
    let residual = options.metric == MetricKind::Residual;
    let inducing = residual.then(|| coords.slice(ndarray::s![..coords.nrows().min(10), ..]));
    let data = Data { inducing, ..Data::new(coords.view()) };
    ResidualCoverTree::build(options, &data, &mut Control::none()).unwrap()
}

fn is_too_short(check: LengthscaleCheck) -> bool {
    matches!(check, LengthscaleCheck::TooShort { .. })
}

fn is_too_long(check: LengthscaleCheck) -> bool {
    matches!(check, LengthscaleCheck::TooLong { .. })
}

#[test]
fn a_kernel_without_a_lengthscale_is_refused() {
    for metric in [MetricKind::Residual, MetricKind::Correlation] {
        let error = options(metric, KernelFamily::Rbf, Lengthscale::Missing).check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("lengthscale is not given"), "{error}");
    }
    options(MetricKind::Euclidean, KernelFamily::Rbf, Lengthscale::Missing).check().unwrap();
}

/// Metres, and a lengthscale of 1: the nearest houses are dozens of lengthscales away.
#[test]
fn another_unit_than_that_of_the_coordinates_is_told() {
    let coords = uniform(2000, 2, &mut rng(1));
    let metres = 50_000.0 * &coords;
    for metric in [MetricKind::Residual, MetricKind::Correlation] {
        for family in [KernelFamily::Rbf, KernelFamily::Matern12, KernelFamily::Matern32, KernelFamily::Matern52] {
            let of = |coords: &Array2<f64>, l: f64| {
                built(coords, &options(metric, family, Lengthscale::Isotropic(l))).stats().lengthscale
            };
            let short = of(&metres, 1.0);
            assert!(is_too_short(short), "{metric:?} {family:?} {short:?}");
            let words = "of 32 sampled points have a correlation below 0.01 with their nearest neighbour";
            assert!(short.to_string().contains(words), "{short}");
            assert!(is_too_long(of(&coords, 2900.0)), "{metric:?} {family:?}");
            for l in [0.05, 0.2, 2.0] {
                assert_eq!(of(&metres, 50_000.0 * l), LengthscaleCheck::Plausible, "{metric:?} {family:?} {l}");
            }
            // One dimension in another unit is enough.
            let both = Lengthscale::PerDimension(vec![10_000.0, 1.0]);
            assert!(is_too_short(built(&metres, &options(metric, family, both)).stats().lengthscale));
        }
    }
}

#[test]
fn what_cannot_be_told_is_plausible() {
    let of = |coords: &Array2<f64>, metric: MetricKind, l: f64| {
        built(coords, &options(metric, KernelFamily::Matern32, Lengthscale::Isotropic(l))).stats().lengthscale
    };
    for l in [1e-9, 1.0, 1e9] {
        // One point, all at one place.
        assert_eq!(of(&Array2::ones((1, 2)), MetricKind::Correlation, l), LengthscaleCheck::Plausible);
        assert_eq!(of(&Array2::ones((70, 2)), MetricKind::Correlation, l), LengthscaleCheck::Plausible);
        // No kernel.
        assert_eq!(of(&normal(100, 2, &mut rng(2)), MetricKind::Euclidean, l), LengthscaleCheck::Plausible);
    }
    // Two of everything: the nearest at another place counts.
    let coords = uniform(100, 2, &mut rng(3));
    let twice = ndarray::concatenate![ndarray::Axis(0), coords, coords];
    assert_eq!(of(&twice, MetricKind::Correlation, 0.2), LengthscaleCheck::Plausible);
    assert!(is_too_short(of(&twice, MetricKind::Correlation, 1e-6)));
}

#[test]
fn what_was_found_is_saved_and_changed_by_a_refit() {
    let coords = uniform(300, 2, &mut rng(4));
    let with = |l: f64| options(MetricKind::Correlation, KernelFamily::Matern32, Lengthscale::Isotropic(l));
    let none = &mut Control::none();
    let mut tree = built(&coords, &with(1e-5));
    let found = tree.stats().lengthscale;
    assert!(is_too_short(found));
    let bytes = tree.to_bytes(none).unwrap();
    let loaded = ResidualCoverTree::from_bytes(&bytes, &LoadOptions::default(), none).unwrap();
    assert_eq!(loaded.stats().lengthscale, found);
    tree.refit(&with(0.1), &Model::default(), none).unwrap();
    assert_eq!(tree.stats().lengthscale, LengthscaleCheck::Plausible);
    tree.refit(&with(1e4), &Model::default(), none).unwrap();
    assert!(is_too_long(tree.stats().lengthscale));
}
