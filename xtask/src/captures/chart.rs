//! A chart, as `syncline chart --svg` draws it.

use crate::command::{Command, Failure};
use crate::tests_binary;
use crate::tree::Tree;

/// What is drawn.
const SPECIFICATION: &str = "docs/captures/chart.vl.json";

/// As what.
const PICTURE: &str = "docs/captures/chart.svg";

/// Draws it from a store of its own.
pub fn capture(tree: &Tree) -> Result<(), Failure> {
    Command::cargo(tree).args(["build", "--quiet", "--workspace", "--bins"]).run("mend what it names")?;
    let arguments = [SPECIFICATION, PICTURE].map(str::to_owned);
    tests_binary(tree, "capture_chart", &arguments).run("see what it says of the specification")?;
    println!("{PICTURE}");
    Ok(())
}
