//! The order in which the points of a part lie: leaf by leaf of a balanced k-d tree.

use crate::control::Control;
use crate::error::{Result, try_collect, try_copy, try_vec, try_with_capacity};
use crate::parallel::Threads;

/// Points of a leaf; only the last leaf may have fewer.
pub(crate) const LEAF: usize = 32;
/// Runs of so many points, or half as many and so on down to a leaf, are boxes of the tree where they begin at a multiple of
/// their length.
pub(crate) const RUN: usize = 8 * LEAF;
/// Subtrees that are laid out in parallel.
const TASKS: usize = 16;

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

/// How many of `len` points lie to the left of a cut: whole runs of `run` points, or of half as many and so on where these are
/// more, so that all leaves but the last are full.
fn left_of(len: usize, mut run: usize) -> usize {
    while run >= len {
        run /= 2;
    }
    (len / run).div_ceil(2) * run
}

/// Inner nodes of a tree over so many points.
fn inner_nodes(len: usize) -> usize {
    len.div_ceil(LEAF).saturating_sub(1)
}

impl Layout {
    /// Lays out points whose coordinates `columns` has dimension by dimension, by number. Each cut halves the longest side of the
    /// box of its points; ties by number. O(n d log n).
    pub(crate) fn new(columns: &[f64], n: usize, threads: &Threads) -> Result<Layout> {
        let what = "the layout";
        let mut numbers = try_collect((0..n as u32).map(Ok), what)?;
        let mut cuts = try_vec(inner_nodes(n), Cut::default(), what)?;
        let mut scratch = Vec::new();
        let mut subtrees = vec![(&mut numbers[..], &mut cuts[..])];
        while subtrees.len() < TASKS && subtrees.iter().any(|(points, _)| points.len() > RUN) {
            let mut smaller = Vec::with_capacity(2 * subtrees.len());
            for (points, cuts) in subtrees {
                smaller.extend(cut(columns, n, points, cuts, &mut scratch)?.into_iter().flatten());
            }
            subtrees = smaller;
        }
        threads.run(subtrees, &mut Control::none(), Vec::new, |scratch, (points, cuts)| {
            let mut stack = vec![(points, cuts)];
            while let Some((points, cuts)) = stack.pop() {
                stack.extend(cut(columns, n, points, cuts, scratch)?.into_iter().flatten());
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
            let (left, cut) = (left_of(len, RUN), self.cuts[node]);
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

/// A subtree: its points and its inner nodes.
type Subtree<'a> = (&'a mut [u32], &'a mut [Cut]);

/// Cuts a subtree in two; none of a leaf.
fn cut<'a>(
    columns: &[f64],
    n: usize,
    points: &'a mut [u32],
    cuts: &'a mut [Cut],
    scratch: &mut Vec<(f64, u32)>,
) -> Result<Option<[Subtree<'a>; 2]>> {
    if points.len() <= LEAF {
        return Ok(None);
    }
    let (at, [left, right]) = halves(columns, n, points, RUN, scratch)?;
    let (own, below) = cuts.split_first_mut().expect("an inner node each");
    *own = at;
    let (left_cuts, right_cuts) = below.split_at_mut(inner_nodes(left.len()));
    Ok(Some([(left, left_cuts), (right, right_cuts)]))
}

/// Sorts more points than those of a leaf into the two sides of a cut, in runs of `run`; and the cut.
fn halves<'a>(
    columns: &[f64],
    n: usize,
    points: &'a mut [u32],
    run: usize,
    scratch: &mut Vec<(f64, u32)>,
) -> Result<(Cut, [&'a mut [u32]; 2])> {
    let (axis, left) = (widest(columns, n, points), left_of(points.len(), run));
    let at = cut_at(&columns[axis * n..(axis + 1) * n], points, left, scratch)?;
    let (left, right) = points.split_at_mut(left);
    Ok((Cut { axis: axis as u32, at }, [left, right]))
}

/// The dimension in which points are the most apart, the first of equals.
fn widest(columns: &[f64], n: usize, points: &[u32]) -> usize {
    let range = |column: &[f64]| {
        let (low, high) = points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &i| {
            let x = column[i as usize];
            (low.min(x), high.max(x))
        });
        high - low
    };
    let mut widest = (f64::NEG_INFINITY, 0);
    for (j, column) in columns.chunks_exact(n).enumerate() {
        let range = range(column);
        widest = if range > widest.0 { (range, j) } else { widest };
    }
    widest.1
}

/// Puts the `left` points of the least coordinates first; returns the largest of these.
fn cut_at(column: &[f64], points: &mut [u32], left: usize, scratch: &mut Vec<(f64, u32)>) -> Result<f64> {
    // Pairs are compared without a look at the column, which is far away.
    scratch.clear();
    crate::error::try_reserve(scratch, points.len(), "the layout")?;
    scratch.extend(points.iter().map(|&i| (column[i as usize], i)));
    let by_coordinate = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    let (_, &mut (at, _), _) = scratch.select_nth_unstable_by(left - 1, by_coordinate);
    points.iter_mut().zip(scratch).for_each(|(to, &mut (_, i))| *to = i);
    Ok(at)
}

/// All points of a layout, or those at `positions`, in runs of `leaf`, each a box, and within these in runs of half as many, and so
/// on down to leaves: as a layout of these points alone would be. `coords` has n coordinates a dimension.
pub(crate) fn ordered(coords: &[f64], n: usize, positions: Option<&[u32]>, leaf: usize) -> Result<Vec<u32>> {
    let what = "the layout";
    let mut order = match positions {
        Some(positions) => try_copy(positions, what)?,
        None => try_collect((0..n as u32).map(Ok), what)?,
    };
    // All points lie so already.
    if positions.is_some() || leaf > RUN {
        order_by_kd(coords, n, &mut order, leaf)?;
    }
    Ok(order)
}

fn order_by_kd(coords: &[f64], n: usize, positions: &mut [u32], leaf: usize) -> Result<()> {
    let mut scratch = try_with_capacity(positions.len(), "the layout")?;
    let mut stack = vec![positions];
    while let Some(points) = stack.pop() {
        if points.len() > LEAF {
            stack.extend(halves(coords, n, points, leaf.max(RUN), &mut scratch)?.1);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_boxes_that_do_not_overlap_along_a_line() {
        let n = 1003;
        let column: Vec<f64> = (0..n).map(|i| ((i * 613) % 1009) as f64).collect();
        let layout = Layout::new(&column, n, &Threads::new(2)).unwrap();
        let leaf = |t: usize| layout.numbers[t * LEAF..((t + 1) * LEAF).min(n)].iter().map(|&i| column[i as usize]);
        for t in 1..n.div_ceil(LEAF) {
            let before = leaf(t - 1).fold(f64::NEG_INFINITY, f64::max);
            let after = leaf(t).fold(f64::INFINITY, f64::min);
            assert!(before < after, "leaf {t}");
        }
        for (i, &number) in layout.numbers.iter().enumerate() {
            assert_eq!(layout.positions[number as usize], i as u32);
            assert_eq!(layout.home(&[column[number as usize]]) as usize, i / LEAF * LEAF);
        }
        assert_eq!((layout.home(&[-1e300]), layout.home(&[1e300]) as usize), (0, n / LEAF * LEAF));
        let mut sorted: Vec<u32> = (0..n as u32).collect();
        order_by_kd(&column, n, &mut sorted, LEAF).unwrap();
        assert_eq!(sorted, layout.numbers);
    }
}
