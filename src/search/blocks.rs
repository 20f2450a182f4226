//! Blocks: consecutive positions of the tree, a few dozen points in a box of space, for metrics that are a function of
//! Euclidean distance.

use super::spatial::squared_gap;
use crate::error::{Error, ErrorKind, Result, try_push, try_vec};
use crate::metric::Points;
use crate::tree::CoverTree;
use std::ops::Range;

/// Points of a block, at most.
const BLOCK: usize = 32;

/// The blocks of a tree: every position is in exactly one, and small subtrees are not cut.
#[derive(Default)]
pub(crate) struct Blocks {
    /// Block b holds the positions `starts[b]..starts[b + 1]`.
    pub(crate) starts: Vec<u32>,
    /// Corners of each block's bounding box in scaled coordinates, d lower then d upper ones.
    pub(crate) boxes: Vec<f64>,
}

impl Blocks {
    /// Cuts a tree into blocks and computes their boxes. The points of `metric` are in the order of the tree.
    pub(crate) fn new(points: &Points, tree: &CoverTree) -> Result<Self> {
        let starts = cut(tree)?;
        let d = points.d;
        let mut boxes = try_vec((starts.len() - 1) * 2 * d, 0.0, "blocks")?;
        for (corners, ends) in boxes.chunks_exact_mut(2 * d).zip(starts.windows(2)) {
            for j in 0..d {
                let column = &points.coords[j * points.n..(j + 1) * points.n][ends[0] as usize..ends[1] as usize];
                corners[j] = column.iter().copied().fold(f64::INFINITY, f64::min);
                corners[d + j] = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            }
        }
        Ok(Blocks { starts, boxes })
    }

    /// Number of blocks.
    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The block that holds `position`.
    pub(crate) fn of_position(&self, position: usize) -> usize {
        self.starts.partition_point(|&start| start as usize <= position) - 1
    }

    /// Positions of block `b`.
    pub(crate) fn range(&self, b: usize) -> Range<usize> {
        self.starts[b] as usize..self.starts[b + 1] as usize
    }

    /// Squared distance between the box of block `b` and the box with corners `lower` and `upper`.
    pub(crate) fn squared_gap(&self, b: usize, lower: &[f64], upper: &[f64]) -> f64 {
        let d = lower.len();
        squared_gap(&self.boxes[2 * d * b..2 * d * (b + 1)], lower, upper)
    }

    /// Checks by definition that the blocks are a partition and that boxes hold their points.
    pub(crate) fn check(&self, points: &Points) -> Result<()> {
        let broken = |b: usize, what: &str| Error::new(ErrorKind::Internal, format!("block {b}: {what}"));
        if self.starts.first() != Some(&0) || self.starts.last() != Some(&(points.n as u32)) {
            return Err(broken(0, "blocks do not hold all points"));
        }
        for b in 0..self.len() {
            if self.starts[b] >= self.starts[b + 1] {
                return Err(broken(b, "is empty"));
            }
            for i in self.range(b) {
                let point: Vec<f64> = (0..points.d).map(|j| points.coord(i, j)).collect();
                if self.squared_gap(b, &point, &point) > 0.0 {
                    return Err(broken(b, "its box leaves out a point"));
                }
            }
        }
        Ok(())
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.starts.len() * 4 + self.boxes.len() * 8
    }
}

/// Ends of runs of whole small subtrees, and single inner nodes, of at most [`BLOCK`] points.
fn cut(tree: &CoverTree) -> Result<Vec<u32>> {
    let mut starts = Vec::new();
    try_push(&mut starts, 0u32, "blocks")?;
    let mut node = 0;
    let mut start = 0;
    while node < tree.len() {
        let size = tree.subtree(node).len();
        let unit = if size <= BLOCK { size } else { 1 };
        if node + unit - start > BLOCK {
            try_push(&mut starts, node as u32, "blocks")?;
            start = node;
        }
        node += unit;
    }
    try_push(&mut starts, tree.len() as u32, "blocks")?;
    Ok(starts)
}
