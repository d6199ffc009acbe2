//! Dependencies point one way: `core ◄ storage ◄ engine ◄ sync-server` and `transports ◄ engine`.
//! Cargo forbids circles only; this check keeps out the shortcuts.

use crate::command::{Command, Failure};
use crate::gate::Unchecked;
use crate::tree::Tree;

/// What a crate may not depend on, however indirectly; a name ends at its last letter.
struct Rule {
    package: &'static str,
    forbidden: &'static [&'static str],
    reason: &'static str,
}

/// Crates that do IO or bring a runtime.
const IO: &[&str] =
    &["tokio", "mio", "socket2", "rusqlite", "libsqlite3-sys", "hyper", "axum", "rustls", "tungstenite"];

const RULES: &[Rule] = &[
    Rule { package: "syncline-core", forbidden: IO, reason: "core does no IO" },
    Rule {
        package: "syncline-core",
        forbidden: &[
            "syncline-storage",
            "syncline-transports",
            "syncline",
            "syncline-server",
            "syncline-cli",
        ],
        reason: "core depends on none of ours",
    },
    Rule {
        package: "syncline-storage",
        forbidden: &["syncline-transports", "syncline", "syncline-server", "syncline-cli"],
        reason: "storage knows core only",
    },
    Rule {
        package: "syncline-transports",
        forbidden: &["syncline-core", "syncline-storage", "syncline", "syncline-server", "syncline-cli"],
        reason: "transports know frames, not documents",
    },
    Rule {
        package: "syncline",
        forbidden: &["syncline-server", "syncline-cli"],
        reason: "the engine is below the programs that embed it",
    },
    Rule {
        package: "syncline-server",
        forbidden: &["bincode"],
        reason: "it is unmaintained; tests alone compare with it",
    },
    Rule { package: "syncline-server", forbidden: &["syncline-cli"], reason: "the relay needs no terminal" },
    Rule {
        package: "syncline-cli",
        forbidden: &["syncline-server"],
        reason: "the terminal reaches relays by socket",
    },
];

/// Reads each crate's dependency tree, without those of its tests and build.
pub fn check(tree: &Tree) -> Result<Unchecked, Failure> {
    let mut findings = Vec::new();
    for rule in RULES {
        let names = dependencies(tree, rule.package)?;
        findings.extend(breaches(rule, &names));
    }
    if findings.is_empty() {
        return Ok(Unchecked::new());
    }
    Err(Failure::new(
        format!("dependencies point the wrong way:\n  {}", findings.join("\n  ")),
        "`cargo tree -p CRATE -e normal -i DEPENDENCY` shows the path; cut it",
    ))
}

fn dependencies(tree: &Tree, package: &str) -> Result<Vec<String>, Failure> {
    let printed = Command::cargo(tree)
        .args([
            "tree",
            "--quiet",
            "--package",
            package,
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .stdout("mend the manifest that it names")?;
    Ok(printed.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

fn breaches(rule: &Rule, names: &[String]) -> Vec<String> {
    let breach = |name: &&&str| names.iter().any(|found| found == **name);
    let forbidden = rule.forbidden.iter().filter(breach);
    forbidden.map(|name| format!("{} depends on {name}: {}", rule.package, rule.reason)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_dependency_is_named() {
        let names = ["syncline-core", "mio", "bytes"].map(str::to_owned);
        assert_eq!(breaches(&RULES[0], &names), ["syncline-core depends on mio: core does no IO"]);
        assert!(breaches(&RULES[0], &names[2..]).is_empty());
    }
}
