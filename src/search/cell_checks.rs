//! For tests: that what cells say of their members' scores holds, point by point.

use super::certificate::{CellBound, Memory, coordinates, score_pivots, spans};
use super::overlaps::Inside;
use super::space::Scratch;
use crate::metric::{Candidates, Metric, QueryBlock};
use crate::simd::spans::{InSpan, bound_members};

/// Compares the scores of some queries with all that the cells bound them with, seen from the nearest span and from the
/// cells `owns`. Returns how many
/// cells overlaps exclude, of how many.
pub(crate) fn check(bound: &CellBound<'_>, queries: &QueryBlock, owns: &[u32], context: &str) -> (usize, usize) {
    let CellBound { cells, metric } = *bound;
    let (mut memory, mut scratch, mut scores) = (Memory::default(), Scratch::default(), Vec::new());
    let (mut excluded, mut all) = (0, 0);
    for q in 0..queries.len as u32 {
        let weight = metric.weight(queries.inverse_sds[q as usize]);
        // The largest score with a member of each cell, pivots included.
        let mut largest = vec![0.0f64; cells.len()];
        let mut nearest = (f64::INFINITY, 0);
        for (c, largest) in largest.iter_mut().enumerate() {
            let view = cells.view(c);
            score_pivots(bound, queries, &[q], view.pivots, &mut memory, &mut scratch).unwrap();
            spans(bound, queries, &[q], &view, &mut memory).unwrap();
            let (signed, part) = (memory.signed.clone(), memory.parts[0]);
            if part.sine < nearest.0 {
                nearest = (part.sine, c as u32);
            }
            coordinates(&memory.us, view.pivots.len(), 0, &mut memory.u);
            let inside = InSpan { u: &memory.u, sine: part.sine as f32, slack: part.slack as f32, least: 0.0 };
            bound_members(metric.simd, &inside, view.coords, view.sines, &mut memory.bounds);
            scores.resize(view.others.len(), 0.0);
            let others = Candidates::Gather(view.others);
            metric.signed_scores(queries, &[q], &others, &mut scratch.score, &mut scores).unwrap();
            for ((score, &estimate), (&e, i)) in
                scores.iter().zip(&memory.bounds.estimates).zip(view.sines.iter().zip(view.others))
            {
                let (score, error) = (score.abs(), f64::from(e) * part.sine + part.slack);
                let estimate = f64::from(estimate);
                assert!((score - estimate).abs() <= error, "{score}, {estimate} +- {error}: point {i}; {context}");
                assert!(score <= part.bound, "{score} > {}: point {i}; {context}", part.bound);
            }
            let members = scores.iter().chain(&signed);
            *largest = members.fold(0.0, |most, score| most.max(score.abs()));
        }
        for &own in owns.iter().chain([&nearest.1]) {
            let view = cells.view(own as usize);
            score_pivots(bound, queries, &[q], view.pivots, &mut memory, &mut scratch).unwrap();
            spans(bound, queries, &[q], &view, &mut memory).unwrap();
            let part = memory.parts[0];
            coordinates(&memory.us, view.pivots.len(), 0, &mut memory.u);
            let offset = part.sine.asin();
            let inside = Inside { own: own as usize, u: &memory.u, sine: part.apart, offset };
            // Those of some cells are as tight as can be.
            let tight = largest.iter().skip(q as usize % 5).step_by(5).copied();
            for threshold in [0.02, 0.2, 0.5, 0.7, 0.9, 0.99].into_iter().chain(tight) {
                // As in a search, for scores that may be off by rounding.
                let heaviest =
                    metric.points.inverse_sds.iter().fold(0.0, |most: f64, isd| most.max(metric.weight(*isd)));
                let angle = metric.length(threshold - metric.slack(weight, heaviest));
                let mut bits = vec![0u64; cells.len().div_ceil(64)];
                cells.overlaps.exclude(metric.simd, cells, inside, angle, &mut bits);
                let mut near = Vec::new();
                cells.near(own as usize, offset, angle, &mut near);
                for (c, &largest) in largest.iter().enumerate().filter(|&(_, &largest)| largest >= threshold) {
                    let context = format!("cell {c} from {own}, query {q}, {largest} >= {threshold}; {context}");
                    assert!(bits[c / 64] >> (c % 64) & 1 == 0, "excluded by overlaps: {context}");
                    assert!(near.contains(&(c as u32)), "excluded by the table: {context}");
                }
                excluded += near.iter().filter(|&&c| bits[c as usize / 64] >> (c % 64) & 1 == 1).count();
                all += near.len();
            }
        }
    }
    (excluded, all)
}
