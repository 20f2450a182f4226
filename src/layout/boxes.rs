//! The boxes of leaves, of runs of leaves, and of runs of these: a tree whose nodes have eight children, side by side.

use super::kd::LEAF;
use crate::error::{Error, ErrorKind, Result, try_collect, try_vec};
use crate::metric::Points;
use crate::simd::Simd;
use crate::simd::boxes::{FAN, squared_gaps};
use std::ops::Range;

/// Boxes of the points of a layout, level by level: the first has one a leaf, the last at most [`FAN`].
pub(crate) struct Boxes {
    n: usize,
    d: usize,
    levels: Vec<Level>,
    /// Coordinates leaf by leaf, and in each dimension by dimension, where leaves are searched; infinite beyond the last point.
    coords: Vec<f64>,
}

/// The boxes of a level, in groups of [`FAN`]: those of a group are within one box of the next level.
struct Level {
    count: usize,
    /// Corners in scaled coordinates, group by group: in each, dimension by dimension, the lower ones of all its boxes, then the
    /// upper ones. Where there is no box they are infinite, the wrong way round.
    corners: Vec<f64>,
}

/// The least key of the points in each of these boxes, level by level; [`u32::MAX`] up to whole groups.
pub(crate) struct LeastKeys(Vec<Vec<u32>>);

impl Boxes {
    /// The boxes of points that are laid out already; O(n d).
    pub(crate) fn new(points: &Points) -> Result<Boxes> {
        Boxes::of_columns(&points.coords, points.n, points.d)
    }

    /// The same, with what a search of leaves takes; `columns` has the coordinates of `n` points dimension by dimension.
    pub(crate) fn searched(columns: &[f64], n: usize, d: usize) -> Result<Boxes> {
        let mut boxes = Boxes::of_columns(columns, n, d)?;
        boxes.coords = try_vec(boxes.leaves() * d * LEAF, f64::INFINITY, "the leaves")?;
        for (j, column) in columns.chunks_exact(n.max(1)).enumerate() {
            for (leaf, from) in column.chunks(LEAF).enumerate() {
                boxes.coords[(leaf * d + j) * LEAF..][..from.len()].copy_from_slice(from);
            }
        }
        Ok(boxes)
    }

    fn of_columns(columns: &[f64], n: usize, d: usize) -> Result<Boxes> {
        let mut leaves = Level::empty(n.div_ceil(LEAF), d)?;
        for (j, column) in columns.chunks_exact(n.max(1)).enumerate() {
            for (b, coords) in column.chunks(LEAF).enumerate() {
                let range = |(low, high): (f64, f64), &x: &f64| (low.min(x), high.max(x));
                leaves.set(b, (j, d), coords.iter().fold((f64::INFINITY, f64::NEG_INFINITY), range));
            }
        }
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|below| below.count > FAN) {
            let mut level = Level::empty(below.count.div_ceil(FAN), d)?;
            for (b, group) in below.corners.chunks_exact(2 * d * FAN).enumerate() {
                for (j, corners) in group.chunks_exact(2 * FAN).enumerate() {
                    let (lower, upper) = corners.split_at(FAN);
                    let least = lower.iter().copied().fold(f64::INFINITY, f64::min);
                    level.set(b, (j, d), (least, upper.iter().copied().fold(f64::NEG_INFINITY, f64::max)));
                }
            }
            levels.push(level);
        }
        Ok(Boxes { n, d, levels, coords: Vec::new() })
    }

    /// Number of leaves.
    pub(crate) fn leaves(&self) -> usize {
        self.n.div_ceil(LEAF)
    }

    /// Positions of the points in box `b` of a level.
    pub(crate) fn members(&self, level: usize, b: usize) -> Range<usize> {
        let each = LEAF * FAN.pow(level as u32);
        b * each..((b + 1) * each).min(self.n)
    }

    /// The coordinates of a leaf, dimension by dimension.
    pub(crate) fn coords(&self, leaf: usize) -> &[f64] {
        &self.coords[leaf * self.d * LEAF..(leaf + 1) * self.d * LEAF]
    }

    /// The last level.
    pub(crate) fn top(&self) -> usize {
        self.levels.len() - 1
    }

    /// How many boxes group `g` of a level has.
    pub(crate) fn in_group(&self, level: usize, g: usize) -> usize {
        (self.levels[level].count - g * FAN).min(FAN)
    }

    /// Squared distances of `x` from the boxes of group `g` of a level; 0 inside. None is more than the squared distance of `x` from
    /// a point of the box as [`squares_in_leaf`](crate::simd::boxes::squares_in_leaf) computes it: a rounded difference, square or
    /// sum never decreases when what it is computed from grows.
    pub(crate) fn gaps(&self, simd: Simd, level: usize, g: usize, x: &[f64]) -> [f64; FAN] {
        let group = 2 * self.d * FAN;
        squared_gaps(simd, x, &self.levels[level].corners[g * group..(g + 1) * group])
    }

    /// Whether all points of box `b` of a level are at one place.
    pub(crate) fn is_one_place(&self, level: usize, b: usize) -> bool {
        let group = 2 * self.d * FAN;
        let corners = &self.levels[level].corners[b / FAN * group..(b / FAN + 1) * group];
        corners.chunks_exact(2 * FAN).all(|corners| corners[b % FAN] == corners[FAN + b % FAN])
    }

    /// The least of the keys of each box's points, one key a position.
    pub(crate) fn least_keys(&self, keys: &[u32]) -> Result<LeastKeys> {
        let least = |keys: &[u32]| keys.iter().fold(u32::MAX, |least, &key| least.min(key));
        let level = |below: &[u32], each: usize| {
            let count = below.len().div_ceil(each);
            let padded = (0..count.next_multiple_of(FAN)).map(|b| {
                Ok(if b < count { least(&below[b * each..((b + 1) * each).min(below.len())]) } else { u32::MAX })
            });
            try_collect(padded, "the least keys")
        };
        let mut levels = vec![level(keys, LEAF)?];
        while levels.len() < self.levels.len() {
            let below = levels.last().map_or(&[][..], |below| &below[..]);
            levels.push(level(below, FAN)?);
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
                if self.gaps(Simd::Portable, level, b / FAN, &point)[b % FAN] > 0.0 {
                    let message = format!("box {b} of level {level} leaves out a point");
                    return Err(Error::new(ErrorKind::Internal, message));
                }
            }
        }
        Ok(())
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.levels.iter().map(|level| size_of_val(&level.corners[..])).sum::<usize>() + size_of_val(&self.coords[..])
    }
}

impl Level {
    /// So many boxes without points.
    fn empty(count: usize, d: usize) -> Result<Level> {
        let mut corners = try_vec(count.div_ceil(FAN) * 2 * d * FAN, f64::INFINITY, "the boxes")?;
        corners.chunks_exact_mut(2 * FAN).for_each(|corners| corners[FAN..].fill(f64::NEG_INFINITY));
        Ok(Level { count, corners })
    }

    /// Sets what box `b` has of dimension `j` of `d`.
    fn set(&mut self, b: usize, (j, d): (usize, usize), (lower, upper): (f64, f64)) {
        let at = (b / FAN * d + j) * 2 * FAN + b % FAN;
        (self.corners[at], self.corners[at + FAN]) = (lower, upper);
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
            if self.0[level][leaf / FAN.pow(level as u32)] < limit {
                return true;
            }
            leaf += FAN.pow(level as u32);
        }
        false
    }

    /// Those of group `g` of a level.
    pub(crate) fn of_group(&self, level: usize, g: usize) -> &[u32] {
        &self.0[level][g * FAN..(g + 1) * FAN]
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(|level| size_of_val(&level[..])).sum()
    }
}
