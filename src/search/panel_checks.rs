//! For tests: that the bounds of panels and regions hold, point by point.

use super::at_inducing::{AtInducing, most_level};
use super::panel_query::{PanelQuery, Rows};
use super::panels::PanelBound;
use crate::control::Control;
use crate::metric::{Candidates, Metric, NEW, QueryBlock, ScoreScratch};
use crate::parallel::Threads;
use crate::simd::panel::{self, Bounds};
use crate::simd::region;

/// Compares the scores of at most [`QUERIES`] queries with their bounds in every panel and region. Returns the mean
/// difference of a panel's two bounds, by how much the bounds of runs of one panel are above its largest score, and how many
/// levels of panels were compared.
pub(crate) fn check(bound: &PanelBound<'_>, queries: &QueryBlock, context: &str) -> (f64, f64, usize) {
    let PanelBound { panels, metric, kernel } = *bound;
    let (m, d, shape) = (metric.points.m, panels.d, kernel.shape());
    let mut rows = Rows::default();
    let (mut coords, mut scores, mut scratch) = (vec![0.0; d], Vec::new(), ScoreScratch::default());
    let (mut difference, mut count) = (0.0, 0.0);
    let (mut above, mut levels) = (Vec::new(), 0);
    let (threads, mut control) = (Threads::new(1), Control::none());
    let known_at = AtInducing::of_panels(panels, metric, kernel, &threads, &mut control).unwrap();
    let known = panels.inducing.origins.as_ref();
    for q in 0..queries.len {
        let mut query = PanelQuery::default();
        rows.clear(m).unwrap();
        query.load(panels, metric, queries, q, true, &mut rows);
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
        for p in 0..panels.len() {
            let members: Vec<u32> = panels.members(p).iter().copied().filter(|&i| i != NEW).collect();
            scores.resize(members.len(), 0.0);
            let candidates = Candidates::Gather(&members);
            metric.signed_scores(queries, &[q as u32], &candidates, &mut scratch, &mut scores).unwrap();
            let (view, (middle, radius)) = (panels.panel(p), panels.around(p));
            let terms = query.in_panel(q as u32, x, (view.columns.len(), middle, radius), &mut coords);
            let mut bounds = [Bounds::NONE];
            let weighted = |&z: &u32| known.unwrap().weighted(panels, metric, shape, (z, p), &mut vec![0.0; d]);
            let weighted: Vec<_> = rows.origins.iter().map(weighted).collect();
            let within = panel::squares(metric.simd, view, &rows.columns);
            let squares = (p % 2 == 0).then_some(&within);
            let some =
                panel::Queries { rows: &rows.columns, squares, terms: &[terms], coords: &coords, origins: &weighted };
            panel::bounds(metric.simd, shape, view, some, &mut bounds);
            let run = |level: &super::regions::Regions, run: usize, coords: &mut [f32]| {
                let g = run / region::LANES;
                let terms = query.in_region(x, level.around(g), coords);
                region::bounds(metric.simd, shape, level.region(g), terms)[run % region::LANES]
            };
            let (mut fine, mut coarse) = (1.0, 1.0);
            if panels.regions.bounds_columns() {
                fine = run(&panels.regions, p, &mut coords);
                coarse = run(&panels.coarse, p / region::LANES, &mut coords);
            }
            let mut largest = 0.0f64;
            for (lane, (&i, score)) in members.iter().zip(&scores).enumerate() {
                // Scored apart from panels.
                if i == queries.positions[q] || query.at_inducing && view.weights[lane] == 0.0 {
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
                assert!(level <= most_level(largest), "level {level}, {largest}: query {q}, panel {p}; {context}");
                levels += 1;
            }
            above.push(f64::from(fine) - largest);
            query.list.least = (largest as f32).next_down();
            assert!(!query.is_beyond(within[q], panels.largest(p)), "{largest}: query {q}, panel {p}; {context}");
            query.list.least = f32::NEG_INFINITY;
        }
    }
    (difference / count, above.iter().sum::<f64>() / above.len() as f64, levels)
}
