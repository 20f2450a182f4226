//! The bounds of subspaces, leaves and regions hold for every point.

use super::tree::ResidualCoverTree;
use crate::control::Control;
use crate::data::Data;
use crate::kernel::{Covariance, Kernel, KernelFamily, Lengthscale};
use crate::layout::ordered;
use crate::metric::{AnyMetric, Metric, QueryBlock};
use crate::options::{Construction, Options};
use crate::parallel::Threads;
use crate::search::{IndexSource, Listing, SubspaceBound, Subspaces, leaf_checks, subspace_checks};
use ndarray::{Array2, s};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[test]
fn bounds_hold_for_every_query_and_point() {
    let (mut leaved, mut coincident, mut floored, mut levels) = (0, 0, 0, 0);
    let (mut celled, mut excluded, mut all) = (0, 0, 0);
    for seed in 0..40 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (n, d) = (rng.random_range(1100..2500), rng.random_range(1..=4));
        let mut coords = Array2::from_shape_fn((n, d), |_| rng.random::<f64>());
        let m = rng.random_range(1..=150);
        let inducing = coords.slice(s![..m, ..]).to_owned();
        // Duplicates, some of them of inducing points, and points next to these.
        for i in (n / 2..n).step_by(9) {
            let row = coords.row(rng.random_range(0..n / 2)).to_owned();
            let next = 10f64.powi(rng.random_range(-9..-2)) * f64::from(rng.random_range(0..2u8));
            coords.row_mut(i).assign(&row.mapv(|x| x + next));
        }
        let families = [
            KernelFamily::Rbf,
            KernelFamily::Matern12,
            KernelFamily::Matern32,
            KernelFamily::Matern52,
            KernelFamily::RationalQuadratic { alpha: 0.8 },
        ];
        let scale: f64 = rng.random_range(0.02..0.4);
        let kernel = Kernel {
            family: *families.choose(&mut rng).unwrap(),
            variance: 10f64.powi(rng.random_range(-3..3)),
            lengthscale: Lengthscale::PerDimension((0..d).map(|_| scale * rng.random_range(0.5..2.0)).collect()),
        };
        let residual_floor = *[1e-10, 1e-4, 0.5].choose(&mut rng).unwrap();
        let options = Options {
            covariance: Covariance::Stationary(kernel),
            construction: Construction::Hybrid,
            jitter: *[1e-10, 1e-6, 1e-3].choose(&mut rng).unwrap(),
            residual_floor,
            portable_simd: seed % 4 == 0,
            threads: 1,
            ..Options::default()
        };
        let context = format!("seed {seed}: n {n}, m {m}, {options:?}");
        let data = Data::with_inducing(coords.view(), inducing.view());
        let tree = match ResidualCoverTree::build(&options, &data, &mut Control::none()) {
            Ok(tree) => tree,
            Err(error) if error.to_string().contains("positive definite") => continue,
            Err(error) => panic!("{error}; {context}"),
        };
        let part = &tree.parts[0];
        let AnyMetric::Correlation(metric) = &part.metric else { unreachable!() };
        let mut queries = QueryBlock::default();
        for t in 0..30 {
            let number = if t % 3 == 0 { rng.random_range(0..m) } else { rng.random_range(0..n) };
            let position = part.layout.positions[number] as usize;
            match t % 2 {
                0 => queries.push_stored(&metric.points, position),
                _ => queries.push_foreign(&metric.points, position),
            }
        }
        let (threads, mut control) = (Threads::new(1), Control::none());
        let size = Subspaces::size_of(n, metric.points.width);
        let order = ordered(&metric.points.coords, n, None, &Threads::new(1)).unwrap();
        let alone = |i: u32| (part.layout.numbers[i as usize] as usize) < m;
        let listing = if seed % 2 == 0 { Listing::Near(&alone) } else { Listing::Around };
        let sine = 0.25;
        let (share, _) = Subspaces::share_of_pivots(metric, &order, size, sine, &threads).unwrap();
        if share < 0.8 && metric.is_metric() {
            let (subspaces, _) = Subspaces::new(metric, &order, size, sine, listing, &threads, &mut control).unwrap();
            let owns: Vec<u32> = (0..4).map(|_| rng.random_range(0..subspaces.len() as u32)).collect();
            let bound = SubspaceBound { subspaces: &subspaces, metric };
            let found = subspace_checks::check(&bound, &queries, &owns, &context);
            celled += 1;
            excluded += found.0;
            all += found.1;
        }
        let Some(bound) = IndexSource::bound(&part.index, &part.metric, &options.covariance) else { continue };
        let (difference, _, found) = leaf_checks::check(&bound, &queries, &context);
        levels += found;
        assert!(difference.is_finite(), "{context}");
        leaved += 1;
        coincident += usize::from(!bound.leaves.inducing.at.is_empty());
        floored += usize::from(residual_floor == 0.5);
    }
    assert!(celled > 15 && excluded > 5000, "{celled} {excluded} of {all}");
    assert!(levels > 100, "{levels}");
    assert!(leaved > 10 && coincident > 5 && floored > 2, "{leaved} {coincident} {floored}");
}

/// With the correlation's range and V's apart, bounds are 0.38 above the largest scores of runs here; together 0.18.
#[test]
fn regions_are_close_bounds_of_rough_processes() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let coords = Array2::from_shape_fn((8192, 3), |_| rng.random::<f64>());
    let kernel = Kernel { family: KernelFamily::Matern12, variance: 1.0, lengthscale: Lengthscale::Isotropic(0.2) };
    let options = Options {
        covariance: Covariance::Stationary(kernel),
        construction: Construction::Hybrid,
        threads: 1,
        ..Options::default()
    };
    let data = Data::with_inducing(coords.view(), coords.slice(s![..200, ..]));
    let tree = ResidualCoverTree::build(&options, &data, &mut Control::none()).unwrap();
    let part = &tree.parts[0];
    let AnyMetric::Correlation(metric) = &part.metric else { unreachable!() };
    let mut queries = QueryBlock::default();
    (0..30).for_each(|i| queries.push_stored(&metric.points, 270 * i));
    let bound = IndexSource::bound(&part.index, &part.metric, &options.covariance).unwrap();
    let (_, above, _) = leaf_checks::check(&bound, &queries, "rough");
    assert!(above < 0.2, "{above}");
}
