//! A batch of queries: cut into groups, shared out among threads, each group searched stage by stage.

use super::collector::{Collector, Neighbor};
use super::context::{Group, Reach, Scratch, SearchCounters, Space};
use super::plan::FEW;
use super::{best_first, box_search, brute_force, leaf_search, level_synchronous, subspace_search};
use crate::control::Control;
use crate::error::{Error, ErrorKind, Result, headroom, try_collect, try_reserve, try_with_capacity};
use crate::metric::{Candidates, Metric, NEW, QueryBlock};
use crate::options::Traversal;
use crate::parallel::Threads;
use crate::simd::leaf::QUERIES;

/// Queries of a group, at most, where subspaces are not searched alone; and groups at least that each thread gets of larger ones.
const GROUP: usize = QUERIES;
const PER_THREAD: usize = 2;
/// Groups at least that queries which were put off are cut into.
const SHARES: usize = 8;
/// A few queries are scored with the pivots of all subspaces only where there are so many times as many points: each takes so
/// many times as long as a point does among all.
const FEW_PIVOTS: usize = 4;
/// Bytes that a thread may need as it goes, for each point of the tree, and for each query of a group and pivot.
const PER_POINT: usize = 16;
const PER_PIVOT: usize = 16;
/// Affine bounds are made where one query for so many points waits for them: they take about as long as a tenth of a microsecond a
/// point, and save half a millisecond a query of n = 131,072.
const POINTS_A_BOUND: usize = 2048;

/// A batch of queries.
pub(crate) struct Batch<'a> {
    /// Keys below its limit may be found by a query, one limit a query.
    pub(crate) limits: &'a [u32],
    /// Home of each query (its leaf, subspace or block, or that of a stored point near it) and its tree position.
    pub(crate) places: &'a [(u32, u32)],
    pub(crate) traversal: Traversal,
}

/// Searches for every query of a batch: `load` fills a block with the queries of given numbers, `collector` makes what
/// a query keeps its points in. Returns what each query kept.
pub(crate) fn run_batch<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    batch: &Batch<'_>,
    load: impl Fn(&[u32], &mut QueryBlock) -> Result<()> + Sync,
    collector: impl Fn(u32) -> C + Sync,
    finish: impl Fn(C) -> Vec<Neighbor> + Sync,
    threads: &Threads,
    control: &mut Control<'_>,
) -> Result<(Vec<Vec<Neighbor>>, SearchCounters)> {
    let count = batch.limits.len();
    if count > u32::MAX as usize {
        return Err(Error::invalid(format!("{count} queries at once; at most {} are supported", u32::MAX)));
    }
    let pivots = space.subspaces.map_or(0, |bound| bound.subspaces.pivots());
    let cells_alone = batch.traversal == Traversal::Automatic && space.leaves.is_none() && space.subspaces.is_some();
    let most = if cells_alone { subspace_search::GROUP } else { GROUP };
    headroom(threads.count() * (PER_POINT * space.numbers.len() + most * PER_PIVOT * pivots), "the search")?;
    let least = space.twins.map(|twins| twins.least_keys(space.keys.of)).transpose()?;
    let places = least.as_ref().map(|keys| space.of_places(keys));
    let search = Searcher { space, places, batch, load, collector, finish, threads };
    let mut neighbors = try_with_capacity(count, "the answer")?;
    neighbors.resize_with(count, Vec::new);
    let mut counters = SearchCounters::default();
    control.phase(0.0, 0.9);
    let mut numbers: Vec<u32> = try_collect((0..count as u32).map(Ok), "the queries")?;
    for (stage, end) in [(Stage::Near, 0.6), (Stage::Wide, 0.8), (Stage::Pivots, 0.9)] {
        arrange(&mut numbers, batch, few(space), stage)?;
        // A few that are left are still shared out among the threads.
        let share = |shares: usize| numbers.len().div_ceil(shares * threads.count());
        let group = if stage == Stage::Near { share(PER_THREAD).clamp(GROUP, most) } else { share(1).clamp(1, most) };
        let groups = try_collect(numbers.chunks(group).map(Ok), "the queries")?;
        let new;
        (numbers, new) = search.run(groups, stage, &mut neighbors, &mut counters, control)?;
        if numbers.is_empty() {
            break;
        }
        if let Some(bound) = space.leaves.filter(|_| stage == Stage::Near && space.starts.is_none())
            && new * POINTS_A_BOUND >= space.numbers.len()
        {
            bound.leaves.make_affine(bound.metric, threads)?;
        }
        control.phase(end, 1.0);
    }
    arrange(&mut numbers, batch, few(space), Stage::Last)?;
    search.run_last(&numbers, &mut neighbors, &mut counters, control)?;
    control.phase(1.0, 1.0);
    control.step(1.0)?;
    Ok((neighbors, counters))
}

/// What the automatic traversal tries, one after the other, for queries that are not done.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// Leaves for queries to which few are open, or else subspaces.
    Near,
    /// Leaves for the others.
    Wide,
    /// Subspaces, for queries to which leaves leave too much.
    Pivots,
    /// All points.
    Last,
}

/// One stage of the automatic traversal; returns the queries that are left to the next.
fn automatic<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    stage: Stage,
    group: &mut Group<C>,
    memory: &mut Memory,
) -> Result<Vec<u32>> {
    let Memory { queries, scratch, leaves, subspaces, .. } = memory;
    let reach = if stage == Stage::Near { Reach::Near } else { Reach::Wide };
    match (stage, &space.leaves, &space.subspaces) {
        (Stage::Near | Stage::Wide, Some(bound), _) => {
            leaf_search::search(space, bound, queries, group, reach, (leaves, scratch))
        }
        (Stage::Pivots, Some(leaved), Some(bound))
            if bound.subspaces.pivots() * FEW_PIVOTS < bound.subspaces.members.len() =>
        {
            let subspace = |home: u32| bound.subspaces.of_leaf(leaved.leaves.members(home as usize));
            group.homes.iter_mut().for_each(|home| *home = subspace(*home));
            subspace_search::search(space, bound, queries, group, reach, (subspaces, scratch))
        }
        (Stage::Near | Stage::Wide, None, Some(bound)) => {
            subspace_search::search(space, bound, queries, group, reach, (subspaces, scratch))
        }
        _ => Ok(queries.all.clone()),
    }
}

/// What a thread needs, reused from group to group; nothing in it has length n.
#[derive(Default)]
struct Memory {
    queries: QueryBlock,
    scratch: Scratch,
    boxes: box_search::Memory,
    leaves: leaf_search::Memory,
    subspaces: subspace_search::Memory,
}

/// What every group of a batch is searched with.
struct Searcher<'a, M, L, K, F> {
    space: &'a Space<'a, M>,
    /// The first points of places, where there are twins.
    places: Option<Space<'a, M>>,
    batch: &'a Batch<'a>,
    load: L,
    collector: K,
    finish: F,
    threads: &'a Threads,
}

/// What a group came to: its answers, the numbers of queries without one, how many of these are not stored, and what was counted.
#[derive(Default)]
struct Found {
    kept: Vec<Vec<Neighbor>>,
    unfinished: Vec<u32>,
    new: usize,
    counters: SearchCounters,
}

impl<M, C, L, K, F> Searcher<'_, M, L, K, F>
where
    M: Metric,
    C: Collector,
    L: Fn(&[u32], &mut QueryBlock) -> Result<()> + Sync,
    K: Fn(u32) -> C + Sync,
    F: Fn(C) -> Vec<Neighbor> + Sync,
{
    /// Searches for groups of queries; returns those that the automatic traversal leaves to the next stage, and how many of these
    /// are not stored.
    fn run(
        &self,
        groups: Vec<&[u32]>,
        stage: Stage,
        neighbors: &mut [Vec<Neighbor>],
        counters: &mut SearchCounters,
        control: &mut Control<'_>,
    ) -> Result<(Vec<u32>, usize)> {
        let (space, batch) = (self.space, self.batch);
        let mut found: Vec<Found> = try_with_capacity(groups.len(), "the answer")?;
        found.resize_with(groups.len(), Default::default);
        let tasks = try_collect(groups.iter().zip(&mut found).map(Ok), "the queries")?;
        self.threads.run(tasks, control, Memory::default, |memory, (numbers, found)| {
            let mut group = self.load_group(numbers, &mut memory.queries)?;
            let Memory { queries, scratch, boxes, .. } = &mut *memory;
            scratch.counters = SearchCounters::default();
            let count = numbers.len() as u64;
            let mut at_places = false;
            match choose(batch.traversal, space, queries, &group) {
                Traversal::BruteForce => {
                    brute_force::search(space, (queries, &queries.all), &mut group, (0, 1), scratch)?;
                    scratch.counters.by_brute_force += count;
                }
                Traversal::BestFirst => {
                    best_first::search(space, queries, &mut group, scratch)?;
                    scratch.counters.by_nodes += count;
                }
                Traversal::LevelSynchronous => {
                    level_synchronous::search(space, queries, &mut group, scratch)?;
                    scratch.counters.by_nodes += count;
                }
                Traversal::Automatic if space.metric.is_spatial() => {
                    let by_boxes = box_search::search(space, queries, &mut group, (boxes, scratch))?;
                    brute_force::search(space, (queries, &queries.all[by_boxes..]), &mut group, (0, 1), scratch)?;
                    scratch.counters.by_boxes += by_boxes as u64;
                    scratch.counters.by_brute_force += count - by_boxes as u64;
                }
                Traversal::Automatic => {
                    self.start_at_place(&mut group, queries, scratch)?;
                    let unfinished = automatic(self.places.as_ref().unwrap_or(space), stage, &mut group, memory)?;
                    at_places = self.places.is_some();
                    let scratch = &mut memory.scratch;
                    let answered = count - unfinished.len() as u64;
                    match space.leaves.is_some() && stage != Stage::Pivots {
                        true => scratch.counters.by_leaves += answered,
                        false => scratch.counters.by_subspaces += answered,
                    }
                    found.new = unfinished.iter().filter(|&&q| group.positions[q as usize] == NEW).count();
                    found.unfinished.extend(unfinished.into_iter().map(|q| numbers[q as usize]));
                }
            }
            found.kept = self.finished(group, at_places)?;
            found.counters = memory.scratch.counters;
            Ok(())
        })?;
        let (mut unfinished, mut new) = (Vec::new(), 0);
        for (numbers, found) in groups.iter().zip(found) {
            *counters += found.counters;
            numbers.iter().zip(found.kept).for_each(|(&q, kept)| neighbors[q as usize] = kept);
            unfinished.extend(found.unfinished);
            new += found.new;
        }
        Ok((unfinished, new))
    }

    /// Scores queries with all points they may find. V is read once for a group: few queries share one, and the points
    /// are shared out among the threads.
    fn run_last(
        &self,
        numbers: &[u32],
        neighbors: &mut [Vec<Neighbor>],
        counters: &mut SearchCounters,
        control: &mut Control<'_>,
    ) -> Result<()> {
        counters.by_brute_force += numbers.len() as u64;
        let groups = try_collect(numbers.chunks(GROUP).map(Ok), "the queries")?;
        let parts = SHARES.div_ceil(groups.len().max(1));
        let mut found: Vec<(Vec<Vec<Neighbor>>, SearchCounters)> =
            try_with_capacity(groups.len() * parts, "the answer")?;
        found.resize_with(groups.len() * parts, Default::default);
        let tasks = try_collect(found.iter_mut().enumerate().map(Ok), "the queries")?;
        let memory = || (QueryBlock::default(), Scratch::default());
        self.threads.run(tasks, control, memory, |(queries, scratch), (task, found)| {
            let mut group = self.load_group(groups[task / parts], queries)?;
            scratch.counters = SearchCounters::default();
            match (&self.places, self.space.twins) {
                (Some(places), Some(twins)) => {
                    let firsts = twins.firsts();
                    let end = |part: usize| firsts.len() * part / parts;
                    if task % parts == 0 {
                        self.start_at_place(&mut group, queries, scratch)?;
                    } else {
                        self.leave_out_own_place(&mut group);
                    }
                    let share = firsts[end(task % parts)..end(task % parts + 1)].iter().copied();
                    places.evaluate_some(&mut group, &queries.all, queries, share, scratch)?;
                }
                _ => {
                    let all = (&*queries, &queries.all[..]);
                    brute_force::search(self.space, all, &mut group, (task % parts, parts), scratch)?;
                }
            }
            *found = (self.finished(group, self.places.is_some())?, scratch.counters);
            Ok(())
        })?;
        for (numbers, found) in groups.iter().zip(found.chunks_mut(parts)) {
            numbers.iter().for_each(|&q| neighbors[q as usize].clear());
            for (kept, counted) in found {
                *counters += *counted;
                for (&q, kept) in numbers.iter().zip(kept) {
                    try_reserve(&mut neighbors[q as usize], kept.len(), "the answer")?;
                    neighbors[q as usize].append(kept);
                }
            }
            for &q in *numbers {
                let kept = &mut neighbors[q as usize];
                kept.sort_unstable();
                let wanted = (self.collector)(q).wanted();
                if wanted > 0 {
                    kept.truncate(wanted);
                }
            }
        }
        Ok(())
    }

    /// Where there are twins, scores queries with those at their own places, which are left out of what follows.
    fn start_at_place(&self, group: &mut Group<C>, queries: &QueryBlock, scratch: &mut Scratch) -> Result<()> {
        let (space, Some(twins)) = (self.space, self.space.twins) else { return Ok(()) };
        for (q, &own) in (0..).zip(&queries.positions).filter(|&(_, &own)| own != NEW) {
            let (limit, wanted) = (group.limits[q as usize], group.collectors[q as usize].wanted());
            let most = if wanted == 0 { usize::MAX } else { wanted };
            let allowed = |i: &u32| space.keys.of[*i as usize] < limit;
            let first = twins.first(own);
            let here = twins.members(first).unwrap_or(std::slice::from_ref(&own));
            space.offer(group, q as usize, own as usize, M::SELF_SCORE);
            // With all others there it has one score.
            let Some(&other) = here.iter().find(|&&position| position != own) else { continue };
            let (mut score, other) = ([0.0], [other]);
            space.metric.scores(queries, &[q], &Candidates::Gather(&other), &mut scratch.score, &mut score)?;
            scratch.counters.distance_evaluations += 1;
            for &position in here.iter().filter(|&position| *position != own && allowed(position)).take(most) {
                space.offer(group, q as usize, position as usize, score[0]);
            }
        }
        self.leave_out_own_place(group);
        Ok(())
    }

    /// Has the first points of places stand for queries, and points as far as the farthest kept.
    fn leave_out_own_place(&self, group: &mut Group<C>) {
        if let Some(twins) = self.space.twins {
            group.positions.iter_mut().filter(|own| **own != NEW).for_each(|own| *own = twins.first(*own));
            group.collectors.iter_mut().for_each(Collector::keep_ties);
        }
    }

    /// What the queries of a group have kept; `at_places` what stands for all at its place.
    fn finished(&self, group: Group<C>, at_places: bool) -> Result<Vec<Vec<Neighbor>>> {
        if group.collectors.iter().any(Collector::failed) {
            return Err(Error::new(ErrorKind::OutOfMemory, "could not allocate the answer"));
        }
        let wanted: Vec<usize> = group.collectors.iter().map(Collector::wanted).collect();
        let mut all: Vec<Vec<Neighbor>> = group.collectors.into_iter().map(&self.finish).collect();
        if let Some(twins) = self.space.twins.filter(|_| at_places) {
            let (keys, numbers) = (self.space.keys.of, self.space.numbers);
            for (q, found) in all.iter_mut().enumerate() {
                let (limit, own) = (group.limits[q], group.positions[q]);
                let most = if wanted[q] == 0 { usize::MAX } else { wanted[q] };
                let numbered = (own, numbers, self.space.positions);
                twins.expand(found, numbered, most, |position| keys[position as usize] < limit)?;
            }
        }
        Ok(all)
    }

    /// Loads the queries of a group, and what is kept of each.
    fn load_group(&self, numbers: &[u32], queries: &mut QueryBlock) -> Result<Group<C>> {
        queries.clear();
        (self.load)(numbers, queries)?;
        Ok(Group {
            positions: queries.positions.clone(),
            homes: numbers.iter().map(|&q| self.batch.places[q as usize].0).collect(),
            limits: numbers.iter().map(|&q| self.batch.limits[q as usize]).collect(),
            collectors: numbers.iter().map(|&q| (self.collector)(q)).collect(),
        })
    }
}

/// Sorts the numbers of queries for a stage: first, by limit, those that are scored one and all with what is allowed, so that a
/// group's prefixes are about equally long, which the automatic traversal does up to a limit of `few`; then the others by
/// powers of two of the limit, so that at least half of the points a group looks at are allowed, and then by place. Limits are
/// at most n.
fn arrange(numbers: &mut [u32], batch: &Batch<'_>, few: usize, stage: Stage) -> Result<()> {
    let few = match (batch.traversal, stage) {
        (Traversal::BruteForce, _) | (_, Stage::Last) => usize::MAX,
        (Traversal::Automatic, _) => few,
        _ => 0,
    };
    let key = |q: u32| {
        let limit = batch.limits[q as usize];
        let (cohort, (home, position)) =
            if limit as usize <= few { (0, (limit, 0)) } else { (cohort(limit), batch.places[q as usize]) };
        (u64::from(cohort) << u32::BITS | u64::from(home), u64::from(position) << u32::BITS | u64::from(q))
    };
    // With their keys beside them: these are all over the place.
    let mut keyed = try_collect(numbers.iter().map(|&q| Ok(key(q))), "the queries")?;
    keyed.sort_unstable();
    numbers.iter_mut().zip(keyed).for_each(|(to, (_, last))| *to = last as u32);
    Ok(())
}

/// The power of two that a limit is rounded up to; 0 for those below which points are scored one and all.
fn cohort(limit: u32) -> u32 {
    if limit as usize <= FEW { 0 } else { u32::BITS - (limit - 1).leading_zeros() }
}

/// As many allowed points as are scored one and all: without leaves what is allowed may also be less than the pivots that all
/// queries might be scored with.
fn few<M: Metric>(space: &Space<'_, M>) -> usize {
    let more = match (&space.subspaces, &space.leaves, &space.starts) {
        (Some(bound), None, _) => bound.subspaces.pivots() / 2,
        (Some(_), Some(_), None) => (2 * FEW).min(space.numbers.len() / 4),
        _ => 0,
    };
    FEW.max(more)
}

/// The traversal for a group.
fn choose<M: Metric, C: Collector>(
    traversal: Traversal,
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &Group<C>,
) -> Traversal {
    if !space.metric.is_metric() || queries.improper {
        return Traversal::BruteForce;
    }
    let n = space.numbers.len();
    let allowed = n.min(group.largest_limit() as usize);
    let wanted = group.collectors.iter().map(|c| c.wanted()).max().unwrap_or(0);
    match traversal {
        Traversal::Automatic if allowed <= few(space).max(wanted.saturating_mul(4)) => Traversal::BruteForce,
        chosen => chosen,
    }
}
