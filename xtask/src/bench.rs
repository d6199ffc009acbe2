//! The benchmarks: those beside what they measure, and the program of `bench/`, which measures large stores and long
//! documents beside the bare libraries and a peer.

use crate::command::{Command, Failure};
use crate::real_data;
use crate::tree::Tree;

/// A workspace of its own, so that nobody else has to build the peer.
pub const MANIFEST: &str = "bench/Cargo.toml";

/// Its package, and program.
const PACKAGE: &str = "syncline-bench";

/// Runs the benchmarks of a name, or the program with its arguments.
pub fn run(tree: &Tree, arguments: &[String]) -> Result<(), Failure> {
    match arguments.split_first() {
        Some((name, rest)) if name == "store" => store(tree, rest),
        _ => Command::cargo(tree)
            .args(["bench", "--package", "syncline", "--package", "syncline-storage", "--benches", "--"])
            .args(arguments)
            .run("a benchmark did not build or run; its error is above"),
    }
}

/// The terminal and the relay are measured too. What both workspaces need is built once, in one target folder.
fn store(tree: &Tree, arguments: &[String]) -> Result<(), Failure> {
    let target = tree.at("target");
    Command::cargo(tree)
        .args(["build", "--release", "--bins", "--package", "syncline-cli", "--package", "syncline-server"])
        .run("mend what it names")?;
    Command::cargo(tree)
        .args(["build", "--release", "--locked", "--manifest-path", MANIFEST, "--target-dir"])
        .args([&target])
        .run("mend what it names; the peer comes from crates.io")?;
    Command::new(tree, target.join("release").join(PACKAGE))
        .args(["--programs".as_ref(), target.join("release").as_os_str()])
        .args(arguments)
        .env(real_data::VARIABLE, real_data::folder(tree))
        .run("something could not be run; it says what. Goals that are missed are no failure")
}
