//! For tests: that what subspaces say of their members' scores holds, point by point.

use super::coincident::most_level;
use super::context::Scratch;
use super::cross_grams::{Inside, Projection};
use super::projection::{Memory, coordinates, score_pivots, spans};
use super::subspace::NO_SUBSPACE;
use super::subspaces::SubspaceBound;
use crate::metric::{Candidates, Metric, NEW, QueryBlock};
use crate::simd::spans::{InSpan, MemberBounds, bound_members};

/// Compares the scores of some queries with all that the subspaces bound them with, seen from the nearest span, from the subspaces
/// `owns` and from where they are stored. Returns how many subspaces cross-Grams exclude, of how many.
pub(crate) fn check(bound: &SubspaceBound<'_>, queries: &QueryBlock, owns: &[u32], context: &str) -> (usize, usize) {
    let SubspaceBound { subspaces, metric } = *bound;
    let (mut memory, mut scratch, mut scores) = (Memory::default(), Scratch::default(), Vec::new());
    let (mut u, mut bounds) = (Vec::new(), MemberBounds::default());
    let (mut excluded, mut all) = (0, 0);
    for q in 0..queries.len as u32 {
        let weight = metric.weight(queries.inverse_sds[q as usize]);
        // The largest score with a member of each subspace, pivots included.
        let mut largest = vec![0.0f64; subspaces.len()];
        let mut nearest = (f64::INFINITY, 0);
        for (c, largest) in largest.iter_mut().enumerate() {
            let view = subspaces.view(c);
            score_pivots(bound, queries, &[q], view.pivots, &mut memory, &mut scratch).unwrap();
            spans(bound, queries, &[q], &view, &mut memory).unwrap();
            let (signed, part) = (memory.signed.clone(), memory.parts[0]);
            if part.sine < nearest.0 {
                nearest = (part.sine, c as u32);
            }
            coordinates(&memory.us, view.pivots.len(), 0, &mut u);
            let inside = InSpan { u: &u, sine: part.sine as f32, slack: part.slack as f32, least: 0.0 };
            bound_members(metric.simd, &inside, view.coords, view.sines, &mut bounds);
            scores.resize(view.members.len(), 0.0);
            let members = Candidates::Gather(view.members);
            metric.signed_scores(queries, &[q], &members, &mut scratch.score, &mut scores).unwrap();
            for ((score, &estimate), (&e, i)) in
                scores.iter().zip(&bounds.estimates).zip(view.sines.iter().zip(view.members))
            {
                let (score, error) = (score.abs(), f64::from(e) * part.sine + part.slack);
                let estimate = f64::from(estimate);
                assert!((score - estimate).abs() <= error, "{score}, {estimate} +- {error}: point {i}; {context}");
                assert!(score <= part.bound, "{score} > {}: point {i}; {context}", part.bound);
            }
            let members = scores.iter().chain(&signed);
            *largest = members.fold(0.0, |most, score| most.max(score.abs()));
        }
        if let Some(place) = subspaces.coincident.place(queries.positions[q as usize]) {
            for ((c, level), &largest) in subspaces.coincident.levels(place).enumerate().zip(&largest) {
                assert!(level <= most_level(largest), "level {level}, {largest}: subspace {c}, query {q}; {context}");
            }
        }
        // Seen from the spans of some subspaces, and from where it is stored.
        let mut inside = Vec::new();
        for &own in owns.iter().chain([&nearest.1]) {
            let view = subspaces.view(own as usize);
            score_pivots(bound, queries, &[q], view.pivots, &mut memory, &mut scratch).unwrap();
            spans(bound, queries, &[q], &view, &mut memory).unwrap();
            let part = memory.parts[0];
            coordinates(&memory.us, view.pivots.len(), 0, &mut u);
            inside.push((own, u.clone(), part.sine, part.apart));
        }
        let (position, mut u) = (queries.positions[q as usize], Vec::new());
        if position != NEW {
            let (own, sine) = subspaces.stored(position, &mut u).unwrap();
            inside.push((own, u, sine, sine));
        }
        for (own, u, sine, apart) in inside {
            let inside = Inside { own: own as usize, u: &u, sine: apart };
            let mut projection = Projection::default();
            subspaces.cross_grams.project(metric.simd, inside, &mut projection).unwrap();
            for t in 0..projection.lanes.len() {
                if projection.lanes[t].subspace == NO_SUBSPACE {
                    continue;
                }
                let view = subspaces.view(projection.lanes[t].subspace as usize);
                let projected =
                    projection.in_lane(metric, subspaces.margins(own), (&view.margins, view.pivots.len()), t);
                let found = projected.in_span(metric, &view.margins, weight, 0.0);
                bound_members(metric.simd, &found, view.coords, view.sines, &mut bounds);
                scores.resize(view.members.len(), 0.0);
                let members = Candidates::Gather(view.members);
                metric.scores(queries, &[q], &members, &mut scratch.score, &mut scores).unwrap();
                for ((score, &estimate), e) in scores.iter().zip(&bounds.estimates).zip(view.sines) {
                    let error = f64::from(e * found.sine + found.slack);
                    let far = (score - f64::from(estimate)).abs() > error;
                    assert!(!far, "{score}, {estimate} +- {error}: query {q} from {own}; {context}");
                }
            }
            // Those of some subspaces are as tight as can be.
            let tight = largest.iter().skip(q as usize % 5).step_by(5).copied();
            for threshold in [0.02, 0.2, 0.5, 0.7, 0.9, 0.99].into_iter().chain(tight) {
                // As in a search, for scores that may be off by rounding.
                let heaviest =
                    metric.points.inverse_sds.iter().fold(0.0, |most: f64, isd| most.max(metric.weight(*isd)));
                let angle = metric.length(threshold - metric.slack(weight, heaviest));
                let mut near = Vec::new();
                subspaces.near(own as usize, sine.asin(), angle, &mut near);
                for (c, &largest) in largest.iter().enumerate().filter(|&(_, &largest)| largest >= threshold) {
                    let context = format!("subspace {c} from {own}, query {q}, {largest} >= {threshold}; {context}");
                    assert!(near.contains(&(c as u32)), "excluded by the table: {context}");
                }
                for lane in projection.lanes.iter().filter(|lane| near.contains(&lane.subspace)) {
                    let c = lane.subspace as usize;
                    if lane.is_beyond(angle.sin_cos(), &subspaces.view(c).margins) {
                        let context = format!("subspace {c} from {own}, query {q}; {context}");
                        assert!(largest[c] < threshold, "{} >= {threshold}, excluded: {context}", largest[c]);
                        excluded += 1;
                    }
                }
                all += near.len();
            }
        }
    }
    (excluded, all)
}
