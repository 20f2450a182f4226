//! Search by the screen: blocks of queries against panels of points, in 16-bit integers with their error carried; what
//! the bounds cannot exclude is scored in `f64`.

use super::collect::Collector;
use super::screen::{FULL, Screen};
use super::space::{Group, Scratch, Space};
use crate::error::Result;
use crate::kernel::Kernel;
use crate::metric::{Metric, NEW, QueryBlock};
use crate::simd::Simd;
use crate::simd::dots::{Dense, Gathered, dots};
use crate::simd::int16::{LANES, panel_products};
use crate::simd::screened::{squared_distances, upper_bounds};

/// A screen and the kernel it holds values of.
#[derive(Clone, Copy)]
pub(crate) struct ScreenBound<'a> {
    pub(crate) screen: &'a Screen,
    pub(crate) kernel: &'a Kernel,
    pub(crate) simd: Simd,
    /// What jitter adds to the variance of an inducing point.
    pub(crate) nugget: f64,
}

/// Products that are left out may amount to this share of what a typical neighbour's residual covariance is.
const LEFT_OUT: f64 = 0.12;
/// A query whose error, as a correlation with a typical point, is more than this share of its threshold is not screened.
const LARGEST_ERROR: f64 = 0.4;

/// A block of at most [`LANES`] queries in integers.
struct Block {
    /// Numbers of the queries in the group.
    numbers: Vec<u32>,
    /// a_q of each, m values.
    a: Vec<f64>,
    /// Chosen pairs of inducing points, ascending.
    pairs: Vec<u32>,
    /// Entries of a_q for each pair and query, and their absolute values rounded up.
    rows: Vec<[i32; LANES]>,
    magnitudes: Vec<[i32; LANES]>,
    /// What a unit of a query's products is worth.
    units: [f64; LANES],
    /// What a query's bounds by the largest k(Z, x) leave out, and what its products may be off by.
    left_out: [f64; LANES],
    errors: [f64; LANES],
}

/// Searches for those queries of the group that integers can tell something of; returns the others.
pub(crate) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    bound: &ScreenBound<'_>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    scratch: &mut Scratch,
) -> Result<Vec<u32>> {
    let mut others = Vec::new();
    let d = space.metric.points().d;
    let mut gaps = std::mem::take(&mut scratch.gaps);
    let mut seeds = Seeds { nearest: std::mem::take(&mut scratch.nearest), panels: Vec::with_capacity(LANES) };
    for numbers in queries.all.chunks(LANES) {
        seeds.nearest.clear();
        seeds.panels.clear();
        for &q in numbers {
            let x = &queries.coords[q as usize * d..(q as usize + 1) * d];
            bound.screen.squared_gaps(x, &mut gaps);
            seeds.panels.push(evaluate_seeds(space, bound, queries, group, q, &gaps, scratch)?);
            seeds.nearest.extend_from_slice(&gaps);
        }
        bound.kernel.covariances_in_place(bound.simd, &mut seeds.nearest);
        let block = Block::new(space, bound, queries, group, numbers, &mut others);
        scratch.counters.distance_evaluations += (numbers.len() * space.metric.points().m) as u64;
        if !block.numbers.is_empty() {
            block.search(space, bound, queries, group, &seeds, scratch)?;
        }
    }
    (scratch.gaps, scratch.nearest) = (gaps, seeds.nearest);
    Ok(others)
}

/// What is known of each query of a block and each panel before the screen is looked at.
struct Seeds {
    /// The largest covariance with any point of the panel, by its box.
    nearest: Vec<f64>,
    /// Panels of which all points have been offered, ascending.
    panels: Vec<Vec<u32>>,
}

/// Evaluates a query with the points of the panels nearest to it in space, until enough allowed ones have been met;
/// returns these panels, ascending. `gaps` are the squared distances from the panels.
fn evaluate_seeds<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    bound: &ScreenBound<'_>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    q: u32,
    gaps: &[f64],
    scratch: &mut Scratch,
) -> Result<Vec<u32>> {
    let screen = bound.screen;
    let wanted = group.collectors[q as usize].wanted();
    let wanted = wanted + wanted / 2;
    let limit = group.limits[q as usize];
    let most = gaps.len().min(8 + wanted / 2);
    let mut panels = std::mem::take(&mut scratch.frontier);
    panels.clear();
    panels.extend(0..gaps.len() as u32);
    let by_gap = |&a: &u32, &b: &u32| gaps[a as usize].total_cmp(&gaps[b as usize]).then(a.cmp(&b));
    if most > 0 && most < panels.len() {
        panels.select_nth_unstable_by(most - 1, by_gap);
    }
    panels.truncate(most);
    panels.sort_unstable_by(by_gap);
    // A point is at distance 0 from itself even where its variance was raised, which the screen does not know.
    let own = group.positions[q as usize];
    let allowed = |&i: &u32| i != NEW && i != own && space.keys.of[i as usize] < limit;
    let (mut met, mut used) = (0, 0);
    let mut points: Vec<u32> = Vec::new();
    points.extend(Some(own).filter(|&own| own != NEW));
    while met < wanted && used < panels.len() {
        let p = panels[used] as usize;
        let before = points.len();
        points.extend(screen.positions[p * LANES..(p + 1) * LANES].iter().copied().filter(allowed));
        met += points.len() - before;
        used += 1;
    }
    space.evaluate_some(group, &[q], queries, points.iter().copied(), scratch)?;
    let mut seeds = panels[..used].to_vec();
    seeds.sort_unstable();
    scratch.frontier = panels;
    Ok(seeds)
}

/// The residual covariance, over sqrt(p) of a point, that matters to query `q`.
fn least<M: Metric, C: Collector>(space: &Space<'_, M>, queries: &QueryBlock, group: &Group<C>, q: u32) -> f64 {
    let isd = queries.inverse_sds[q as usize];
    let slack = space.metric.slack(space.metric.weight(isd), space.largest_weight);
    (group.collectors[q as usize].threshold() - slack) / (isd * (1.0 + 1e-12))
}

impl Block {
    fn new<M: Metric, C: Collector>(
        space: &Space<'_, M>,
        bound: &ScreenBound<'_>,
        queries: &QueryBlock,
        group: &Group<C>,
        numbers: &[u32],
        others: &mut Vec<u32>,
    ) -> Block {
        let basis = &bound.screen.basis;
        let (m, width) = (space.metric.points().m, space.metric.points().width);
        let mut all = vec![0.0; numbers.len() * m];
        let inverse = Dense { data: &basis.inverse[..], width, len: m };
        dots(bound.simd, Gathered { data: &queries.factor, width, index: numbers }, inverse, &mut all);
        let variance = bound.kernel.variance;
        // What each query may leave out, in the unit of a; and the pairs that weigh most against it.
        let mut allowed = Vec::with_capacity(numbers.len());
        for &q in numbers {
            let typical = (queries.inverse_sds[q as usize] * basis.inverse_sd * variance).recip();
            let threshold = group.collectors[q as usize].threshold();
            allowed.push(LEFT_OUT * typical * if threshold.is_finite() { threshold.max(0.05) } else { 0.3 });
        }
        let entry = |a: &[f64], z: u32| a.get(z as usize).copied().unwrap_or(0.0);
        let size = |a: &[f64], pair: &[u32; 2]| entry(a, pair[0]).abs() + entry(a, pair[1]).abs();
        let weight = |pair: &[u32; 2]| {
            let weights = all.chunks_exact(m).zip(&allowed).map(|(a, allowed)| size(a, pair) / allowed);
            weights.fold(0.0, f64::max)
        };
        let mut order: Vec<(f64, u32)> =
            basis.pairs.iter().enumerate().map(|(t, pair)| (weight(pair), t as u32)).collect();
        order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut left: Vec<f64> = all.chunks_exact(m).map(|a| a.iter().map(|a| a.abs()).sum()).collect();
        let totals = left.clone();
        let mut pairs: Vec<u32> = Vec::new();
        for &(_, t) in &order {
            if left.iter().zip(&allowed).all(|(left, allowed)| left <= allowed) {
                break;
            }
            left.iter_mut().zip(all.chunks_exact(m)).for_each(|(left, a)| *left -= size(a, &basis.pairs[t as usize]));
            pairs.push(t);
        }
        pairs.sort_unstable();

        let mut block = Block {
            numbers: Vec::with_capacity(numbers.len()),
            a: Vec::with_capacity(all.len()),
            rows: vec![[0; LANES]; pairs.len()],
            magnitudes: vec![[0; LANES]; pairs.len()],
            pairs,
            units: [0.0; LANES],
            left_out: [0.0; LANES],
            errors: [0.0; LANES],
        };
        let chosen = 2.0 * block.pairs.len() as f64;
        for (i, (&q, a)) in numbers.iter().zip(all.chunks_exact(m)).enumerate() {
            let largest = a.iter().fold(0.0f64, |largest, a| largest.max(a.abs()));
            // Sums of the absolute values of a row times those of a panel then stay below 2^31.
            let scale = (totals[i] / (65_000.0 - chosen)).max(largest / FULL).max(f64::MIN_POSITIVE);
            let left = left[i].max(0.0);
            let rounding = 1e-9 * (1.0 + totals[i]);
            // Rounding of a_q, at most half a unit an entry, meets k(Z, x), whose norm is known.
            let off = |value: f64| (value / scale - (value / scale).round()).powi(2);
            let rounded = block.pairs.iter().flat_map(|&pair| basis.pairs[pair as usize]).map(|z| off(entry(a, z)));
            let off = rounded.sum::<f64>().sqrt() * scale * bound.screen.norm;
            let error = variance * (1.001 * (left + 0.5 * (totals[i] + scale * chosen) / FULL + off) + rounding);
            let typical = error * queries.inverse_sds[q as usize] * basis.inverse_sd;
            // Without a threshold nothing can be excluded either.
            let hopeful = typical <= LARGEST_ERROR * group.collectors[q as usize].threshold();
            if !hopeful || chosen > 30_000.0 {
                others.push(q);
                continue;
            }
            let r = block.numbers.len();
            block.numbers.push(q);
            block.a.extend_from_slice(a);
            block.units[r] = variance * scale / FULL;
            block.left_out[r] = variance * (left + rounding);
            block.errors[r] = error;
            for (t, &pair) in block.pairs.iter().enumerate() {
                let pair = &basis.pairs[pair as usize];
                let values = [entry(a, pair[0]) / scale, entry(a, pair[1]) / scale];
                let pack = |[low, high]: [f64; 2]| i32::from(low as i16 as u16) | (i32::from(high as i16) << 16);
                block.rows[t][r] = pack(values.map(f64::round));
                block.magnitudes[t][r] = pack(values.map(|value| value.abs().ceil()));
            }
        }
        block
    }

    fn search<M: Metric, C: Collector>(
        &self,
        space: &Space<'_, M>,
        bound: &ScreenBound<'_>,
        queries: &QueryBlock,
        group: &mut Group<C>,
        seeds: &Seeds,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let ScreenBound { screen, kernel, simd, .. } = *bound;
        let points = space.metric.points();
        let (d, panels, count) = (points.d, screen.panels(), self.numbers.len());
        let mut wanted = [f64::INFINITY; LANES];
        for (r, &q) in self.numbers.iter().enumerate() {
            wanted[r] = least(space, queries, group, q);
        }
        // The covariance with the nearest corner of each panel; a block is a run of the group's queries.
        let first = self.numbers[0] as usize / LANES * LANES;
        let nearest = |r: usize, p: usize| seeds.nearest[(self.numbers[r] as usize - first) * panels + p];

        // Panels that some query cannot exclude, with a bit for each that cannot.
        let mut open: Vec<(u32, u32)> = Vec::new();
        let mut products = [[0i32; LANES]; LANES];
        for (g, caps) in screen.caps().enumerate() {
            panel_products(simd, &self.magnitudes, &self.pairs, caps, &mut products);
            for (lane, p) in (g * LANES..panels.min((g + 1) * LANES)).enumerate() {
                let isd = screen.inverse_sds[p];
                let mut mask = 0;
                for r in 0..count {
                    let most = nearest(r, p) + f64::from(products[r][lane]) * self.units[r] + self.left_out[r];
                    mask |= u32::from(most * isd >= wanted[r] || !space.certificates.panels) << r;
                }
                if mask != 0 {
                    open.push((p as u32, mask));
                }
            }
        }
        scratch.counters.nodes_visited += (count * panels) as u64;
        scratch.counters.pruned_by_cell += (count * (panels - open.len())) as u64;
        let chosen = 2 * self.pairs.len();
        let looked_at = count * (panels + open.len() * LANES) * chosen;
        scratch.counters.distance_evaluations += looked_at.div_ceil(points.m) as u64;

        // Their points, by products and covariances.
        let mut left: Vec<Vec<(f64, u32)>> = vec![Vec::new(); count];
        let mut coords = Vec::with_capacity(count * d);
        let mut covariances = vec![0.0; count * LANES];
        for &(p, mask) in &open {
            let (panel_coords, inverse_sds) = screen.points(p as usize);
            coords.clear();
            let rows = || (0..count).filter(|r| mask >> r & 1 == 1);
            for r in rows() {
                let q = self.numbers[r] as usize;
                coords.extend_from_slice(&queries.coords[q * d..(q + 1) * d]);
            }
            let covariances = &mut covariances[..coords.len() / d * LANES];
            squared_distances(simd, &coords, panel_coords, covariances);
            kernel.covariances_in_place(simd, covariances);
            panel_products(simd, &self.rows, &self.pairs, screen.panel(p as usize), &mut products);
            for (r, bounds) in rows().zip(covariances.chunks_exact_mut(LANES)) {
                let least = if space.certificates.points { wanted[r] } else { f64::NEG_INFINITY };
                let terms = (self.units[r], self.errors[r], least);
                let mut lanes = upper_bounds(simd, bounds, &products[r], inverse_sds, terms);
                while lanes != 0 {
                    let lane = lanes.trailing_zeros();
                    left[r].push((bounds[lane as usize], p * LANES as u32 + lane));
                    lanes &= lanes - 1;
                }
            }
        }

        // What the bounds leave is scored, the most promising first: they make the threshold tight for the others.
        for (r, left) in left.iter_mut().enumerate() {
            let q = self.numbers[r];
            let seeded = &seeds.panels[q as usize - first];
            let (limit, own) = (group.limits[q as usize], group.positions[q as usize]);
            left.retain(|&(_, place)| {
                let i = screen.positions[place as usize];
                i != NEW
                    && i != own
                    && space.keys.of[i as usize] < limit
                    && seeded.binary_search(&(place / LANES as u32)).is_err()
            });
            let promising = group.collectors[q as usize].wanted();
            if promising > 0 && promising < left.len() {
                left.select_nth_unstable_by(promising - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            }
            let a = &self.a[r * points.m..(r + 1) * points.m];
            let small = screen.small.iter().filter(|&&(i, isd, z)| {
                let covariance = |z: u32| bound.nugget * a[z as usize].abs() * (1.0 + 1e-6);
                i != own && z.is_none_or(|z| covariance(z) * isd >= wanted[r])
            });
            let small: Vec<u32> = small.map(|&(i, ..)| i).collect();
            space.evaluate_some(group, &[q], queries, small.into_iter(), scratch)?;
            let position = |&(_, place): &(f64, u32)| screen.positions[place as usize];
            let (first, rest) = left.split_at(promising.min(left.len()));
            space.evaluate_some(group, &[q], queries, first.iter().map(position), scratch)?;
            let now = least(space, queries, group, q);
            let rest = rest.iter().filter(|&&(bound, _)| bound >= now).map(position);
            space.evaluate_some(group, &[q], queries, rest, scratch)?;
        }
        Ok(())
    }
}
