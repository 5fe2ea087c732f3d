//! The results as pictures.

use std::path::Path;

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Results;
use super::figure::{Asked, Figure, median};

const SIZE: (u32, u32) = (900, 420);
const GOOD: RGBColor = RGBColor(0x2f, 0x7d, 0x5b);
const SHORT: RGBColor = RGBColor(0xc0, 0x6c, 0x2b);
const MARK: RGBColor = RGBColor(0x33, 0x33, 0x33);

/// Writes `ratios.svg` and `lanes.svg` into a directory.
///
/// # Errors
/// When they cannot be written.
pub fn plot(results: &Results, dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir)?;
    let is_judged = |figure: &&Figure| matches!(figure.asked, Some(Asked::RatioAtLeast(_) | Asked::RatioAtMost(_)));
    let ratios: Vec<&Figure> = results.figures.iter().filter(is_judged).filter(|it| it.ratio.is_some()).collect();
    if !ratios.is_empty() {
        draw(&dir.join("ratios.svg"), |area| plot_ratios(&ratios, area))?;
    }
    let (rates, costs) = (of_one(results, "drain_"), of_one(results, "cpu_"));
    if rates.len() > 1 {
        draw(&dir.join("lanes.svg"), |area| plot_lanes(&rates, &costs, area))?;
    }
    Ok(())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw(path: &Path, paint: impl Fn(&Area<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(failed)?;
    paint(&area)?;
    area.present().map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("a picture cannot be drawn: {error}")
}

/// Fabric's value of the bare program's, a bar each, and what is asked as a mark.
fn plot_ratios(figures: &[&Figure], area: &Area<'_>) -> anyhow::Result<()> {
    let most = figures.iter().filter_map(|figure| figure.ratio).fold(1.0, f64::max) * 1.15;
    let rows = figures.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .caption("Fabric, of the bare program beside it", ("sans-serif", 20))
        .margin(16)
        .x_label_area_size(32)
        .y_label_area_size(340)
        .build_cartesian_2d(0.0..most, 0.0..rows)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_desc("ratio; | is what is asked")
        .draw()
        .map_err(failed)?;
    let label = ("sans-serif", 14).into_font().into_text_style(area).pos(Pos::new(HPos::Right, VPos::Center));
    for (row, figure) in figures.iter().rev().enumerate() {
        let (from, to, middle) = (row as f64 + 0.2, row as f64 + 0.8, row as f64 + 0.5);
        let ratio = figure.ratio.unwrap_or_default();
        let colour = if figure.met == Some(false) { SHORT } else { GOOD };
        let bar = Rectangle::new([(0.0, from), (ratio, to)], colour.filled());
        chart.draw_series(std::iter::once(bar)).map_err(failed)?;
        let value = Text::new(format!("{ratio:.2}"), (ratio + most * 0.01, middle + 0.15), ("sans-serif", 14));
        chart.draw_series(std::iter::once(value)).map_err(failed)?;
        if let Some(Asked::RatioAtLeast(asked) | Asked::RatioAtMost(asked)) = figure.asked {
            let mark = PathElement::new([(asked, from - 0.1), (asked, to + 0.1)], MARK.stroke_width(3));
            chart.draw_series(std::iter::once(mark)).map_err(failed)?;
        }
        let (_, y) = chart.backend_coord(&(0.0, middle));
        area.draw_text(figure.title, &label, (350, y)).map_err(failed)?;
    }
    Ok(())
}

/// What depends on the number of active functions, relative to one.
fn plot_lanes(rates: &[(f64, f64)], costs: &[(f64, f64)], area: &Area<'_>) -> anyhow::Result<()> {
    let most = rates.iter().chain(costs).map(|&(_, value)| value).fold(1.0, f64::max) * 1.2;
    let mut chart = ChartBuilder::on(area)
        .caption("The more functions are active", ("sans-serif", 20))
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d((1.0..1000.0).log_scale(), 0.0..most)
        .map_err(failed)?;
    chart.configure_mesh().x_desc("active functions").y_desc("of that with one").draw().map_err(failed)?;
    for (series, colour, name) in [(rates, GOOD, "calls run"), (costs, SHORT, "worker's CPU for a call")] {
        chart
            .draw_series(LineSeries::new(series.iter().copied(), colour.stroke_width(3)).point_size(4))
            .map_err(failed)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(3)));
    }
    chart.configure_series_labels().border_style(MARK).background_style(WHITE).draw().map_err(failed)
}

/// What the figures are of that with one active function whose names are a prefix, a number of functions and `_lane` or
/// `_lanes`: the medians of what each round has of its own first.
fn of_one(results: &Results, prefix: &str) -> Vec<(f64, f64)> {
    let read = |figure: &'_ Figure| {
        let lanes = figure.key.strip_prefix(prefix)?.trim_end_matches('s').strip_suffix("_lane")?;
        Some((lanes.parse().ok()?, figure.rounds.clone()))
    };
    let all: Vec<(f64, Vec<f64>)> = results.figures.iter().filter_map(read).collect();
    let Some((_, one)) = all.first() else { return Vec::new() };
    let relative = |(lanes, rounds): &(f64, Vec<f64>)| {
        let ratios: Vec<f64> = rounds.iter().zip(one).map(|(value, one)| value / one).collect();
        Some((*lanes, median(&ratios)?))
    };
    all.iter().filter_map(relative).collect()
}
