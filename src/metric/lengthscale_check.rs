//! What a build or a refit finds of the lengthscale.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether the kernel's lengthscale fits the coordinates, by a sample of the points of a build or a refit. Its text is a
/// sentence for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub enum LengthscaleCheck {
    /// Nothing speaks against it, or there is none, or all points are at one place.
    #[default]
    Plausible,
    /// Most points have next to no correlation with their nearest neighbour.
    TooShort {
        /// Points of the sample.
        sampled: u32,
        /// Of these, how many have a correlation below `least` with their nearest neighbour at another place.
        uncorrelated: u32,
        /// Next to no correlation.
        least: f64,
        /// Median distance of the nearest neighbours, in lengthscales.
        distance: f64,
    },
    /// All pairs of points of the sample are correlated by nearly 1.
    TooLong {
        /// They are correlated by more than this.
        most: f64,
        /// Distance of the farthest pair, in lengthscales.
        distance: f64,
    },
}

impl fmt::Display for LengthscaleCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LengthscaleCheck::Plausible => f.write_str("nothing speaks against the lengthscale"),
            LengthscaleCheck::TooShort { sampled, uncorrelated, least, distance } => write!(
                f,
                "lengthscale is too short for these coordinates, or in another unit: {uncorrelated} of {sampled} sampled \
                 points have a correlation below {least} with their nearest neighbour, which is {} lengthscales away \
                 (median)",
                Rounded(*distance)
            ),
            LengthscaleCheck::TooLong { most, distance } => write!(
                f,
                "lengthscale is too long for these coordinates, or in another unit: all sampled points are correlated by \
                 more than {most} with each other, the farthest of them {} lengthscales apart",
                Rounded(*distance)
            ),
        }
    }
}

/// A positive number to two or three digits.
struct Rounded(f64);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            x if !(1e-3..1e6).contains(&x) => write!(f, "{x:.1e}"),
            x if x < 10.0 => write!(f, "{x:.3}"),
            x => write!(f, "{x:.0}"),
        }
    }
}
