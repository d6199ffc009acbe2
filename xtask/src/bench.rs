//! The benchmarks: those beside what they measure, and the programs of `bench/`, which measure large stores and long
//! documents beside the bare libraries and a peer, and the relay beside other people's servers.

use std::path::PathBuf;

use crate::command::{Command, Failure};
use crate::install;
use crate::instructions;
use crate::real_data;
use crate::tree::Tree;

/// A workspace of its own, so that nobody else has to build the peer.
pub const MANIFEST: &str = "bench/Cargo.toml";

/// Its packages, and programs.
const STORE: &str = "syncline-bench";
const PEERS: &str = "syncline-peers";

/// Other people's servers from npm, and those of their packages that are compiled.
const SERVERS: &str = "bench/peers/servers";
const COMPILED: [&str; 2] = ["better-sqlite3", "leveldown"];

/// The server that comes from crates.io, and where it is installed.
const Y_SWEET_VERSION: &str = "0.9.1";
const Y_SWEET_FOLDER: &str = "target/peers";

/// Runs the benchmarks of a name, or the program with its arguments.
pub fn run(tree: &Tree, arguments: &[String]) -> Result<(), Failure> {
    match arguments.split_first() {
        Some((name, rest)) if name == "count" => instructions::run(tree, rest),
        Some((name, rest)) if name == "store" => store(tree, rest),
        Some((name, rest)) if name == "peers" => peers(tree, rest),
        _ => Command::cargo(tree)
            .args(["bench", "--package", "syncline", "--package", "syncline-storage", "--benches", "--"])
            .args(arguments)
            .run("a benchmark did not build or run; its error is above"),
    }
}

/// The terminal and the relay are measured too. What both workspaces need is built once, in one target folder.
fn store(tree: &Tree, arguments: &[String]) -> Result<(), Failure> {
    let folder = built(tree, STORE)?;
    Command::new(tree, folder.join(STORE))
        .args(["--programs".as_ref(), folder.as_os_str()])
        .args(arguments)
        .env(real_data::VARIABLE, real_data::folder(tree))
        .run("something could not be run; it says what. Goals that are missed are no failure")
}

/// The servers are installed first, as far as they can be.
fn peers(tree: &Tree, arguments: &[String]) -> Result<(), Failure> {
    let node = install::node_servers(tree, SERVERS, &COMPILED);
    let y_sweet = install::cargo_program(tree, "y-sweet", Y_SWEET_VERSION, Y_SWEET_FOLDER);
    [node, y_sweet]
        .into_iter()
        .filter_map(Result::err)
        .for_each(|reason| println!("not installed: {reason}"));
    let folder = built(tree, PEERS)?;
    Command::new(tree, folder.join(PEERS))
        .args(arguments)
        .run("something could not be run; it says what. Goals that are missed are no failure")
}

/// Builds what is measured and one of the programs that measure, and returns where they are.
fn built(tree: &Tree, package: &str) -> Result<PathBuf, Failure> {
    let target = tree.at("target");
    Command::cargo(tree)
        .args(["build", "--release", "--bins", "--package", "syncline-cli", "--package", "syncline-server"])
        .run("mend what it names")?;
    Command::cargo(tree)
        .args(["build", "--release", "--locked", "--manifest-path", MANIFEST, "--package", package])
        .args(["--target-dir".as_ref(), target.as_os_str()])
        .run("mend what it names; the peers come from crates.io")?;
    Ok(target.join("release"))
}
