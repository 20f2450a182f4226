//! The exact maximin ordering, by a k-d tree that knows the point farthest from all chosen ones.
//!
//! Each node keeps, of its points, the one whose least distance to the chosen points is largest: the root's is the
//! next choice. A choice lowers least distances near it only: a node is passed over if its box is at least as far
//! from the choice as its farthest point is from those chosen before. After t choices about n / t points are that
//! near, so all n take about n log n distances in few dimensions.
//!
//! Boxes and points are compared without slack: a rounded difference, square or sum never decreases when what is
//! rounded increases, and both are summed in the same order, so the rounded distance of a box is at most the rounded
//! distance of any point in it.

use super::frame::{Frame, all_ids};
use crate::control::Control;
use crate::error::{Result, try_vec, try_with_capacity};
use ndarray::ArrayView2;

/// Most points of a leaf.
const LEAF: usize = 16;

/// Distances, of points and of boxes, between two looks at `control`: some ten milliseconds.
const STEP: usize = 1 << 20;

/// Least squared distance of a point that is chosen already: below all others.
const CHOSEN: f64 = -1.0;

/// In place of a leaf's right child.
const NO_CHILD: u32 = u32::MAX;

/// A candidate for the next choice.
#[derive(Clone, Copy)]
struct Farthest {
    /// Least squared distance to the chosen points, or [`CHOSEN`].
    squared: f64,
    id: u32,
    position: u32,
}

impl Farthest {
    /// Less than every other: of no points, or of chosen ones.
    const NONE: Farthest = Farthest { squared: CHOSEN, id: u32::MAX, position: u32::MAX };

    /// Above every distance: of a node before the first choice.
    const UNKNOWN: Farthest = Farthest { squared: f64::INFINITY, ..Farthest::NONE };

    /// The farther of two, ties by smaller id.
    fn or(self, other: Self) -> Self {
        if other.squared > self.squared || (other.squared == self.squared && other.id < self.id) { other } else { self }
    }
}

/// A box of points; its left child follows it.
#[derive(Clone, Copy)]
struct Node {
    /// Positions of its points: `start..end`.
    start: u32,
    end: u32,
    /// Index of the right child, or [`NO_CHILD`] for a leaf.
    right: u32,
    farthest: Farthest,
}

/// The tree, and its points in the order of its leaves.
struct FarthestTree {
    n: usize,
    d: usize,
    /// Coordinates, dimension by dimension: `coords[j * n + position]`.
    coords: Vec<f64>,
    /// Id of the point at a position.
    ids: Vec<u32>,
    /// Least squared distance to the chosen points by position, or [`CHOSEN`].
    least_squared: Vec<f64>,
    nodes: Vec<Node>,
    /// Bounds along each dimension, `boxes[node * d + j]`: least and largest coordinate.
    boxes: Vec<[f64; 2]>,
    /// Distances computed since the last look at `control`.
    work: usize,
}

/// The maximin order of finite coordinates, n x d: ids in the order of their choice.
///
/// # Errors
/// Cancelled by `control`; out of memory.
pub(super) fn maximin(coords: ArrayView2<'_, f64>, control: &mut Control<'_>) -> Result<Vec<u32>> {
    let n = coords.nrows();
    let frame = Frame::of(coords)?;
    if frame.dims.is_empty() {
        return all_ids(n);
    }
    let columns = frame.columns(coords, &all_ids(n)?)?;
    let first = nearest_to_mean(&columns, n);
    let mut tree = FarthestTree::new(columns, n)?;
    control.step(0.0)?;

    let mut order = try_with_capacity(n, "the maximin order")?;
    let mut next = tree.find(first);
    loop {
        order.push(next.id);
        tree.choose(next);
        if tree.work >= STEP {
            tree.work = 0;
            control.step(order.len() as f64 / n as f64)?;
        }
        next = tree.nodes[0].farthest;
        // At 0 the rest are duplicates of chosen points, and a further choice changes nothing.
        if next.squared <= 0.0 {
            break;
        }
    }
    let distinct = order.len();
    order.extend(tree.ids.iter().zip(&tree.least_squared).filter(|&(_, &s)| s != CHOSEN).map(|(&id, _)| id));
    order[distinct..].sort_unstable();
    Ok(order)
}

/// The id of the point nearest to the mean of all, ties by smallest id.
fn nearest_to_mean(columns: &[f64], n: usize) -> u32 {
    let mean: Vec<f64> = columns.chunks_exact(n).map(|column| column.iter().sum::<f64>() / n as f64).collect();
    let squared = |i: usize| -> f64 {
        columns.chunks_exact(n).zip(&mean).map(|(column, mean)| (column[i] - mean) * (column[i] - mean)).sum()
    };
    let (mut nearest, mut least) = (0, f64::INFINITY);
    for i in 0..n {
        let squared = squared(i);
        if squared < least {
            (nearest, least) = (i, squared);
        }
    }
    nearest as u32
}

impl FarthestTree {
    /// The tree of points given dimension by dimension, none of them chosen; O(n log n).
    fn new(columns: Vec<f64>, n: usize) -> Result<Self> {
        let d = columns.len() / n;
        // A split leaves at least LEAF / 2 points on each side.
        let most_nodes = 2 * n.div_ceil(LEAF / 2);
        let mut tree = FarthestTree {
            n,
            d,
            coords: columns,
            ids: Vec::new(),
            least_squared: try_vec(n, f64::INFINITY, "least distances")?,
            nodes: try_with_capacity(most_nodes, "the tree of farthest points")?,
            boxes: try_with_capacity(most_nodes.saturating_mul(d), "the tree of farthest points")?,
            work: 0,
        };
        let mut ids = all_ids(n)?;
        tree.split(&mut ids, 0);
        let mut column = try_with_capacity(n, "coordinates")?;
        for values in tree.coords.chunks_exact_mut(n) {
            column.clear();
            column.extend(ids.iter().map(|&id| values[id as usize]));
            values.copy_from_slice(&column);
        }
        tree.ids = ids;
        Ok(tree)
    }

    /// Adds the node of `ids`, which come to lie at positions from `start` on, and those below it: halves along the
    /// widest dimension. `coords` is still in the order of ids.
    fn split(&mut self, ids: &mut [u32], start: usize) {
        let node = self.nodes.len();
        let (n, end) = (self.n, start + ids.len());
        self.nodes.push(Node { start: start as u32, end: end as u32, right: NO_CHILD, farthest: Farthest::UNKNOWN });
        let (mut widest, mut width) = (0, f64::NEG_INFINITY);
        for (j, column) in self.coords.chunks_exact(n).enumerate() {
            let bounds = ids
                .iter()
                .map(|&id| column[id as usize])
                .fold([f64::INFINITY, f64::NEG_INFINITY], |[lower, upper], x| [lower.min(x), upper.max(x)]);
            if bounds[1] - bounds[0] > width {
                (widest, width) = (j, bounds[1] - bounds[0]);
            }
            self.boxes.push(bounds);
        }
        if ids.len() <= LEAF {
            return;
        }
        let half = ids.len() / 2;
        let column = &self.coords[widest * n..(widest + 1) * n];
        ids.select_nth_unstable_by(half, |&a, &b| column[a as usize].total_cmp(&column[b as usize]));
        let (left, right) = ids.split_at_mut(half);
        self.split(left, start);
        self.nodes[node].right = self.nodes.len() as u32;
        self.split(right, start + half);
    }

    /// The point with an id, as a choice; O(n).
    fn find(&self, id: u32) -> Farthest {
        let position = self.ids.iter().position(|&other| other == id).expect("ids are a permutation of 0..n");
        Farthest { squared: self.least_squared[position], id, position: position as u32 }
    }

    /// Takes `choice`, whose least distance is not 0, among the chosen points.
    fn choose(&mut self, choice: Farthest) {
        let position = choice.position as usize;
        let point: Vec<f64> = self.coords.chunks_exact(self.n).map(|column| column[position]).collect();
        // The nodes around the choice are at distance 0 from it, so none of them is passed over.
        self.least_squared[position] = CHOSEN;
        self.lower(0, &point);
    }

    /// Lowers least distances below `node` to those from `point`.
    fn lower(&mut self, node: usize, point: &[f64]) {
        self.work += 1;
        let Node { start, end, right, farthest } = self.nodes[node];
        if self.box_squared(node, point) >= farthest.squared {
            return;
        }
        self.nodes[node].farthest = if right == NO_CHILD {
            self.lower_leaf(start as usize, end as usize, point)
        } else {
            let (left, right) = (node + 1, right as usize);
            self.lower(left, point);
            self.lower(right, point);
            self.nodes[left].farthest.or(self.nodes[right].farthest)
        };
    }

    /// Lowers the least distances of the points `start..end`, and finds the farthest of them.
    fn lower_leaf(&mut self, start: usize, end: usize, point: &[f64]) -> Farthest {
        self.work += end - start;
        let mut squared = [0.0; LEAF];
        for (column, &x) in self.coords.chunks_exact(self.n).zip(point) {
            for (sum, &y) in squared.iter_mut().zip(&column[start..end]) {
                *sum += (x - y) * (x - y);
            }
        }
        let mut farthest = Farthest::NONE;
        for (position, &squared) in (start..end).zip(&squared) {
            let least = &mut self.least_squared[position];
            *least = least.min(squared);
            farthest = farthest.or(Farthest { squared: *least, id: self.ids[position], position: position as u32 });
        }
        farthest
    }

    /// Squared distance of `point` from the box of `node`.
    fn box_squared(&self, node: usize, point: &[f64]) -> f64 {
        let bounds = &self.boxes[node * self.d..(node + 1) * self.d];
        let gaps = bounds.iter().zip(point).map(|(&[lower, upper], &x)| (lower - x).max(x - upper).max(0.0));
        gaps.map(|gap| gap * gap).sum()
    }
}
