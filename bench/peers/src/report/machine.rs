//! On what it was measured, and what: the machine, and the versions of all programs.

use std::fs;
use std::process::Command;

use serde_json::{Map, Value as Json, json};

use crate::process::printed;
use crate::side::{self, Side};

/// The machine, as far as it matters to who compares.
pub fn machine() -> Json {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "cores": cpus.lines().filter(|line| line.starts_with("processor")).count(),
        "model": field(&cpus, "model name"),
        "memory": field(&memory, "MemTotal"),
        "kernel": format!("Linux {}", release.trim()),
    })
}

/// What each server is called by its maker, and Node.
pub fn versions() -> Json {
    let mut versions = Map::new();
    for side in Side::ALL {
        if let Some((name, version)) = side.version() {
            versions.insert(name.to_owned(), version.into());
        }
    }
    versions.insert("node".to_owned(), printed(side::node().arg("--version")).into());
    versions.insert("rustc".to_owned(), printed(Command::new("rustc").arg("--version")).into());
    versions.into()
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_start_matches(['\t', ' ', ':']).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        assert_eq!(field("a\t: 1\nmodel name\t: Some CPU\n", "model name"), Some("Some CPU"));
        assert_eq!(field("MemTotal:       24 kB\n", "MemTotal"), Some("24 kB"));
        assert_eq!(field("", "MemTotal"), None);
    }
}
