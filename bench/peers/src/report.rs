//! All that was measured, as a table while it goes on, and as files at the end.

mod goals;
mod html;
mod machine;
mod plot;
mod plots;
mod table;

use std::path::Path;

use serde_json::{Value as Json, json};

use goals::Goal;

use crate::BoxError;
use crate::figures::Figures;
use crate::side::{Missing, Side};
use crate::workload::Workload;

/// One measurement, or why there is none.
struct Run {
    workload: Workload,
    case: String,
    side: Side,
    turn: usize,
    figures: Result<Figures, String>,
}

/// Several measurements of the same, at the median.
struct Row {
    case: String,
    side: Side,
    figures: Figures,
    /// Of so many turns so many failed, and why the first did.
    turns: usize,
    failed: usize,
    reason: Option<String>,
}

/// They.
pub struct Report {
    missing: Vec<Missing>,
    runs: Vec<Run>,
}

impl Report {
    /// Of nothing yet, for all sides but those that are missing, which is said.
    pub fn new(missing: Vec<Missing>) -> Self {
        for Missing { side, reason } in &missing {
            println!("not measured: {side}: {reason}");
        }
        Self { missing, runs: Vec::new() }
    }

    /// Adds a run, and tells of it.
    pub fn add(
        &mut self,
        workload: Workload,
        case: &str,
        side: Side,
        turn: usize,
        figures: Result<Figures, String>,
    ) {
        let told = match &figures {
            Ok(figures) => table::in_words(workload, figures),
            Err(error) => format!("FAILED: {error}"),
        };
        println!("({}) {case}, turn {turn}, {side}: {told}", workload.words().0);
        self.runs.push(Run { workload, case: case.to_owned(), side, turn, figures });
    }

    /// Prints the table of a workload.
    pub fn print(&self, workload: Workload) {
        let (letter, what) = workload.words();
        println!("\n({letter}) {what}\n\n{}", table::of(workload, &self.rows(workload)));
    }

    /// Judges what was measured, and writes it.
    pub fn write(&self, folder: &Path) -> Result<(), BoxError> {
        std::fs::create_dir_all(folder)?;
        let goals = goals::judged(self);
        std::fs::write(folder.join("report.json"), serde_json::to_vec_pretty(&self.json(&goals))?)?;
        std::fs::write(folder.join("report.html"), html::page(self, &goals))?;
        for plot in Workload::ALL.into_iter().flat_map(|workload| plots::of(workload, &self.rows(workload))) {
            std::fs::write(folder.join(&plot.name), plot.alone())?;
        }
        Ok(())
    }

    /// Prints what was promised beside what was measured, and where the rest is.
    pub fn conclude(&self, folder: &Path) {
        println!("\n{}", table::of_goals(&goals::judged(self)));
        println!("written to {}: report.html, report.json and the plots", folder.display());
    }

    /// The medians, in the order in which they were measured.
    fn rows(&self, workload: Workload) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        let of_it = || self.runs.iter().filter(move |run| run.workload == workload);
        for run in of_it() {
            if rows.iter().any(|row| row.case == run.case && row.side == run.side) {
                continue;
            }
            let same: Vec<&Run> =
                of_it().filter(|other| other.case == run.case && other.side == run.side).collect();
            let figures: Vec<Figures> = same.iter().filter_map(|run| run.figures.clone().ok()).collect();
            rows.push(Row {
                case: run.case.clone(),
                side: run.side,
                turns: same.len(),
                failed: same.len() - figures.len(),
                figures: Figures::median(&figures),
                reason: same.iter().find_map(|run| run.figures.as_ref().err().cloned()),
            });
        }
        rows
    }

    fn json(&self, goals: &[Goal]) -> Json {
        let missing = self
            .missing
            .iter()
            .map(|Missing { side, reason }| json!({"side": side.name(), "reason": reason}));
        json!({
            "machine": machine::machine(),
            "versions": machine::versions(),
            "missing": missing.collect::<Vec<_>>(),
            "goals": goals.iter().map(Goal::json).collect::<Vec<_>>(),
            "runs": self.runs.iter().map(Run::json).collect::<Vec<_>>(),
        })
    }
}

impl Run {
    fn json(&self) -> Json {
        let mut run = json!({
            "workload": self.workload.words().0,
            "case": self.case,
            "side": self.side.name(),
            "turn": self.turn,
        });
        match &self.figures {
            Ok(figures) => run["figures"] = figures.json(),
            Err(error) => run["error"] = error.as_str().into(),
        }
        run
    }
}
