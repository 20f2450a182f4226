//! The plot of time a point against n.

use crate::contestant::Work;
use crate::measurement::Measurement;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::error::Error;
use std::ops::Range;
use std::path::Path;

/// The set that is drawn, with one thread.
const SET: &str = "uniform-2";
const PANELS: [(Work, &str); 2] = [(Work::Predecessors, "predecessors, tree included"), (Work::Nearest, "k nearest")];
const INK: RGBColor = RGBColor(60, 60, 60);
const GRID: RGBColor = RGBColor(225, 225, 225);
/// Of the contestants, in their order; colours that the colour-blind can tell apart.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(120, 120, 120),
];

/// n and microseconds a point.
type Line = Vec<(f64, f64)>;

/// Draws the SVG file `to`.
pub fn draw(all: &[Measurement], to: &Path) -> Result<(), String> {
    let drawn: Vec<&Measurement> = all.iter().filter(|one| one.set == SET && one.threads == 1).collect();
    if !drawn.iter().any(|one| one.median().is_some()) {
        return Err(format!("there are no times of {SET}"));
    }
    draw_panels(&drawn, to).map_err(|error| format!("{}: {error}", to.display()))
}

fn draw_panels(drawn: &[&Measurement], to: &Path) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(to, (1000, 460)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut names: Vec<&str> = Vec::new();
    for one in drawn {
        if !names.contains(&&*one.contestant) {
            names.push(&one.contestant);
        }
    }
    for (panel, (work, title)) in root.split_evenly((1, PANELS.len())).iter().zip(PANELS) {
        let line = |name: &&str| -> Line {
            let of_line = drawn.iter().filter(|one| one.work == work && one.contestant == **name);
            of_line.filter_map(|one| Some((one.n as f64, 1e6 * one.median()? / one.n as f64))).collect()
        };
        let lines: Vec<Line> = names.iter().map(line).collect();
        draw_panel(panel, title, &names, &lines)?;
    }
    root.present()?;
    Ok(())
}

fn draw_panel(
    panel: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    names: &[&str],
    lines: &[Line],
) -> Result<(), Box<dyn Error>> {
    let range = |of: fn(&(f64, f64)) -> f64, spare: f64| -> Range<f64> {
        let values = lines.iter().flatten().map(of);
        let least = values.clone().fold(f64::INFINITY, f64::min);
        least / spare..values.fold(0.0, f64::max) * spare
    };
    let (ns, times) = (range(|point| point.0, 1.3), range(|point| point.1, 2.5));
    let text = ("sans-serif", 15).into_font().color(&INK);
    let mut chart = ChartBuilder::on(panel)
        .margin(12)
        .caption(format!("{title}, d = 2, k = 30, one thread"), ("sans-serif", 17).into_font().color(&INK))
        .x_label_area_size(44)
        .y_label_area_size(60)
        .build_cartesian_2d(ns.log_scale(), times.log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(text.clone())
        .x_desc("points n")
        .y_desc("microseconds a point")
        .x_label_formatter(&|n| format!("{n:.0}"))
        .y_label_formatter(&|time| format!("{time}"))
        .draw()?;
    for ((name, line), colour) in names.iter().zip(lines).zip(COLOURS).filter(|((_, line), _)| !line.is_empty()) {
        let legend = move |(x, y)| PathElement::new([(x, y), (x + 24, y)], colour.stroke_width(3));
        chart.draw_series(LineSeries::new(line.clone(), colour.stroke_width(2)))?.label(*name).legend(legend);
        chart.draw_series(line.iter().map(|&point| Circle::new(point, 4, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(text)
        .legend_area_size(30)
        .background_style(WHITE)
        .border_style(GRID)
        .draw()?;
    Ok(())
}
