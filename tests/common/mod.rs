//! The one oracle of all tests: the definition, in plain f64, one pair at a time.
#![allow(dead_code)]

use ndarray::{Array1, Array2, ArrayView2};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rct::{Covariance, Kernel, KernelFamily, Lengthscale, MetricKind, Options, Traversal};

/// Every traversal: all are to give the same answers.
pub const TRAVERSALS: [Traversal; 4] =
    [Traversal::Automatic, Traversal::BestFirst, Traversal::LevelSynchronous, Traversal::BruteForce];

/// Random numbers of a seed that a failing test prints.
pub fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// n x d uniform coordinates in [0, 1).
pub fn uniform(n: usize, d: usize, rng: &mut ChaCha8Rng) -> Array2<f64> {
    Array2::from_shape_fn((n, d), |_| rng.random::<f64>())
}

/// n x d coordinates from the standard normal distribution, by Box and Muller's transform.
pub fn normal(n: usize, d: usize, rng: &mut ChaCha8Rng) -> Array2<f64> {
    Array2::from_shape_fn((n, d), |_| {
        let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    })
}

/// The default options with a lengthscale of 1.
pub fn unit_options() -> Options {
    let kernel = Kernel { lengthscale: Lengthscale::Isotropic(1.0), ..Kernel::default() };
    Options { covariance: Covariance::Stationary(kernel), ..Options::default() }
}

/// A covariance of two points as given.
pub type CovarianceOfPoints = fn(&[f64], &[f64]) -> f64;

/// The definition of section "how exactness is defined" of the README, pair by pair.
pub struct Oracle {
    pub metric: MetricKind,
    pub coords: Array2<f64>,
    pub kernel: Kernel,
    /// In place of the kernel, where there is one.
    pub custom: Option<CovarianceOfPoints>,
    pub factor: Array2<f64>,
    pub variances: Array1<f64>,
    /// The largest coordinate, in lengthscales.
    pub largest: f64,
}

/// Covariance at scaled distance r, by its formula.
pub fn covariance(kernel: &Kernel, r: f64) -> f64 {
    // The limit, where the formula is infinity times zero.
    let r = if matches!(kernel.family, KernelFamily::RationalQuadratic { .. }) { r } else { r.min(1e100) };
    kernel.variance
        * match kernel.family {
            KernelFamily::Rbf => (-0.5 * r * r).exp(),
            KernelFamily::Matern12 => (-r).exp(),
            KernelFamily::Matern32 => (1.0 + 3f64.sqrt() * r) * (-(3f64.sqrt()) * r).exp(),
            KernelFamily::Matern52 => (1.0 + 5f64.sqrt() * r + 5.0 * r * r / 3.0) * (-(5f64.sqrt()) * r).exp(),
            KernelFamily::RationalQuadratic { alpha } if r > 1e150 => {
                (alpha * ((2.0 * alpha).ln() - 2.0 * r.ln())).exp()
            }
            KernelFamily::RationalQuadratic { alpha } => (-alpha * (r * r / (2.0 * alpha)).ln_1p()).exp(),
        }
}

/// Distance of two points divided by the lengthscales, from differences as shares of the largest one, whose squares neither
/// overflow nor underflow where that matters.
pub fn scaled_distance(kernel: &Kernel, a: &[f64], b: &[f64]) -> f64 {
    let scale = |j: usize| match &kernel.lengthscale {
        Lengthscale::Isotropic(l) => *l,
        Lengthscale::PerDimension(all) => all[j],
        Lengthscale::Missing => 1.0,
    };
    let differences = (0..a.len()).map(|j| (a[j] - b[j]) / scale(j));
    let largest = differences.clone().fold(0.0, |most: f64, x| most.max(x.abs()));
    if largest == 0.0 {
        return 0.0;
    }
    largest * differences.map(|x| (x / largest).powi(2)).sum::<f64>().sqrt()
}

impl Oracle {
    /// From coordinates and inducing points: plain Cholesky and substitution.
    pub fn new(
        metric: MetricKind,
        coords: ArrayView2<'_, f64>,
        inducing: Option<ArrayView2<'_, f64>>,
        kernel: Kernel,
        jitter: f64,
        floor: f64,
    ) -> Self {
        let k = |a: &[f64], b: &[f64]| covariance(&kernel, scaled_distance(&kernel, a, b));
        let factor = inducing.map(|z| Self::factor(coords, z, &k, jitter));
        let factor = factor.unwrap_or_else(|| Array2::zeros((coords.nrows(), 0)));
        Self::from_factor(metric, coords, factor, None, kernel, floor)
    }

    /// The residual metric of a covariance that is no stationary kernel.
    pub fn with_covariance(
        coords: ArrayView2<'_, f64>,
        inducing: ArrayView2<'_, f64>,
        k: CovarianceOfPoints,
        jitter: f64,
        floor: f64,
    ) -> Self {
        let factor = Self::factor(coords, inducing, &k, jitter);
        let diagonal = Array1::from_iter(coords.rows().into_iter().map(|x| k(&x.to_vec(), &x.to_vec())));
        let least = floor * diagonal.iter().copied().fold(0.0, f64::max);
        let variances = factor.rows().into_iter().zip(diagonal).map(|(v, k)| (k - v.dot(&v)).max(least)).collect();
        let none = Kernel::default();
        let oracle = Self::from_factor(MetricKind::Residual, coords, factor, Some(variances), none, floor);
        Oracle { custom: Some(k), ..oracle }
    }

    /// V of every point.
    fn factor(
        coords: ArrayView2<'_, f64>,
        z: ArrayView2<'_, f64>,
        k: &impl Fn(&[f64], &[f64]) -> f64,
        jitter: f64,
    ) -> Array2<f64> {
        let (n, m) = (coords.nrows(), z.nrows());
        let row = |i: usize| coords.row(i).to_vec();
        let variance = z.rows().into_iter().map(|z| k(&z.to_vec(), &z.to_vec())).fold(0.0, f64::max);
        let mut l = Array2::<f64>::zeros((m, m));
        for i in 0..m {
            for j in 0..=i {
                let mut sum = k(&z.row(i).to_vec(), &z.row(j).to_vec());
                if i == j {
                    sum += jitter * variance;
                }
                for t in 0..j {
                    sum -= l[[i, t]] * l[[j, t]];
                }
                l[[i, j]] = if i == j { sum.sqrt() } else { sum / l[[j, j]] };
            }
        }
        let mut factor = Array2::zeros((n, m));
        for i in 0..n {
            for a in 0..m {
                let mut sum = k(&z.row(a).to_vec(), &row(i));
                for t in 0..a {
                    sum -= l[[a, t]] * factor[[i, t]];
                }
                factor[[i, a]] = sum / l[[a, a]];
            }
        }
        factor
    }

    /// From a factor, and residual variances where given.
    pub fn from_factor(
        metric: MetricKind,
        coords: ArrayView2<'_, f64>,
        factor: Array2<f64>,
        variances: Option<Array1<f64>>,
        kernel: Kernel,
        floor: f64,
    ) -> Self {
        let variances = variances.unwrap_or_else(|| {
            factor.rows().into_iter().map(|v| (kernel.variance - v.dot(&v)).max(floor * kernel.variance)).collect()
        });
        let origin = vec![0.0; coords.ncols()];
        let size = |j: usize, x: f64| {
            let mut point = origin.clone();
            point[j] = x;
            scaled_distance(&kernel, &point, &origin)
        };
        let largest = coords.indexed_iter().map(|((_, j), &x)| size(j, x)).fold(0.0, f64::max);
        Oracle { metric, coords: coords.to_owned(), kernel, custom: None, factor, variances, largest }
    }

    /// V and p.
    pub fn residual(&self) -> (&Array2<f64>, &Array1<f64>) {
        (&self.factor, &self.variances)
    }

    /// Covariance of two points.
    pub fn k(&self, i: usize, j: usize) -> f64 {
        match self.custom {
            Some(k) => k(&self.coords.row(i).to_vec(), &self.coords.row(j).to_vec()),
            None => covariance(&self.kernel, self.r(i, j)),
        }
    }

    fn r(&self, i: usize, j: usize) -> f64 {
        scaled_distance(&self.kernel, &self.coords.row(i).to_vec(), &self.coords.row(j).to_vec())
    }

    /// Signed residual correlation.
    pub fn rho(&self, i: usize, j: usize) -> f64 {
        if i == j {
            return 1.0;
        }
        let residual = self.k(i, j) - self.factor.row(i).dot(&self.factor.row(j));
        (residual / self.sds(i, j)).clamp(-1.0, 1.0)
    }

    /// sqrt(p_i p_j), of p whose product may overflow.
    fn sds(&self, i: usize, j: usize) -> f64 {
        self.variances[i].sqrt() * self.variances[j].sqrt()
    }

    /// Distance.
    pub fn distance(&self, i: usize, j: usize) -> f64 {
        match self.metric {
            MetricKind::Euclidean => self.r(i, j),
            _ => (1.0 - self.rho(i, j).abs()).sqrt(),
        }
    }

    /// How far abs(rho_ij) (or the distance) may be off by rounding.
    pub fn tolerance(&self, i: usize, j: usize) -> f64 {
        match self.metric {
            MetricKind::Euclidean => 1e-12 * self.r(i, j) + 1e-14 * self.largest,
            _ => 1e-9 * (1.0 + self.k(i, j) / self.sds(i, j)),
        }
    }

    /// A score that rounding moves by at most the tolerance; larger is nearer.
    pub fn score(&self, i: usize, j: usize) -> f64 {
        match self.metric {
            MetricKind::Euclidean => -self.r(i, j),
            _ => self.rho(i, j).abs(),
        }
    }

    /// All allowed points by (distance, id).
    pub fn nearest(&self, q: usize, k: usize, allowed: impl Fn(usize) -> bool) -> Vec<usize> {
        let allowed = (0..self.coords.nrows()).filter(|&j| allowed(j));
        let mut all: Vec<(f64, usize)> = allowed.map(|j| (self.distance(q, j), j)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all.into_iter().take(k).map(|(_, j)| j).collect()
    }

    /// Checks an answer: as many as there are, none twice, all allowed, distances right and ascending, and at every
    /// place the oracle's id or one that rounding cannot tell from it.
    pub fn check(&self, q: usize, k: usize, allowed: impl Fn(usize) -> bool, answer: &[(i64, f64)], context: &str) {
        let expected = self.nearest(q, k, &allowed);
        assert_eq!(answer.len(), expected.len(), "number of neighbours of {q}; {context}");
        let mut seen = std::collections::HashSet::new();
        let mut previous = (f64::NEG_INFINITY, -1);
        for (place, (&(id, distance), &truth)) in answer.iter().zip(&expected).enumerate() {
            let j = id as usize;
            assert!(seen.insert(j), "id {j} twice for {q}; {context}");
            assert!(allowed(j), "id {j} is not allowed for {q}; {context}");
            assert!((previous.0, previous.1) < (distance, id), "order at place {place} of {q}; {context}");
            previous = (distance, id);
            let score = match self.metric {
                MetricKind::Euclidean => -distance,
                _ => 1.0 - distance * distance,
            };
            let tolerance = self.tolerance(q, j);
            // What 1 less a square is rounded by.
            let slack = if self.metric == MetricKind::Euclidean { 0.0 } else { 1e-15 };
            assert!(
                (score - self.score(q, j)).abs() <= tolerance + slack,
                "distance {distance} of {q} to {j}, not {}; {context}",
                self.distance(q, j)
            );
            assert!(
                j == truth || (self.score(q, j) - self.score(q, truth)).abs() <= tolerance + self.tolerance(q, truth),
                "place {place} of {q} is {j} ({}), not {truth} ({}); {context}",
                self.distance(q, j),
                self.distance(q, truth)
            );
        }
    }
}
