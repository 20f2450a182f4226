//! Trees of 32,768 points are trees: short paths, small families, and a build that is far from evaluating all pairs.
//!
//! The metric is bounded, so a tree whose radii halve from the top would hang nearly all points on its root: a "star",
//! O(n^2) to build and useless to search.

mod common;

use common::{normal, rng, uniform};
use ndarray::{Array2, s};
use rct::{
    Construction, Control, Covariance, Data, Kernel, KernelFamily, Lengthscale, MetricKind, Options, ResidualCoverTree,
    Shape, Traversal,
};

const N: usize = 32_768;
const M: usize = 64;

/// Builds a tree over `coords`, whose first M points are the inducing points, and checks its shape, which is printed.
fn check(name: &str, coords: &Array2<f64>, family: KernelFamily, lengthscale: f64, construction: Construction) {
    let kernel = Kernel { family, variance: 1.0, lengthscale: Lengthscale::Isotropic(lengthscale) };
    let options = Options {
        metric: MetricKind::Residual,
        covariance: Covariance::Stationary(kernel),
        construction,
        traversal: Traversal::BestFirst,
        ..Options::default()
    };
    let data = Data::with_inducing(coords.view(), coords.slice(s![..M, ..]));
    let stats = ResidualCoverTree::build(&options, &data, &mut Control::none()).unwrap().stats();
    let per_point = stats.build_evaluations as f64 / N as f64;
    println!("{name}, {construction:?}: {:?}, {per_point:.0} evaluations a point", stats.shape);
    let Shape { levels, depth, root_fan_out, max_fan_out } = stats.shape;
    assert!(depth < levels && levels <= 32, "{name}, {construction:?}: {:?}", stats.shape);
    assert!(root_fan_out <= max_fan_out && max_fan_out <= N / 64, "{name}, {construction:?}: {:?}", stats.shape);
    assert!(per_point < N as f64 / 4.0, "{name}, {construction:?}: {per_point:.0} evaluations a point");
}

#[test]
fn of_points_in_the_unit_square() {
    let coords = uniform(N, 2, &mut rng(1));
    for construction in [Construction::Pure, Construction::Hybrid] {
        check("square, seed 1", &coords, KernelFamily::Matern52, 0.1, construction);
    }
}

#[test]
fn of_normal_points_in_three_dimensions() {
    let coords = normal(N, 3, &mut rng(2));
    for construction in [Construction::Pure, Construction::Hybrid] {
        check("normal, seed 2", &coords, KernelFamily::Rbf, 1.0, construction);
    }
}
