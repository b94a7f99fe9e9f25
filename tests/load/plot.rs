//! Latency over time as an SVG picture.

use std::{path::Path, time::Duration};

use plotters::prelude::*;

use crate::report::Figures;

/// Points in time that are told apart.
const COLUMNS: usize = 300;

/// Draws median and 99th percentile of the replies of each mode.
pub(crate) fn draw(path: &Path, all: &[Figures]) -> Result<(), String> {
    let lines: Vec<(String, Vec<(f64, f64)>)> = all.iter().flat_map(lines).collect();
    let right = lines.iter().flat_map(|(_, points)| points).map(|(x, _)| *x).fold(1.0, f64::max);
    let top = lines.iter().flat_map(|(_, points)| points).map(|(_, y)| *y).fold(1.0, f64::max) * 1.1;
    let fault = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let root = SVGBackend::new(path, (960, 480)).into_drawing_area();
    root.fill(&WHITE).map_err(|error| fault(&error))?;
    let mut chart = ChartBuilder::on(&root)
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..right, 0.0..top)
        .map_err(|error| fault(&error))?;
    chart.configure_mesh().x_desc("seconds").y_desc("reply, ms").draw().map_err(|error| fault(&error))?;
    for (at, (name, points)) in lines.into_iter().enumerate() {
        let colour = Palette99::pick(at).to_rgba();
        let series = chart.draw_series(LineSeries::new(points, colour)).map_err(|error| fault(&error))?;
        series.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart
        .configure_series_labels()
        .border_style(BLACK)
        .background_style(WHITE)
        .draw()
        .map_err(|error| fault(&error))?;
    root.present().map_err(|error| fault(&error))
}

fn lines(figures: &Figures) -> Vec<(String, Vec<(f64, f64)>)> {
    let Some(end) = figures.trace.iter().map(|(at, _)| *at).max() else { return Vec::new() };
    let width = (end / u32::try_from(COLUMNS).unwrap_or(u32::MAX)).max(Duration::from_millis(1));
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); COLUMNS + 1];
    for (at, took) in &figures.trace {
        let column = usize::try_from(at.as_nanos() / width.as_nanos()).unwrap_or(COLUMNS).min(COLUMNS);
        columns[column].push(took.as_secs_f64() * 1000.0);
    }
    let mut lines = [("p50", 50), ("p99", 99)].map(|(name, _)| (format!("{} {name}", figures.name), Vec::new()));
    for (at, column) in columns.iter_mut().enumerate().filter(|(_, column)| !column.is_empty()) {
        column.sort_by(f64::total_cmp);
        let x = width.as_secs_f64() * f64::from(u32::try_from(at).unwrap_or(u32::MAX));
        for (line, percentile) in lines.iter_mut().zip([50, 99]) {
            line.1.push((x, column[(column.len() - 1) * percentile / 100]));
        }
    }
    lines.into()
}
