//! How far long work is, for whoever looks.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

/// A bar on standard error, drawn only where that is a terminal; `counted` says what it counts.
pub fn bar(len: usize, counted: &str) -> ProgressBar {
    // Whatever ends the work, what is said next starts on a line of its own.
    let bar = ProgressBar::new(len as u64).with_finish(ProgressFinish::AndClear);
    match ProgressStyle::with_template(&format!("{{bar:40}} {{pos}}/{{len}} {counted}")) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// How often a spinner moves.
const SPIN: Duration = Duration::from_millis(120);

/// A sign of life on standard error, drawn only where that is a terminal, for work of which nobody knows how much there is.
pub fn spinner(doing: &'static str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(doing).with_finish(ProgressFinish::AndClear);
    spinner.enable_steady_tick(SPIN);
    spinner
}
