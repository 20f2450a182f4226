//! For tests: that the bounds of leaves and regions hold, point by point.

use super::coincident::{Coincident, most_level};
use super::leaf_query::{LeafQuery, Rows};
use super::leaves::LeafBound;
use crate::control::Control;
use crate::metric::{Candidates, Metric, NEW, QueryBlock, ScoreScratch};
use crate::parallel::Threads;
use crate::simd::affine;
use crate::simd::leaf::{self, Bounds};

/// Compares the scores of at most [`QUERIES`] queries with their bounds in every leaf and region. Returns the mean
/// difference of a leaf's two bounds, by how much the bounds of runs of one leaf are above its largest score, and how many
/// levels of leaves were compared.
pub(crate) fn check(bound: &LeafBound<'_>, queries: &QueryBlock, context: &str) -> (f64, f64, usize) {
    let LeafBound { leaves, metric, kernel } = *bound;
    let (m, d, shape) = (metric.points.m, leaves.d, kernel.shape());
    let mut rows = Rows::default();
    let (mut coords, mut scores, mut scratch) = (vec![0.0; d], Vec::new(), ScoreScratch::default());
    let (mut difference, mut count) = (0.0, 0.0);
    let (mut above, mut levels) = (Vec::new(), 0);
    let (threads, mut control) = (Threads::new(1), Control::none());
    let known_at = Coincident::of_leaves(leaves, metric, kernel, &threads, &mut control).unwrap();
    let known = leaves.inducing.origins.as_ref();
    for q in 0..queries.len {
        let mut query = LeafQuery::default();
        rows.clear(m).unwrap();
        query.load(leaves, metric, queries, q, true, &mut rows);
        rows.turn(q + 1);
        let x = &queries.coords[q * d..(q + 1) * d];
        let place = known_at.place(queries.positions[q]);
        if let Some(place) = place {
            let others = &known_at.positions;
            scores.resize(others.len(), 0.0);
            metric.scores(queries, &[q as u32], &Candidates::Gather(others), &mut scratch, &mut scores).unwrap();
            for (&i, &score) in others.iter().zip(&scores) {
                let found = known_at.others(place, score).any(|other| other == i);
                assert!(found, "{score} of points {i} and {} at inducing points; {context}", queries.positions[q]);
            }
        }
        for p in 0..leaves.len() {
            let members: Vec<u32> = leaves.members(p).iter().copied().filter(|&i| i != NEW).collect();
            scores.resize(members.len(), 0.0);
            let candidates = Candidates::Gather(&members);
            metric.signed_scores(queries, &[q as u32], &candidates, &mut scratch, &mut scores).unwrap();
            let (view, (middle, radius)) = (leaves.leaf(p), leaves.around(p));
            let terms = query.in_leaf(q as u32, x, (view.columns.len(), middle, radius), &mut coords);
            let mut bounds = [Bounds::NONE];
            let weighted = |&z: &u32| known.unwrap().weighted(leaves, metric, shape, (z, p), &mut vec![0.0; d]);
            let weighted: Vec<_> = rows.origins.iter().map(weighted).collect();
            let within = leaf::squares(metric.simd, view, &rows.columns);
            let squares = (p % 2 == 0).then_some(&within);
            let some =
                leaf::Queries { rows: &rows.columns, squares, terms: &[terms], coords: &coords, origins: &weighted };
            leaf::bounds(metric.simd, shape, view, some, &mut bounds);
            let run = |level: &super::affine_bounds::AffineBounds, run: usize, coords: &mut [f32]| {
                let g = run / affine::LANES;
                let terms = query.in_region(x, level.around(g), coords);
                affine::bounds(metric.simd, shape, level.region(g), terms)[run % affine::LANES]
            };
            let (mut fine, mut coarse) = (1.0, 1.0);
            if leaves.regions.bounds_columns() {
                fine = run(&leaves.regions, p, &mut coords);
                coarse = run(&leaves.coarse, p / affine::LANES, &mut coords);
            }
            let mut largest = 0.0f64;
            for (lane, (&i, score)) in members.iter().zip(&scores).enumerate() {
                // Scored apart from leaves.
                if i == queries.positions[q] || query.coincident && view.weights[lane] == 0.0 {
                    continue;
                }
                let (score, upper) = (score.abs(), f64::from(bounds[0].upper[lane]));
                let lower = upper - f64::from(bounds[0].twice[lane]);
                assert!(score <= upper + 1e-10, "{score} > {upper}: query {q}, point {i}; {context}");
                assert!(score >= lower.min(1.0) - 1e-10, "{score} < {lower}: query {q}, point {i}; {context}");
                assert!(bounds[0].reaches >> lane & 1 == 1, "query {q}, point {i}; {context}");
                assert!(score <= f64::from(fine) + 1e-10, "{score} > {fine}: region of point {i}; {context}");
                assert!(score <= f64::from(coarse) + 1e-10, "{score} > {coarse}: region of point {i}; {context}");
                difference += upper - lower;
                count += 1.0;
                largest = largest.max(score);
            }
            if let Some(place) = place {
                let level = known_at.levels(place).nth(p).unwrap();
                assert!(level <= most_level(largest), "level {level}, {largest}: query {q}, leaf {p}; {context}");
                levels += 1;
            }
            above.push(f64::from(fine) - largest);
            query.list.least = (largest as f32).next_down();
            assert!(!query.is_beyond(within[q], leaves.largest(p)), "{largest}: query {q}, leaf {p}; {context}");
            query.list.least = f32::NEG_INFINITY;
        }
    }
    (difference / count, above.iter().sum::<f64>() / above.len() as f64, levels)
}
