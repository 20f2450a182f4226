//! The points that may be neighbours of a query, with bounds of their scores: the k-th largest lower bound is what the
//! k nearest reach, so that few points need scoring in `f64`.

use super::collector::Collector;
use crate::error::{Result, try_grow};
use crate::metric::NEW;

/// A point that may be a neighbour.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub(super) upper: f32,
    pub(super) lower: f32,
    /// Tree position; [`NEW`] of a point that has been offered already.
    pub(super) position: u32,
}

impl Candidate {
    /// With these bounds of its score, if they are numbers.
    pub(super) fn new(position: u32, lower: f32, upper: f32) -> Self {
        // Scores do not go above 1, even of a V that is no residual; and what is no number says nothing.
        let lower = if lower.is_nan() { f32::NEG_INFINITY } else { lower.min(1.0) };
        Candidate { upper, lower, position }
    }
}

/// What is left to a query.
#[derive(Default)]
pub(super) struct Shortlist {
    /// No point of a smaller upper bound is a neighbour.
    pub(super) least: f32,
    pub(super) candidates: Vec<Candidate>,
    /// Candidates that there were when `least` was last raised.
    settled: usize,
    /// Whether there are too many candidates to go on.
    pub(super) lost: bool,
}

impl Shortlist {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.least = f32::NEG_INFINITY;
        self.candidates.clear();
        // Few queries have many candidates: each list would come to have room for these.
        self.candidates.shrink_to(MOST_KEPT);
        self.settled = 0;
        self.lost = false;
    }

    /// Makes room for so many more candidates.
    #[inline]
    pub(super) fn reserve(&mut self, more: usize) -> Result<()> {
        try_grow(&mut self.candidates, more, "the search")
    }

    /// Whether so many candidates came since `least` was last raised that it should be raised again.
    pub(super) fn crowded(&self, wanted: usize) -> bool {
        let most = if self.least == f32::NEG_INFINITY { wanted.max(LEAST) } else { self.settled + wanted + LEAST };
        self.candidates.len() / 2 > most
    }

    /// Raises what neighbours must reach, from what is known of the candidates and what is kept already; `slack` is
    /// what rounding can add to scores. Candidates that do not reach it are dropped unless `all` are to stay; more than
    /// `most` of them are too many.
    pub(super) fn raise<C: Collector>(
        &mut self,
        collector: &C,
        slack: f64,
        all: bool,
        most: usize,
        lowers: &mut Vec<i32>,
    ) {
        let wanted = collector.wanted();
        let mut least = collector.threshold();
        if wanted > 0 && self.candidates.len() >= wanted {
            lowers.clear();
            lowers.extend(self.candidates.iter().map(|candidate| ordered(candidate.lower.to_bits() as i32)));
            let place = lowers.len() - wanted;
            let (_, lower, _) = lowers.select_nth_unstable(place);
            least = least.max(f64::from(f32::from_bits(ordered(*lower) as u32)));
        }
        self.least = self.least.max(((least - slack) as f32).next_down());
        if !all {
            let least = self.least;
            self.candidates.retain(|candidate| candidate.upper.is_nan() || candidate.upper >= least);
        }
        self.settled = self.candidates.len();
        if self.settled > most {
            self.lost = true;
            self.candidates.clear();
        }
    }

    /// The candidates that have not been offered.
    pub(super) fn positions(&self) -> impl Iterator<Item = u32> {
        self.candidates.iter().map(|candidate| candidate.position).filter(|&position| position != NEW)
    }
}

/// Integers in the order of the numbers that have these bits, and these again: they are compared faster.
fn ordered(bits: i32) -> i32 {
    bits ^ ((bits >> 31) as u32 >> 1) as i32
}

/// Candidates that are never crowded, and memory that is kept from query to query.
const LEAST: usize = 16;
const MOST_KEPT: usize = 4096;
