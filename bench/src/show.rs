//! Tables, medians and goals.

use std::time::Duration;

/// Prints a table: a heading, the names of its columns, and its rows.
pub fn table(heading: &str, columns: &[&str], rows: &[Vec<String>]) {
    let head = columns.iter().map(ToString::to_string).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    println!("\n{heading}");
    for line in &lines {
        let cells = line.iter().enumerate().map(|(column, cell)| match column {
            0 => format!("{cell:<width$}", width = width(column)),
            _ => format!("{cell:>width$}", width = width(column)),
        });
        println!("  {}", cells.collect::<Vec<_>>().join("   ").trim_end());
    }
}

/// Says whether a goal is met.
pub fn goal(what: &str, found: f64, most: f64, unit: &str) {
    let verdict = if found <= most { "met" } else { "NOT MET" };
    println!("  goal: {what}: {found:.2}{unit}, at most {most}{unit}: {verdict}");
}

/// The middle one.
pub fn median(durations: &[Duration]) -> Duration {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// A time in milliseconds.
pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// A time in words.
pub fn time(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{:.1} ms", millis(duration)),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

/// A size in words.
pub fn bytes(bytes: u64) -> String {
    format!("{:.2} MiB", bytes as f64 / f64::from(1 << 20))
}

/// How many times the one is the other.
pub fn times(one: f64, other: f64) -> String {
    format!("{:.2}x", one / other)
}
