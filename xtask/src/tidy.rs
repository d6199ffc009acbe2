//! What no ready tool checks: sizes, names, unfinished code, reasons for lints, and documents that
//! still match the tree. Every finding is printed, not the first alone.

mod architecture;
mod features;
mod limits;
mod sources;

pub use features::is_done;

use crate::command::Failure;
use crate::gate::Unchecked;
use crate::rust_source::RustSource;
use crate::tree::Tree;

/// Runs every check of this folder.
pub fn check(tree: &Tree) -> Result<Unchecked, Failure> {
    let sources = rust_sources(tree)?;
    let mut findings = names(tree);
    findings.extend(sources.iter().flat_map(sources::findings));
    findings.extend(unfinished_text(tree)?);
    findings.extend(features::findings(tree, &sources)?);
    findings.extend(limits::findings(tree, &sources)?);
    findings.extend(architecture::findings(tree)?);
    if findings.is_empty() {
        println!("{} Rust files, {} files in all", sources.len(), tree.paths().count());
        return Ok(Unchecked::new());
    }
    Err(Failure::new(
        format!("{} untidy places:\n  {}", findings.len(), findings.join("\n  ")),
        "mend each; CONTRIBUTING.md has the reasons",
    ))
}

fn rust_sources(tree: &Tree) -> Result<Vec<RustSource>, Failure> {
    tree.ending(".rs").map(|path| Ok(RustSource::new(path, tree.read(path)?))).collect()
}

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager"];

fn names(tree: &Tree) -> Vec<String> {
    let empty = |path: &&str| path.trim_end_matches(".rs").split('/').any(|part| EMPTY_NAMES.contains(&part));
    let named = tree.ending(".rs").filter(empty);
    named.map(|path| format!("{path}: name the module after what it is about")).collect()
}

/// Marks of unfinished code in files that are code but not Rust.
fn unfinished_text(tree: &Tree) -> Result<Vec<String>, Failure> {
    let mut findings = Vec::new();
    for end in [".js", ".ts", ".html", ".sh", ".toml", ".md"] {
        for path in tree.ending(end) {
            findings.extend(sources::unfinished(path, &tree.read(path)?));
        }
    }
    Ok(findings)
}
