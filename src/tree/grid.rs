//! Nodes by the cubes of a grid: those within a radius of a point are in the cubes around its own.

use crate::error::{Result, try_vec};
use crate::metric::Points;

/// Points of more dimensions have too many cubes around theirs.
const DIMENSIONS: usize = 3;
/// Sides are longer than the radius by this share. What rounding does to a quotient of coordinate and side is less than a
/// quarter of that, as long as no point has a larger one than [`MOST`].
const MARGIN: f64 = 1e-3;
const MOST: f64 = (1u64 << 38) as f64;
/// The end of a chain.
const NONE: u32 = u32::MAX;
/// What the numbers of a cube are multiplied by; the sum's first bits are its hash.
const FACTORS: [u64; DIMENSIONS] = [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9];

/// The hash `sum` of a cube that is `x` farther along dimension `j`.
fn add(sum: u64, x: u64, j: usize) -> u64 {
    sum.wrapping_add(x.wrapping_mul(FACTORS[j]))
}

/// Nodes in chains by the hash of their cube; those of several cubes may share one.
pub(super) struct Grid {
    d: usize,
    lower: [f64; DIMENSIONS],
    side: f64,
    inverse: f64,
    /// The first node of each chain, by the first bits of a hash.
    heads: Vec<u32>,
    shift: u32,
    /// The next node in the chain of each.
    next: Vec<u32>,
}

impl Grid {
    /// A grid without nodes, for points within `radius`; none where there are too many dimensions, or cubes.
    pub(super) fn new(points: &Points, radius: f64) -> Result<Option<Grid>> {
        let side = radius * (1.0 + MARGIN);
        if points.d > DIMENSIONS || !side.is_normal() {
            return Ok(None);
        }
        let mut lower = [0.0; DIMENSIONS];
        for (j, lower) in lower.iter_mut().enumerate().take(points.d) {
            let column = &points.coords[j * points.n..(j + 1) * points.n];
            let (least, most) =
                column.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &x| (x.min(a), x.max(b)));
            *lower = least;
            // Before the lower corner is subtracted, too: that rounds as well.
            if least.abs().max(most.abs()).max(most - least) / side > MOST {
                return Ok(None);
            }
        }
        let chains = points.n.next_power_of_two().max(2);
        let heads = try_vec(chains, NONE, "the tree")?;
        let shift = u64::BITS - chains.trailing_zeros();
        let next = try_vec(points.n, NONE, "the tree")?;
        Ok(Some(Grid { d: points.d, lower, side, inverse: side.recip(), heads, shift, next }))
    }

    /// Where a coordinate `x` along dimension `j` lies, in sides from the lower corner: never before that, so that what is cut off
    /// is the number of its cube.
    fn place(&self, x: f64, j: usize) -> f64 {
        (x - self.lower[j]) * self.inverse
    }

    /// Adds a node.
    pub(super) fn insert(&mut self, points: &Points, i: u32) {
        let cube = |j: usize| self.place(points.coord(i as usize, j), j) as u64;
        let hash = (0..self.d).fold(0, |sum, j| add(sum, cube(j), j));
        self.next[i as usize] = std::mem::replace(&mut self.heads[(hash >> self.shift) as usize], i);
    }

    /// The node that is nearest to point `i`, of those within the radius and perhaps some more, with the squared distance as the
    /// metric has it; the first of equals. And how many were looked at.
    pub(super) fn nearest(&self, points: &Points, i: u32) -> (Option<(u32, f64)>, u64) {
        match self.d {
            1 => self.nearest_in::<1>(points, i),
            2 => self.nearest_in::<2>(points, i),
            _ => self.nearest_in::<3>(points, i),
        }
    }

    fn nearest_in<const D: usize>(&self, points: &Points, i: u32) -> (Option<(u32, f64)>, u64) {
        let x: [f64; D] = std::array::from_fn(|j| points.coord(i as usize, j));
        let place: [f64; D] = std::array::from_fn(|j| self.place(x[j], j));
        let own = place.map(|place| place as u64);
        // Squared gaps to the cubes before, at and after it.
        let gaps: [[f64; 3]; D] = std::array::from_fn(|j| {
            let within = place[j] - own[j] as f64;
            [within, 0.0, 1.0 - within].map(|gap| ((gap - MARGIN).max(0.0) * self.side).powi(2))
        });
        // The hash of the cube before it, to which those of steps are added.
        let first = (0..D).fold(0, |sum, j| add(sum, own[j].wrapping_sub(1), j));
        let (mut nearest, mut least, mut count) = (None, self.side * self.side, 0);
        let cubes = 3usize.pow(D as u32);
        // Its own first, which is the middle one.
        for t in std::iter::once(cubes / 2).chain((0..cubes).filter(|&t| t != cubes / 2)) {
            let step: [usize; D] = std::array::from_fn(|j| t / 3usize.pow(j as u32) % 3);
            if (0..D).map(|j| gaps[j][step[j]]).sum::<f64>() > least {
                continue;
            }
            let hash = (0..D).fold(first, |sum, j| add(sum, step[j] as u64, j));
            let mut node = self.heads[(hash >> self.shift) as usize];
            while node != NONE {
                let squared = (0..D).fold(0.0, |sum, j| {
                    let difference = x[j] - points.coord(node as usize, j);
                    sum + difference * difference
                });
                if squared < least || squared == least && nearest.is_none_or(|other| node < other) {
                    (nearest, least) = (Some(node), squared);
                }
                count += 1;
                node = self.next[node as usize];
            }
        }
        (nearest.map(|node| (node, least)), count)
    }
}
