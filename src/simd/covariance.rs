//! Covariances from squared distances, a vector at a time, with our own exponential: a library call a value would
//! cost more than the 200 multiply-adds it follows.

use super::Simd;
use pulp::WithSimd;

/// A stationary covariance without its variance.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Rbf,
    Matern12,
    Matern32,
    Matern52,
    RationalQuadratic(f64),
}

/// Replaces squared scaled distances by covariances of the given shape and variance.
pub(crate) fn covariances_in_place(simd: Simd, shape: Shape, variance: f64, squared: &mut [f64]) {
    simd.run(Covariances { shape, variance, squared });
}

struct Covariances<'a> {
    shape: Shape,
    variance: f64,
    squared: &'a mut [f64],
}

impl WithSimd for Covariances<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        if S::IS_SCALAR { evaluate::<false>(self) } else { evaluate::<true>(self) }
    }
}

/// `FUSED`: the processor has a fused multiply-add.
#[inline(always)]
fn evaluate<const FUSED: bool>(Covariances { shape, variance, squared }: Covariances<'_>) {
    const SQRT_3: f64 = 1.732_050_807_568_877_2;
    const SQRT_5: f64 = 2.236_067_977_499_79;
    let s2 = variance;
    match shape {
        Shape::Rbf => squared.iter_mut().for_each(|v| *v = s2 * exp::<FUSED>(-0.5 * *v)),
        Shape::Matern12 => squared.iter_mut().for_each(|v| *v = s2 * exp::<FUSED>(-v.sqrt())),
        Shape::Matern32 => squared.iter_mut().for_each(|v| {
            let r = SQRT_3 * v.sqrt();
            *v = s2 * ((1.0 + r).min(f64::MAX) * exp::<FUSED>(-r));
        }),
        Shape::Matern52 => squared.iter_mut().for_each(|v| {
            let r = SQRT_5 * v.sqrt();
            *v = s2 * ((1.0 + r + r * r * (1.0 / 3.0)).min(f64::MAX) * exp::<FUSED>(-r));
        }),
        // A power has no short vector form of our own; the standard library's is used.
        Shape::RationalQuadratic(alpha) => squared.iter_mut().for_each(|v| *v = s2 * rational_quadratic(*v, alpha)),
    }
}

/// (1 + v / (2 alpha))^-alpha, also where 2 alpha or the quotient is no finite number.
fn rational_quadratic(v: f64, alpha: f64) -> f64 {
    let quotient = 0.5 * v / alpha;
    let log = if quotient.is_finite() { quotient.ln_1p() } else { log_of_quotient(0.5 * v, alpha) };
    (-alpha * log).exp()
}

/// ln(v / alpha). A function of its own: otherwise the logarithm of `alpha` is computed beforehand, for all kernels, of
/// which the others have none.
#[cold]
#[inline(never)]
fn log_of_quotient(v: f64, alpha: f64) -> f64 {
    v.ln() - alpha.ln()
}

#[inline(always)]
fn multiply_add<const FUSED: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// exp(x) for x <= 0 to about one unit in the last place; 0 below -708.
///
/// x = n ln 2 + f with abs(f) <= ln 2 / 2 (Cody & Waite 1980), exp(f) by its Taylor polynomial of degree 13, whose
/// remainder is below 1e-17, and 2^n by building its exponent bits.
#[inline(always)]
fn exp<const FUSED: bool>(x: f64) -> f64 {
    const LOG2_E: f64 = std::f64::consts::LOG2_E;
    const LN_2_HI: f64 = 6.931_471_803_691_238e-1;
    const LN_2_LO: f64 = 1.908_214_929_270_587_7e-10;
    /// 1.5 * 2^52: adding it rounds to an integer, which then stands in the low bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    /// 1/13!, 1/12!, ..., 1/0!
    const TAYLOR: [f64; 14] = [
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let clamped = x.max(-708.0);
    let shifted = multiply_add::<FUSED>(clamped, LOG2_E, ROUND);
    let n = shifted - ROUND;
    let f = multiply_add::<FUSED>(n, -LN_2_LO, multiply_add::<FUSED>(n, -LN_2_HI, clamped));
    let mut p = TAYLOR[0];
    for &coefficient in &TAYLOR[1..] {
        p = multiply_add::<FUSED>(p, f, coefficient);
    }
    let power = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    if x < -708.0 { 0.0 } else { p * power }
}

/// Replaces squared scaled distances by correlations in `f32`, off by less than 1e-6. Their number is known when this is
/// compiled, so that several vectors go through it side by side.
#[inline(always)]
pub(super) fn correlations_f32<const FUSED: bool, const N: usize>(shape: Shape, squared: &mut [f32; N]) {
    const SQRT_3: f32 = 1.732_050_8;
    const SQRT_5: f32 = 2.236_068;
    /// Beyond this exp(-r) is nothing, times a power of r too.
    const MOST: f32 = 200.0;
    match shape {
        Shape::Rbf => squared.iter_mut().for_each(|v| *v = exp_f32::<FUSED>(-0.5 * *v)),
        Shape::Matern12 => squared.iter_mut().for_each(|v| *v = exp_f32::<FUSED>(-v.sqrt())),
        Shape::Matern32 => squared.iter_mut().for_each(|v| {
            let r = (SQRT_3 * v.sqrt()).min(MOST);
            *v = (1.0 + r) * exp_f32::<FUSED>(-r);
        }),
        Shape::Matern52 => squared.iter_mut().for_each(|v| {
            let r = (SQRT_5 * v.sqrt()).min(MOST);
            *v = (1.0 + r + r * r * (1.0 / 3.0)) * exp_f32::<FUSED>(-r);
        }),
        Shape::RationalQuadratic(alpha) => squared.iter_mut().for_each(|v| {
            *v = rational_quadratic(f64::from(*v), alpha) as f32;
        }),
    }
}

/// Replaces correlations in `f32` by how fast they decline as the squared distance, also given, grows; off by a few units of
/// rounding.
#[inline(always)]
pub(super) fn declines_f32<const N: usize>(shape: Shape, squared: &[f32; N], correlations: &mut [f32; N]) {
    const SQRT_3: f32 = 1.732_050_8;
    const SQRT_5: f32 = 2.236_068;
    let all = correlations.iter_mut().zip(squared);
    match shape {
        Shape::Rbf => all.for_each(|(k, _)| *k *= 0.5),
        Shape::Matern12 => all.for_each(|(k, v)| *k *= 0.5 / v.sqrt()),
        Shape::Matern32 => all.for_each(|(k, v)| *k *= 1.5 / (1.0 + SQRT_3 * v.sqrt())),
        Shape::Matern52 => all.for_each(|(k, v)| {
            let r = SQRT_5 * v.sqrt();
            *k *= (5.0 / 6.0) * (1.0 + r) / (1.0 + r + r * r * (1.0 / 3.0));
        }),
        Shape::RationalQuadratic(alpha) => {
            // Finite, so that it times 0 is no NaN.
            let scale = ((0.5 / alpha) as f32).min(f32::MAX);
            all.for_each(|(k, v)| *k *= 0.5 / (1.0 + scale * v));
        }
    }
}

/// exp(x) for x <= 0 to a few units in the last place, 0 below -87: as [`exp`], with a polynomial of degree 6.
#[inline(always)]
fn exp_f32<const FUSED: bool>(x: f32) -> f32 {
    const LN_2_HI: f32 = 0.693_359_4;
    const LN_2_LO: f32 = -2.121_944_4e-4;
    /// 1.5 * 2^23
    const ROUND: f32 = 12_582_912.0;
    const TAYLOR: [f32; 7] = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let multiply_add = |a: f32, b: f32, c: f32| if FUSED { a.mul_add(b, c) } else { a * b + c };
    let clamped = x.max(-87.0);
    let shifted = multiply_add(clamped, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let f = multiply_add(n, -LN_2_LO, multiply_add(n, -LN_2_HI, clamped));
    let mut p = TAYLOR[0];
    for &coefficient in &TAYLOR[1..] {
        p = multiply_add(p, f, coefficient);
    }
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < -87.0 { 0.0 } else { p * power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_ulps_of_the_standard_library() {
        let mut x = 0.0_f64;
        while x > -707.0 {
            let theirs = x.exp();
            for ours in [exp::<false>(x), exp::<true>(x)] {
                assert!((ours - theirs).abs() <= 2.0 * f64::EPSILON * theirs, "exp({x}) = {ours}, not {theirs}");
            }
            x -= 0.000_731 * (1.0 - x);
        }
        assert_eq!(exp::<true>(-1e300), 0.0);
        assert_eq!(exp::<true>(f64::NEG_INFINITY), 0.0);
    }

    #[test]
    fn every_shape_agrees_with_its_formula_in_native_and_portable_code() {
        let squared: Vec<f64> = (0..1001).map(|i| (i as f64 * 0.037).powi(2)).chain([1e300, f64::MAX]).collect();
        for simd in [Simd::detect(), Simd::Portable] {
            for shape in [Shape::Rbf, Shape::Matern12, Shape::Matern32, Shape::Matern52, Shape::RationalQuadratic(0.7)]
            {
                let mut values = squared.clone();
                covariances_in_place(simd, shape, 1.7, &mut values);
                for (&s, &value) in squared.iter().zip(&values) {
                    let r = s.sqrt();
                    let (r3, r5) = (3f64.sqrt() * r, 5f64.sqrt() * r);
                    let expected = 1.7
                        * match shape {
                            Shape::Rbf => (-s / 2.0).exp(),
                            Shape::Matern12 => (-r).exp(),
                            Shape::Matern32 => (1.0 + r3) * (-r3).exp(),
                            Shape::Matern52 if r5 > 1e3 => 0.0,
                            Shape::Matern52 => (1.0 + r5 + r5 * r5 / 3.0) * (-r5).exp(),
                            Shape::RationalQuadratic(a) => (1.0 + s / (2.0 * a)).powf(-a),
                        };
                    assert!((value - expected).abs() <= 1e-13 * expected.abs() + 1e-300, "{shape:?} at {r}");
                }
            }
        }
    }

    #[test]
    fn declines_are_minus_the_derivatives_by_the_squared_distance() {
        for shape in [Shape::Rbf, Shape::Matern12, Shape::Matern32, Shape::Matern52, Shape::RationalQuadratic(0.7)] {
            for i in 1..2000 {
                let t = f64::from((i as f32 * 0.005).powi(2));
                let (mut k, mut ends) = ([t], [t * (1.0 - 1e-6), t * (1.0 + 1e-6)]);
                covariances_in_place(Simd::Portable, shape, 1.0, &mut k);
                covariances_in_place(Simd::Portable, shape, 1.0, &mut ends);
                let expected = (ends[0] - ends[1]) / (2e-6 * t);
                let mut value = [k[0] as f32];
                declines_f32(shape, &[t as f32], &mut value);
                let off = (f64::from(value[0]) - expected).abs();
                assert!(
                    off < 2e-6 * expected + 1e-9 / t,
                    "{shape:?} at squared distance {t}: {}, not {expected}",
                    value[0]
                );
            }
        }
    }

    #[test]
    fn single_precision_is_off_by_less_than_a_millionth() {
        let squared = (0..40_001).map(|i| (i as f64 * 0.0011).powi(2)).chain([0.0, 1e-30, 1e6, 1e30]);
        for shape in [Shape::Rbf, Shape::Matern12, Shape::Matern32, Shape::Matern52, Shape::RationalQuadratic(0.7)] {
            for squared in squared.clone() {
                let mut truth = [f64::from(squared as f32)];
                covariances_in_place(Simd::Portable, shape, 1.0, &mut truth);
                let (mut plain, mut fused) = ([squared as f32], [squared as f32]);
                correlations_f32::<false, 1>(shape, &mut plain);
                correlations_f32::<true, 1>(shape, &mut fused);
                for value in [plain[0], fused[0]] {
                    let off = (f64::from(value) - truth[0]).abs();
                    assert!(off < 5e-7, "{shape:?} at squared distance {squared}: {value}, not {}", truth[0]);
                }
            }
        }
    }
}
