//! CrossGrams: products of the span of each subspace with the spans near it in angle.
//!
//! The table of angles bounds the product of any two unit vectors in two spans. Of one query more is known: it is v + e, v
//! in the span of its own subspace, whose coordinates there are u, and abs(e) is small. With G the products of the orthonormal
//! bases of both spans its coordinates in the other span are G u, but for abs(e) and what rounding G to 8 bits loses. Where
//! that is short no member of the other subspace is near; elsewhere it bounds the score with each member, as evaluated pivots
//! do, at no evaluation. With 1,024 stored queries the benchmark's gold takes 196 evaluations a query where it took 651 when
//! cross-Grams did no more than exclude subspaces.

use super::subspace::{Margins, NO_SUBSPACE};
use crate::error::{Result, try_reserve, try_resize, try_with_capacity};
use crate::metric::Correlation;
use crate::simd::Simd;
use crate::simd::cross_gram::{Group, LANES, project};
use crate::simd::spans::InSpan;
use std::ops::Range;

/// What rounding in `f32` can add to a bound of cosines.
const ROUNDING: f64 = 1e-5;

/// The products of each subspace with those that are listed with it, in groups of [`LANES`].
#[derive(Default)]
pub(crate) struct CrossGrams {
    /// Where the groups of each subspace begin, and where the last one's end.
    pub(super) starts: Vec<u32>,
    /// The subspaces of each group, [`NO_SUBSPACE`] where it is not full.
    pub(super) subspaces: Vec<u32>,
    /// The norm of G u is at most so many times that of the entries, which are integers.
    pub(super) scales: Vec<f32>,
    /// What rounding of all kinds can add, for u of norm 1.
    pub(super) errors: Vec<f32>,
    /// The products, group by group, a row of [`LANES`] for each dimension of the other span and of the own one.
    pub(super) products: Vec<i8>,
    /// What follows of these.
    pub(super) groups: Vec<CrossGramGroup>,
}

/// A group.
#[derive(Clone, Copy, Default)]
pub(super) struct CrossGramGroup {
    /// Where its products begin.
    place: usize,
    /// Rows: the largest rank of its subspaces.
    pub(super) rows: u32,
}

/// What a query is in the span of its own subspace.
#[derive(Clone, Copy)]
pub(super) struct Inside<'a> {
    pub(super) own: usize,
    /// Its coordinates, and at least its distance from the span.
    pub(super) u: &'a [f32],
    pub(super) sine: f64,
}

/// Nearly what a query is in the span of another subspace: coordinates there, the norm of these, and at least the distance from
/// them of what they should be.
pub(super) struct Projected<'a> {
    pub(super) u: &'a [f32],
    pub(super) length: f32,
    pub(super) error: f32,
}

/// What a query is in the spans of all subspaces that are listed with its own.
#[derive(Default)]
pub(super) struct Projection {
    /// The subspace, the length of the query's part in its span, and an upper bound of that.
    pub(super) lanes: Vec<Lane>,
    /// The parts, group by group a row for each dimension, and where those of each group begin.
    parts: Vec<[f32; LANES]>,
    starts: Vec<u32>,
    /// One of them.
    u: Vec<f32>,
}

/// A listed subspace.
#[derive(Clone, Copy)]
pub(super) struct Lane {
    pub(super) subspace: u32,
    length: f32,
    pub(super) longest: f32,
}

impl Projection {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.lanes.clear();
    }

    /// The listed subspaces no member of which is within an angle of the query.
    pub(super) fn beyond<'a>(&self, angle: f64, margins: impl Fn(u32) -> &'a Margins) -> impl Iterator<Item = u32> {
        let angle = angle.sin_cos();
        let lanes = self.lanes.iter().filter(|lane| lane.subspace != NO_SUBSPACE);
        let beyond = lanes.filter(move |lane| lane.is_beyond(angle, margins(lane.subspace)));
        beyond.map(|lane| lane.subspace)
    }

    /// What the query is in the span of lane `t`, which is that of a subspace: that has `other` margins, and a rank, the
    /// query's own subspace `own` ones.
    pub(super) fn in_lane(
        &mut self,
        metric: &Correlation,
        own: &Margins,
        (other, rank): (&Margins, usize),
        t: usize,
    ) -> Projected<'_> {
        let Projection { lanes, parts, starts, u } = self;
        let Lane { length, longest, .. } = lanes[t];
        // Scales are larger than units by this factor, and bases may stretch what is not in the own span by no more.
        let factor = own.reach(other, metric).0 as f32;
        let error = factor * (longest - length) + (factor - 1.0) * length + ROUNDING as f32;
        let first = starts[t / LANES] as usize;
        u.clear();
        u.extend(parts[first..first + rank].iter().map(|row| row[t % LANES]));
        Projected { u, length, error }
    }
}

impl Projected<'_> {
    /// What bounds the members of the subspace, of these margins, for the query of such a weight.
    pub(super) fn in_span(&self, metric: &Correlation, margins: &Margins, weight: f64, least: f32) -> InSpan<'_> {
        let shortest = f64::from((self.length - self.error).max(0.0));
        let square = 1.0 - shortest * shortest + margins.square_slack(metric, weight);
        let slack = (margins.slack(metric, weight) as f32).next_up() + self.error;
        InSpan { u: self.u, sine: (square.clamp(0.0, 1.0).sqrt() as f32).next_up(), slack, least }
    }
}

impl Lane {
    /// Whether no member of the subspace, of these margins, is within an angle of the query that has this sine and cosine: members
    /// are within an angle phi of the span, so that cos(angle + phi) is more than what is longest.
    pub(super) fn is_beyond(&self, (sine, cosine): (f64, f64), margins: &Margins) -> bool {
        f64::from(self.longest) < (cosine - ROUNDING) * margins.cosine - sine * margins.sine
    }
}

impl CrossGrams {
    /// Whether the subspaces have none.
    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The groups of subspace `own`: none, if the subspaces have no cross-Grams.
    fn of(&self, own: usize) -> Range<usize> {
        match self.starts.get(own..own + 2) {
            Some(ends) => ends[0] as usize..ends[1] as usize,
            None => 0..0,
        }
    }

    /// Finds what follows of the groups, told the rank of each subspace; returns the number of products.
    pub(super) fn place(&mut self, rank: impl Fn(usize) -> usize) -> Result<usize> {
        self.groups = try_with_capacity(self.subspaces.len() / LANES, "the subspaces")?;
        let mut place = 0usize;
        for (own, ends) in self.starts.windows(2).enumerate() {
            let lanes = ends[0] as usize * LANES..ends[1] as usize * LANES;
            for group in self.subspaces[lanes].chunks(LANES) {
                let listed = || group.iter().filter(|&&c| c != NO_SUBSPACE).map(|&c| c as usize);
                let rows = listed().map(&rank).max().unwrap_or(0);
                self.groups.push(CrossGramGroup { place, rows: rows as u32 });
                // Of a damaged file: then there are never so many.
                place = place.saturating_add(rows.saturating_mul(rank(own) * LANES));
            }
        }
        Ok(place)
    }

    /// Finds what a query is in the spans that are listed with its own.
    pub(super) fn project(&self, simd: Simd, query: Inside<'_>, projection: &mut Projection) -> Result<()> {
        let what = "the search";
        let groups = self.of(query.own);
        let Projection { lanes, parts, starts, .. } = projection;
        let rows = self.groups[groups.clone()].iter().map(|group| group.rows as usize).sum();
        lanes.clear();
        try_reserve(lanes, groups.len() * LANES, what)?;
        starts.clear();
        try_reserve(starts, groups.len(), what)?;
        try_resize(parts, rows, [0.0; LANES], what)?;
        let norm = query.u.iter().map(|u| u * u).sum::<f32>().sqrt();
        let rest = (query.sine + ROUNDING) as f32;
        let (scales, errors) = (self.scales.as_chunks::<LANES>().0, self.errors.as_chunks::<LANES>().0);
        let subspaces = self.subspaces.as_chunks::<LANES>().0;
        let mut start = 0;
        for g in groups {
            let CrossGramGroup { place, rows } = self.groups[g];
            let end = place + rows as usize * query.u.len() * LANES;
            let group = Group { products: &self.products[place..end], scales: &scales[g] };
            let lengths = project(simd, group, query.u, &mut parts[start..start + rows as usize]);
            lanes.extend((0..LANES).map(|lane| {
                let longest = lengths[lane] + errors[g][lane] * norm + rest;
                Lane { subspace: subspaces[g][lane], length: lengths[lane], longest }
            }));
            starts.push(start as u32);
            start += rows as usize;
        }
        Ok(())
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.column_bytes() + size_of_val(&self.groups[..])
    }
}
