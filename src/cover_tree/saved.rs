//! The nodes of a saved tree.

use super::{CoverTree, ShapedBy};
use crate::error::{Result, try_collect};
use crate::layout::{Layout, is_permutation};
use crate::metric::Ball;
use crate::saved::{Array, Reader, Writer, columns, corrupt};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct SavedNodes {
    columns: NodeColumns,
    reaches: Array<f64>,
    weights: Array<f64>,
    radii: Vec<f64>,
    shaped_by: ShapedBy,
    evaluations: u64,
}

columns!(NodeColumns of CoverTree(n), "the tree" { numbers: u32[n], levels: u8[n], parents: u32[n], ends: u32[n] });

impl CoverTree {
    pub(crate) fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedNodes> {
        let column = |f: fn(&Ball) -> f64| try_collect(self.balls.iter().map(|ball| Ok(f(ball))), "the saved tree");
        Ok(SavedNodes {
            columns: self.save_columns(writer)?,
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
        let columns = CoverTree::load_columns(&saved.columns, reader, n)?;
        if !is_permutation(&columns.numbers)? {
            return Err(corrupt("the tree's points are no permutation"));
        }
        if matches!(&saved.shaped_by, ShapedBy::Euclidean(scales) if scales.len() != d) {
            return Err(corrupt("the tree was shaped in another number of dimensions"));
        }
        let position = |&number: &u32| Ok(layout.positions[number as usize]);
        let reaches = reader.array(&saved.reaches, &[n], what)?;
        let weights = reader.array(&saved.weights, &[n], what)?;
        let balls = reaches.into_iter().zip(weights).map(|(reach, weight)| Ok(Ball { reach, weight }));
        let tree = CoverTree {
            positions: try_collect(columns.numbers.iter().map(position), what)?,
            balls: try_collect(balls, what)?,
            radii: saved.radii,
            shaped_by: saved.shaped_by,
            evaluations: saved.evaluations,
            ..columns
        };
        tree.check_structure().map_err(corrupt)?;
        tree.finish(&layout.numbers)
    }
}
