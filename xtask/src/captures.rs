//! The pictures of the documentation, made anew from what the programs show.

mod chart;

use crate::command::Failure;
use crate::tree::Tree;

/// Makes all of them.
pub fn run(tree: &Tree) -> Result<(), Failure> {
    chart::capture(tree)
}
