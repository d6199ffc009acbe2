//! What we depend on: its licences, where it comes from, and known advisories against it. Only the
//! advisories need a database that is fetched; where it cannot be, that is said and the rest counts.

use crate::command::{Command, Failure};
use crate::gate::Unchecked;
use crate::install;
use crate::tree::Tree;

/// Runs cargo-deny with the rules of `deny.toml`.
pub fn check(tree: &Tree) -> Result<Unchecked, Failure> {
    install::cargo_tool(tree, "deny", "cargo-deny")?;
    deny(tree, &["check", "bans", "licenses", "sources"])
        .run("replace the dependency, or allow it in deny.toml with a reason")?;
    if !deny(tree, &["fetch", "db"]).succeeds() {
        return Ok(vec![NO_DATABASE.to_owned()]);
    }
    deny(tree, &["check", "--disable-fetch", "advisories"])
        .run("update the dependency, or ignore the advisory in deny.toml with a reason")?;
    Ok(Unchecked::new())
}

const NO_DATABASE: &str =
    "advisories: the database of RustSec could not be fetched; where it can: cargo deny check advisories";

fn deny(tree: &Tree, arguments: &[&str]) -> Command {
    Command::cargo(tree).args(["deny", "--workspace"]).args(arguments)
}
