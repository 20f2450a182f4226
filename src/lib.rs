//! Exact nearest neighbours under the *residual correlation* distance, for Vecchia and VIF Gaussian processes.
//!
//! A Vecchia approximation conditions each observation on its k most correlated earlier observations; a VIF model
//! first removes what m inducing points explain. With V_i = L^-1 k(Z, x_i) (L the Cholesky factor of k(Z, Z)) and the
//! residual variance p_i = k(x_i, x_i) - V_i.V_i, the residual correlation is
//! rho_ij = (k(x_i, x_j) - V_i.V_j) / sqrt(p_i p_j), and the distance sqrt(1 - abs(rho_ij)).
//!
//! [`ResidualCoverTree`] finds the nearest points under that distance, the same as brute force in `f64` would.
//!
//! ```
//! use ndarray::Array2;
//! use rct::{Control, Covariance, Data, InducingMethod, Kernel, Lengthscale, Options, ResidualCoverTree, select_inducing};
//!
//! # fn main() -> rct::Result<()> {
//! let coords = Array2::from_shape_fn((500, 2), |(i, j)| ((i * 37 + j * 611) % 499) as f64 / 499.0);
//! let inducing = select_inducing(coords.view(), 20, InducingMethod::KMeansPlusPlus, 1, &mut Control::none())?;
//! let data = Data::with_inducing(coords.view(), inducing.view());
//! let kernel = Kernel { lengthscale: Lengthscale::Isotropic(0.3), ..Kernel::default() };
//! let options = Options { covariance: Covariance::Stationary(kernel), ..Options::default() };
//! let tree = ResidualCoverTree::build(&options, &data, &mut Control::none())?;
//! let sets = tree.vecchia_neighbors(10, None, &mut Control::none())?;
//! assert_eq!(sets.of(499).len(), 10);
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

pub mod c_api;
mod control;
mod cover_tree;
mod data;
mod error;
mod inducing;
mod inducing_selection;
mod kernel;
mod layout;
mod metric;
mod options;
mod ordering;
mod parallel;
mod powers_of_two;
mod residual_cover_tree;
mod saved;
mod search;
mod simd;
mod stats;
mod values;
mod version;

pub use control::Control;
pub use data::{Data, Model, Query, QueryPoints};
pub use error::{Error, ErrorKind, Result};
pub use inducing_selection::{InducingMethod, select_inducing};
pub use kernel::{Covariance, CovarianceFunction, Kernel, KernelFamily, Lengthscale};
pub use options::{Construction, MetricKind, Options, Traversal, TreeOrder};
pub use ordering::{Ordering, order};
pub use residual_cover_tree::{Factor, InducingFactor, LoadOptions, Neighbors, ResidualCoverTree};
pub use search::{Plan, WhyBruteForce, WhyLeaves, WhyNoLeaves};
pub use stats::{BuildSeconds, LengthscaleCheck, SearchCounters, SearchStats, Shape, Stats};
pub use version::VERSION;

/// The Rust program of README.md, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
