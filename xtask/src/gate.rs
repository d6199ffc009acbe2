//! The gate's run: the steps in order, the first failure, the table of times, and what could not
//! be checked.

use std::time::{Duration, Instant};

use crate::command::Failure;
use crate::steps::{self, Step};
use crate::tree::Tree;

/// What a step left unchecked, and why; empty when it checked everything.
pub type Unchecked = Vec<String>;

/// Runs the named steps, or all of them, up to the first failure.
pub fn run(tree: &Tree, names: &[String]) -> Result<(), Failure> {
    let chosen = choose(names)?;
    let mut report = Report::default();
    let ended = chosen.iter().try_for_each(|step| report.step(tree, step));
    println!("\n{}", if ended.is_ok() { "everything passed" } else { "stopped at the first failure" });
    report.print();
    ended
}

fn choose(names: &[String]) -> Result<Vec<&'static Step>, Failure> {
    let unknown = names.iter().find(|name| steps::ALL.iter().all(|step| step.name != name.as_str()));
    if let Some(name) = unknown {
        return Err(Failure::new(format!("there is no step `{name}`"), "`cargo xtask steps` lists them"));
    }
    let wanted = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    Ok(steps::ALL.iter().filter(wanted).collect())
}

/// What has been run so far.
#[derive(Default)]
struct Report {
    rows: Vec<Row>,
    unchecked: Unchecked,
}

struct Row {
    name: &'static str,
    took: Duration,
    passed: bool,
}

impl Report {
    fn step(&mut self, tree: &Tree, step: &'static Step) -> Result<(), Failure> {
        println!("\n== {}: {}", step.name, step.what);
        let start = Instant::now();
        let result = (step.run)(tree);
        let row = Row { name: step.name, took: start.elapsed(), passed: result.is_ok() };
        println!("== {} {} in {:.1} s", row.name, row.verdict(), row.took.as_secs_f64());
        self.rows.push(row);
        self.unchecked.extend(result?);
        Ok(())
    }

    fn print(&self) {
        println!("\nstep          seconds");
        for row in &self.rows {
            println!("{:<12} {:>8.1}  {}", row.name, row.took.as_secs_f64(), row.verdict());
        }
        let not_run: Vec<_> =
            steps::ALL.iter().map(|step| step.name).filter(|name| !self.ran(name)).collect();
        let total: Duration = self.rows.iter().map(|row| row.took).sum();
        println!("{:<12} {:>8.1}", "total", total.as_secs_f64());
        println!("\nnot checked:");
        if self.unchecked.is_empty() && not_run.is_empty() {
            println!("  nothing");
        }
        self.unchecked.iter().for_each(|line| println!("  {line}"));
        if !not_run.is_empty() {
            println!("  what these steps check, as they were not run: {}", not_run.join(", "));
        }
    }

    fn ran(&self, name: &str) -> bool {
        self.rows.iter().any(|row| row.name == name)
    }
}

impl Row {
    fn verdict(&self) -> &'static str {
        if self.passed { "passed" } else { "FAILED" }
    }
}
