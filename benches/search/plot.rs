//! The plot of time against n, from the JSON lines of the growth rows.

use crate::measure::Measurement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;
use std::ops::Range;

/// A set of the growth rows, what the legend calls it, and its colour.
const SETS: [(&str, &str, RGBColor); 2] =
    [("square", "2 dimensions", RGBColor(0, 114, 178)), ("cube", "3 dimensions", RGBColor(213, 94, 0))];
const INK: RGBColor = RGBColor(60, 60, 60);
const GRID: RGBColor = RGBColor(225, 225, 225);

/// n and seconds.
type Points = Vec<(f64, f64)>;

/// Draws the growth rows of the JSON lines in `from` as the SVG file `to`.
pub fn draw(from: &str, to: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(from).map_err(|error| format!("{from}: {error}"))?;
    let mut rows: Vec<Measurement> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        rows.push(serde_json::from_str(line).map_err(|error| format!("{from}, line {}: {error}", number + 1))?);
    }
    rows.retain(|row| row.name.starts_with("growth"));
    rows.sort_by_key(|row| row.n);
    if rows.is_empty() {
        return Err(format!("{from} has no growth rows"));
    }
    draw_rows(&rows, to).map_err(|error| format!("{to}: {error}"))
}

fn draw_rows(rows: &[Measurement], to: &str) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(to, (880, 520)).into_drawing_area();
    root.fill(&WHITE)?;
    let (ns, seconds) = (range(rows.iter().map(|row| row.n as f64), 1.15), {
        let both = rows.iter().flat_map(|row| [row.seconds, row.seconds_brute]);
        range(both, 3.0)
    });
    let title = format!(
        "{} nearest predecessors of every point, m = {} ({} threads, {})",
        rows[0].k, rows[0].m, rows[0].threads, rows[0].simd
    );
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .margin_right(28)
        .caption(title, ("sans-serif", 19).into_font().color(&INK))
        .x_label_area_size(48)
        .y_label_area_size(76)
        .build_cartesian_2d(
            ns.clone().log_scale().with_key_points(powers(2.0, &ns)),
            seconds.clone().log_scale().with_key_points(powers(10.0, &seconds)),
        )?;
    let text = ("sans-serif", 16).into_font().color(&INK);
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(text.clone())
        .x_desc("points n")
        .y_desc("seconds, V not included")
        .x_label_formatter(&|n| thousands(*n))
        .y_label_formatter(&|seconds| if *seconds < 1.0 { format!("{seconds}") } else { thousands(*seconds) })
        .draw()?;

    for (set, label, colour) in SETS {
        let of_set = || rows.iter().filter(|row| row.set == set);
        let brute: Points = of_set().map(|row| (row.n as f64, row.seconds_brute)).collect();
        let ours: Points = of_set().map(|row| (row.n as f64, row.seconds)).collect();
        if ours.is_empty() {
            continue;
        }
        let dashes = DashedLineSeries::new(brute, 7, 4, colour.stroke_width(2));
        chart.draw_series(dashes)?.label(format!("blocked brute force, {label}")).legend(move |(x, y)| {
            let dash = |start| Rectangle::new([(start, y - 1), (start + 7, y + 1)], colour.filled());
            EmptyElement::at((0, 0)) + dash(x) + dash(x + 11) + dash(x + 22)
        });
        // What was extrapolated from some of the points is hollow.
        chart.draw_series(of_set().map(|row| {
            let style = if row.checked < row.queries { colour.stroke_width(2) } else { colour.filled() };
            Circle::new((row.n as f64, row.seconds_brute), 4, style)
        }))?;
        let line = LineSeries::new(ours.clone(), colour.stroke_width(3));
        let legend = move |(x, y)| PathElement::new([(x, y), (x + 29, y)], colour.stroke_width(3));
        chart.draw_series(line)?.label(format!("rct, tree and search, {label}")).legend(legend);
        chart.draw_series(ours.iter().map(|&point| Circle::new(point, 4, colour.filled())))?;
    }

    let first = rows.iter().find(|row| row.set == SETS[0].0).unwrap_or(&rows[0]);
    let (n0, seconds0) = (first.n as f64, first.seconds / 2.5);
    let guide = |n: f64| (n, seconds0 * n * n.ln() / (n0 * n0.ln()));
    let largest = rows.iter().map(|row| row.n as f64).fold(n0, f64::max);
    let grey = RGBColor(130, 130, 130);
    chart.draw_series(LineSeries::new([guide(n0), guide(largest)], grey.stroke_width(1)))?;
    let anchor = Pos::new(HPos::Left, VPos::Top);
    let middle = guide((n0 * largest).sqrt());
    let label = ("sans-serif", 15).into_font().color(&grey).pos(anchor);
    chart.draw_series([Text::new("slope of n log n", middle, label)])?;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(text)
        .legend_area_size(36)
        .margin(10)
        .background_style(WHITE)
        .border_style(GRID)
        .draw()?;
    root.present()?;
    Ok(())
}

/// From the least to the largest value, with a factor to spare.
fn range(values: impl Iterator<Item = f64> + Clone, spare: f64) -> Range<f64> {
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let largest = values.fold(0.0, f64::max);
    least / spare..largest * spare
}

/// The powers of `base` in a range.
fn powers(base: f64, within: &Range<f64>) -> Vec<f64> {
    let (from, to) = (within.start.log(base).ceil() as i32, within.end.log(base).floor() as i32);
    (from..=to).map(|power| base.powi(power)).collect()
}

/// 1,048,576
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap_or("")).collect();
    groups.join(",")
}
