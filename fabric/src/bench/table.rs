//! The results as a table for people.

use super::Results;
use super::figure::{Asked, Figure};

/// One line for each figure.
#[must_use]
pub fn table(results: &Results) -> String {
    let head = ["", "fabric", "bare", "ratio", "asked", ""].map(ToOwned::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(results.figures.iter().map(row)).collect();
    let widths: Vec<usize> = (0..6)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let lines = rows.iter().map(line).collect::<Vec<_>>().join("\n");
    format!(
        "{lines}\n\n{} rounds, {} calls for a rate, {} processors; medians\n",
        results.rounds, results.calls, results.cpus
    )
}

fn row(figure: &Figure) -> [String; 6] {
    let unit =
        |value: f64| if figure.unit.is_empty() { number(value) } else { format!("{} {}", number(value), figure.unit) };
    let asked = match figure.asked {
        None => String::new(),
        Some(Asked::RatioAtLeast(asked)) => format!("ratio ≥ {asked}"),
        Some(Asked::RatioAtMost(asked)) => format!("ratio ≤ {asked}"),
        Some(Asked::AtLeast(asked)) => format!("≥ {asked}"),
        Some(Asked::AtMost(asked)) => format!("≤ {asked}"),
    };
    let met = match figure.met {
        None => "",
        Some(true) => "yes",
        Some(false) => "NO",
    };
    let ratio = figure.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
    [figure.title.into(), unit(figure.fabric), figure.bare.map(unit).unwrap_or_default(), ratio, asked, met.into()]
}

fn number(value: f64) -> String {
    match value.abs() {
        ..10.0 => format!("{value:.2}"),
        ..1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
