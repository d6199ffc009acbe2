//! Which plots there are of a workload: lines over rates, and bars for everything else. They are parts of the page, and files.

use super::Row;
use super::plot::{self, Lines};
use crate::figures::Metric;
use crate::side::Side;
use crate::workload::Workload;

/// How a picture looks that stands by itself, on light pages and on dark ones.
const STYLE: &str = "svg { font: 11.5px system-ui, sans-serif; fill: #7b8594 } polyline { fill: none; stroke-width: 2.2 } \
                     .grid { stroke: #7b859455 } .end { text-anchor: end } .middle { text-anchor: middle }";

/// A plot.
pub struct Plot {
    /// What it shows, in words, and as the name of a file.
    pub title: String,
    pub name: String,
    /// The picture, which takes its looks from the page that it is on.
    pub svg: String,
}

impl Plot {
    fn new(workload: Workload, title: String, svg: String) -> Self {
        let words =
            title.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let words: Vec<String> =
            std::iter::once(workload.words().0).chain(words).map(str::to_lowercase).collect();
        Self { title, name: words.join("-") + ".svg", svg }
    }

    /// The picture with its own looks.
    pub fn alone(&self) -> String {
        self.svg.replacen('>', &format!("><style>{STYLE}</style>"), 1)
    }
}

/// The plots of a workload.
pub fn of(workload: Workload, rows: &[Row]) -> Vec<Plot> {
    workload.plots().iter().flat_map(|metric| of_metric(workload, *metric, rows)).collect()
}

/// Lines if there are several cases that differ by a number, else bars for each case.
fn of_metric(workload: Workload, metric: Metric, rows: &[Row]) -> Vec<Plot> {
    let mut cases: Vec<String> = rows.iter().map(|row| row.case.clone()).collect();
    cases.dedup();
    let value = |case: &str, side| {
        let row = rows.iter().find(|row| row.case == case && row.side == side)?;
        row.figures.of(metric)
    };
    let is_rate = cases.len() > 2 && cases.iter().all(|case| case.ends_with("/s"));
    if is_rate {
        let series =
            Side::ALL.map(|side| (side, cases.iter().map(|case| value(case, side)).collect::<Vec<_>>()));
        let series = series.into_iter().filter(|(_, values)| values.iter().any(Option::is_some)).collect();
        let svg = plot::lines(&Lines { cases, series, unit: metric.unit() });
        return svg.map(|svg| Plot::new(workload, metric.name().to_owned(), svg)).into_iter().collect();
    }
    let bars = |case: &String| {
        let values: Vec<_> =
            Side::ALL.into_iter().filter_map(|side| Some((side, value(case, side)?))).collect();
        let svg = plot::bars(&values, metric.unit())?;
        Some(Plot::new(workload, format!("{}, {case}", metric.name()), svg))
    };
    cases.iter().filter_map(bars).collect()
}
