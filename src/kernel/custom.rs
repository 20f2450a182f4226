//! The caller's own covariance: one point against many at a time.

use crate::error::{Error, ErrorKind, Result, number};

/// A covariance function of the caller's. It must be symmetric and positive semidefinite; both are checked on a
/// sample when a tree is built.
///
/// The tree calls it only on the thread that called the tree, so trees with a custom covariance use one thread.
pub trait CovarianceFunction: Send + Sync {
    /// Writes cov(x, others\[i\]) to `out[i]`. `x` has d coordinates as the caller gave them, `others` is row-major,
    /// `out.len()` x d. An error stops the call that needed the covariance.
    fn covariances(&self, x: &[f64], others: &[f64], out: &mut [f64]) -> Result<()>;
}

/// Evaluates and checks that every value is finite.
pub(crate) fn checked(f: &dyn CovarianceFunction, x: &[f64], others: &[f64], out: &mut [f64]) -> Result<()> {
    f.covariances(x, others, out)?;
    match out.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(i) => Err(Error::new(
            ErrorKind::NotFinite,
            format!(
                "covariance callback returned {} for {} against {}",
                number(out[i]),
                point(x),
                point(&others[i * x.len()..(i + 1) * x.len()])
            ),
        )),
    }
}

/// A point in a sentence.
fn point(x: &[f64]) -> String {
    format!("[{}]", x.iter().map(|&x| number(x)).collect::<Vec<_>>().join(", "))
}
