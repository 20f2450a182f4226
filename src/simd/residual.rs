//! The last step of a block of residual correlations.

use super::Simd;
use pulp::WithSimd;

/// Replaces each dot product V_q.V_j in `dots` by abs(rho_qj) = min(1, abs(k_qj - V_q.V_j) / sqrt(p_q p_j)).
///
/// `covariances` holds k_qj, `inverse_sds` holds 1/sqrt(p_j), `inverse_sd` is 1/sqrt(p_q).
pub(crate) fn absolute_correlations(
    simd: Simd,
    inverse_sd: f64,
    inverse_sds: &[f64],
    covariances: &[f64],
    dots: &mut [f64],
) {
    simd.run(AbsoluteCorrelations { inverse_sd, inverse_sds, covariances, dots });
}

struct AbsoluteCorrelations<'a> {
    inverse_sd: f64,
    inverse_sds: &'a [f64],
    covariances: &'a [f64],
    dots: &'a mut [f64],
}

impl WithSimd for AbsoluteCorrelations<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        for ((dot, &k), &isd) in self.dots.iter_mut().zip(self.covariances).zip(self.inverse_sds) {
            *dot = ((k - *dot) * (self.inverse_sd * isd)).abs().min(1.0);
        }
    }
}
