//! The Vecchia job: the nearest predecessors of every point.

use super::part::{Part, REMOVED};
use super::search::{Asked, Bounds, KNearest, Search, Units};
use super::tree::{Neighbors, ResidualCoverTree, Spot};
use crate::control::Control;
use crate::error::{Error, Result, try_collect, try_vec, try_with_capacity};
use crate::options::Traversal;
use crate::search::{BoxPrefix, FEW, Keys, Neighbor, Plan, SearchCounters};
use ndarray::ArrayView1;
use std::time::Instant;

impl ResidualCoverTree {
    /// The Vecchia job: row t of the answer has the k nearest of the points `order[..t]` to point `order[t]`.
    /// `order` is a permutation of the ids; absent, the ids in their order.
    ///
    /// Sets by [`MetricKind::Residual`](crate::MetricKind::Residual) belong to a VIF likelihood with the tree's inducing points;
    /// a plain Vecchia likelihood takes those of the other metrics.
    ///
    /// # Errors
    /// An order that is no permutation, k = 0, memory, cancellation.
    pub fn vecchia_neighbors(
        &self,
        k: usize,
        order: Option<ArrayView1<'_, i64>>,
        control: &mut Control<'_>,
    ) -> Result<Neighbors> {
        if k == 0 {
            return Err(Error::invalid("k is 0; it must be at least 1"));
        }
        let clock = Instant::now();
        let n = self.len();
        let wanted = KNearest { k: k.min(n), bounds: Bounds::NONE, units: Units::all(self.preparation.unit()) };
        let spots = match order {
            None => self.spots()?,
            Some(order) => self.permutation(order)?,
        };
        let mut found = try_vec(n, Vec::new(), "the answer")?;
        let mut counters = SearchCounters::default();
        let mut searched = 0;
        for (p, part) in self.parts.iter().enumerate() {
            let share = |more: f64| (searched as f64 + more) / n as f64;
            counters += self.predecessors(p as u32, &spots, &wanted, &mut found, share, control)?;
            searched += part.live();
        }
        wanted.units.give_back(&mut found);
        self.note(self.options.traversal, n, counters, clock);
        Ok(Neighbors { found })
    }

    /// Searches one part for the predecessors of all points; `share` tells what has been done of the whole when so many
    /// of the part's points have been searched.
    fn predecessors(
        &self,
        p: u32,
        spots: &[Spot],
        wanted: &KNearest<'_>,
        found: &mut [Vec<Neighbor>],
        share: impl Fn(f64) -> f64,
        control: &mut Control<'_>,
    ) -> Result<SearchCounters> {
        let part = &self.parts[p as usize];
        let live = part.live();
        // The part's own order: a point's key is its place there, a row's limit how many come before it.
        let mut positions = try_with_capacity(live, "the order")?;
        let mut ranks = try_vec(part.len(), REMOVED, "the order")?;
        let mut limits = try_with_capacity(spots.len(), "id limits")?;
        for &(home, position) in spots {
            limits.push(positions.len() as u32);
            if home == p {
                ranks[position as usize] = positions.len() as u32;
                positions.push(position);
            }
        }
        let mut counters = SearchCounters::default();
        // Rows that have at least a quarter of the order before them search among all points, those before them among
        // the first quarter with an index of its own, and so on: of what is searched, a quarter or more may be found.
        // Where boxes are searched it is half.
        // An index pays from so many points on; one that needs a table of angles of its own from more on.
        let few = match (&part.index.subspaces, &part.index.leaves) {
            (Some(_), None) => 4 * FEW,
            (Some(_), Some(_)) => 2 * FEW,
            (None, _) => FEW,
        };
        let boxes = part.index.plan == Plan::Boxes && self.options.traversal == Traversal::Automatic;
        let (mut end, mut last) = (live, spots.len());
        while last > 0 {
            let start = match (boxes, part.index.is_empty()) {
                _ if end <= few => 0,
                (true, _) => end / 2,
                (false, true) => 0,
                (false, false) => end / 4,
            };
            let first = if start == 0 { 0 } else { limits.partition_point(|&limit| (limit as usize) < start) };
            control.window(share((live - end) as f64), share((live - start) as f64));
            let whole = end == live || start == 0;
            let prefix = match whole || boxes {
                true => None,
                false => Some(part.prefix_index(self.common(), &positions[..end], control)?),
            };
            counters.distance_evaluations += prefix.as_ref().map_or(0, |index| index.evaluations);
            let (points, numbers, threads) = (part.points(), &part.layout.numbers, &self.threads);
            let first_points = match boxes && !whole {
                true => Some(BoxPrefix::new(points, &ranks, numbers, end, threads)?),
                false => None,
            };
            let search = Search {
                part: p,
                index: prefix.as_ref().unwrap_or(&part.index),
                prefix: first_points.as_ref(),
                keys: Keys { of: &ranks, positions: &positions },
                by_number: false,
                limits: &limits[first..last],
                asked: &Asked::Stored(&spots[first..last]),
                traversal: self.options.traversal,
                exclude_self: true,
            };
            counters += self.run(&search, wanted, &mut found[first..last], control)?;
            (end, last) = (start, first);
        }
        Ok(counters)
    }

    /// Where every point is, by id.
    fn spots(&self) -> Result<Vec<Spot>> {
        let mut spots = try_with_capacity(self.len(), "the order")?;
        for (p, part) in self.parts.iter().enumerate() {
            spots.extend(part.live_points().map(|(_, position)| (p as u32, position)));
        }
        Ok(spots)
    }

    /// Where the points of `order` are, or an error unless it is a permutation of all.
    fn permutation(&self, order: ArrayView1<'_, i64>) -> Result<Vec<Spot>> {
        let n = self.len();
        if order.len() != n {
            return Err(Error::invalid(format!("order has {} ids but the tree has {n} points", order.len())));
        }
        let unseen = |part: &Part| try_vec(part.len(), false, "the order");
        let mut seen = try_collect(self.parts.iter().map(unseen), "the order")?;
        let checked = |(t, &id): (usize, &i64)| {
            let (part, position) = self.spot("order", t, id)?;
            if std::mem::replace(&mut seen[part as usize][position as usize], true) {
                return Err(Error::invalid(format!("order[{t}] is {id}, which came before; it must be a permutation")));
            }
            Ok((part, position))
        };
        try_collect(order.iter().enumerate().map(checked), "the order")
    }
}
