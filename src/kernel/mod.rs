//! Covariance functions: the stationary families, and the caller's own.
//!
//! A stationary covariance is a function of r, the Euclidean distance of coordinates divided by their lengthscales,
//! so everything below this module works on coordinates that are already divided ("scaled").

mod custom;

pub use custom::CovarianceFunction;
pub(crate) use custom::checked as checked_covariances;

use crate::error::{Error, ErrorKind, Result, number, try_collect, try_vec};
use crate::simd::Simd;
use crate::simd::covariance::{Shape, covariances_in_place};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A stationary covariance family; r is the scaled distance. Source: Rasmussen & Williams, *Gaussian Processes for
/// Machine Learning* (2006), section 4.2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum KernelFamily {
    /// exp(-r^2 / 2)
    Rbf,
    /// exp(-r), the exponential kernel
    Matern12,
    /// (1 + sqrt(3) r) exp(-sqrt(3) r)
    Matern32,
    /// (1 + sqrt(5) r + 5 r^2 / 3) exp(-sqrt(5) r)
    Matern52,
    /// (1 + r^2 / (2 alpha))^-alpha
    RationalQuadratic {
        /// Shape, > 0; the RBF is its limit.
        alpha: f64,
    },
}

/// One lengthscale for all dimensions, or one each (automatic relevance determination).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Lengthscale {
    /// The same for every dimension.
    Isotropic(f64),
    /// One a dimension.
    PerDimension(Vec<f64>),
    /// Not given: coordinates as they are for the Euclidean metric, and an error for any other.
    Missing,
}

/// A stationary kernel: family, variance and lengthscale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kernel {
    /// The family.
    pub family: KernelFamily,
    /// k(x, x), > 0.
    pub variance: f64,
    /// In the units of the coordinates, > 0.
    pub lengthscale: Lengthscale,
}

/// What a tree takes covariances from. Saved as its kernel, which a custom one does not have.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged, from = "Kernel")]
pub enum Covariance {
    /// A stationary kernel: fast.
    Stationary(Kernel),
    /// The caller's function, at its own price; called only on the thread that calls the tree.
    #[serde(skip)]
    Custom(Arc<dyn CovarianceFunction>),
}

impl From<Kernel> for Covariance {
    fn from(kernel: Kernel) -> Self {
        Covariance::Stationary(kernel)
    }
}

impl fmt::Debug for Covariance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Covariance::Stationary(kernel) => kernel.fmt(f),
            Covariance::Custom(_) => f.write_str("Custom"),
        }
    }
}

impl Default for Kernel {
    /// Matern-3/2 with variance 1. There is no default lengthscale: it depends on the unit of the coordinates.
    fn default() -> Self {
        Kernel { family: KernelFamily::Matern32, variance: 1.0, lengthscale: Lengthscale::Missing }
    }
}

impl Kernel {
    /// Covariance at scaled distance `r` >= 0.
    pub fn covariance(&self, r: f64) -> f64 {
        let mut value = [r * r];
        self.covariances_of_pairs(Simd::detect(), &mut value, |_| r.ln());
        value[0]
    }

    /// Replaces squared scaled distances by covariances, where `log_distance` tells the logarithm of a distance whose square
    /// has overflowed: a power of it may be left when those of all others are 0.
    pub(crate) fn covariances_of_pairs(
        &self,
        simd: Simd,
        squared_distances: &mut [f64],
        log_distance: impl Fn(usize) -> f64,
    ) {
        let KernelFamily::RationalQuadratic { alpha } = self.family else {
            return self.covariances_in_place(simd, squared_distances);
        };
        let overflowed = |(i, squared): (usize, &f64)| squared.is_infinite().then_some(i);
        let far: Vec<usize> = squared_distances.iter().enumerate().filter_map(overflowed).collect();
        self.covariances_in_place(simd, squared_distances);
        for i in far {
            // The logarithm of r^2 / (2 alpha), to which 1 may be added.
            let log = 2.0 * log_distance(i) - 2f64.ln() - alpha.ln();
            let log = if log < 40.0 { log.exp().ln_1p() } else { log };
            squared_distances[i] = self.variance * (-alpha * log).exp();
        }
    }

    /// Replaces squared scaled distances by covariances. The same input gives the same bits at any position.
    pub(crate) fn covariances_in_place(&self, simd: Simd, squared_distances: &mut [f64]) {
        covariances_in_place(simd, self.shape(), self.variance, squared_distances);
    }

    /// The correlation at a squared scaled distance.
    pub(crate) fn correlation(&self, simd: Simd, squared: f64) -> f64 {
        let mut value = [squared];
        self.covariances_in_place(simd, &mut value);
        value[0] / self.variance
    }

    /// The family, for vector kernels.
    pub(crate) fn shape(&self) -> Shape {
        match self.family {
            KernelFamily::Rbf => Shape::Rbf,
            KernelFamily::Matern12 => Shape::Matern12,
            KernelFamily::Matern32 => Shape::Matern32,
            KernelFamily::Matern52 => Shape::Matern52,
            KernelFamily::RationalQuadratic { alpha } => Shape::RationalQuadratic(alpha),
        }
    }

    /// Checks every parameter that is given.
    pub(crate) fn check(&self) -> Result<()> {
        positive("variance", self.variance)?;
        if let KernelFamily::RationalQuadratic { alpha } = self.family {
            positive("alpha", alpha)?;
        }
        match &self.lengthscale {
            Lengthscale::Missing => Ok(()),
            Lengthscale::Isotropic(l) => positive("lengthscale", *l),
            Lengthscale::PerDimension(all) => {
                if all.is_empty() {
                    return Err(Error::invalid("lengthscales is empty: give one a dimension"));
                }
                all.iter().enumerate().try_for_each(|(j, &l)| positive(&format!("lengthscales[{j}]"), l))
            }
        }
    }

    /// The factor that scales dimension `j` of `d`, or an error where the number of lengthscales is not `d`.
    pub(crate) fn scales(&self, d: usize) -> Result<Vec<f64>> {
        match &self.lengthscale {
            Lengthscale::Missing => try_vec(d, 1.0, "lengthscales"),
            Lengthscale::Isotropic(l) => try_vec(d, l.recip(), "lengthscales"),
            Lengthscale::PerDimension(all) if all.len() == d => {
                try_collect(all.iter().map(|l| Ok(l.recip())), "lengthscales")
            }
            Lengthscale::PerDimension(all) => {
                Err(Error::invalid(format!("lengthscales has {} values but coords has {d} columns", all.len())))
            }
        }
    }
}

/// The logarithm of the distance of two points, of coordinates whose differences may overflow.
pub(crate) fn log_distance(pairs: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let halves = pairs.map(|(a, b)| (0.5 * a - 0.5 * b).abs());
    let most = halves.clone().fold(0.0, f64::max);
    2f64.ln() + most.ln() + 0.5 * halves.map(|half| (half / most).powi(2)).sum::<f64>().ln()
}

/// An error unless `value` is a positive finite number whose reciprocal is finite too.
pub(crate) fn positive(name: &str, value: f64) -> Result<()> {
    if !value.is_finite() {
        return Err(Error::new(
            ErrorKind::NotFinite,
            format!("{name} is {}; it must be a positive number", number(value)),
        ));
    }
    if value <= 0.0 || value.recip().is_infinite() {
        return Err(Error::invalid(format!("{name} is {}; it must be a positive number", number(value))));
    }
    Ok(())
}
