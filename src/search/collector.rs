//! What a query keeps of the points it meets: the k nearest, or all within a radius.

use crate::error::try_push;
use crate::metric::Metric;
use std::cmp::Ordering;

/// A found point; ordered by (distance, id). Packed: of many points with few neighbours each these are a large part of all
/// memory.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(Rust, packed(4))]
pub(crate) struct Neighbor {
    pub(crate) distance: f64,
    pub(crate) id: u32,
}

impl Eq for Neighbor {}

impl Ord for Neighbor {
    fn cmp(&self, other: &Self) -> Ordering {
        let (own, others) = ((self.distance, self.id), (other.distance, other.id));
        own.0.total_cmp(&others.0).then(own.1.cmp(&others.1))
    }
}

impl PartialOrd for Neighbor {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Keeps what a query is looking for.
pub(crate) trait Collector: Send {
    /// No point with a score below this can be kept any more.
    fn threshold(&self) -> f64;

    /// Keeps the point if it belongs to the answer so far.
    fn offer<M: Metric>(&mut self, metric: &M, score: f64, id: u32);

    /// Takes points by (distance, id), from the nearest on, of which the first of all there are are no others; for those that want
    /// some.
    fn take_nearest(&mut self, _nearest: &[Neighbor]) {}

    /// From now on points as far as the farthest are kept too, whatever their ids.
    fn keep_ties(&mut self) {}

    /// Distance and id of the farthest that is kept, once there are as many as are wanted.
    fn farthest(&self) -> Option<(f64, u32)>;

    /// How many points must be met before the threshold means anything.
    fn wanted(&self) -> usize;

    /// Whether there was no memory for a point that belongs to the answer.
    fn failed(&self) -> bool;
}

/// The k nearest, nearer than a bound.
pub(crate) struct Nearest {
    k: usize,
    bound: f64,
    threshold: f64,
    /// The nearest so far and a few more: these are sorted out when there are [`most`](Nearest::most), which costs less
    /// than a heap.
    kept: Vec<Neighbor>,
    /// When they are sorted out.
    next: usize,
    ties: bool,
    /// The k-th when they were last sorted out.
    farthest: Option<Neighbor>,
    failed: bool,
}

impl Nearest {
    /// The `k` nearest of distance below `bound`. Memory grows with what is found, not with `k`.
    pub(crate) fn new<M: Metric>(metric: &M, k: usize, bound: f64) -> Self {
        let threshold = if bound == f64::INFINITY { f64::NEG_INFINITY } else { metric.score_at(bound) };
        Nearest { k, bound, threshold, kept: Vec::new(), next: k, ties: false, farthest: None, failed: false }
    }

    /// The kept points, nearest first.
    pub(crate) fn into_sorted(mut self) -> Vec<Neighbor> {
        self.kept.sort_unstable();
        if !self.ties {
            self.kept.truncate(self.k);
        }
        // A copy leaves whole pieces of memory to the next queries, where shrinking would leave crumbs.
        let mut exact = Vec::new();
        if self.kept.capacity() > self.kept.len() && exact.try_reserve_exact(self.kept.len()).is_ok() {
            exact.extend_from_slice(&self.kept);
            return exact;
        }
        self.kept
    }

    /// More than those that stay.
    fn more(&self) -> usize {
        self.k / 4 + 4
    }
}

impl Collector for Nearest {
    #[inline]
    fn threshold(&self) -> f64 {
        self.threshold
    }

    fn take_nearest(&mut self, nearest: &[Neighbor]) {
        let nearest = &nearest[..nearest.len().min(self.k)];
        let nearest = &nearest[..nearest.partition_point(|neighbor| neighbor.distance < self.bound)];
        self.failed |= self.kept.try_reserve_exact(nearest.len()).is_err();
        if !self.failed {
            self.kept.extend_from_slice(nearest);
        }
    }

    fn keep_ties(&mut self) {
        self.ties = true;
    }

    fn farthest(&self) -> Option<(f64, u32)> {
        self.farthest.map(|farthest| (farthest.distance, farthest.id))
    }

    fn wanted(&self) -> usize {
        self.k
    }

    fn failed(&self) -> bool {
        self.failed
    }

    #[inline]
    fn offer<M: Metric>(&mut self, metric: &M, score: f64, id: u32) {
        if score < self.threshold {
            return;
        }
        let neighbor = Neighbor { distance: metric.distance(score), id };
        if neighbor.distance >= self.bound || self.k == 0 {
            return;
        }
        if self.kept.len() == self.kept.capacity() {
            // Twice as much, or what most queries want, but no more than there will be.
            let most = self.next.max(self.k.saturating_add(self.more()));
            let more = self.kept.len().max(64).min(most - self.kept.len());
            if self.kept.try_reserve_exact(more).is_err() {
                self.failed = true;
                return;
            }
        }
        self.kept.push(neighbor);
        if self.kept.len() == self.next {
            let (_, &mut farthest, _) = self.kept.select_nth_unstable(self.k - 1);
            self.farthest = Some(farthest);
            self.threshold = self.threshold.max(metric.score_at(farthest.distance));
            match self.ties {
                true => self.kept.retain(|neighbor| neighbor.distance <= farthest.distance),
                false => self.kept.truncate(self.k),
            }
            self.next = self.kept.len().saturating_add(self.more());
        }
    }
}

/// All of distance below a radius.
pub(crate) struct Within {
    radius: f64,
    threshold: f64,
    kept: Vec<Neighbor>,
    failed: bool,
}

impl Within {
    /// All of distance below `radius`.
    pub(crate) fn new<M: Metric>(metric: &M, radius: f64) -> Self {
        Within { radius, threshold: metric.score_at(radius), kept: Vec::new(), failed: false }
    }

    /// The kept points, nearest first.
    pub(crate) fn into_sorted(mut self) -> Vec<Neighbor> {
        self.kept.sort_unstable();
        self.kept
    }
}

impl Collector for Within {
    #[inline]
    fn threshold(&self) -> f64 {
        self.threshold
    }

    fn farthest(&self) -> Option<(f64, u32)> {
        None
    }

    fn wanted(&self) -> usize {
        0
    }

    fn failed(&self) -> bool {
        self.failed
    }

    #[inline]
    fn offer<M: Metric>(&mut self, metric: &M, score: f64, id: u32) {
        if score >= self.threshold {
            let distance = metric.distance(score);
            if distance < self.radius {
                self.failed |= try_push(&mut self.kept, Neighbor { distance, id }, "the answer").is_err();
            }
        }
    }
}

/// All that score at least so much, in any order; what it keeps has the score in place of a distance.
pub(crate) struct Reaching {
    least: f64,
    kept: Vec<Neighbor>,
    failed: bool,
}

impl Reaching {
    /// All of score `least` or more.
    pub(crate) fn new(least: f64) -> Self {
        Reaching { least, kept: Vec::new(), failed: false }
    }

    /// What was kept.
    pub(crate) fn into_kept(self) -> Vec<Neighbor> {
        self.kept
    }
}

impl Collector for Reaching {
    fn threshold(&self) -> f64 {
        self.least
    }

    fn farthest(&self) -> Option<(f64, u32)> {
        None
    }

    fn wanted(&self) -> usize {
        0
    }

    fn failed(&self) -> bool {
        self.failed
    }

    #[inline]
    fn offer<M: Metric>(&mut self, _metric: &M, score: f64, id: u32) {
        if score >= self.least {
            self.failed |= try_push(&mut self.kept, Neighbor { distance: score, id }, "the tree").is_err();
        }
    }
}
