//! How subspaces are made: runs of points, the pivots of each, the table of angles between their spans, and cross-Grams.

use super::coincident::Coincident;
use super::cross_grams::CrossGrams;
use super::cross_grams_build::{listed, room};
use super::principal_angles::{self, Kept};
use super::subspace::{NO_SUBSPACE, Subspace, SubspaceScratch};
use super::subspaces::{NEAREST, Place, ROWS, Subspaces};
use crate::control::Control;
use crate::error::{Result, try_collect, try_vec, try_with_capacity};
use crate::layout::aabb::bounding_box;
use crate::metric::{Correlation, Metric, Points};
use crate::parallel::Threads;
use crate::simd::leaf::LANES as LEAF;

/// Points of a subspace at least.
const CELL: usize = LEAF;
/// Subspaces of the sample that tells how many points would have to be pivots.
const SAMPLE: usize = 32;
/// Of these, subspaces that cross-Grams are computed with where there are leaves.
const LISTED_AROUND: usize = 32;

/// What cross-Grams are computed of.
#[derive(Clone, Copy)]
pub(crate) enum Listing<'a> {
    Nothing,
    /// Subspaces and those nearest to them in space.
    Around,
    /// Subspaces and those where points are near to theirs; told which points are at inducing points.
    Near(&'a dyn Fn(u32) -> bool),
}

impl Subspaces {
    /// Points of each subspace of `n` points with rows of V of `width` values: so many that the table is no larger than V.
    pub(crate) fn size_of(n: usize, width: usize) -> usize {
        let most = ((n * width.max(16)) as f64).sqrt() as usize;
        let mut size = CELL;
        while n.div_ceil(size) > most {
            size *= 2;
        }
        size
    }

    /// The share of the points that would have to be pivots in subspaces of runs of `size` of them, by a sample of the subspaces; and
    /// evaluations.
    pub(crate) fn share_of_pivots(
        metric: &Correlation,
        order: &[u32],
        size: usize,
        sine: f64,
        threads: &Threads,
    ) -> Result<(f64, usize)> {
        let count = order.len().div_ceil(size);
        let mut sample = [(0, 0); SAMPLE];
        let tasks = try_collect(sample.iter_mut().take(count).enumerate().map(Ok), "the subspaces")?;
        threads.run(tasks, &mut Control::none(), SubspaceScratch::default, |s, (t, (pivots, members))| {
            let start = t * count / SAMPLE.min(count) * size;
            let sampled = &order[start..(start + size).min(order.len())];
            (*pivots, *members) = (s.choose(metric, sampled, sine)?, sampled.len());
            Ok(())
        })?;
        let sum = |of: fn(&(usize, usize)) -> usize| sample.iter().map(of).sum::<usize>();
        Ok((
            sum(|subspace| subspace.0) as f64 / sum(|subspace| subspace.1) as f64,
            sum(|subspace| subspace.0 * subspace.1),
        ))
    }

    /// Makes subspaces of runs of `size` points and computes the table: about pivots^2 / 2 + n times the mean number of pivots
    /// of a subspace evaluations, also returned. Members have an angle of `sine` to the span of their subspace at most.
    pub(crate) fn new(
        metric: &Correlation,
        order: &[u32],
        size: usize,
        sine: f64,
        cross_grams: Listing<'_>,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<(Self, u64)> {
        let what = "the subspaces";
        let (n, points) = (order.len(), metric.points());
        let count = n.div_ceil(size);
        let mut built: Vec<Subspace> = try_with_capacity(count, what)?;
        built.resize_with(count, Subspace::default);
        let tasks = try_collect(order.chunks(size).zip(&mut built).map(Ok), what)?;
        threads.run(tasks, control, SubspaceScratch::default, |s, (members, subspace)| {
            *subspace = Subspace::new(metric, members, sine, s)?;
            Ok(())
        })?;
        let mut evaluations = built.iter().map(|subspace| subspace.rank * subspace.members.len()).sum::<usize>();
        let mut subspaces = Subspaces::pack(built, points, n)?;
        subspaces.look_around(threads)?;
        evaluations += subspaces.pivots * subspaces.pivots / 2;
        match cross_grams {
            Listing::Nothing => subspaces.measure_gaps(metric, threads, control)?,
            Listing::Around => subspaces.list_around(metric, threads, control)?,
            Listing::Near(coincident) => evaluations += subspaces.list_near(metric, coincident, threads, control)?,
        }
        Ok((subspaces, evaluations as u64))
    }

    /// Computes the table.
    fn measure_gaps(&mut self, metric: &Correlation, threads: &Threads, control: &mut Control<'_>) -> Result<()> {
        let mut gaps = try_vec(self.len() * self.len(), 0, "the subspaces")?;
        self.measure(&mut gaps, None, metric, threads, control)?;
        self.gaps = gaps;
        Ok(())
    }

    /// Computes the table, and cross-Grams of each subspace with those nearest to it in space.
    fn list_around(&mut self, metric: &Correlation, threads: &Threads, control: &mut Control<'_>) -> Result<()> {
        let (what, count) = ("the subspaces", self.len());
        let mut gaps = try_vec(count * count, 0, what)?;
        for a in 0..count {
            for b in self.around(a).iter().take(LISTED_AROUND).map(|&b| b as usize) {
                gaps[a * count + b] |= principal_angles::LISTED;
                gaps[b * count + a] |= principal_angles::LISTS;
            }
        }
        let listed = try_vec(count, principal_angles::FAR, what)?;
        self.list(gaps, &listed, true, metric, threads, control)
    }

    /// Computes the table, cross-Grams of each subspace with those where its points may have near ones, and what is known of the points at
    /// inducing points. Returns the evaluations that this takes beside those of the table.
    fn list_near(
        &mut self,
        metric: &Correlation,
        coincident: &dyn Fn(u32) -> bool,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<usize> {
        let gaps = try_vec(self.len() * self.len(), 0, "the subspaces")?;
        let (listed, sampled) = listed(self, metric, threads, control)?;
        self.list(gaps, &listed, false, metric, threads, control)?;
        self.coincident = Coincident::new(self, coincident, metric, threads, control)?;
        Ok(sampled + self.coincident.positions.len() * self.members.len())
    }

    /// Computes the table, and the cross-Grams of which `gaps` has marks, if they are `marked`, and that are below `listed`.
    fn list(
        &mut self,
        mut gaps: Vec<u8>,
        listed: &[u16],
        marked: bool,
        metric: &Correlation,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<()> {
        let kept = Kept { listed, marked, room: room(self.members.len(), metric.points.width) };
        let pairs = self.measure(&mut gaps, Some(kept), metric, threads, control)?;
        self.cross_grams = CrossGrams::of_pairs(self, &pairs, listed, threads, control)?;
        self.gaps = gaps;
        Ok(())
    }

    /// Lays the subspaces' parts side by side. `n` is the number of members.
    fn pack(built: Vec<Subspace>, points: &Points, n: usize) -> Result<Subspaces> {
        let what = "the subspaces";
        let total = |size: fn(&Subspace) -> usize| built.iter().map(size).sum::<usize>();
        let (count, d) = (built.len(), points.d);
        let mut subspaces = Subspaces {
            of: try_vec(points.n, NO_SUBSPACE, what)?,
            offsets: try_vec(points.n, 0.0, what)?,
            subspaces: try_with_capacity(count, what)?,
            coincident: Coincident::default(),
            pivots: total(|subspace| subspace.rank),
            members: try_with_capacity(n, what)?,
            inverses: try_with_capacity(total(|subspace| subspace.inverse.len()), what)?,
            coords: try_with_capacity(total(|subspace| subspace.coords.len()), what)?,
            sines: try_with_capacity(total(|subspace| subspace.offsets.len()), what)?,
            boxes: try_with_capacity(2 * d * count, what)?,
            d,
            around: try_vec(count * NEAREST.min(count), 0, what)?,
            gaps: Vec::new(),
            cross_grams: CrossGrams::default(),
        };
        for (c, subspace) in built.into_iter().enumerate() {
            let (rank, count) = (subspace.rank, subspace.members.len());
            for (place, &i) in subspace.members.iter().enumerate() {
                subspaces.of[i as usize] = c as u32;
                if place >= rank {
                    let angle = f64::from(subspace.offsets[place]).asin();
                    subspaces.offsets[i as usize] = (angle as f32).next_up();
                }
            }
            let corners = bounding_box(d, subspace.members.iter(), |&i, j| points.coord(i as usize, j));
            subspaces.boxes.extend(corners);
            subspaces.subspaces.push(Place {
                rank,
                start: subspaces.members.len(),
                count,
                inverse: subspaces.inverses.len(),
                coords: subspaces.coords.len(),
                sines: subspaces.sines.len(),
                margins: subspace.margins,
            });
            subspaces.members.extend_from_slice(&subspace.members);
            subspaces.inverses.extend_from_slice(&subspace.inverse);
            subspaces.coords.extend_from_slice(&subspace.coords);
            subspaces.sines.extend_from_slice(&subspace.offsets);
        }
        Ok(subspaces)
    }

    /// Finds the subspaces around each subspace.
    fn look_around(&mut self, threads: &Threads) -> Result<()> {
        let count = self.len();
        let mut around = std::mem::take(&mut self.around);
        let choices = NEAREST.min(count);
        let all: Vec<u32> = (0..count as u32).collect();
        let tasks = try_collect(around.chunks_mut(ROWS * choices).enumerate().map(Ok), "the subspaces")?;
        threads.run(tasks, &mut Control::none(), Vec::new, |order, (task, around)| {
            for (row, around) in around.chunks_exact_mut(choices).enumerate() {
                self.by_distance(self.corners(task * ROWS + row), &all, order);
                around.iter_mut().zip(&*order).for_each(|(to, &(_, b))| *to = b);
            }
            Ok(())
        })?;
        self.around = around;
        Ok(())
    }
}
