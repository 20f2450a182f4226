//! The nodes of a saved tree.

use super::{CoverTree, Shape, ShapedBy};
use crate::error::{Result, try_collect};
use crate::layout::{Layout, is_permutation};
use crate::metric::Ball;
use crate::saved::{Array, Reader, Writer, corrupt};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct SavedNodes {
    numbers: Array<u32>,
    levels: Array<u8>,
    parents: Array<u32>,
    ends: Array<u32>,
    reaches: Array<f64>,
    weights: Array<f64>,
    radii: Vec<f64>,
    shaped_by: ShapedBy,
    evaluations: u64,
}

impl CoverTree {
    pub(crate) fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedNodes> {
        let column = |f: fn(&Ball) -> f64| try_collect(self.balls.iter().map(|ball| Ok(f(ball))), "the saved tree");
        Ok(SavedNodes {
            numbers: writer.array(&self.numbers)?,
            levels: writer.array(&self.levels)?,
            parents: writer.array(&self.parents)?,
            ends: writer.array(&self.ends)?,
            reaches: writer.array(&column(|ball| ball.reach)?)?,
            weights: writer.array(&column(|ball| ball.weight)?)?,
            radii: self.radii.clone(),
            shaped_by: self.shaped_by.clone(),
            evaluations: self.evaluations,
        })
    }

    /// Nodes over points of `d` dimensions that lie in this layout.
    pub(crate) fn load(saved: SavedNodes, layout: &Layout, d: usize, reader: &Reader<'_, '_>) -> Result<CoverTree> {
        let (what, n) = ("the tree", layout.len());
        let numbers: Vec<u32> = reader.exactly(&saved.numbers, n, what)?;
        if !is_permutation(&numbers)? {
            return Err(corrupt("the tree's points are no permutation"));
        }
        if matches!(&saved.shaped_by, ShapedBy::Euclidean(scales) if scales.len() != d) {
            return Err(corrupt("the tree was shaped in another number of dimensions"));
        }
        let position = |&number: &u32| Ok(layout.positions[number as usize]);
        let reaches = reader.exactly(&saved.reaches, n, what)?;
        let weights = reader.exactly(&saved.weights, n, what)?;
        let balls = reaches.into_iter().zip(weights).map(|(reach, weight)| Ok(Ball { reach, weight }));
        let tree = CoverTree {
            positions: try_collect(numbers.iter().map(position), what)?,
            numbers,
            levels: reader.exactly(&saved.levels, n, what)?,
            parents: reader.exactly(&saved.parents, n, what)?,
            ends: reader.exactly(&saved.ends, n, what)?,
            balls: try_collect(balls, what)?,
            least: Vec::new(),
            radii: saved.radii,
            shaped_by: saved.shaped_by,
            shape: Shape::default(),
            evaluations: saved.evaluations,
        };
        tree.check_structure().map_err(corrupt)?;
        tree.finish(&layout.numbers)
    }
}
