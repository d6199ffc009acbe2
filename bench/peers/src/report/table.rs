//! Tables of text.

use super::Row;
use super::goals::Goal;
use crate::figures::Figures;
use crate::workload::Workload;

/// The figures of a run in a line.
pub fn in_words(workload: Workload, figures: &Figures) -> String {
    let shown = workload.columns().iter().filter_map(|metric| {
        let value = metric.shown(figures.of(*metric)?);
        Some(format!("{} {value}{}", metric.name(), metric.unit()))
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// The rows of a workload below a head.
pub fn of(workload: Workload, rows: &[Row]) -> String {
    let there = |metric: &&_| rows.iter().any(|row| row.figures.of(**metric).is_some());
    let columns: Vec<_> = workload.columns().iter().filter(there).collect();
    let names = ["case", "side"].into_iter().chain(columns.iter().map(|metric| metric.name()));
    let units = ["", ""].into_iter().chain(columns.iter().map(|metric| metric.unit()));
    let mut lines: Vec<Vec<String>> =
        vec![names.map(str::to_owned).collect(), units.map(str::to_owned).collect()];
    for row in rows {
        let figures = columns.iter().map(|metric| match row.figures.of(**metric) {
            Some(value) => metric.shown(value),
            None => "-".to_owned(),
        });
        lines.push([row.case.clone(), row.side.to_string()].into_iter().chain(figures).collect());
    }
    let failures = rows.iter().filter(|row| row.failed > 0).map(|row| {
        let reason = row.reason.as_deref().unwrap_or_default();
        format!("{} of {} runs of {}, {}, failed: {reason}\n", row.failed, row.turns, row.case, row.side)
    });
    aligned(&lines) + &failures.collect::<String>()
}

/// What became of the goals.
pub fn of_goals(goals: &[Goal]) -> String {
    let line = |cells: [&str; 6]| cells.map(str::to_owned).to_vec();
    let mut lines = vec![line(["goal", "side", "figure", "measured", "wanted", ""])];
    lines.extend(goals.iter().map(|goal| {
        let verdict = if goal.met { "met" } else { "MISSED" };
        line([&goal.about, goal.side.name(), &goal.what, &goal.shown, &goal.wanted, verdict])
    }));
    aligned(&lines)
}

/// The first two columns begin under each other, the others end so.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 | 1 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let line = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let text =
            aligned(&[line(["case", "side", "p50"]), line(["60/s", "a", "1234"]), line(["7", "floor", "-"])]);
        assert_eq!(text, "case  side    p50\n60/s  a      1234\n7     floor     -\n");
    }
}
