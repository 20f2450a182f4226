//! The k least squared distances, and all that are nearly as small as the k-th.

use super::collector::Neighbor;
use crate::error::{Result, try_reserve, try_resize};
use crate::layout::LEAF;
use crate::simd::Simd;
use crate::simd::boxes::count_within;

/// So many more are met before the k-th is looked for again, or half as many as are wanted.
const MORE: usize = 16;
/// Of so many times as many as are wanted, and a few, what is too far is dropped.
const MOST: usize = 4;
/// A bound that leaves so many more than k, or a sixteenth, is as good as the k-th, and found without sorting: in so many steps at most.
const SLACK: usize = 2;
const STEPS: usize = 8;
/// So many more than k stay before points of equal squared distances are told apart by their numbers.
const TIES: usize = 32;
/// Bits that a square is sorted without at first.
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
    /// Those of the first `count` places, and room for a leaf.
    squares: Vec<f64>,
    places: Vec<u32>,
    count: usize,
    /// When the k-th is looked for.
    next: usize,
    /// Memory to sort.
    sorted: Vec<u64>,
    nearest: Vec<Neighbor>,
    order: Vec<(u64, u32)>,
    equal: Vec<u32>,
    /// The k-th of the numbers of those as far as the k-th, when there were so many and it was so far.
    last: u32,
    told: (usize, f64),
}

impl NearestSquares {
    /// None yet; `k` are wanted, no farther than `reach`, and all up to `share` of the k-th.
    pub(crate) fn begin(&mut self, k: usize, reach: f64, share: f64) {
        (self.k, self.reach, self.share, self.farthest) = (k, reach, share, f64::INFINITY);
        (self.next, self.count, self.told) = (k, 0, (0, f64::NAN));
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
        self.count
    }

    /// Squared distances and places.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (f64, u32)> {
        self.squares[..self.count].iter().copied().zip(self.places[..self.count].iter().copied())
    }

    /// Adds those points of a leaf, the first of which is at `start`, for which there is a bit; `numbers` are of all places.
    #[inline]
    pub(crate) fn take(
        &mut self,
        simd: Simd,
        (start, squares, mut wanted): (usize, &[f64; LEAF], u32),
        numbers: &[u32],
    ) -> Result<()> {
        if self.squares.len() < self.count + LEAF {
            try_resize(&mut self.squares, 2 * self.count + LEAF, 0.0, "the search")?;
            try_resize(&mut self.places, 2 * self.count + LEAF, 0, "the search")?;
        }
        let squares_here = &mut self.squares[self.count..self.count + LEAF];
        let places_here = &mut self.places[self.count..self.count + LEAF];
        let mut count = 0;
        while wanted != 0 && count < LEAF {
            let t = wanted.trailing_zeros() as usize % LEAF;
            (squares_here[count], places_here[count]) = (squares[t], (start + t) as u32);
            wanted &= wanted - 1;
            count += 1;
        }
        self.count += count;
        if self.count < self.next { Ok(()) } else { self.look_for_the_kth(simd, numbers) }
    }

    fn look_for_the_kth(&mut self, simd: Simd, numbers: &[u32]) -> Result<()> {
        let first = self.squares[0];
        if self.squares[..self.count].iter().all(|&squared| squared == first) {
            // Of points at one place those of the least numbers.
            self.farthest = first;
            self.reach = self.reach.min(first * self.share);
            if self.count > self.k && first.is_finite() {
                self.has_enough_below(u32::MAX, numbers);
                let last = self.last;
                self.keep(|_, place| numbers[place as usize] <= last);
                self.told = (self.count, first);
            }
            self.next = self.count + 1;
            return Ok(());
        }
        match self.near_the_kth(simd) {
            Some(bound) => self.reach = self.reach.min(bound),
            None => {
                self.sorted.clear();
                try_reserve(&mut self.sorted, self.count, "the search")?;
                // They are not negative: their bits are ordered as they are.
                self.sorted.extend(self.squares[..self.count].iter().map(|squared| squared.to_bits()));
                let (_, &mut farthest, _) = self.sorted.select_nth_unstable(self.k - 1);
                self.farthest = f64::from_bits(farthest);
                self.reach = self.reach.min(self.farthest * self.share);
                self.drop_far(numbers)?;
            }
        }
        if self.count > self.k.saturating_mul(MOST) {
            self.drop_far(numbers)?;
        }
        self.next = self.count + MORE.max(self.k / 2);
        Ok(())
    }

    /// Drops what is out of reach, and of what is equally far all but the least numbers.
    fn drop_far(&mut self, numbers: &[u32]) -> Result<()> {
        let reach = self.reach;
        self.keep(|squared, _| squared <= reach);
        if self.count > self.k.saturating_add(TIES) { self.tell_apart(numbers) } else { Ok(()) }
    }

    /// At least the k-th of the squared distances, and `share` of it, by counting how many are below what might be; None where that
    /// leaves many more than k, as many are equal.
    fn near_the_kth(&self, simd: Simd) -> Option<f64> {
        let squares = &self.squares[..self.count];
        let (mut low, mut none_below) = (0.0, 0);
        let (mut high, mut all_below) = (squares.iter().fold(0.0, |a, &b| if b > a { b } else { a }), self.count);
        if self.reach < high {
            (high, all_below) = (self.reach, count_within(simd, squares, self.reach));
        }
        let enough = self.k + SLACK.max(self.k / 16);
        let wanted = (self.k + enough) / 2;
        for _ in 0..STEPS {
            if all_below <= enough {
                return Some(high * self.share);
            }
            let middle = low + (high - low) * ((wanted - none_below) as f64 / (all_below - none_below) as f64);
            let below = count_within(simd, squares, middle);
            match below >= self.k {
                true => (high, all_below) = (middle, below),
                false => (low, none_below) = (middle, below),
            }
        }
        None
    }

    /// Of points as far as each other, only the k of the least numbers stay.
    fn tell_apart(&mut self, numbers: &[u32]) -> Result<()> {
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        try_reserve(&mut order, self.count, "the search")?;
        // Infinite ones may be told apart by what has overflowed.
        let finite = self.kept().filter(|(squared, _)| squared.is_finite());
        order.extend(finite.map(|(squared, place)| (squared.to_bits(), numbers[place as usize])));
        order.sort_unstable();
        // The last of each that stays.
        let (k, mut start) = (self.k, 0);
        let mut last = 0;
        while start < order.len() {
            let equal = order[start..].iter().take_while(|one| one.0 == order[start].0).count();
            if equal > k {
                order[last] = order[start + k - 1];
                last += 1;
            }
            start += equal;
        }
        let lasts = &order[..last];
        self.keep(|squared, place| {
            let found = lasts.binary_search_by_key(&squared.to_bits(), |&(bits, _)| bits);
            found.is_err() || found.is_ok_and(|t| numbers[place as usize] <= lasts[t].1)
        });
        self.order = order;
        Ok(())
    }

    /// Whether k of those that are as far as the k-th have numbers below this.
    pub(crate) fn has_enough_below(&mut self, number: u32, numbers: &[u32]) -> bool {
        if self.told != (self.count, self.farthest) {
            self.told = (self.count, self.farthest);
            let mut equal = std::mem::take(&mut self.equal);
            equal.clear();
            let as_far = self.kept().filter(|&(squared, _)| squared == self.farthest);
            equal.extend(as_far.map(|(_, place)| numbers[place as usize]));
            self.last = match equal.len() < self.k {
                true => u32::MAX,
                false => *equal.select_nth_unstable(self.k - 1).1,
            };
            self.equal = equal;
        }
        self.last < number
    }

    /// Drops what is hardly among the k nearest.
    pub(crate) fn finish(&mut self, simd: Simd) {
        if self.count > self.k {
            self.reach = self.near_the_kth(simd).map_or(self.reach, |bound| bound.min(self.reach));
        }
        let reach = self.reach;
        self.keep(|squared, _| squared <= reach);
    }

    /// The nearest, and those next to the k-th, by (distance, number); `distance` tells it from a squared one, in whose order it is.
    pub(crate) fn nearest(
        &mut self,
        simd: Simd,
        distance: impl Fn(f64) -> f64,
        numbers: &[u32],
    ) -> Result<&[Neighbor]> {
        let what = "the search";
        let bound = if self.count > self.k { self.near_the_kth(simd) } else { None };
        let reach = self.reach.min(bound.unwrap_or(self.reach));
        let squares = &self.squares[..self.count];
        // Integers are sorted fast, and hardly any two are equal but for their last bits, in whose place they have their own place.
        try_resize(&mut self.sorted, self.count, 0, what)?;
        let mut kept = 0;
        for (t, squared) in (0..).zip(squares) {
            self.sorted[kept] = squared.to_bits() & !PLACE | t & PLACE;
            kept += usize::from(*squared <= reach);
        }
        self.nearest.clear();
        try_reserve(&mut self.nearest, kept, what)?;
        let of = |t: usize| Neighbor { distance: distance(squares[t]), id: numbers[self.places[t] as usize] };
        if self.count > PLACE as usize {
            let near = (0..self.count).filter(|&t| squares[t] <= reach);
            self.nearest.extend(near.map(of));
            self.nearest.sort_unstable();
            return Ok(&self.nearest);
        }
        let sorted = &mut self.sorted[..kept];
        sorted.sort_unstable();
        self.nearest.extend(sorted.iter().map(|&key| of((key & PLACE) as usize)));
        let mut equal = false;
        for t in 1..kept {
            let mut t = t;
            while t > 0 && self.nearest[t].distance < self.nearest[t - 1].distance {
                self.nearest.swap(t, t - 1);
                t -= 1;
            }
            equal |= t > 0 && self.nearest[t].distance == self.nearest[t - 1].distance;
        }
        if equal {
            let runs = self.nearest.chunk_by_mut(|a, b| a.distance == b.distance);
            runs.filter(|run| run.len() > 1).for_each(|run| run.sort_unstable());
        }
        Ok(&self.nearest)
    }

    /// Drops all others.
    fn keep(&mut self, stays: impl Fn(f64, u32) -> bool) {
        let (mut kept, count) = (0, self.count);
        let (squares, places) = (&mut self.squares[..count], &mut self.places[..count]);
        for t in 0..count {
            let (squared, place) = (squares[t], places[t]);
            (squares[kept], places[kept]) = (squared, place);
            kept += usize::from(stays(squared, place));
        }
        self.count = kept;
    }
}
