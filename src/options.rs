//! What a tree is to be: the choices of [`Options`], checked before anything is built.

use crate::error::{Error, ErrorKind, Result, number};
use crate::kernel::{Covariance, Kernel, Lengthscale};
use serde::{Deserialize, Serialize};

/// Which distance a tree searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MetricKind {
    /// sqrt(1 - abs(rho)), rho the correlation left after the inducing points.
    Residual,
    /// sqrt(1 - abs(rho)), rho the plain correlation: m = 0.
    Correlation,
    /// Euclidean distance of coordinates divided by their lengthscales.
    Euclidean,
}

/// Which distance shapes the tree; answers are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Construction {
    /// The tree's own metric.
    Pure,
    /// The Euclidean distance; radii of the tree's own metric are then computed for the nodes.
    Hybrid,
}

/// The order in which points enter the tree; answers are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TreeOrder {
    /// As given.
    Natural,
    /// Along a Hilbert curve.
    Hilbert,
}

/// How a tree is searched; answers are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Traversal {
    /// Blocks of queries against blocks of points, brute force where that is cheaper.
    Automatic,
    /// One query at a time, the most promising node first.
    BestFirst,
    /// One query at a time, a level of the tree at a time.
    LevelSynchronous,
    /// Every pair, in blocks.
    BruteForce,
}

impl Traversal {
    /// Whether it goes through the nodes of the cover tree.
    pub(crate) fn needs_nodes(self) -> bool {
        matches!(self, Traversal::BestFirst | Traversal::LevelSynchronous)
    }
}

/// What a tree is to be. Saved in this order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Options {
    /// Which distance. Default residual.
    pub metric: MetricKind,
    /// The covariance function; the Euclidean metric takes only its lengthscale. Default Matern-3/2, whose lengthscale must be
    /// given but for the Euclidean metric.
    pub covariance: Covariance,
    /// Default pure.
    pub construction: Construction,
    /// Default Hilbert.
    pub order: TreeOrder,
    /// Default automatic.
    pub traversal: Traversal,
    /// Threads that build and search; 0 (the default) for all cores, 1 starts none.
    pub threads: usize,
    /// jitter * variance is added to the diagonal of the inducing covariance; >= 0. Default 1e-6.
    pub jitter: f64,
    /// Residual variances are at least residual_floor * variance; in (0, 1]. Default 1e-10.
    pub residual_floor: f64,
    /// Run the portable kernels even where the processor has vector instructions; a test of them. Default false.
    pub portable_simd: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            metric: MetricKind::Residual,
            covariance: Covariance::Stationary(Kernel::default()),
            construction: Construction::Pure,
            order: TreeOrder::Hilbert,
            traversal: Traversal::Automatic,
            threads: 0,
            jitter: 1e-6,
            residual_floor: 1e-10,
            portable_simd: false,
        }
    }
}

impl Options {
    /// Checks every option on its own; [`ErrorKind::InvalidArgument`] or [`ErrorKind::NotFinite`] names the culprit.
    pub fn check(&self) -> Result<()> {
        match &self.covariance {
            Covariance::Stationary(kernel) => {
                kernel.check()?;
                if kernel.lengthscale == Lengthscale::Missing && self.metric != MetricKind::Euclidean {
                    return Err(Error::invalid(
                        "lengthscale is not given: give that of the kernel, a positive number or one a dimension, in the unit of the coordinates",
                    ));
                }
            }
            Covariance::Custom(_) if self.metric == MetricKind::Euclidean => {
                return Err(Error::invalid("a custom covariance has no use in a tree with the Euclidean metric"));
            }
            Covariance::Custom(_) => {}
        }
        for (name, value) in [("jitter", self.jitter), ("residual_floor", self.residual_floor)] {
            if !value.is_finite() {
                return Err(Error::new(ErrorKind::NotFinite, format!("{name} is {}", number(value))));
            }
        }
        if self.jitter < 0.0 {
            return Err(Error::invalid(format!("jitter is {}; it must not be negative", number(self.jitter))));
        }
        if self.residual_floor <= 0.0 || self.residual_floor > 1.0 {
            return Err(Error::invalid(format!(
                "residual_floor is {}; it must be in (0, 1]",
                number(self.residual_floor)
            )));
        }
        if self.threads > 4096 {
            return Err(Error::invalid(format!("threads is {}; at most 4096", self.threads)));
        }
        Ok(())
    }
}
