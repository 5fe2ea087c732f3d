//! The results as a table for people, and for documents.

use super::Results;
use super::figure::{Asked, Figure};

/// One line for each figure, as Markdown.
#[must_use]
pub fn table(results: &Results) -> String {
    let head = ["", "Fabric", "bare", "ratio", "asked", ""].map(ToOwned::to_owned);
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
        format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = widths.iter().enumerate().map(|(column, &width)| match column {
        0 => "-".repeat(width),
        _ => "-".repeat(width.max(2) - 1) + ":",
    });
    let rule = format!("| {} |", rule.collect::<Vec<_>>().join(" | "));
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    lines.insert(1, rule);
    format!(
        "{}\n\nMedians of {} rounds; {} calls for a rate, {}/s for latency, {} processors.\n",
        lines.join("\n"),
        results.rounds,
        results.calls,
        results.rate,
        results.cpus
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
        Some(Asked::NeverOver(asked)) => format!("each ≤ {asked}"),
    };
    let met = match figure.met {
        None => "",
        Some(true) => "yes",
        Some(false) => "**no**",
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
