//! The boxes of leaves, of runs of leaves, and of runs of these.

use super::aabb::{bounding_box, squared_gap};
use super::kd::LEAF;
use crate::error::{Error, ErrorKind, Result, try_collect, try_vec, try_with_capacity};
use crate::metric::Points;
use std::ops::Range;

/// Boxes of one level that a box of the next is around.
const FAN: usize = 8;

/// Boxes of the points of a layout, level by level: the first has one a leaf, the last at most [`FAN`].
pub(crate) struct Boxes {
    n: usize,
    d: usize,
    /// Corners of each box in scaled coordinates: d lower ones, then d upper ones.
    levels: Vec<Vec<f64>>,
}

/// The least key of the points in each of these boxes, level by level.
pub(crate) struct LeastKeys(Vec<Vec<u32>>);

impl Boxes {
    /// The boxes of points that are laid out already; O(n d).
    pub(crate) fn new(points: &Points) -> Result<Boxes> {
        let (what, n, d) = ("the boxes", points.n, points.d);
        let mut leaves = try_with_capacity(n.div_ceil(LEAF) * 2 * d, what)?;
        for leaf in (0..n).step_by(LEAF) {
            leaves.extend(bounding_box(d, leaf..(leaf + LEAF).min(n), |i, j| points.coord(i, j)));
        }
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|below| below.len() > FAN * 2 * d) {
            let mut level = try_with_capacity(below.len().div_ceil(FAN * 2 * d) * 2 * d, what)?;
            for run in below.chunks(FAN * 2 * d) {
                let corner = |(b, upper): (usize, bool), j: usize| run[b * 2 * d + j + if upper { d } else { 0 }];
                let corners = (0..run.len() / (2 * d)).flat_map(|b| [(b, false), (b, true)]);
                level.extend(bounding_box(d, corners, corner));
            }
            levels.push(level);
        }
        Ok(Boxes { n, d, levels })
    }

    /// Number of leaves.
    pub(crate) fn leaves(&self) -> usize {
        self.n.div_ceil(LEAF)
    }

    /// Positions of leaf `leaf`.
    pub(crate) fn members(&self, leaf: usize) -> Range<usize> {
        leaf * LEAF..((leaf + 1) * LEAF).min(self.n)
    }

    /// Squared distance between box `b` of a level and the box with corners `lower` and `upper`.
    pub(crate) fn squared_gap(&self, level: usize, b: usize, lower: &[f64], upper: &[f64]) -> f64 {
        squared_gap(&self.levels[level][2 * self.d * b..2 * self.d * (b + 1)], lower, upper)
    }

    /// How many leaves box `b` of a level is around.
    pub(crate) fn leaves_in(&self, level: usize, b: usize) -> usize {
        let each = FAN.pow(level as u32);
        each.min(self.leaves() - b * each)
    }

    /// Calls `found` for each leaf that is `open` and in boxes that are: boxes are told by level and number.
    pub(crate) fn descend(&self, mut open: impl FnMut(usize, usize) -> bool, mut found: impl FnMut(usize)) {
        // In descending order.
        let top = self.levels.len() - 1;
        let mut stack: Vec<(usize, usize)> = (0..self.count(top)).rev().map(|b| (top, b)).collect();
        while let Some((level, b)) = stack.pop() {
            if !open(level, b) {
                continue;
            }
            if level == 0 {
                found(b);
            } else {
                let below = b * FAN..((b + 1) * FAN).min(self.count(level - 1));
                stack.extend(below.rev().map(|b| (level - 1, b)));
            }
        }
    }

    /// The least of the keys of each box's points, one key a position.
    pub(crate) fn least_keys(&self, keys: &[u32]) -> Result<LeastKeys> {
        let least = |keys: &[u32]| Ok(keys.iter().fold(u32::MAX, |least, &key| least.min(key)));
        let mut levels = vec![try_collect(keys.chunks(LEAF).map(least), "the least keys")?];
        while levels.len() < self.levels.len() {
            let below = levels.last().map_or(&[][..], |below| &below[..]);
            levels.push(try_collect(below.chunks(FAN).map(least), "the least keys")?);
        }
        Ok(LeastKeys(levels))
    }

    /// Checks by definition that boxes hold their points.
    pub(crate) fn check(&self, points: &Points) -> Result<()> {
        let mut point = try_vec(points.d, 0.0, "validation")?;
        for i in 0..points.n {
            point.iter_mut().enumerate().for_each(|(j, x)| *x = points.coord(i, j));
            for level in 0..self.levels.len() {
                let b = i / LEAF / FAN.pow(level as u32);
                if self.squared_gap(level, b, &point, &point) > 0.0 {
                    let message = format!("box {b} of level {level} leaves out a point");
                    return Err(Error::new(ErrorKind::Internal, message));
                }
            }
        }
        Ok(())
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.levels.iter().map(|level| size_of_val(&level[..])).sum()
    }

    /// Boxes of a level.
    fn count(&self, level: usize) -> usize {
        self.levels[level].len() / (2 * self.d)
    }
}

impl LeastKeys {
    /// Whether one of the leaves has a point with a key below `limit`.
    pub(crate) fn in_leaves(&self, leaves: Range<usize>, limit: u32) -> bool {
        // By the widest boxes that are whole in the range.
        let (mut leaf, end) = (leaves.start, leaves.end.min(self.0[0].len()));
        while leaf < end {
            let mut level = 0;
            while level + 1 < self.0.len()
                && leaf.is_multiple_of(FAN.pow(level as u32 + 1))
                && leaf + FAN.pow(level as u32 + 1) <= end
            {
                level += 1;
            }
            if self.below(level, leaf / FAN.pow(level as u32), limit) {
                return true;
            }
            leaf += FAN.pow(level as u32);
        }
        false
    }

    /// Whether box `b` of a level has a point with a key below `limit`.
    pub(crate) fn below(&self, level: usize, b: usize, limit: u32) -> bool {
        self.0[level][b] < limit
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(|level| size_of_val(&level[..])).sum()
    }
}
