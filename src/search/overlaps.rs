//! Overlaps: products of the span of each cell with the spans near it in angle.
//!
//! The table of angles bounds the product of any two unit vectors in two spans. Of one query more is known: it is v + e, v
//! in the span of its own cell, whose coordinates there are u, and abs(e) is small. With G the products of the orthonormal
//! bases of both spans its coordinates in the other span are G u, but for abs(e) and what rounding G to 8 bits loses. Where
//! that is short no member of the other cell is near; elsewhere it bounds the score with each member, as evaluated pivots
//! do, at no evaluation. With 1,024 stored queries the benchmark's gold takes 196 evaluations a query where it took 651 when
//! overlaps did no more than exclude cells.

use super::cell::Margins;
use super::cells::{Cells, NO_CELL};
use super::table::{Pair, Pairs};
use crate::control::Control;
use crate::error::{
    Result, checked_area, out_of_memory, try_collect, try_reserve, try_resize, try_vec, try_with_capacity,
};
use crate::metric::{Candidates, Correlation, Metric, QueryBlock, ScoreScratch};
use crate::parallel::Threads;
use crate::simd::Simd;
use crate::simd::overlap::{Group, LANES, project};
use crate::simd::spans::InSpan;
use std::ops::Range;

/// Pairs of cells take this share of the bytes of V at most, and their products with both cells twice as much.
const SHARE: usize = 3;
/// Neighbours for which enough cells are listed, members of a cell that tell how many these are, and points among which they
/// are looked for, as a multiple of the neighbours. With 48, 60, 64 and 80 the benchmark's gold takes 220, 196, 192 and 186
/// evaluations a query, and its tree 197, 204, 206 and 214 MB; with 64 and 3 members 214, and 201 MB.
const WANTED: usize = 60;
const SAMPLE: usize = 6;
const START_FACTOR: usize = 8;
/// What rounding in `f32` can add to a bound of cosines.
const ROUNDING: f64 = 1e-5;

/// The products of each cell with those that are listed with it, in groups of [`LANES`].
#[derive(Default)]
pub(crate) struct Overlaps {
    /// Where the groups of each cell begin, and where the last one's end.
    pub(super) starts: Vec<u32>,
    /// The cells of each group, [`NO_CELL`] where it is not full.
    pub(super) cells: Vec<u32>,
    /// The norm of G u is at most so many times that of the entries, which are integers.
    pub(super) scales: Vec<f32>,
    /// What rounding of all kinds can add, for u of norm 1.
    pub(super) errors: Vec<f32>,
    /// The products, group by group, a row of [`LANES`] for each dimension of the other span and of the own one.
    pub(super) products: Vec<i8>,
    /// What follows of these.
    pub(super) groups: Vec<OverlapGroup>,
}

/// A group.
#[derive(Clone, Copy, Default)]
pub(super) struct OverlapGroup {
    /// Where its products begin.
    place: usize,
    /// Rows: the largest rank of its cells.
    rows: u32,
}

/// What a query is in the span of its own cell.
#[derive(Clone, Copy)]
pub(super) struct Inside<'a> {
    pub(super) own: usize,
    /// Its coordinates, and at least its distance from the span.
    pub(super) u: &'a [f32],
    pub(super) sine: f64,
}

/// Nearly what a query is in the span of another cell: coordinates there, the norm of these, and at least the distance from
/// them of what they should be.
pub(super) struct Projected<'a> {
    pub(super) u: &'a [f32],
    pub(super) length: f32,
    pub(super) error: f32,
}

/// What a query is in the spans of all cells that are listed with its own.
#[derive(Default)]
pub(super) struct Projection {
    /// The cell, the length of the query's part in its span, and an upper bound of that.
    pub(super) lanes: Vec<Lane>,
    /// The parts, group by group a row for each dimension, and where those of each group begin.
    parts: Vec<[f32; LANES]>,
    starts: Vec<u32>,
    /// One of them.
    u: Vec<f32>,
}

/// A listed cell.
#[derive(Clone, Copy)]
pub(super) struct Lane {
    pub(super) cell: u32,
    length: f32,
    pub(super) longest: f32,
}

/// Memory of one thread.
#[derive(Default)]
struct Scratch {
    queries: QueryBlock,
    score: ScoreScratch,
    scores: Vec<f64>,
    points: Vec<u32>,
}

/// Bytes that pairs may take, of `n` points with rows of V of `width` values.
pub(super) fn room(n: usize, width: usize) -> usize {
    n * width * size_of::<f64>() / SHARE
}

impl Projection {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.lanes.clear();
    }

    /// The listed cells no member of which is within an angle of the query.
    pub(super) fn beyond(&self, angle: f64, cells: &Cells) -> impl Iterator<Item = u32> {
        let angle = angle.sin_cos();
        let lanes = self.lanes.iter().filter(|lane| lane.cell != NO_CELL);
        let beyond = lanes.filter(move |lane| lane.is_beyond(angle, &cells.cells[lane.cell as usize].margins));
        beyond.map(|lane| lane.cell)
    }
}

impl Projected<'_> {
    /// What bounds the members of the cell, of these margins, for the query of such a weight.
    pub(super) fn in_span(&self, metric: &Correlation, margins: &Margins, weight: f64, least: f32) -> InSpan<'_> {
        let shortest = f64::from((self.length - self.error).max(0.0));
        let square = 1.0 - shortest * shortest + margins.square_slack(metric, weight);
        let slack = (margins.slack(metric, weight) as f32).next_up() + self.error;
        InSpan { u: self.u, sine: (square.clamp(0.0, 1.0).sqrt() as f32).next_up(), slack, least }
    }
}

impl Lane {
    /// Whether no member of the cell, of these margins, is within an angle of the query that has this sine and cosine: members
    /// are within an angle phi of the span, so that cos(angle + phi) is more than what is longest.
    pub(super) fn is_beyond(&self, (sine, cosine): (f64, f64), margins: &Margins) -> bool {
        f64::from(self.longest) < (cosine - ROUNDING) * margins.cosine - sine * margins.sine
    }
}

impl Overlaps {
    /// Those of `cells`: the products `pairs`, as far as `listed` says of each cell.
    pub(super) fn of_pairs(
        cells: &Cells,
        pairs: &[Pairs],
        listed: &[u16],
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<Overlaps> {
        let what = "the cells";
        let lists = Place::all(cells, pairs, listed)?;
        let mut starts = try_with_capacity(lists.len() + 1, what)?;
        starts.push(0);
        let mut groups = 0;
        for list in &lists {
            groups += list.len().div_ceil(LANES);
            starts.push(u32::try_from(groups).map_err(|_| out_of_memory(groups, what))?);
        }
        let lanes = checked_area(groups, LANES, what)?;
        let mut overlaps = Overlaps {
            starts,
            cells: try_vec(lanes, NO_CELL, what)?,
            scales: try_vec(lanes, 0.0, what)?,
            errors: try_vec(lanes, 0.0, what)?,
            ..Overlaps::default()
        };
        for (own, list) in lists.iter().enumerate() {
            let lanes = &mut overlaps.cells[overlaps.starts[own] as usize * LANES..];
            lanes.iter_mut().zip(list).for_each(|(cell, place)| *cell = place.of(pairs).other(own as u32));
        }
        overlaps.products = try_vec(overlaps.place(cells)?, 0, what)?;
        let mut tasks = try_with_capacity(groups, what)?;
        let mut products = &mut overlaps.products[..];
        let mut lanes = overlaps.scales.chunks_mut(LANES).zip(overlaps.errors.chunks_mut(LANES));
        for (own, list) in lists.iter().enumerate() {
            let rank = cells.cells[own].rank;
            for (group, list) in overlaps.groups[overlaps.starts[own] as usize..].iter().zip(list.chunks(LANES)) {
                let products = products.split_off_mut(..group.rows as usize * rank * LANES).unwrap_or_default();
                if let Some((scales, errors)) = lanes.next() {
                    tasks.push((own, list, (scales, errors, products)));
                }
            }
        }
        threads.run(
            tasks,
            control,
            || (),
            |(), (own, list, (scales, errors, products))| {
                let rank = cells.cells[own].rank;
                for (lane, place) in list.iter().enumerate() {
                    let pair = place.of(pairs);
                    (scales[lane], errors[lane]) = (pair.scale, pair.error);
                    let other = cells.cells[pair.other(own as u32) as usize].rank;
                    // A row for each dimension of the other span.
                    let (row, column) = if pair.a == own as u32 { (1, other) } else { (rank, 1) };
                    let from = &pairs[place.task as usize].products[pair.start as usize..][..rank * other];
                    for j in 0..other {
                        for i in 0..rank {
                            products[(j * rank + i) * LANES + lane] = from[j * row + i * column];
                        }
                    }
                }
                Ok(())
            },
        )?;
        Ok(overlaps)
    }

    /// Whether the cells have none.
    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The groups of cell `own`: none, if the cells have no overlaps.
    fn of(&self, own: usize) -> Range<usize> {
        match self.starts.get(own..own + 2) {
            Some(ends) => ends[0] as usize..ends[1] as usize,
            None => 0..0,
        }
    }

    /// Finds what follows of the groups; returns the number of products.
    pub(super) fn place(&mut self, cells: &Cells) -> Result<usize> {
        self.groups = try_with_capacity(self.cells.len() / LANES, "the cells")?;
        let mut place = 0usize;
        for (own, ends) in self.starts.windows(2).enumerate() {
            let lanes = ends[0] as usize * LANES..ends[1] as usize * LANES;
            for group in self.cells[lanes].chunks(LANES) {
                let listed = || group.iter().filter(|&&c| c != NO_CELL).map(|&c| c as usize);
                let rows = listed().map(|c| cells.view(c).pivots.len()).max().unwrap_or(0);
                self.groups.push(OverlapGroup { place, rows: rows as u32 });
                // Of a damaged file: then there are never so many.
                place = place.saturating_add(rows.saturating_mul(cells.view(own).pivots.len() * LANES));
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
        let cells = self.cells.as_chunks::<LANES>().0;
        let mut start = 0;
        for g in groups {
            let OverlapGroup { place, rows } = self.groups[g];
            let end = place + rows as usize * query.u.len() * LANES;
            let group = Group { products: &self.products[place..end], scales: &scales[g] };
            let lengths = project(simd, group, query.u, &mut parts[start..start + rows as usize]);
            lanes.extend((0..LANES).map(|lane| {
                let longest = lengths[lane] + errors[g][lane] * norm + rest;
                Lane { cell: cells[g][lane], length: lengths[lane], longest }
            }));
            starts.push(start as u32);
            start += rows as usize;
        }
        Ok(())
    }

    /// What the query is in the span of lane `t` of `projection`, which is that of a cell.
    pub(super) fn projected<'p>(
        &self,
        metric: &Correlation,
        cells: &Cells,
        query: Inside<'_>,
        t: usize,
        projection: &'p mut Projection,
    ) -> Projected<'p> {
        let Projection { lanes, parts, starts, u } = projection;
        let Lane { cell, length, longest } = lanes[t];
        let other = &cells.cells[cell as usize];
        // Scales are larger than units by this factor, and bases may stretch what is not in the own span by no more.
        let factor = cells.cells[query.own].margins.reach(&other.margins, metric).0 as f32;
        let error = factor * (longest - length) + (factor - 1.0) * length + ROUNDING as f32;
        let first = starts[t / LANES] as usize;
        u.clear();
        u.extend(parts[first..first + other.rank].iter().map(|row| row[t % LANES]));
        Projected { u, length, error }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let words = self.starts.len() + self.cells.len() + self.scales.len() + self.errors.len();
        4 * words + self.products.len() + std::mem::size_of::<OverlapGroup>() * self.groups.len()
    }
}

/// A pair that is listed with a cell, by its place.
#[derive(Clone, Copy)]
struct Place {
    task: u32,
    pair: u32,
}

impl Place {
    /// What is listed with each cell; those of a rank side by side.
    fn all(cells: &Cells, pairs: &[Pairs], listed: &[u16]) -> Result<Vec<Vec<Place>>> {
        let what = "the cells";
        let mut counts = try_vec(listed.len(), 0usize, what)?;
        for pair in pairs.iter().flat_map(|pairs| &pairs.list) {
            pair.owns(listed).for_each(|own| counts[own as usize] += 1);
        }
        let mut lists: Vec<Vec<Place>> =
            try_collect(counts.into_iter().map(|count| try_with_capacity(count, what)), what)?;
        for (task, pairs) in pairs.iter().enumerate() {
            for (t, pair) in pairs.list.iter().enumerate() {
                let place = Place { task: task as u32, pair: t as u32 };
                pair.owns(listed).for_each(|own| lists[own as usize].push(place));
            }
        }
        for (own, list) in lists.iter_mut().enumerate() {
            let other = |place: &Place| place.of(pairs).other(own as u32);
            list.sort_unstable_by_key(|place| (cells.cells[other(place) as usize].rank, other(place)));
        }
        Ok(lists)
    }

    /// The pair.
    fn of(self, pairs: &[Pairs]) -> &Pair {
        &pairs[self.task as usize].list[self.pair as usize]
    }
}

/// For each cell the gap in the table below which there may be one of the [`WANTED`] nearest of its points, as a sample tells
/// among the cells around it. And evaluations.
pub(super) fn listed(
    cells: &Cells,
    metric: &Correlation,
    threads: &Threads,
    control: &mut Control<'_>,
) -> Result<(Vec<u16>, usize)> {
    let what = "the cells";
    let mut listed = try_vec(cells.len(), (0u16, 0usize), what)?;
    let tasks = try_collect(listed.iter_mut().enumerate().map(Ok), what)?;
    threads.run(tasks, control, Scratch::default, |s, (own, (listed, evaluations))| {
        let view = cells.view(own);
        s.points.clear();
        for &c in cells.around(own) {
            s.points.extend_from_slice(cells.view(c as usize).members);
            if s.points.len() >= START_FACTOR * WANTED {
                break;
            }
        }
        // From the first pivot to the last member.
        let mut sample: Vec<usize> = (0..SAMPLE).map(|t| t * (view.members.len() - 1) / (SAMPLE - 1)).collect();
        sample.dedup();
        s.queries.clear();
        sample.iter().for_each(|&t| s.queries.push_stored(metric.points(), view.members[t] as usize));
        *evaluations = s.queries.len * s.points.len();
        try_resize(&mut s.scores, *evaluations, 0.0, what)?;
        let others = Candidates::Gather(&s.points);
        metric.scores(&s.queries, &s.queries.all, &others, &mut s.score, &mut s.scores)?;
        let wanted = WANTED.min(s.points.len());
        for scores in s.scores.chunks_exact_mut(s.points.len()) {
            let (_, least, _) = scores.select_nth_unstable_by(wanted - 1, |a, b| b.total_cmp(a));
            let reach = cells.steps(view.margins.sine.asin(), metric.length(*least));
            *listed = (*listed).max(u16::from(reach) + 1);
        }
        Ok(())
    })?;
    let evaluations = listed.iter().map(|(_, evaluations)| evaluations).sum();
    let listed = try_collect(listed.iter().map(|&(listed, _)| Ok(listed)), what)?;
    Ok((listed, evaluations))
}
