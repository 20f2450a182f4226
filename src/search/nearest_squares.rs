//! The k least squared distances, and all that are nearly as small as the k-th.

use crate::error::{Result, try_reserve};

/// So many more than those that stay are met before the others are sorted out, or half as many as are wanted.
const MORE: usize = 16;
/// A bound that leaves so many more than k, or an eighth, is as good as the k-th, and found without sorting: in so many steps at most.
const SLACK: usize = 4;
const STEPS: usize = 6;
/// So many more than k stay before points of equal squared distances are told apart by their numbers.
const TIES: usize = 32;
/// Bits that a square is sorted without at first, in whose place it has its own place in a list.
const PLACE: u64 = 0xff;

/// Squared distances, and the places of their points.
#[derive(Default)]
pub(crate) struct NearestSquares {
    k: usize,
    /// Squared distances up to so much of the k-th are as good as that.
    share: f64,
    reach: f64,
    /// The k-th squared distance, if it is known.
    farthest: f64,
    squares: Vec<f64>,
    places: Vec<u32>,
    /// When others are sorted out.
    next: usize,
    /// Memory to sort.
    sorted: Vec<u64>,
    nearest: Vec<(f64, u32)>,
}

impl NearestSquares {
    /// None yet; `k` are wanted, no farther than `reach`, and all up to `share` of the k-th.
    pub(crate) fn begin(&mut self, k: usize, reach: f64, share: f64) {
        (self.k, self.reach, self.share, self.farthest) = (k, reach, share, f64::INFINITY);
        self.next = k.saturating_add(MORE.max(k / 2));
        self.squares.clear();
        self.places.clear();
    }

    /// No larger squared distance matters.
    #[inline]
    pub(crate) fn reach(&self) -> f64 {
        self.reach
    }

    /// The k-th squared distance, or infinity where it is not known.
    #[inline]
    pub(crate) fn farthest(&self) -> f64 {
        self.farthest
    }

    pub(crate) fn len(&self) -> usize {
        self.squares.len()
    }

    /// Squared distances and places.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (f64, u32)> {
        self.squares.iter().copied().zip(self.places.iter().copied())
    }

    /// Adds one; there is room for those of a leaf.
    #[inline]
    pub(crate) fn push(&mut self, squared: f64, place: u32) {
        self.squares.push(squared);
        self.places.push(place);
    }

    /// Sorts out what is too far, if there are many.
    #[inline]
    pub(crate) fn settle(&mut self, numbers: &[u32]) -> Result<()> {
        if self.squares.len() < self.next { Ok(()) } else { self.sort_out(numbers) }
    }

    fn sort_out(&mut self, numbers: &[u32]) -> Result<()> {
        match self.near_the_kth() {
            Some(bound) => self.reach = self.reach.min(bound),
            None => {
                self.sorted.clear();
                try_reserve(&mut self.sorted, self.squares.len(), "the search")?;
                // They are not negative: their bits are ordered as they are.
                self.sorted.extend(self.squares.iter().map(|squared| squared.to_bits()));
                let (_, &mut farthest, _) = self.sorted.select_nth_unstable(self.k - 1);
                self.farthest = f64::from_bits(farthest);
                self.reach = self.reach.min(self.farthest * self.share);
            }
        }
        let reach = self.reach;
        self.keep(|squared, _| squared <= reach);
        if self.squares.len() > self.k.saturating_add(TIES) {
            self.tell_apart(numbers)?;
        }
        self.next = self.squares.len() + MORE.max(self.k / 2);
        Ok(())
    }

    /// At least the k-th of the squared distances, and `share` of it, by counting how many are below what might be; None where that
    /// leaves many more than k, as many are equal.
    fn near_the_kth(&self) -> Option<f64> {
        let (mut low, mut none_below) = (0.0, 0);
        let (mut high, mut all_below) = (self.squares.iter().copied().fold(0.0, f64::max), self.squares.len());
        let enough = self.k + SLACK.max(self.k / 8);
        let wanted = (self.k + enough) / 2;
        for _ in 0..STEPS {
            if all_below <= enough {
                return Some(high * self.share);
            }
            let middle = low + (high - low) * ((wanted - none_below) as f64 / (all_below - none_below) as f64);
            let below = self.squares.iter().filter(|&&squared| squared <= middle).count();
            match below >= self.k {
                true => (high, all_below) = (middle, below),
                false => (low, none_below) = (middle, below),
            }
        }
        None
    }

    /// Of points as far as each other, only the k of the least numbers stay.
    fn tell_apart(&mut self, numbers: &[u32]) -> Result<()> {
        let mut order: Vec<(u64, u32)> = Vec::new();
        try_reserve(&mut order, self.squares.len(), "the search")?;
        // Infinite ones may be told apart by what has overflowed.
        let finite = self.kept().filter(|(squared, _)| squared.is_finite());
        order.extend(finite.map(|(squared, place)| (squared.to_bits(), numbers[place as usize])));
        order.sort_unstable();
        let mut last = Vec::new();
        for run in order.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > self.k) {
            last.push(run[self.k - 1]);
        }
        self.keep(|squared, place| {
            let found = last.binary_search_by_key(&squared.to_bits(), |&(bits, _)| bits);
            found.is_err() || found.is_ok_and(|t| numbers[place as usize] <= last[t].1)
        });
        Ok(())
    }

    /// Whether k of those that are as far as the k-th have numbers below this.
    pub(crate) fn has_enough_below(&self, number: u32, numbers: &[u32]) -> bool {
        let equal = self.kept().filter(|&(squared, place)| squared == self.farthest && numbers[place as usize] < number);
        equal.count() >= self.k
    }

    /// The k nearest, and those next to the k-th, as `measured` tells from a squared distance, which is in the order of these: by
    /// (measure, number).
    pub(crate) fn nearest(&mut self, measured: impl Fn(f64) -> f64, numbers: &[u32]) -> Result<&[(f64, u32)]> {
        let what = "the search";
        if let Some(bound) = self.near_the_kth().filter(|_| self.squares.len() > self.k) {
            let reach = self.reach.min(bound);
            self.keep(|squared, _| squared <= reach);
        }
        self.nearest.clear();
        try_reserve(&mut self.nearest, self.squares.len(), what)?;
        let of = |t: usize| (measured(self.squares[t]), numbers[self.places[t] as usize]);
        if self.squares.len() <= PLACE as usize {
            // Integers are sorted fast, and hardly any two are equal but for their last bits.
            self.sorted.clear();
            try_reserve(&mut self.sorted, self.squares.len(), what)?;
            self.sorted.extend((0..).zip(&self.squares).map(|(t, squared)| squared.to_bits() & !PLACE | t));
            self.sorted.sort_unstable();
            self.nearest.extend(self.sorted.iter().map(|&key| of((key & PLACE) as usize)));
            for t in 1..self.nearest.len() {
                let mut t = t;
                while t > 0 && self.nearest[t] < self.nearest[t - 1] {
                    self.nearest.swap(t, t - 1);
                    t -= 1;
                }
            }
        } else {
            self.nearest.extend((0..self.squares.len()).map(of));
            self.nearest.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        }
        Ok(&self.nearest)
    }

    /// Drops all others.
    fn keep(&mut self, stays: impl Fn(f64, u32) -> bool) {
        let mut kept = 0;
        for t in 0..self.squares.len() {
            let (squared, place) = (self.squares[t], self.places[t]);
            (self.squares[kept], self.places[kept]) = (squared, place);
            kept += usize::from(stays(squared, place));
        }
        self.squares.truncate(kept);
        self.places.truncate(kept);
    }
}
