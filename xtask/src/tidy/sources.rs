//! Checks of one Rust file.

use super::EMPTY_NAMES;
use crate::rust_source::{RustSource, closing, words};

/// A longer file tells more than one story.
const FILE_LINES_MAX: usize = 600;
/// A longer function does more than one thing.
const FUNCTION_LINES_MAX: usize = 70;
/// Lines above a hash map in which its reason may stand.
const REASON_REACH: usize = 3;

/// Everything untidy in the file.
pub fn findings(source: &RustSource) -> Vec<String> {
    let mut findings = unfinished(&source.path, &source.code);
    findings.extend(too_long(source));
    findings.extend(lints_without_reason(source));
    findings.extend(empty_module_names(source));
    if source.path.starts_with("core/src/") {
        findings.extend(hash_maps(source));
    }
    findings
}

/// Marks of code that was left for later.
pub fn unfinished(path: &str, text: &str) -> Vec<String> {
    let marks = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[", "ignore")];
    let numbered = text.lines().zip(1..);
    numbered
        .filter_map(|(line, number)| {
            let mark = marks.iter().find(|mark| line.contains(**mark))?;
            Some(format!("{path}:{number}: `{mark}` marks unfinished work"))
        })
        .collect()
}

fn too_long(source: &RustSource) -> Vec<String> {
    let path = &source.path;
    let lines = source.text.lines().count();
    let file = (lines > FILE_LINES_MAX).then(|| format!("{path}: {lines} lines, more than {FILE_LINES_MAX}"));
    let functions = source.functions().into_iter().filter(|function| function.lines > FUNCTION_LINES_MAX);
    let functions = functions.map(|function| {
        format!(
            "{path}:{}: fn {} has {} lines, more than {FUNCTION_LINES_MAX}",
            function.line, function.name, function.lines
        )
    });
    file.into_iter().chain(functions).collect()
}

fn lints_without_reason(source: &RustSource) -> Vec<String> {
    let bare = |attribute: &str| {
        let mut switches = ["allow", "expect"].iter().flat_map(|word| words(attribute, word));
        switches.any(|at| !reasoned(&attribute[at..]))
    };
    let attributes = source.attributes().into_iter().filter(|(_, text)| bare(text));
    attributes
        .map(|(at, _)| format!("{}:{}: a lint is allowed without a reason", source.path, source.line_at(at)))
        .collect()
}

/// Whether the `allow(…)` or `expect(…)` that the text begins with states its reason.
fn reasoned(switch: &str) -> bool {
    let Some(open) = switch.find('(') else {
        return true;
    };
    let end = closing(switch, open).unwrap_or(switch.len());
    words(&switch[open..end], "reason").next().is_some()
}

fn empty_module_names(source: &RustSource) -> Vec<String> {
    let named = |at: usize| {
        let after = source.code[at..].trim_start_matches("mod").trim_start();
        let name = after.split(|c: char| !c.is_alphanumeric() && c != '_').next();
        name.is_some_and(|name| EMPTY_NAMES.contains(&name))
    };
    let empty = source.words("mod").filter(|&at| named(at));
    empty
        .map(|at| format!("{}:{}: name the module after what it is about", source.path, source.line_at(at)))
        .collect()
}

/// Core may hold a hash map only where a library asks for one, and says so in a reason nearby.
fn hash_maps(source: &RustSource) -> Vec<String> {
    let raw: Vec<&str> = source.text.lines().collect();
    let excused = |number: usize| {
        let near = &raw[number.saturating_sub(1 + REASON_REACH)..number];
        near.iter().any(|line| line.contains("disallowed_types") || line.contains("// boundary: "))
    };
    let holds = |line: &str| ["HashMap", "HashSet"].iter().any(|name| words(line, name).next().is_some());
    let lines = source.lines().filter(|(number, line)| holds(line) && !excused(*number));
    lines
        .map(|(number, _)| {
            format!("{}:{number}: a hash map's order is random; use BTreeMap, or end the line with `// boundary: REASON`", source.path)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        findings(&RustSource::new(path, text))
    }

    #[test]
    fn names_each_kind_of_finding() {
        let long = format!("fn long() {{\n{}}}\n", "a();\n".repeat(FUNCTION_LINES_MAX));
        for (text, part) in [
            (long.as_str(), "fn long has 72 lines"),
            (&"\n".repeat(FILE_LINES_MAX + 1), "601 lines"),
            ("#[allow(dead_code)]\nfn a() {}", "a.rs:1: a lint is allowed"),
            ("#![cfg_attr(test, allow(dead_code))]", "a.rs:1: a lint is allowed"),
            ("\nmod helpers {}", "a.rs:2: name the module"),
            (concat!("fn a() { todo", "!() }"), "unfinished"),
            ("use std::collections::HashMap;", "a.rs:1: a hash map"),
        ] {
            let findings = found("core/src/a.rs", text);
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert!(findings[0].contains(part), "{findings:?}");
        }
    }

    #[test]
    fn lets_tidy_code_pass() {
        for text in [
            "#[allow(dead_code, reason = \"kept\")]\nfn a() { b().expect(\"c\") }",
            "let m: HashMap<u8, u8> = x; // boundary: yrs takes one",
            "// a HashMap would be random\nmod tests {}",
        ] {
            assert_eq!(found("core/src/a.rs", text), Vec::<String>::new());
        }
        assert!(found("engine/src/a.rs", "use std::collections::HashMap;").is_empty());
    }
}
