//! A power of two that coordinates of the Euclidean metric are multiplied by, so that squares of their differences
//! neither overflow nor underflow.
//!
//! Multiplying by a power of two rounds nothing: distances are those of the coordinates divided by their lengthscales,
//! times the unit. Squares of doubles are doubles from 2^-537 to 2^512 only, so one unit serves points whose
//! coordinates are not too far apart in size: those that are less than [`LEAST`] in the unit, 1e-100 of the largest or
//! less, count as 0. Different coordinates of a dimension then differ by 2^-480 at least, and no square underflows.

use crate::error::{Result, try_vec};
use crate::powers_of_two::{exponent, power_of_two, times_power_of_two};
use ndarray::ArrayView2;

/// Exponents of the largest coordinate between which the unit is 1.
const USUAL: std::ops::RangeInclusive<i32> = -64..=400;
/// The exponent of the largest coordinate otherwise, in the unit.
const EXPONENT: i32 = 350;
/// No larger coordinate is stored: there is room for points that come later.
pub(super) const MOST_STORED: f64 = power_of_two(420);
/// A query with a larger one has a unit of its own, in which its largest coordinate has [`FAR_EXPONENT`]. What is stored
/// is then less than a unit of rounding: to it all points are at one distance, as they are in that of 1.
pub(super) const MOST_ASKED: f64 = power_of_two(500);
const FAR_EXPONENT: i32 = 490;
/// Smaller ones count as 0.
const LEAST: f64 = power_of_two(-427);

/// x as a coordinate in the unit: 0 where it is too small to be told apart from it.
pub(super) fn told_from_zero(x: f64) -> f64 {
    if x.abs() < LEAST { 0.0 } else { x }
}

/// The unit of points whose largest coordinate, divided by its lengthscale, is about 2^`largest`.
fn unit_of(largest: i32, most: i32) -> f64 {
    if USUAL.contains(&largest) { 1.0 } else { power_of_two((EXPONENT - largest).min(most)) }
}

/// The unit of points that are to be multiplied by `scales`, reciprocal lengthscales; 1 where all are 0.
pub(super) fn unit_of_points(coords: ArrayView2<'_, f64>, scales: &[f64]) -> Result<f64> {
    let mut largest = try_vec(scales.len(), 0.0, "the extent of coords")?;
    for row in coords.rows() {
        // What is not finite is an error later.
        row.iter().zip(&mut largest).filter(|(x, _)| x.is_finite()).for_each(|(x, most)| *most = x.abs().max(*most));
    }
    let used = || scales.iter().zip(&largest).filter(|&(_, &x)| x > 0.0);
    let Some(exponents) = used().map(|(&scale, &x)| exponent(scale) + exponent(x)).max() else { return Ok(1.0) };
    // A scale times the unit is to be a number, too.
    let most = used().map(|(&scale, _)| 1000 - exponent(scale)).min().unwrap_or(0);
    Ok(unit_of(exponents, most))
}

/// The same, of coordinates that have been multiplied already.
pub(super) fn unit_of_scaled(coords: &[f64], scales: &[f64]) -> f64 {
    let largest = coords.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let most = scales.iter().map(|&scale| 1000 - exponent(scale)).min().unwrap_or(0);
    if largest > 0.0 { unit_of(exponent(largest), most) } else { 1.0 }
}

/// Scales in a unit: what coordinates are multiplied by.
pub(super) fn in_unit(scales: &[f64], unit: f64) -> Result<Vec<f64>> {
    let mut all = try_vec(scales.len(), 0.0, "lengthscales")?;
    // Infinite only along dimensions where all points have 0.
    all.iter_mut().zip(scales).for_each(|(to, scale)| *to = (scale * unit).min(f64::MAX));
    Ok(all)
}

/// The unit with which `scales` become `all`, if there is one.
pub(super) fn unit_between(scales: &[f64], all: &[f64]) -> Option<f64> {
    if scales == all {
        return Some(1.0);
    }
    let mut quotients = scales.iter().zip(all).filter(|&(_, all)| all.is_normal() && *all < f64::MAX);
    let unit = quotients.next().map(|(scale, all)| all / scale)?;
    let is_power = unit.is_normal() && unit > 0.0 && unit.to_bits() << 12 == 0;
    let fits = scales.len() == all.len() && scales.iter().zip(all).all(|(s, all)| (s * unit).min(f64::MAX) == *all);
    (is_power && fits).then_some(unit)
}

/// Makes `row` the coordinates `x` of a query far from all points in a unit of its own, which it returns.
pub(super) fn far_away(x: impl Iterator<Item = f64> + Clone, scales: &[f64], row: &mut [f64]) -> f64 {
    let both = || x.clone().zip(scales).filter(|&(x, _)| x != 0.0);
    let largest = both().map(|(x, &scale)| exponent(x) + exponent(scale)).max().unwrap_or(0);
    let to = FAR_EXPONENT - largest;
    for ((row, x), &scale) in row.iter_mut().zip(x).zip(scales) {
        let mantissa = times_power_of_two(scale, -exponent(scale));
        *row = if x == 0.0 { 0.0 } else { told_from_zero(times_power_of_two(x, to + exponent(scale)) * mantissa) };
    }
    power_of_two(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn usual_coordinates_stay_as_they_are() {
        for unit in [1e-19, 1e-6, 1.0, 1e9, 1e120] {
            assert_eq!(unit_of_points(array![[unit, 0.0], [0.0, -unit]].view(), &[1.0, 1.0]).unwrap(), 1.0);
        }
    }

    #[test]
    fn squares_of_coordinates_in_their_unit_are_normal_numbers() {
        let numbers = [5e-324, 1e-310, 1e-200, 1e-3, 1.0, 1e150, f64::MAX];
        for x in numbers {
            for scale in [6e-309, 1e-200, 1.0, 1e200, 1.7e308] {
                if f64::is_infinite(x * scale) {
                    continue;
                }
                let unit = unit_of_points(array![[x, 0.0]].view(), &[scale, 1.0]).unwrap();
                let scaled = in_unit(&[scale, 1.0], unit).unwrap();
                let y = x * scaled[0];
                assert!(y <= MOST_STORED, "{x} {scale}");
                // Unless the quotient itself would be no double.
                assert!(x * scale < 1e-307 || told_from_zero(y) > 0.0 && (y * y).is_normal(), "{x} {scale} {unit} {y}");
                assert_eq!(unit_between(&[scale, 1.0], &scaled), Some(unit));
            }
        }
        assert_eq!(unit_between(&[1.0, 2.0], &[3.0, 6.0]), None);
        assert_eq!(unit_between(&[1.0, 2.0], &[4.0, 4.0]), None);
    }
}
