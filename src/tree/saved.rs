//! The nodes of a saved tree.

use super::CoverTree;
use crate::error::{Result, try_collect, try_vec};
use crate::metric::Ball;
use crate::saved::{Array, Reader, Writer, corrupt};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct SavedNodes {
    ids: Array<u32>,
    levels: Array<u8>,
    parents: Array<u32>,
    ends: Array<u32>,
    reaches: Array<f64>,
    weights: Array<f64>,
    radii: Vec<f64>,
}

impl CoverTree {
    pub(crate) fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedNodes> {
        let column = |f: fn(&Ball) -> f64| try_collect(self.balls.iter().map(|ball| Ok(f(ball))), "the saved tree");
        Ok(SavedNodes {
            ids: writer.array(&self.ids)?,
            levels: writer.array(&self.levels)?,
            parents: writer.array(&self.parents)?,
            ends: writer.array(&self.ends)?,
            reaches: writer.array(&column(|ball| ball.reach)?)?,
            weights: writer.array(&column(|ball| ball.weight)?)?,
            radii: self.radii.clone(),
        })
    }

    /// Nodes of `n` points.
    pub(crate) fn load(saved: SavedNodes, n: usize, reader: &Reader<'_, '_>) -> Result<CoverTree> {
        let what = "the tree";
        let ids = reader.exactly(&saved.ids, n, what)?;
        let mut positions = try_vec(n, u32::MAX, what)?;
        for (position, &id) in ids.iter().enumerate() {
            match positions.get_mut(id as usize) {
                Some(place) if *place == u32::MAX => *place = position as u32,
                _ => return Err(corrupt("the tree's points are no permutation")),
            }
        }
        let reaches = reader.exactly(&saved.reaches, n, what)?;
        let weights = reader.exactly(&saved.weights, n, what)?;
        let balls = reaches.into_iter().zip(weights).map(|(reach, weight)| Ok(Ball { reach, weight }));
        let tree = CoverTree {
            ids,
            positions,
            levels: reader.exactly(&saved.levels, n, what)?,
            parents: reader.exactly(&saved.parents, n, what)?,
            ends: reader.exactly(&saved.ends, n, what)?,
            balls: try_collect(balls, what)?,
            radii: saved.radii,
        };
        tree.check_structure().map_err(corrupt)?;
        Ok(tree)
    }
}
