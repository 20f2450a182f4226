//! Subspaces: all points in small boxes, each with pivots whose span holds nearly all of its members ([`super::subspace`]), and
//! a table of the angles between the spans.
//!
//! The table is what lets a query skip most subspaces without evaluating anything: a query at angle d from the span of its
//! own subspace can have a neighbour within angle t among the members of another subspace only where
//! angle(own span, other span) - angle(other span, its farthest member) <= t + d, and the left side is in the table.
//! A span of a few points is much nearer to what surrounds them than any one point is: balls around points that
//! discard as much would be several times as many. Source for the table: Krauthgamer & Lee, *Navigating nets* (SODA
//! 2004), whose balls have one centre each.

use super::coincident::Coincident;
use super::cross_grams::CrossGrams;
use super::subspace::{Margins, NO_SUBSPACE};
use crate::layout::aabb::{at_distance, squared_gap};
use crate::metric::Correlation;
use crate::simd::spans::LANES;
use std::ops::Range;

/// Subspaces around a subspace that its queries start from.
pub(super) const NEAREST: usize = 64;
/// Subspaces whose rows of the table a task computes.
pub(super) const ROWS: usize = 32;
/// Radians of a step of the table.
pub(super) const STEP: f64 = std::f64::consts::FRAC_PI_2 / 255.0;

/// The subspaces of some points of a tree.
#[derive(Default)]
pub(crate) struct Subspaces {
    /// Subspace of each tree position, or [`NO_SUBSPACE`].
    pub(super) of: Vec<u32>,
    /// Angle between each tree position and the span of its subspace, rounded up.
    pub(super) offsets: Vec<f32>,
    pub(super) subspaces: Vec<Place>,
    /// What is known of points at inducing points, where cross-Grams are those of near subspaces.
    pub(super) coincident: Coincident,
    /// Number of pivots of all subspaces.
    pub(super) pivots: usize,
    /// Tree positions of members, L^-1, w and abs(e), subspace by subspace.
    pub(super) members: Vec<u32>,
    pub(super) inverses: Vec<f64>,
    pub(super) coords: Vec<f32>,
    pub(super) sines: Vec<f32>,
    /// The box of each subspace: its least and its largest coordinates.
    pub(super) boxes: Vec<f64>,
    /// Dimension of the points.
    pub(super) d: usize,
    /// The subspaces nearest to each subspace in space, at most [`NEAREST`].
    pub(super) around: Vec<u32>,
    /// The products of each subspace's span with the nearest ones.
    pub(super) cross_grams: CrossGrams,
    /// Row a has for each subspace b angle(a, b) - angle of b's farthest member, in steps, rounded down.
    pub(super) gaps: Vec<u8>,
}

/// Where a subspace's parts lie.
pub(super) struct Place {
    pub(super) rank: usize,
    pub(super) start: usize,
    pub(super) count: usize,
    pub(super) inverse: usize,
    pub(super) coords: usize,
    pub(super) sines: usize,
    pub(super) margins: Margins,
}

/// Subspaces and the metric they were made with.
#[derive(Clone, Copy)]
pub(crate) struct SubspaceBound<'a> {
    pub(crate) subspaces: &'a Subspaces,
    pub(crate) metric: &'a Correlation,
}

/// A subspace, to be searched.
pub(super) struct SubspaceView<'a> {
    pub(super) margins: Margins,
    /// Tree positions of all members, and of the pivots, which come first.
    pub(super) members: &'a [u32],
    pub(super) pivots: &'a [u32],
    /// L^-1, row by row.
    pub(super) inverse: &'a [f64],
    /// w of all members, pivots first, a padded row a coordinate, and abs(e).
    pub(super) coords: &'a [f32],
    pub(super) sines: &'a [f32],
}

impl Subspaces {
    /// Number of subspaces.
    pub(crate) fn len(&self) -> usize {
        self.subspaces.len()
    }

    /// The subspace of a stored point, if there are cross-Grams with that: its coordinates in the span in `u`, and at least the sine of the
    /// angle to that, which is the distance from what has these coordinates.
    pub(super) fn stored(&self, position: u32, u: &mut Vec<f32>) -> Option<(u32, f64)> {
        if self.cross_grams.is_empty() {
            return None;
        }
        u.clear();
        let own = self.of(position)?;
        let view = self.view(own as usize);
        let t = view.members.iter().position(|&i| i == position)?;
        u.extend(view.coords.iter().skip(t).step_by(view.sines.len()));
        Some((own, f64::from(view.sines[t])))
    }

    /// The subspace of the first of a leaf's members.
    pub(super) fn of_leaf(&self, members: &[u32]) -> u32 {
        self.of(members[0]).unwrap_or(0)
    }

    /// Number of pivots of all subspaces.
    pub(crate) fn pivots(&self) -> usize {
        self.pivots
    }

    /// Subspace `c`.
    pub(super) fn view(&self, c: usize) -> SubspaceView<'_> {
        let subspace = &self.subspaces[c];
        let members = &self.members[self.run(c)];
        let padded = members.len().next_multiple_of(LANES);
        SubspaceView {
            margins: subspace.margins,
            members,
            pivots: &members[..subspace.rank],
            inverse: &self.inverses[subspace.inverse..subspace.inverse + subspace.rank * subspace.rank],
            coords: &self.coords[subspace.coords..subspace.coords + subspace.rank * padded],
            sines: &self.sines[subspace.sines..subspace.sines + padded],
        }
    }

    /// Where the points of subspace `c` are among those of all subspaces, one subspace after the other.
    pub(super) fn run(&self, c: usize) -> Range<usize> {
        let subspace = &self.subspaces[c];
        subspace.start..subspace.start + subspace.count
    }

    /// Subspace of a tree position, if it is in one.
    pub(crate) fn of(&self, position: u32) -> Option<u32> {
        self.of.get(position as usize).copied().filter(|&subspace| subspace != NO_SUBSPACE)
    }

    /// Angle between a tree position and the span of its subspace, rounded up.
    pub(super) fn offset(&self, position: u32) -> f64 {
        f64::from(self.offsets[position as usize])
    }

    /// Those [`NEAREST`] of `subspaces` that are nearest to a box in space, nearest first, with squared distances.
    pub(super) fn by_distance(&self, corners: &[f64], subspaces: &[u32], order: &mut Vec<(f64, u32)>) {
        let (lower, upper) = corners.split_at(self.d);
        order.clear();
        order.extend(subspaces.iter().map(|&b| (squared_gap(self.corners(b as usize), lower, upper), b)));
        let nearer = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if NEAREST < order.len() {
            order.select_nth_unstable_by(NEAREST, nearer);
            order.truncate(NEAREST);
        }
        order.sort_unstable_by(nearer);
    }

    /// Writes the `most` of the subspaces around `own` that are nearest to `x`, which is in its box: see [`at_distance`].
    pub(super) fn nearest(&self, own: usize, x: &[f64], most: usize, out: &mut Vec<u64>) {
        out.clear();
        let at = |&c: &u32| at_distance(squared_gap(self.corners(c as usize), x, x) as f32, c);
        out.extend(self.around(own).iter().take(2 * most).map(at));
        out.sort_unstable();
        out.truncate(most);
    }

    /// The box of subspace `a`.
    pub(super) fn corners(&self, a: usize) -> &[f64] {
        &self.boxes[2 * self.d * a..2 * self.d * (a + 1)]
    }

    /// The subspaces around subspace `a`.
    pub(super) fn around(&self, a: usize) -> &[u32] {
        let choices = NEAREST.min(self.len());
        &self.around[a * choices..(a + 1) * choices]
    }

    /// The margins of a subspace.
    pub(super) fn margins(&self, subspace: u32) -> &Margins {
        &self.subspaces[subspace as usize].margins
    }

    /// The row of the table of subspace `own`.
    pub(super) fn gaps(&self, own: usize) -> &[u8] {
        &self.gaps[own * self.len()..(own + 1) * self.len()]
    }

    /// The largest gap to a subspace that may have a member within `angle` of a point at `offset` from the span of another.
    pub(super) fn steps(&self, offset: f64, angle: f64) -> u8 {
        ((angle + offset) / STEP + 1.0).min(f64::from(u8::MAX)) as u8
    }

    /// Adds to `found` the subspaces that may have a member within `angle` of a point at `offset` from the span of `own`.
    pub(super) fn near(&self, own: usize, offset: f64, angle: f64, found: &mut Vec<u32>) {
        let most = self.steps(offset, angle);
        for (chunk, gaps) in self.gaps(own).chunks(64).enumerate() {
            if gaps.iter().fold(false, |any, &gap| any | (gap <= most)) {
                let near = gaps.iter().enumerate().filter(|&(_, &gap)| gap <= most);
                found.extend(near.map(|(b, _)| (chunk * 64 + b) as u32));
            }
        }
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.column_bytes()
            + size_of_val(&self.of[..])
            + size_of_val(&self.offsets[..])
            + size_of_val(&self.subspaces[..])
            + self.coincident.column_bytes()
            + self.cross_grams.bytes()
    }
}
