//! The report as one page that needs nothing else.

use std::fmt::Write;

use serde_json::Value as Json;

use super::goals::Goal;
use super::plots::{self, Plot};
use super::{Report, Row, machine, plot};
use crate::figures::Metric;
use crate::side::Missing;
use crate::workload::Workload;

const STYLE: &str = include_str!("style.css");

/// The page.
pub fn page(report: &Report, goals: &[Goal]) -> String {
    let mut html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Syncline beside its peers</title><style>{STYLE}</style><main><h1>Syncline beside its peers</h1>"
    );
    html += &described("Machine", &machine::machine());
    html += &described("Versions", &machine::versions());
    for Missing { side, reason } in &report.missing {
        _ = write!(html, "<p class=missed>Not measured: {side}: {}</p>", escaped(reason));
    }
    html += "<p>Medians of several turns, in which all sides take part one after the other, each with a fresh store. \
             The floor only broadcasts: it stores, checks and merges nothing. The generator runs beside the server on the same \
             cores; what it takes is shown, too.</p>";
    for workload in Workload::ALL {
        let rows = report.rows(workload);
        if !rows.is_empty() {
            html += &section(workload, &rows);
        }
    }
    html += &judged(goals);
    html + "</main></html>\n"
}

fn described(title: &str, facts: &Json) -> String {
    let facts = facts.as_object().into_iter().flatten().map(|(name, fact)| {
        let fact = fact.as_str().map_or_else(|| fact.to_string(), str::to_owned);
        format!("{name} {}", escaped(&fact))
    });
    format!("<p class=facts><b>{title}</b> {}</p>", facts.collect::<Vec<_>>().join(" · "))
}

fn section(workload: Workload, rows: &[Row]) -> String {
    let (letter, what) = workload.words();
    let mut html = format!("<h2><span>{letter}</span> {}</h2><div class=plots>", escaped(what));
    for Plot { title, svg, .. } in plots::of(workload, rows) {
        _ = write!(html, "<figure><figcaption>{}</figcaption>{svg}</figure>", escaped(&title));
    }
    html + "</div>" + &table(workload, rows)
}

fn table(workload: Workload, rows: &[Row]) -> String {
    let there = |metric: &&Metric| rows.iter().any(|row| row.figures.of(**metric).is_some());
    let columns: Vec<Metric> = workload.columns().iter().filter(there).copied().collect();
    let mut html = "<div class=wide><table><tr><th>case<th>side".to_owned();
    for metric in &columns {
        _ = write!(html, "<th>{} <small>{}</small>", metric.name(), metric.unit());
    }
    for row in rows {
        let colour = plot::colour(row.side);
        _ = write!(
            html,
            "<tr><td>{}<td><i style=\"background:{colour}\"></i>{}",
            escaped(&row.case),
            row.side
        );
        for metric in &columns {
            let value = row.figures.of(*metric).map_or_else(|| "-".to_owned(), |value| metric.shown(value));
            _ = write!(html, "<td class=number>{value}");
        }
        if row.failed > 0 {
            let (failed, turns, reason) = (row.failed, row.turns, row.reason.as_deref().unwrap_or_default());
            _ = write!(html, "<td class=missed>{failed} of {turns} runs failed: {}", escaped(reason));
        }
    }
    html + "</table></div>"
}

fn judged(goals: &[Goal]) -> String {
    if goals.is_empty() {
        return String::new();
    }
    let met = goals.iter().filter(|goal| goal.met).count();
    let mut html = format!("<h2>Goals: {met} of {} met</h2><div class=wide><table>", goals.len());
    html += "<tr><th>case<th>side<th>figure<th>measured<th>wanted<th>";
    for goal in goals {
        let (class, word) = if goal.met { ("met", "met") } else { ("missed", "missed") };
        let Goal { about, side, what, shown, wanted, .. } = goal;
        _ = write!(
            html,
            "<tr><td>{about}<td>{side}<td>{what}<td class=number>{shown}<td class=number>{wanted}\
             <td class={class}>{word}"
        );
    }
    html + "</table></div>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Figures;
    use crate::side::Side;

    #[test]
    fn everything_is_on_the_page() {
        let mut report = Report::new(vec![Missing { side: Side::YSweet, reason: "<nowhere>".to_owned() }]);
        for (case, p99) in [("10/s", 1.0), ("20/s", 2.0), ("60/s", 30.0)] {
            let figures = Figures::default().with(Metric::Latency99, p99).with(Metric::Cpu, 0.5);
            report.add(Workload::Typing, case, Side::Floor, 1, Ok(figures));
            report.add(Workload::Typing, case, Side::Relay, 1, Err("it <broke>".to_owned()));
        }
        let page = page(&report, &[]);
        for part in ["&lt;nowhere&gt;", "<polyline", "30.0", "it &lt;broke&gt;", "1 of 1 runs"] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
    }
}
