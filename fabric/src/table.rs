//! Tables for people: aligned, without borders (pure).

/// A line for the head and one for each row. Columns of numbers are aligned at the right.
#[must_use]
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let lines = std::iter::once(head.iter().map(ToString::to_string).collect()).chain(rows.iter().cloned());
    let lines: Vec<Vec<String>> = lines.collect();
    let columns: Vec<(usize, bool)> = (0..head.len())
        .map(|column| {
            let cells = || lines.iter().filter_map(|line| line.get(column));
            let width = cells().map(|cell| cell.chars().count()).max().unwrap_or(0);
            let said = || cells().skip(1).filter(|cell| !cell.is_empty());
            (width, said().next().is_some() && said().all(|cell| cell.parse::<f64>().is_ok()))
        })
        .collect();
    let line = |cells: &Vec<String>| {
        let padded = cells.iter().zip(&columns).map(|(cell, &(width, is_number))| match is_number {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The same without a head: what something has, a line each.
#[must_use]
pub fn lines(rows: &[(String, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, value): &(String, String)| {
        let indented = value.replace('\n', &format!("\n{:width$}  ", ""));
        format!("{name:<width$}  {indented}").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_numbers_at_the_right() {
        let row = |cells: [&str; 3]| cells.map(ToOwned::to_owned).to_vec();
        let rows = [row(["über", "7", ""]), row(["f", "100", "paused"]), row(["g", "", "x"])];
        assert_eq!(
            table(&["NAME", "CALLS", "STATE"], &rows),
            "NAME  CALLS  STATE\nüber      7\nf       100  paused\ng            x"
        );
        assert_eq!(table(&["NAME"], &[]), "NAME");
    }

    #[test]
    fn lines_stay_beside_their_names() {
        let rows = [("a".to_owned(), "1\n2".to_owned()), ("long".to_owned(), String::new())];
        assert_eq!(lines(&rows), "a     1\n      2\nlong");
    }
}
