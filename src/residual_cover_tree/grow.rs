//! Points that arrive and leave.
//!
//! A tree is a list of parts whose ids ascend. A batch that is inserted becomes a part of its own, together with the
//! parts before it that are not [`RATIO`] times as large as all that follows: so there are few parts, and a point is
//! arranged anew O(log n) times in its life. Removed points stay where they are, out of every query's reach, until
//! they are a [`REMOVED_SHARE`] of their part, which is then arranged anew without them. The search goes from part to
//! part, each bounded by what was found in those before, so that answers are those of a tree that was built at once.
//! Source: Bentley & Saxe, *Decomposable searching problems I* (J. Algorithms, 1980).

use super::build::laid_out;
use super::part::{Common, Ids, Part, REMOVED, simd};
use super::tree::{ResidualCoverTree, Spot};
use crate::control::Control;
use crate::data::Data;
use crate::error::{Error, ErrorKind, Result, checked_area, try_collect, try_reserve, try_with_capacity};
use crate::layout::Layout;
use crate::metric::{AnyMetric, Preparation, matrix_view};
use crate::options::MetricKind;
use ndarray::ArrayView1;
use std::ops::Range;

/// A part has at least this many times as many points as all parts after it.
const RATIO: usize = 2;
const WHAT: &str = "the part of the tree that is arranged anew";

/// A part is arranged anew when one in so many of its points was removed.
const REMOVED_SHARE: usize = 4;

impl ResidualCoverTree {
    /// Inserts the rows of `data.coords`; returns their ids, which follow the largest that was ever given.
    ///
    /// `data` has what the build had but for inducing points, which stay (so does the least residual variance of a
    /// custom covariance). O(m^2) a point for V; all batches together cost O(log n) times what building at once would.
    ///
    /// # Errors
    /// As [`Self::build`]; the tree is then as it was.
    pub fn insert(&mut self, data: &Data<'_>, control: &mut Control<'_>) -> Result<Range<i64>> {
        let (count, d) = data.coords.dim();
        if data.inducing.is_some() {
            return Err(Error::invalid("inducing is given: those of the tree stay, and a refit changes them"));
        }
        if d != self.preparation.d() {
            return Err(Error::invalid(format!("coords has {d} columns; the tree has {}", self.preparation.d())));
        }
        let first = self.next_id;
        let next = u32::try_from(count).ok().and_then(|count| first.checked_add(count)).filter(|&id| id < REMOVED);
        let Some(next) = next else {
            return Err(Error::invalid(format!("coords has {count} rows; ids go up to {} in all", REMOVED - 1)));
        };
        let ids = i64::from(first)..i64::from(next);
        self.preparation.check_more(data)?;
        if count == 0 {
            control.step(1.0)?;
            return Ok(ids);
        }
        let euclidean = self.options.metric == MetricKind::Euclidean;
        if euclidean && (self.parts.is_empty() || !self.preparation.has_room_for(data.coords)) {
            self.arrange_in_new_unit(data, first..next, control)?;
            self.next_id = next;
            return Ok(ids);
        }
        control.window(0.0, 0.3);
        control.phase(0.0, 1.0);
        let (metric, layout, _) = laid_out(&mut self.preparation, &self.options, data, &self.threads, control)?;
        control.window(0.3, 1.0);
        let more = (metric, layout, Ids::Range(first, next - first));
        self.arrange(self.first_unsettled(count), Some(more), control)?;
        self.next_id = next;
        Ok(ids)
    }

    /// Makes one part of all points and `more`, whose ids are those of `range`, in the unit of the Euclidean metric that
    /// they have together: where that of the tree has no room for coordinates that are much larger than those before, or
    /// was chosen for points that were all removed.
    fn arrange_in_new_unit(&mut self, more: &Data<'_>, range: Range<u32>, control: &mut Control<'_>) -> Result<()> {
        control.window(0.0, 0.3);
        control.phase(0.0, 1.0);
        let d = self.preparation.d();
        // Errors name the rows of `more`.
        self.preparation.scaled("coords", more.coords)?;
        let (mut coords, mut ids) = self.coords_by_id()?;
        try_reserve(&mut coords, checked_area(more.coords.nrows(), d, "coords")?, WHAT)?;
        try_reserve(&mut ids, range.len(), WHAT)?;
        coords.extend(more.coords.iter());
        ids.extend(range);
        let data = Data::new(matrix_view(&coords, d));
        let mut preparation = Preparation::new(&self.options, simd(&self.options), &data)?;
        let (metric, layout, _) = laid_out(&mut preparation, &self.options, &data, &self.threads, control)?;
        control.window(0.3, 1.0);
        let common = Common { options: &self.options, preparation: &preparation, threads: &self.threads };
        let part = Part::new(common, metric, layout, Ids::new(ids), None, control)?;
        self.parts.clear();
        self.parts.push(part);
        self.preparation = preparation;
        Ok(())
    }

    /// Removes points; the ids of all others stay. O(log n) a point, and at times what arranging a part takes.
    ///
    /// # Errors
    /// An id that no point has, or that comes twice; memory, cancellation. The tree is then as it was.
    pub fn remove(&mut self, ids: ArrayView1<'_, i64>, control: &mut Control<'_>) -> Result<()> {
        let spot = |(t, &id): (usize, &i64)| self.spot("ids", t, id);
        let mut spots: Vec<Spot> = try_collect(ids.iter().enumerate().map(spot), "removal")?;
        spots.sort_unstable();
        if let Some(twice) = spots.windows(2).find(|pair| pair[0] == pair[1]) {
            let (part, position) = twice[0];
            let id = self.parts[part as usize].id(position);
            return Err(Error::invalid(format!("ids has {id} twice")));
        }
        for run in spots.chunk_by(|a, b| a.0 == b.0) {
            self.parts[run[0].0 as usize].keep_numbers()?;
        }
        self.mark(&spots, true);
        control.window(0.0, 1.0);
        let arranged = self.arrange(self.first_unsettled(0), None, control);
        if arranged.is_err() {
            self.mark(&spots, false);
        }
        arranged
    }

    /// Marks points as removed, or as there.
    fn mark(&mut self, spots: &[Spot], removed: bool) {
        for &(part, position) in spots {
            let part = &mut self.parts[part as usize];
            let own = part.layout.numbers[position as usize];
            part.numbers[position as usize] = if removed { REMOVED } else { own };
            part.removed = if removed { part.removed + 1 } else { part.removed - 1 };
        }
    }

    /// The first part that is not large enough for those after it and `more` points, or has lost too many.
    fn first_unsettled(&self, more: usize) -> usize {
        let (mut first, mut after) = (self.parts.len(), more);
        for (p, part) in self.parts.iter().enumerate().rev() {
            let lost = part.removed > 0 && part.removed * REMOVED_SHARE >= part.len();
            if lost || part.live() < RATIO * after {
                first = p;
            }
            after += part.live();
        }
        first
    }

    /// Makes one part of those from `first` on, without the points that were removed, and of `more` points.
    fn arrange(
        &mut self,
        first: usize,
        more: Option<(AnyMetric, Layout, Ids)>,
        control: &mut Control<'_>,
    ) -> Result<()> {
        if first == self.parts.len() && more.is_none() {
            return control.step(1.0);
        }
        let parts = &self.parts[first..];
        let live = parts.iter().map(Part::live).sum::<usize>();
        let joined = match more {
            Some(alone) if live == 0 => Some(alone),
            None if live == 0 => None,
            more => {
                let mut sources: Vec<&AnyMetric> = parts.iter().map(|part| &part.metric).collect();
                let count = live + more.as_ref().map_or(0, |(_, layout, _)| layout.len());
                // Source and position of each point, and its id, by id.
                let (mut of, mut ids) = (try_with_capacity(count, WHAT)?, try_with_capacity(count, WHAT)?);
                for (p, part) in (0..).zip(parts) {
                    for (number, position) in part.live_points() {
                        of.push((p, position));
                        ids.push(part.ids.of(number));
                    }
                }
                if let Some((metric, layout, own)) = &more {
                    of.extend(layout.positions.iter().map(|&position| (sources.len() as u32, position)));
                    ids.extend((0..layout.len() as u32).map(|number| own.of(number)));
                    sources.push(metric);
                }
                let mut columns = try_with_capacity(checked_area(count, self.preparation.d(), "coords")?, WHAT)?;
                for j in 0..self.preparation.d() {
                    let coord = |&(p, i): &(u32, u32)| sources[p as usize].points().coord(i as usize, j);
                    columns.extend(of.iter().map(coord));
                }
                let layout = Layout::new(&mut columns, count, &self.threads)?;
                let of: Vec<_> = try_collect(layout.numbers.iter().map(|&number| Ok(of[number as usize])), WHAT)?;
                Some((AnyMetric::joined(&sources, &of)?, layout, Ids::new(ids)))
            }
        };
        let part = match joined {
            Some((metric, layout, ids)) => Some(Part::new(self.common(), metric, layout, ids, None, control)?),
            None => {
                control.step(1.0)?;
                None
            }
        };
        self.parts.truncate(first);
        self.parts.extend(part);
        Ok(())
    }

    /// Checks that ids ascend from part to part, and that parts are as large as they should be.
    pub(super) fn check_parts(&self) -> Result<()> {
        let broken = |what: &str| Err(Error::new(ErrorKind::Internal, format!("tree invariant violated: {what}")));
        let mut next = 0;
        for part in &self.parts {
            for number in 0..part.ids.len() as u32 {
                let id = part.ids.of(number);
                if id < next || id >= self.next_id {
                    return broken("ids do not ascend from part to part");
                }
                next = id + 1;
            }
        }
        if self.first_unsettled(0) < self.parts.len() {
            return broken("a part is too small for those after it, or has too many removed points");
        }
        Ok(())
    }
}
