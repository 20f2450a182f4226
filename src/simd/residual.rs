//! The last step of a block of residual correlations.

use super::Simd;
use pulp::WithSimd;

/// Replaces each dot product V_q.V_j in `dots` by rho_qj = (k_qj - V_q.V_j) / sqrt(p_q p_j), clamped to [-1, 1], or, if
/// not `SIGNED`, by its absolute value.
///
/// `covariances` holds k_qj, `inverse_sds` holds 1/sqrt(p_j), `inverse_sd` is 1/sqrt(p_q).
pub(crate) fn correlations<const SIGNED: bool>(
    simd: Simd,
    inverse_sd: f64,
    inverse_sds: &[f64],
    covariances: &[f64],
    dots: &mut [f64],
) {
    simd.run(Correlations::<SIGNED> { inverse_sd, inverse_sds, covariances, dots });
}

struct Correlations<'a, const SIGNED: bool> {
    inverse_sd: f64,
    inverse_sds: &'a [f64],
    covariances: &'a [f64],
    dots: &'a mut [f64],
}

impl<const SIGNED: bool> WithSimd for Correlations<'_, SIGNED> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        for ((dot, &k), &isd) in self.dots.iter_mut().zip(self.covariances).zip(self.inverse_sds) {
            let rho = ((k - *dot) * (self.inverse_sd * isd)).clamp(-1.0, 1.0);
            *dot = if SIGNED { rho } else { rho.abs() };
        }
    }
}
