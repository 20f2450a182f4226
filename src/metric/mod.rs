//! Metrics: Euclidean, correlation and residual correlation, behind one trait, evaluated a block at a time.
//!
//! A metric scores pairs; a larger score is nearer. Scores are what is cheap to compute and to bound: abs(rho) for
//! the correlations, the negative squared distance for the Euclidean metric. Distances are made of them at the end.

mod any;
mod candidates;
mod check;
mod correlation;
mod euclidean;
mod lengthscale;
mod lengthscale_check;
mod new_points;
mod points;
mod prepare;
mod query_block;
mod saved;
mod score;
mod unit;

pub(crate) use any::AnyMetric;
pub(crate) use candidates::{Candidates, NEW};
pub(crate) use check::{admits, check_symmetry, is_covariance};
pub(crate) use correlation::Correlation;
pub(crate) use euclidean::Euclidean;
pub use lengthscale_check::LengthscaleCheck;
pub(crate) use points::{Points, matrix_view};
pub(crate) use prepare::Preparation;
pub(crate) use query_block::QueryBlock;
pub(crate) use saved::{SavedPoints, SavedPreparation};
pub(crate) use score::{Ball, Metric, ScoreScratch};
