//! How far long work is, for whoever looks.

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
