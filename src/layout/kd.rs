//! The order in which the points of a part lie: leaf by leaf of a k-d tree.

use crate::control::Control;
use crate::error::{Result, checked_area, try_collect, try_reserve, try_resize, try_vec, try_with_capacity};
use crate::parallel::Threads;
use crate::simd::boxes::POINTS;

/// Points of a leaf; only the last leaf may have fewer.
pub(crate) const LEAF: usize = POINTS;
/// Subtrees that are laid out in parallel, and points of one at least.
const TASKS: usize = 16;
const LEAST: usize = 8 * LEAF;
/// Of so many values the one of a rank is looked for by a sample, within so many of it to either side: some three standard deviations.
const MANY: usize = 2048;
const SAMPLE: usize = 256;
const SPREAD: usize = 24;

/// Where the points of a part lie: position i of every array is the i-th point along the leaves.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// Number of the point at a position.
    pub(crate) numbers: Vec<u32>,
    /// Position of the point of a number.
    pub(crate) positions: Vec<u32>,
    /// How the inner nodes cut space, in preorder.
    cuts: Vec<Cut>,
}

/// An inner node: points to the left of it have at most this coordinate along an axis, those to the right at least this one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Cut {
    pub(crate) axis: u32,
    pub(crate) at: f64,
}

/// How many of `len` points lie to the left of a cut: of leaves the largest power of two that leaves some to the right. So every run
/// of a power of two of leaves that begins at a multiple of its length is a box of the tree.
fn left_of(len: usize) -> usize {
    LEAF << (len.div_ceil(LEAF) - 1).ilog2()
}

/// Inner nodes of a tree over so many points.
fn inner_nodes(len: usize) -> usize {
    len.div_ceil(LEAF).saturating_sub(1)
}

impl Layout {
    /// Lays out `n` points, whose coordinates `columns` has dimension by dimension, by number: they are put in the order of the
    /// layout. Each cut is across the longest side of the box of its points; ties by number. O(n d log n).
    pub(crate) fn new(columns: &mut [f64], n: usize, threads: &Threads) -> Result<Layout> {
        let what = "the layout";
        let mut numbers = try_collect((0..n as u32).map(Ok), what)?;
        let mut cuts = try_vec(inner_nodes(n), Cut::default(), what)?;
        let columns = columns.chunks_exact_mut(n.max(1)).collect();
        let mut subtrees = vec![Subtree { columns, numbers: &mut numbers, cuts: &mut cuts }];
        while subtrees.len() < TASKS && subtrees.iter().any(|subtree| subtree.numbers.len() > LEAST) {
            let mut halves: Vec<Vec<Subtree<'_>>> = subtrees.iter().map(|_| Vec::new()).collect();
            let tasks = subtrees.into_iter().zip(&mut halves).collect();
            threads.run(tasks, &mut Control::none(), Scratch::default, |scratch, (subtree, halves)| {
                halves.extend(subtree.halves(scratch)?.into_iter().flatten());
                Ok(())
            })?;
            subtrees = halves.into_iter().flatten().collect();
        }
        threads.run(subtrees, &mut Control::none(), Scratch::default, |scratch, subtree| {
            let mut stack = vec![subtree];
            while let Some(subtree) = stack.pop() {
                stack.extend(subtree.halves(scratch)?.into_iter().flatten());
            }
            Ok(())
        })?;
        Layout::of(numbers, cuts)
    }

    /// With these numbers, a permutation, and cuts.
    fn of(numbers: Vec<u32>, cuts: Vec<Cut>) -> Result<Layout> {
        let mut positions = try_vec(numbers.len(), 0, "the layout")?;
        numbers.iter().enumerate().for_each(|(i, &number)| positions[number as usize] = i as u32);
        Ok(Layout { numbers, positions, cuts })
    }

    /// What was saved: the numbers, axes and places of cuts; none where they are no layout of points of `d` dimensions.
    pub(crate) fn restored(numbers: Vec<u32>, axes: &[u32], at: &[f64], d: usize) -> Result<Option<Layout>> {
        let fits = is_permutation(&numbers)?
            && axes.len() == inner_nodes(numbers.len())
            && at.len() == axes.len()
            && axes.iter().all(|&axis| (axis as usize) < d);
        if !fits {
            return Ok(None);
        }
        let cuts = axes.iter().zip(at).map(|(&axis, &at)| Ok(Cut { axis, at }));
        Layout::of(numbers, try_collect(cuts, "the layout")?).map(Some)
    }

    /// Number of points.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// How the inner nodes cut space, in preorder.
    pub(crate) fn cuts(&self) -> &[Cut] {
        &self.cuts
    }

    /// The first position of the leaf in whose part of space `x` is.
    pub(crate) fn home(&self, x: &[f64]) -> u32 {
        let (mut first, mut len, mut node) = (0, self.len(), 0);
        while len > LEAF {
            let (left, cut) = (left_of(len), self.cuts[node]);
            if x[cut.axis as usize] <= cut.at {
                (len, node) = (left, node + 1);
            } else {
                (first, len, node) = (first + left, len - left, node + 1 + inner_nodes(left));
            }
        }
        first as u32
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.numbers[..]) + size_of_val(&self.positions[..]) + size_of_val(&self.cuts[..])
    }
}

/// Whether each number below so many is there once.
pub(crate) fn is_permutation(numbers: &[u32]) -> Result<bool> {
    let mut seen = try_vec(numbers.len(), false, "a permutation")?;
    let is_new = |&number: &u32| seen.get_mut(number as usize).is_some_and(|seen| !std::mem::replace(seen, true));
    Ok(numbers.iter().all(is_new))
}

/// Points of a subtree, their coordinates dimension by dimension, and its inner nodes.
struct Subtree<'a> {
    columns: Vec<&'a mut [f64]>,
    numbers: &'a mut [u32],
    cuts: &'a mut [Cut],
}

/// Memory of one thread.
#[derive(Default)]
struct Scratch {
    ranks: Vec<i64>,
    values: Vec<f64>,
    numbers: Vec<u32>,
    /// Whether a point goes to the left.
    left: Vec<bool>,
}

impl<'a> Subtree<'a> {
    /// Cuts it in two; none of a leaf. Points keep their order on either side.
    fn halves(self, scratch: &mut Scratch) -> Result<Option<[Subtree<'a>; 2]>> {
        let Subtree { mut columns, numbers, cuts } = self;
        if numbers.len() <= LEAF {
            return Ok(None);
        }
        let (axis, left) = (widest(&columns), left_of(numbers.len()));
        let at = scratch.choose(columns[axis], left)?;
        let rest = numbers.len() - left;
        let (own, cuts) = cuts.split_first_mut().expect("an inner node each");
        *own = Cut { axis: axis as u32, at };
        columns.iter_mut().for_each(|column| split(column, &scratch.left, &mut scratch.values[..=rest]));
        split(numbers, &scratch.left, &mut scratch.numbers[..=rest]);
        let (left_columns, right_columns) = columns.into_iter().map(|column| column.split_at_mut(left)).unzip();
        let (left_numbers, right_numbers) = numbers.split_at_mut(left);
        let (left_cuts, right_cuts) = cuts.split_at_mut(inner_nodes(left));
        Ok(Some([
            Subtree { columns: left_columns, numbers: left_numbers, cuts: left_cuts },
            Subtree { columns: right_columns, numbers: right_numbers, cuts: right_cuts },
        ]))
    }
}

impl Scratch {
    /// Chooses the `left` points of the least coordinates, the first of equals; returns the largest of these coordinates.
    fn choose(&mut self, column: &[f64], left: usize) -> Result<f64> {
        let what = "the layout";
        let last = self.kth_rank(column, left)?;
        self.left.clear();
        try_reserve(&mut self.left, column.len(), what)?;
        self.left.extend(column.iter().map(|&x| rank(x) <= last));
        let mut too_many = self.left.iter().filter(|&&goes| goes).count() - left;
        for i in (0..column.len()).rev() {
            if too_many == 0 {
                break;
            }
            if rank(column[i]) == last {
                self.left[i] = false;
                too_many -= 1;
            }
        }
        // Room for those that go to the right, and one more.
        let room = (column.len() - left + 1).max(self.values.len());
        try_resize(&mut self.values, room, 0.0, what)?;
        try_resize(&mut self.numbers, room, 0, what)?;
        Ok(from_rank(last))
    }
}

impl Scratch {
    /// The rank of the `k`-th least value: of many, by those between two values of a sample that it is hardly ever outside of.
    fn kth_rank(&mut self, column: &[f64], k: usize) -> Result<i64> {
        let n = column.len();
        let ranks = &mut self.ranks;
        try_resize(ranks, n.max(ranks.len()), 0, "the layout")?;
        if n >= MANY {
            let mut sample: [i64; SAMPLE] = std::array::from_fn(|t| rank(column[(2 * t + 1) * n / (2 * SAMPLE)]));
            sample.sort_unstable();
            let at = k * SAMPLE / n;
            let (low, high) = (sample[at.saturating_sub(SPREAD)], sample[(at + SPREAD).min(SAMPLE - 1)]);
            let (mut below, mut between) = (0, 0);
            for &x in column {
                let rank = rank(x);
                ranks[between] = rank;
                below += usize::from(rank < low);
                between += usize::from(rank >= low && rank <= high);
            }
            if below < k && k <= below + between {
                return Ok(*ranks[..between].select_nth_unstable(k - 1 - below).1);
            }
        }
        ranks.iter_mut().zip(column).for_each(|(rank_of, &x)| *rank_of = rank(x));
        Ok(*ranks[..n].select_nth_unstable(k - 1).1)
    }
}

/// An integer for each number, in the order of [`f64::total_cmp`].
fn rank(x: f64) -> i64 {
    let bits = x.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The number of a rank.
fn from_rank(rank: i64) -> f64 {
    f64::from_bits((rank ^ (((rank >> 63) as u64) >> 1) as i64) as u64)
}

/// Moves the values that go to the left before the others; `right` has room for all of these and one more.
fn split<T: Copy>(values: &mut [T], goes_left: &[bool], right: &mut [T]) {
    let (mut left, mut others) = (0, 0);
    // Without a branch: each value is written to both sides, and one of them moves on.
    for (i, &goes) in goes_left.iter().enumerate() {
        let value = values[i];
        values[left] = value;
        right[others] = value;
        left += usize::from(goes);
        others += usize::from(!goes);
    }
    values[left..].copy_from_slice(&right[..others]);
}

/// The dimension in which points are the most apart, the first of equals.
fn widest(columns: &[&mut [f64]]) -> usize {
    let mut widest = (f64::NEG_INFINITY, 0);
    for (j, column) in columns.iter().enumerate() {
        let range = extent(column);
        widest = if range > widest.0 { (range, j) } else { widest };
    }
    widest.1
}

/// How far apart values are.
fn extent(column: &[f64]) -> f64 {
    // Side by side, as minima one after the other wait for each other.
    let (mut low, mut high) = ([f64::INFINITY; 8], [f64::NEG_INFINITY; 8]);
    let least = |a: f64, b: f64| if b < a { b } else { a };
    let (whole, rest) = column.as_chunks::<8>();
    for values in whole {
        for t in 0..8 {
            low[t] = least(low[t], values[t]);
            high[t] = -least(-high[t], -values[t]);
        }
    }
    for (t, &x) in rest.iter().enumerate() {
        low[t] = least(low[t], x);
        high[t] = -least(-high[t], -x);
    }
    high.into_iter().fold(f64::NEG_INFINITY, f64::max) - low.into_iter().fold(f64::INFINITY, f64::min)
}

/// All positions of a layout of `n` points, or `some`, in the order of leaves: as a layout of these points alone would have them.
/// `coords` has n coordinates a dimension.
pub(crate) fn ordered(coords: &[f64], n: usize, some: Option<&[u32]>, threads: &Threads) -> Result<Vec<u32>> {
    let what = "the layout";
    let Some(some) = some else { return try_collect((0..n as u32).map(Ok), what) };
    let layout = Layout::new(&mut gathered(coords, n, some)?, some.len(), threads)?;
    try_collect(layout.numbers.iter().map(|&number| Ok(some[number as usize])), what)
}

/// The coordinates of some positions, dimension by dimension; `coords` has n a dimension.
pub(crate) fn gathered(coords: &[f64], n: usize, some: &[u32]) -> Result<Vec<f64>> {
    let (what, d) = ("the layout", coords.len() / n.max(1));
    let mut columns = try_with_capacity(checked_area(some.len(), d, what)?, what)?;
    coords.chunks_exact(n.max(1)).for_each(|column| columns.extend(some.iter().map(|&i| column[i as usize])));
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_boxes_that_do_not_overlap_along_a_line() {
        let n = 1003;
        let column: Vec<f64> = (0..n).map(|i| ((i * 613) % 1009) as f64).collect();
        let mut moved = column.clone();
        let layout = Layout::new(&mut moved, n, &Threads::new(2)).unwrap();
        let leaf = |t: usize| layout.numbers[t * LEAF..((t + 1) * LEAF).min(n)].iter().map(|&i| column[i as usize]);
        for t in 1..n.div_ceil(LEAF) {
            let before = leaf(t - 1).fold(f64::NEG_INFINITY, f64::max);
            let after = leaf(t).fold(f64::INFINITY, f64::min);
            assert!(before < after, "leaf {t}");
        }
        for (i, &number) in layout.numbers.iter().enumerate() {
            assert_eq!(layout.positions[number as usize], i as u32);
            assert_eq!(layout.home(&[column[number as usize]]) as usize, i / LEAF * LEAF);
            assert_eq!(moved[i], column[number as usize]);
        }
        assert_eq!((layout.home(&[-1e300]), layout.home(&[1e300]) as usize), (0, n / LEAF * LEAF));
        let some: Vec<u32> = (0..n as u32).filter(|i| i % 3 > 0).collect();
        let sorted = ordered(&moved, n, Some(&some), &Threads::new(1)).unwrap();
        let coords: Vec<f64> = sorted.iter().map(|&i| moved[i as usize]).collect();
        assert!(coords.chunks(LEAF).is_sorted_by(|a, b| a.iter().all(|a| b.iter().all(|b| a < b))));
    }

    #[test]
    fn equal_coordinates_lie_by_number() {
        let n = 200;
        let mut column: Vec<f64> = (0..n).map(|i| if i % 4 == 0 { -0.0 } else { 1.5 }).collect();
        let layout = Layout::new(&mut column, n, &Threads::new(1)).unwrap();
        assert!(layout.numbers[..32].is_sorted() && layout.numbers[..32].iter().all(|i| i % 4 == 0));
        assert!(layout.numbers[128..].is_sorted() && column[128..].iter().all(|&x| x == 1.5));
    }
}
