//! How cross-Grams are made: which subspaces are listed with each, and their products side by side.

use super::cross_grams::CrossGrams;
use super::principal_angles::{Pair, Pairs};
use super::subspace::NO_SUBSPACE;
use super::subspaces::Subspaces;
use crate::control::Control;
use crate::error::{Result, checked_area, out_of_memory, try_collect, try_resize, try_vec, try_with_capacity};
use crate::metric::{Candidates, Correlation, Metric, QueryBlock, ScoreScratch};
use crate::parallel::Threads;
use crate::simd::cross_gram::LANES;

/// Pairs of subspaces take this share of the bytes of V at most, and their products with both subspaces twice as much.
const SHARE: usize = 3;
/// Neighbours for which enough subspaces are listed, members of a subspace that tell how many these are, and points among which they
/// are looked for, as a multiple of the neighbours. With 48, 60, 64 and 80 the benchmark's gold takes 220, 196, 192 and 186
/// evaluations a query, and its tree 197, 204, 206 and 214 MB; with 64 and 3 members 214, and 201 MB.
const WANTED: usize = 60;
const SAMPLE: usize = 6;
const START_FACTOR: usize = 8;

/// Memory of one thread.
#[derive(Default)]
struct Scratch {
    queries: QueryBlock,
    score: ScoreScratch,
    scores: Vec<f64>,
    points: Vec<u32>,
}

/// Bytes that pairs may take, of `n` points with rows of V of `width` values.
pub(super) fn room(n: usize, width: usize) -> usize {
    n * width * size_of::<f64>() / SHARE
}

impl CrossGrams {
    /// Those of `subspaces`: the products `pairs`, as far as `listed` says of each subspace.
    pub(super) fn of_pairs(
        subspaces: &Subspaces,
        pairs: &[Pairs],
        listed: &[u16],
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<CrossGrams> {
        let what = "the subspaces";
        let lists = Place::all(subspaces, pairs, listed)?;
        let mut starts = try_with_capacity(lists.len() + 1, what)?;
        starts.push(0);
        let mut groups = 0;
        for list in &lists {
            groups += list.len().div_ceil(LANES);
            starts.push(u32::try_from(groups).map_err(|_| out_of_memory(groups, what))?);
        }
        let lanes = checked_area(groups, LANES, what)?;
        let mut cross_grams = CrossGrams {
            starts,
            subspaces: try_vec(lanes, NO_SUBSPACE, what)?,
            scales: try_vec(lanes, 0.0, what)?,
            errors: try_vec(lanes, 0.0, what)?,
            ..CrossGrams::default()
        };
        for (own, list) in lists.iter().enumerate() {
            let lanes = &mut cross_grams.subspaces[cross_grams.starts[own] as usize * LANES..];
            lanes.iter_mut().zip(list).for_each(|(subspace, place)| *subspace = place.of(pairs).other(own as u32));
        }
        cross_grams.products = try_vec(cross_grams.place(|c| subspaces.subspaces[c].rank)?, 0, what)?;
        let mut tasks = try_with_capacity(groups, what)?;
        let mut products = &mut cross_grams.products[..];
        let mut lanes = cross_grams.scales.chunks_mut(LANES).zip(cross_grams.errors.chunks_mut(LANES));
        for (own, list) in lists.iter().enumerate() {
            let rank = subspaces.subspaces[own].rank;
            for (group, list) in cross_grams.groups[cross_grams.starts[own] as usize..].iter().zip(list.chunks(LANES)) {
                let products = products.split_off_mut(..group.rows as usize * rank * LANES).unwrap_or_default();
                if let Some((scales, errors)) = lanes.next() {
                    tasks.push((own, list, (scales, errors, products)));
                }
            }
        }
        threads.run(
            tasks,
            control,
            || (),
            |(), (own, list, (scales, errors, products))| {
                let rank = subspaces.subspaces[own].rank;
                for (lane, place) in list.iter().enumerate() {
                    let pair = place.of(pairs);
                    (scales[lane], errors[lane]) = (pair.scale, pair.error);
                    let other = subspaces.subspaces[pair.other(own as u32) as usize].rank;
                    // A row for each dimension of the other span.
                    let (row, column) = if pair.a == own as u32 { (1, other) } else { (rank, 1) };
                    let from = &pairs[place.task as usize].products[pair.start as usize..][..rank * other];
                    for j in 0..other {
                        for i in 0..rank {
                            products[(j * rank + i) * LANES + lane] = from[j * row + i * column];
                        }
                    }
                }
                Ok(())
            },
        )?;
        Ok(cross_grams)
    }
}

/// A pair that is listed with a subspace, by its place.
#[derive(Clone, Copy)]
struct Place {
    task: u32,
    pair: u32,
}

impl Place {
    /// What is listed with each subspace; those of a rank side by side.
    fn all(subspaces: &Subspaces, pairs: &[Pairs], listed: &[u16]) -> Result<Vec<Vec<Place>>> {
        let what = "the subspaces";
        let mut counts = try_vec(listed.len(), 0usize, what)?;
        for pair in pairs.iter().flat_map(|pairs| &pairs.list) {
            pair.owns(listed).for_each(|own| counts[own as usize] += 1);
        }
        let mut lists: Vec<Vec<Place>> =
            try_collect(counts.into_iter().map(|count| try_with_capacity(count, what)), what)?;
        for (task, pairs) in pairs.iter().enumerate() {
            for (t, pair) in pairs.list.iter().enumerate() {
                let place = Place { task: task as u32, pair: t as u32 };
                pair.owns(listed).for_each(|own| lists[own as usize].push(place));
            }
        }
        for (own, list) in lists.iter_mut().enumerate() {
            let other = |place: &Place| place.of(pairs).other(own as u32);
            list.sort_unstable_by_key(|place| (subspaces.subspaces[other(place) as usize].rank, other(place)));
        }
        Ok(lists)
    }

    /// The pair.
    fn of(self, pairs: &[Pairs]) -> &Pair {
        &pairs[self.task as usize].list[self.pair as usize]
    }
}

/// For each subspace the gap in the table below which there may be one of the [`WANTED`] nearest of its points, as a sample tells
/// among the subspaces around it. And evaluations.
pub(super) fn listed(
    subspaces: &Subspaces,
    metric: &Correlation,
    threads: &Threads,
    control: &mut Control<'_>,
) -> Result<(Vec<u16>, usize)> {
    let what = "the subspaces";
    let mut listed = try_vec(subspaces.len(), (0u16, 0usize), what)?;
    let tasks = try_collect(listed.iter_mut().enumerate().map(Ok), what)?;
    threads.run(tasks, control, Scratch::default, |s, (own, (listed, evaluations))| {
        let view = subspaces.view(own);
        s.points.clear();
        for &c in subspaces.around(own) {
            s.points.extend_from_slice(subspaces.view(c as usize).members);
            if s.points.len() >= START_FACTOR * WANTED {
                break;
            }
        }
        // From the first pivot to the last member.
        let mut sample: Vec<usize> = (0..SAMPLE).map(|t| t * (view.members.len() - 1) / (SAMPLE - 1)).collect();
        sample.dedup();
        s.queries.clear();
        sample.iter().for_each(|&t| s.queries.push_stored(metric.points(), view.members[t] as usize));
        *evaluations = s.queries.len * s.points.len();
        try_resize(&mut s.scores, *evaluations, 0.0, what)?;
        let others = Candidates::Gather(&s.points);
        metric.scores(&s.queries, &s.queries.all, &others, &mut s.score, &mut s.scores)?;
        let wanted = WANTED.min(s.points.len());
        for scores in s.scores.chunks_exact_mut(s.points.len()) {
            let (_, least, _) = scores.select_nth_unstable_by(wanted - 1, |a, b| b.total_cmp(a));
            let reach = subspaces.steps(view.margins.sine.asin(), metric.length(*least));
            *listed = (*listed).max(u16::from(reach) + 1);
        }
        Ok(())
    })?;
    let evaluations = listed.iter().map(|(_, evaluations)| evaluations).sum();
    let listed = try_collect(listed.iter().map(|&(listed, _)| Ok(listed)), what)?;
    Ok((listed, evaluations))
}
