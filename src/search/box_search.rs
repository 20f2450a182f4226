//! Search of metrics that fall with Euclidean distance (that distance itself, and plain correlation of a stationary kernel): a
//! query descends the boxes of the layout's leaves, the nearest first, and looks at all points of a leaf at once.
//!
//! It looks for small squared distances, which tell nearly all: where scores of different squared distances may be equal, or next to
//! it, all points of such squared distances are scored. Points without end may be equally far: at one place, or so far away that
//! nothing is left of their correlation. Of these the least numbers are wanted, and boxes tell the least number that they have.

use super::box_prefix::BoxPrefix;
use super::collector::Collector;
use super::context::{Group, Scratch, Space};
use super::nearest_squares::NearestSquares;
use crate::error::Result;
use crate::layout::{Boxes, LEAF, Layout, LeastKeys};
use crate::metric::{Candidates, Metric, NEW, QueryBlock};
use crate::simd::Simd;
use crate::simd::boxes::{FAN, Wanted, squares_in_leaf};

/// After so many queries of a group that were scored with more than a share of what they may find, the others are scored with all of
/// that, together. Where scores cost more than distances (of correlations) that is never worth it. Of uniform points, k = 10: with
/// d = 12 and n = 10,000 a query looks at 71% and takes as long as by brute force; with d = 12 and n = 100,000 at 18%, in 0.4 times
/// its time; with d = 16 at 62%, in 1.1 times.
const TRIED: usize = 4;
const MOST_LOOKED_AT: f64 = 0.6;

/// Searches for queries of the group, one after the other: those that are next to each other find leaves in the cache. Returns how
/// many were searched for, all or those before boxes turned out to exclude too little.
pub(crate) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    (memory, scratch): (&mut Memory, &mut Scratch),
) -> Result<usize> {
    let tree = BoxTree::of(space);
    let looked_at = scratch.counters.distance_evaluations;
    let most = MOST_LOOKED_AT * (TRIED * group.largest_limit() as usize) as f64;
    let mut searched = 0;
    for q in 0..queries.len {
        if M::FALLS && q == TRIED && (scratch.counters.distance_evaluations - looked_at) as f64 > most {
            break;
        }
        BoxSearch { space, tree, queries, q }.run(group, memory, scratch)?;
        searched += 1;
    }
    Ok(searched)
}

/// Points in leaves, and their boxes.
#[derive(Clone, Copy)]
pub(super) struct BoxTree<'a> {
    boxes: &'a Boxes,
    layout: &'a Layout,
    keys: &'a [u32],
    least: Option<&'a LeastKeys>,
    /// Which decide between points that are equally far.
    numbers: &'a [u32],
    least_numbers: Option<&'a LeastKeys>,
    /// Where the points are in the layout of their part, if these are not all.
    positions: Option<&'a [u32]>,
}

impl<'a> BoxTree<'a> {
    fn of<M: Metric>(space: &Space<'a, M>) -> Self {
        match space.prefix {
            Some(prefix) => prefix.tree(),
            None => BoxTree {
                boxes: space.boxes,
                layout: space.layout,
                keys: space.keys.of,
                least: space.least,
                numbers: space.numbers,
                least_numbers: space.least_numbers,
                positions: None,
            },
        }
    }
}

impl BoxTree<'_> {
    /// Where the point at a place is in the layout of its part.
    fn position(&self, place: u32) -> u32 {
        self.positions.map_or(place, |positions| positions[place as usize])
    }
}

impl BoxPrefix {
    fn tree(&self) -> BoxTree<'_> {
        BoxTree {
            boxes: &self.boxes,
            layout: &self.layout,
            keys: &self.keys,
            least: Some(&self.least),
            numbers: &self.numbers,
            least_numbers: Some(&self.least_numbers),
            positions: Some(&self.positions),
        }
    }
}

/// Memory of one thread.
#[derive(Default)]
pub(crate) struct Memory {
    nearest: NearestSquares,
    stack: Vec<Node>,
    positions: Vec<u32>,
    /// The last score that was asked for, and how far apart points can be that score so much.
    reach: Option<(f64, f64)>,
}

/// A box that is to be opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// The squared distance that its points have from the query at least.
    pub(super) gap: f64,
    /// The least of their numbers.
    pub(super) least_number: u32,
    level: u32,
    number: u32,
}

/// What a descent finds.
trait Found {
    /// No point that is farther matters.
    fn reach(&self) -> f64;

    /// Whether the points of a box, which is within reach, are as far as those that were found or farther, and have larger numbers.
    fn is_behind(&mut self, node: &Node) -> Result<bool>;

    /// Takes those points of a leaf that begins at `start` for which there is a bit.
    fn take(&mut self, start: usize, squares: &[f64; LEAF], wanted: u32) -> Result<()>;
}

/// A query that is searched for.
struct BoxSearch<'a, 's, M> {
    space: &'a Space<'s, M>,
    tree: BoxTree<'a>,
    queries: &'a QueryBlock,
    q: usize,
}

impl<M: Metric> BoxSearch<'_, '_, M> {
    fn run<C: Collector>(&self, group: &mut Group<C>, memory: &mut Memory, scratch: &mut Scratch) -> Result<()> {
        let Memory { nearest, stack, positions, reach: known } = memory;
        let (metric, collector) = (self.space.metric, &group.collectors[self.q]);
        let (k, own, limit) = (collector.wanted(), group.positions[self.q], group.limits[self.q]);
        let mut reach = |score: f64| {
            // Searching for it takes a while; queries often have the same.
            match *known {
                Some((last, reach)) if last == score => reach,
                _ => known.insert((score, metric.reach(score))).1,
            }
        };
        let within = reach(collector.threshold());
        // A query's score with itself may be none of its squared distance.
        if !M::FALLS && !self.space.exclude_self && own != NEW {
            self.evaluate(&[own], group, scratch)?;
        }
        let is_left_out = (self.space.exclude_self || !M::FALLS) && self.tree.positions.is_none();
        let own = if is_left_out { own } else { NEW };
        let mut beyond = f64::NEG_INFINITY;
        if k > 0 {
            nearest.begin(k, within, metric.tie_share());
            let mut found = BySquares { nearest, tree: self.tree, simd: metric.simd(), falls: M::FALLS };
            self.descend((limit, own), &mut found, stack, scratch)?;
            if M::FALLS {
                let score = |squared: f64| metric.score_of_square(squared).unwrap_or(-squared);
                let found =
                    nearest.nearest(metric.simd(), |squared| metric.distance(score(squared)), self.tree.numbers)?;
                group.collectors[self.q].take_nearest(found);
                return Ok(());
            }
            nearest.finish(metric.simd());
            positions.clear();
            positions.extend(nearest.kept().map(|(_, place)| self.tree.position(place)));
            self.evaluate(positions, group, scratch)?;
            beyond = nearest.reach();
            // Fewer than k: all there are.
            if nearest.len() < k || metric.separation_bound(beyond) < group.collectors[self.q].threshold() {
                return Ok(());
            }
        }
        // What is farther than that may score as much.
        let reach = reach(group.collectors[self.q].threshold());
        let mut found = ByScores { search: self, group, reach, beyond, positions, scratch: &mut Scratch::default() };
        self.descend((limit, own), &mut found, stack, scratch)
    }

    /// Scores points of the part.
    fn evaluate<C: Collector>(&self, positions: &[u32], group: &mut Group<C>, scratch: &mut Scratch) -> Result<()> {
        let memory = (&mut scratch.score, &mut scratch.scores, &mut scratch.counters);
        self.space.evaluate(group, &[self.q as u32], self.queries, &Candidates::Gather(positions), memory)
    }

    /// Descends the boxes, the nearest first.
    fn descend(
        &self,
        (limit, own): (u32, u32),
        found: &mut impl Found,
        stack: &mut Vec<Node>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let (tree, counters) = (self.tree, &mut scratch.counters);
        let d = self.space.metric.points().d;
        let x = &self.queries.coords[self.q * d..(self.q + 1) * d];
        let mut squares = [0.0; LEAF];
        stack.clear();
        // Home, and then what is next to that, and to the boxes around it, of which hardly any is within reach by then. Where all
        // points around are at one place, all of these.
        let (mut level, mut done) = (0, self.home(x));
        while level < tree.boxes.top() && tree.boxes.is_one_place(level + 1, done / FAN) {
            (level, done) = (level + 1, done / FAN);
        }
        let least_number = tree.least_numbers.map_or(0, |least| least.of_group(level, done / FAN)[done % FAN]);
        let gap = tree.boxes.gaps(self.space.metric.simd(), level, done / FAN, x)[done % FAN];
        stack.push(Node { gap, least_number, level: level as u32, number: done as u32 });
        loop {
            let Some(node) = stack.pop() else {
                if level > tree.boxes.top() {
                    return Ok(());
                }
                self.open(x, (level, done / FAN), (found.reach(), limit, done), stack);
                (level, done) = (level + 1, done / FAN);
                continue;
            };
            counters.nodes_visited += 1;
            if node.gap > found.reach() || found.is_behind(&node)? {
                counters.pruned_by_cell += 1;
            } else if node.level > 0 {
                let group = (node.level as usize - 1, node.number as usize);
                self.open(x, group, (found.reach(), limit, usize::MAX), stack);
            } else {
                let start = node.number as usize * LEAF;
                let wanted = Wanted { reach: found.reach(), limit };
                let mut reaching = self.look(x, node.number as usize, wanted, &mut squares);
                if (own as usize).wrapping_sub(start) < LEAF {
                    reaching &= !(1 << (own as usize - start));
                }
                counters.distance_evaluations += LEAF.min(tree.keys.len() - start) as u64;
                if reaching != 0 {
                    found.take(start, &squares, reaching)?;
                }
            }
        }
    }

    /// The leaf that the query is in, or would be.
    fn home(&self, x: &[f64]) -> usize {
        match (self.tree.positions, self.queries.positions[self.q]) {
            (None, position) if position != NEW => position as usize / LEAF,
            _ => self.tree.layout.home(x) as usize / LEAF,
        }
    }

    /// Puts the boxes of a group on the stack, the nearest last: those that have a point within reach and the limit, perhaps, but
    /// for one that is done with.
    fn open(
        &self,
        x: &[f64],
        (level, g): (usize, usize),
        (reach, limit, done): (f64, u32, usize),
        stack: &mut Vec<Node>,
    ) {
        let tree = self.tree;
        let gaps = tree.boxes.gaps(self.space.metric.simd(), level, g, x);
        let least = tree.least.map(|least| least.of_group(level, g));
        let numbers = tree.least_numbers.map(|least| least.of_group(level, g));
        let first = stack.len();
        let mut near = (0..FAN).fold(0u32, |near, t| near | u32::from(gaps[t] <= reach) << t);
        near &= (1 << tree.boxes.in_group(level, g)) - 1;
        for (t, b) in places(g * FAN, near) {
            if b != done && least.is_none_or(|least| least[t] < limit) {
                let least_number = numbers.map_or(0, |least| least[t]);
                stack.push(Node { gap: gaps[t], least_number, level: level as u32, number: b as u32 });
                // Few: each goes down to its place.
                let mut place = stack.len() - 1;
                while place > first && is_nearer(&stack[place - 1], &stack[place]) {
                    stack.swap(place - 1, place);
                    place -= 1;
                }
            }
        }
    }

    /// Squared distances of the points of a leaf, and a bit for each that is wanted.
    fn look(&self, x: &[f64], leaf: usize, wanted: Wanted, squares: &mut [f64; LEAF]) -> u32 {
        let (tree, simd) = (self.tree, self.space.metric.simd());
        let keys = &tree.keys[leaf * LEAF..];
        if let Some(keys) = keys.first_chunk() {
            return squares_in_leaf(simd, x, tree.boxes.coords(leaf), (wanted, keys), squares);
        }
        // The last leaf.
        let mut all = [u32::MAX; LEAF];
        all[..keys.len()].copy_from_slice(keys);
        squares_in_leaf(simd, x, tree.boxes.coords(leaf), (wanted, &all), squares)
    }
}

/// Whether the first of two boxes comes before the second.
fn is_nearer(a: &Node, b: &Node) -> bool {
    (a.gap, a.least_number) < (b.gap, b.least_number)
}

/// The places of the bits of a leaf.
fn places(start: usize, mut bits: u32) -> impl Iterator<Item = (usize, usize)> {
    std::iter::from_fn(move || {
        let t = bits.trailing_zeros() as usize;
        (bits != 0).then(|| {
            bits &= bits - 1;
            (t, start + t)
        })
    })
}

/// The least squared distances.
struct BySquares<'a> {
    nearest: &'a mut NearestSquares,
    tree: BoxTree<'a>,
    simd: Simd,
    /// Whether computed scores never rise with squared distance.
    falls: bool,
}

impl Found for BySquares<'_> {
    #[inline]
    fn reach(&self) -> f64 {
        self.nearest.reach()
    }

    #[inline]
    fn is_behind(&mut self, node: &Node) -> Result<bool> {
        let farthest = self.nearest.farthest();
        if node.gap < farthest || self.tree.least_numbers.is_none() {
            return Ok(false);
        }
        let (level, number) = (node.level as usize, node.number as usize);
        let equal = || node.gap == farthest && self.tree.boxes.is_one_place(level, number);
        Ok((self.falls || equal()) && self.nearest.has_enough_below(node.least_number, self.tree.numbers))
    }

    #[inline]
    fn take(&mut self, start: usize, squares: &[f64; LEAF], wanted: u32) -> Result<()> {
        self.nearest.take(self.simd, (start, squares, wanted), self.tree.numbers)
    }
}

/// All that may score enough.
struct ByScores<'a, 's, 'g, M, C> {
    search: &'a BoxSearch<'a, 's, M>,
    group: &'g mut Group<C>,
    reach: f64,
    /// Nearer ones were offered.
    beyond: f64,
    positions: &'g mut Vec<u32>,
    scratch: &'g mut Scratch,
}

impl<M: Metric, C: Collector> Found for ByScores<'_, '_, '_, M, C> {
    fn reach(&self) -> f64 {
        self.reach
    }

    fn is_behind(&mut self, node: &Node) -> Result<bool> {
        let BoxSearch { space, tree, q, .. } = *self.search;
        let (level, b) = (node.level as usize, node.number as usize);
        if node.gap <= self.beyond && tree.boxes.is_one_place(level, b) {
            return Ok(true);
        }
        let Some((distance, number)) = self.group.collectors[q].farthest() else { return Ok(false) };
        if node.least_number <= number || tree.least_numbers.is_none() {
            return Ok(false);
        }
        if space.metric.is_farthest_beyond(node.gap) {
            return Ok(true);
        }
        if !tree.boxes.is_one_place(level, b) {
            return Ok(false);
        }
        let first = tree.position(tree.boxes.members(level, b).start as u32);
        let mut score = [0.0];
        let candidates = Candidates::Gather(&[first]);
        space.metric.scores(self.search.queries, &[q as u32], &candidates, &mut self.scratch.score, &mut score)?;
        // Its own score, with itself, is none of another's there.
        Ok(first != self.group.positions[q] && space.metric.distance(score[0]) >= distance)
    }

    fn take(&mut self, start: usize, squares: &[f64; LEAF], wanted: u32) -> Result<()> {
        let BoxSearch { space, tree, q, .. } = *self.search;
        self.positions.clear();
        for (t, place) in places(start, wanted).filter(|&(t, _)| squares[t] > self.beyond) {
            match space.metric.score_of_square(squares[t]) {
                Some(score) => self.group.collectors[q].offer(space.metric, score, tree.numbers[place]),
                None => self.positions.push(tree.position(place as u32)),
            }
        }
        self.search.evaluate(self.positions, self.group, self.scratch)
    }
}
