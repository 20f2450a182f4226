//! Points at inducing points, of which the table of angles tells little: what is left of them there has hardly anything in
//! common with what is around. For each of them it is known how much the members of each subspace score with it at most.

use crate::layout::aabb::keep_least;

/// Levels of an octave of scores.
const OCTAVE: i64 = 24;

/// Stored points at inducing points.
#[derive(Default)]
pub(crate) struct Coincident {
    /// Their tree positions, in ascending order.
    pub(super) positions: Vec<u32>,
    /// For each subspace, or leaf, the level of its members' scores with each of them.
    pub(super) levels: Vec<u8>,
    /// For each of them the level of each, where leaves do not bound these.
    pub(super) pairs: Vec<u8>,
}

/// The level of a score, which scores below it have or a larger one: its logarithm but for sign, a straight line from octave to
/// octave. 0 of what is no number, or negative.
pub(super) fn level(score: f64) -> u8 {
    const BITS: u32 = 12;
    let octaves = (score.to_bits() >> (f64::MANTISSA_DIGITS - 1 - BITS)) as i64;
    ((((1023 << BITS) - octaves) * OCTAVE) >> BITS).clamp(0, 255) as u8
}

/// The largest level of what may have a score of `least` or more.
pub(super) fn most_level(least: f64) -> u8 {
    if least > 0.0 { level(least) } else { u8::MAX }
}

impl Coincident {
    /// The place of a stored point among these.
    pub(super) fn place(&self, position: u32) -> Option<usize> {
        self.positions.binary_search(&position).ok()
    }

    /// The levels of the subspaces for the point at a place.
    pub(super) fn levels(&self, place: usize) -> impl Iterator<Item = u8> {
        self.levels.iter().skip(place).step_by(self.positions.len()).copied()
    }

    /// Writes the `most` subspaces, or leaves, of the least levels for the point at a place, with these as the first half of a number.
    pub(super) fn best(&self, place: usize, most: usize, out: &mut Vec<u64>) {
        out.clear();
        out.extend(self.levels(place).zip(0..).map(|(level, c)| u64::from(level) << 32 | c));
        keep_least(out, most);
        out.sort_unstable();
    }

    /// Those of these points that may score so much with the one at a place.
    pub(super) fn others(&self, place: usize, least: f64) -> impl Iterator<Item = u32> {
        let (count, most) = (self.positions.len(), most_level(least));
        let levels = &self.pairs[place * count..(place + 1) * count];
        self.positions.iter().zip(levels).filter(move |&(_, &level)| level <= most).map(|(&i, _)| i)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scores_enough_has_no_more_than_the_largest_level() {
        let scores: Vec<f64> = (0..4000).map(|t| 1.1 * 0.997f64.powi(t)).chain([0.0, f64::MIN_POSITIVE]).collect();
        assert!(scores.windows(2).all(|pair| level(pair[0]) <= level(pair[1])));
        assert!(scores.iter().all(|&score| level(score) <= most_level(score)));
        assert_eq!([1.0, 0.5, 0.25, 1e-9, f64::NAN, f64::INFINITY, -0.1].map(level), [0, 24, 48, 255, 0, 0, 0]);
        assert_eq!([0.0, -1.0, f64::NEG_INFINITY, f64::NAN].map(most_level), [255; 4]);
    }
}
