//! `docs/limits.md` names only limits that exist, and every limit.

use std::collections::BTreeSet;

use crate::command::Failure;
use crate::rust_source::RustSource;
use crate::tree::Tree;

/// The tables of limits.
const LIMITS: &str = "docs/limits.md";

/// The crates that people run; the others are tests and tools.
const CRATES: &[&str] = &["core", "storage", "transports", "engine", "cli", "sync-server"];
/// Folders and files of theirs that only tests use.
const FOR_TESTS: &[&str] = &["conformance", "fuzzing", "scripts", "tests"];
/// How names of limits begin and end; a constant that is a time is one too, whatever it is called.
const BEGINNINGS: &[&str] = &["MAX_", "LONGEST_"];
const ENDS: &[&str] = &["_TIMEOUT", "_CEILING"];

/// Everything wrong with the tables.
pub fn findings(tree: &Tree, sources: &[RustSource]) -> Result<Vec<String>, Failure> {
    if !tree.has(LIMITS) {
        return Ok(vec![format!("{LIMITS}: missing; it lists every limit")]);
    }
    let text = tree.read(LIMITS)?;
    let unknown = constants(&text).filter(|(_, name)| !sources.iter().any(|source| declares(source, name)));
    let unknown = unknown.map(|(line, name)| format!("{LIMITS}:{line}: there is no constant `{name}`"));
    Ok(unknown.chain(unlisted(&text, sources)).collect())
}

/// Limits in the code that no row names. Those of one name in two crates are two limits, and have two rows.
fn unlisted(text: &str, sources: &[RustSource]) -> Vec<String> {
    let crates = CRATES.iter().map(|name| format!("{name}/src/"));
    let limits = crates.flat_map(|folder| {
        let shipped =
            sources.iter().filter(move |source| source.path.starts_with(&folder) && is_shipped(source));
        shipped.flat_map(limits).collect::<BTreeSet<&str>>()
    });
    let limits: Vec<&str> = limits.collect();
    let declared = |name: &str| limits.iter().filter(|limit| **limit == name).count();
    let listed = |name: &str| constants(text).filter(|(_, constant)| *constant == name).count();
    let names: BTreeSet<&str> = limits.iter().copied().collect();
    let unlisted = names.into_iter().filter(|name| listed(name) < declared(name));
    unlisted
        .map(|name| {
            format!("{LIMITS}: `{name}` has {} rows, and {} crates declare it", listed(name), declared(name))
        })
        .collect()
}

fn is_shipped(source: &RustSource) -> bool {
    !source.path.trim_end_matches(".rs").split('/').any(|part| FOR_TESTS.contains(&part))
}

/// The limits that a file declares before its tests begin.
fn limits(source: &RustSource) -> BTreeSet<&str> {
    let end = source.code.find("#[cfg(test)]\nmod tests").unwrap_or(source.code.len());
    let declarations = source.words("const").filter(|at| *at < end);
    let typed = declarations.filter_map(|at| source.code[at + "const".len()..].trim_start().split_once(": "));
    let is_limit = |(name, rest): &(&str, &str)| {
        rest.starts_with("Duration")
            || BEGINNINGS.iter().any(|begin| name.starts_with(begin))
            || ENDS.iter().any(|end| name.ends_with(end))
    };
    typed.filter(is_limit).map(|(name, _)| name).collect()
}

/// The constants in the first cells of the tables' rows, each with its line.
fn constants(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let cells = text.lines().zip(1..).filter_map(|(line, number)| Some((number, line.strip_prefix("| `")?)));
    cells.flat_map(|(number, row)| {
        let cell = row.split(" | ").next().unwrap_or_default();
        cell.split('`').step_by(2).filter(|name| !name.is_empty()).map(move |name| (number, name))
    })
}

fn declares(source: &RustSource, name: &str) -> bool {
    let declaration = |at: usize| source.code[..at].trim_end().ends_with("const");
    source.words(name).any(declaration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_those_of_first_cells() {
        let text = "# Limits\n| constant | value |\n|---|---|\n| `MAX_A`, `MAX_B` (gate) | `5` |\n";
        assert_eq!(constants(text).collect::<Vec<_>>(), [(4, "MAX_A"), (4, "MAX_B")]);
    }

    #[test]
    fn every_limit_has_a_row_for_each_crate_that_declares_it() {
        let declaring = |path: &str| {
            let code = "const MAX_A: u8 = 1;\npub const AGE: Duration = B;\nconst C: u8 = 1;\nconst fn max() {}\n\
                #[cfg(test)]\nmod tests { const MAX_D: u8 = 1; }";
            RustSource::new(path, code)
        };
        let sources =
            ["core/src/a.rs", "cli/src/a.rs", "core/src/fuzzing/a.rs", "xtask/src/a.rs"].map(declaring);
        let unlisted = |text: &str, count: usize| unlisted(text, &sources[..count]);
        assert_eq!(unlisted("| `MAX_A`, `AGE` | 5 |", 1), Vec::<String>::new());
        assert_eq!(
            unlisted("| `MAX_A` | 5 |", 1),
            ["docs/limits.md: `AGE` has 0 rows, and 1 crates declare it"]
        );
        let twice = unlisted("| `MAX_A`, `AGE` | 5 |\n| `AGE` | 6 |", 4);
        assert_eq!(twice, ["docs/limits.md: `MAX_A` has 1 rows, and 2 crates declare it"]);
    }

    #[test]
    fn a_constant_is_there_where_it_is_declared() {
        let source = RustSource::new("a.rs", "pub(crate) const MAX_A: u8 = MAX_B;");
        assert!(declares(&source, "MAX_A") && !declares(&source, "MAX_B"));
    }
}
