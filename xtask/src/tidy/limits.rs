//! `docs/limits.md` names only limits that exist.

use crate::command::Failure;
use crate::rust_source::RustSource;
use crate::tree::Tree;

/// The tables of limits.
const LIMITS: &str = "docs/limits.md";

/// Everything wrong with the tables.
pub fn findings(tree: &Tree, sources: &[RustSource]) -> Result<Vec<String>, Failure> {
    if !tree.has(LIMITS) {
        return Ok(vec![format!("{LIMITS}: missing; it lists every limit")]);
    }
    let text = tree.read(LIMITS)?;
    let unknown = constants(&text).filter(|(_, name)| !sources.iter().any(|source| declares(source, name)));
    Ok(unknown.map(|(line, name)| format!("{LIMITS}:{line}: there is no constant `{name}`")).collect())
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
    fn a_constant_is_there_where_it_is_declared() {
        let source = RustSource::new("a.rs", "pub(crate) const MAX_A: u8 = MAX_B;");
        assert!(declares(&source, "MAX_A") && !declares(&source, "MAX_B"));
    }
}
