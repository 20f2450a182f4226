//! The queries that are evaluated together, copied side by side.

use super::candidates::NEW;
use super::points::Points;
use crate::error::{Error, Result};

/// A block of queries: what a metric needs of each, row by row.
#[derive(Default)]
pub(crate) struct QueryBlock {
    pub(crate) len: usize,
    /// Scaled coordinates, len x d.
    pub(crate) coords: Vec<f64>,
    /// Coordinates as given, len x d, where a custom covariance needs them.
    pub(crate) raw_coords: Vec<f64>,
    /// Rows of V, len x width.
    pub(crate) factor: Vec<f64>,
    /// 1 / sqrt(p)
    pub(crate) inverse_sds: Vec<f64>,
    /// p of new points, where the metric has one.
    pub(crate) new_variances: Vec<f64>,
    /// Tree position of a stored point, or [`NEW`].
    pub(crate) positions: Vec<u32>,
    /// The caller's V or p of a new point is no residual of the kernel: bounds do not hold for it.
    pub(crate) improper: bool,
    /// What is wrong with the V of a stored point, in a saved tree that is damaged.
    damaged: Option<Error>,
    /// 0, 1, ..., len - 1: all queries, where some may be chosen.
    pub(crate) all: Vec<u32>,
}

impl QueryBlock {
    /// Empties the block, keeping its memory.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.improper = false;
        self.damaged = None;
        self.coords.clear();
        self.raw_coords.clear();
        self.factor.clear();
        self.inverse_sds.clear();
        self.new_variances.clear();
        self.positions.clear();
        self.all.clear();
    }

    /// Adds the stored point at position `i`.
    pub(crate) fn push_stored(&mut self, points: &Points, i: usize) {
        self.push(points, i, i as u32);
    }

    /// Adds a point that is stored elsewhere than the candidates, at position `i` of `points`.
    pub(crate) fn push_foreign(&mut self, points: &Points, i: usize) {
        self.push(points, i, NEW);
    }

    /// Adds the coordinates of the point at position `i`, and nothing else.
    pub(crate) fn push_coords(&mut self, points: &Points, i: usize) {
        self.all.push(self.len as u32);
        self.len += 1;
        self.coords.extend((0..points.d).map(|j| points.coord(i, j)));
    }

    /// An error if a row of V is damaged.
    pub(crate) fn check(&self) -> Result<()> {
        self.damaged.clone().map_or(Ok(()), Err)
    }

    fn push(&mut self, points: &Points, i: usize, position: u32) {
        self.push_coords(points, i);
        if points.custom {
            self.raw_coords.extend_from_slice(&points.raw_coords[i * points.d..(i + 1) * points.d]);
        }
        self.damaged = self.damaged.take().or(points.check_row(i).err());
        self.factor.extend_from_slice(points.factor_row(i));
        self.inverse_sds.push(points.inverse_sds[i]);
        self.positions.push(position);
    }
}
