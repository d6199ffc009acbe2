//! Core is pure: time and randomness are its arguments, and it does no IO. The wasm build shows
//! that nothing is asked of a host; this check names the line, and covers core's own tests, which
//! must be just as repeatable.

use crate::command::Failure;
use crate::gate::Unchecked;
use crate::rust_source::RustSource;
use crate::tree::Tree;

/// The folder that is held pure.
const CORE: &str = "core/src/";

/// Names that core's code may not contain, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    ("Instant", "time is an argument"),
    ("SystemTime", "time is an argument"),
    ("rand", "randomness is an argument"),
    ("getrandom", "randomness is an argument"),
    ("new_v4", "randomness is an argument"),
    ("now_v7", "time and randomness are arguments"),
    ("tokio", "core has no runtime"),
    ("async", "core is synchronous"),
    ("Mutex", "core holds no locks"),
    ("RwLock", "core holds no locks"),
    ("println!", "core prints nothing"),
    ("eprintln!", "core prints nothing"),
];

/// Modules of the standard library that reach outside the process.
const OUTSIDE: &[&str] = &["env", "fs", "net", "os", "process", "thread"];

/// Finds every line of core that reaches outside it.
pub fn check(tree: &Tree) -> Result<Unchecked, Failure> {
    let mut findings = Vec::new();
    for path in tree.ending(".rs").filter(|path| path.starts_with(CORE)) {
        findings.extend(impurities(&RustSource::new(path, tree.read(path)?)));
    }
    if findings.is_empty() {
        return Ok(Unchecked::new());
    }
    Err(Failure::new(
        format!("core reaches outside itself:\n  {}", findings.join("\n  ")),
        "take it as an argument, or move the code to the crate that does IO",
    ))
}

fn impurities(source: &RustSource) -> Vec<String> {
    let names = FORBIDDEN.iter().flat_map(|(name, reason)| {
        let findings = source.words(name).map(move |at| (at, *name, *reason));
        findings.collect::<Vec<_>>()
    });
    let modules = OUTSIDE
        .iter()
        .filter_map(|module| Some((uses_std(&source.code, module)?, *module, "core does no IO")));
    names
        .chain(modules)
        .map(|(at, name, reason)| format!("{}:{}: {name}: {reason}", source.path, source.line_at(at)))
        .collect()
}

/// Where `std::module` is named, alone or in a group of imports.
fn uses_std(code: &str, module: &str) -> Option<usize> {
    let path = format!("std::{module}");
    let alone = crate::rust_source::words(code, &path).next();
    alone.or_else(|| {
        code.match_indices("std::{").map(|(at, open)| at + open.len() - 1).find(|&open| {
            let end = crate::rust_source::closing(code, open).unwrap_or(code.len());
            code[open + 1..end].split(',').any(|item| item.trim().split("::").next() == Some(module))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_line_of_each_reach_outside() {
        for text in [
            "fn a() {\nlet t = std::time::Instant::now(); }",
            "\nuse std::fs;",
            "\nuse std::{fmt, net::TcpStream};",
            "\nasync fn a() {}",
            "\nlet id = Uuid::new_v4();",
        ] {
            let findings = impurities(&RustSource::new("core/src/a.rs", text));
            assert_eq!(findings.len(), 1, "{text}: {findings:?}");
            assert!(findings[0].starts_with("core/src/a.rs:2: "), "{findings:?}");
        }
    }

    #[test]
    fn lets_pure_code_pass() {
        let text = "use std::{collections::BTreeMap, fmt};\n// tokio, std::fs\nlet operand = env!(\"A\");";
        assert!(impurities(&RustSource::new("core/src/a.rs", text)).is_empty());
    }
}
