//! `docs/features.md` lists every promise once, and a row that is done names tests that exist.

use crate::command::Failure;
use crate::rust_source::RustSource;
use crate::tree::Tree;

/// The table of promises.
const FEATURES: &str = "docs/features.md";
/// The row above the promises.
const HEAD: &str = "| id | what | done | the test that shows it |";
/// The promises: a letter a chapter, numbered from 1.
const CHAPTERS: &[(&str, usize)] = &[("H", 13), ("W", 17), ("L", 8), ("T", 18), ("D", 11), ("X", 11)];

/// One row of the table.
struct Row<'a> {
    id: &'a str,
    done: &'a str,
    shown_by: &'a str,
}

/// Everything wrong with the table.
pub fn findings(tree: &Tree, sources: &[RustSource]) -> Result<Vec<String>, Failure> {
    if !tree.has(FEATURES) {
        return Ok(vec![format!("{FEATURES}: missing; it holds the table {HEAD}")]);
    }
    let text = tree.read(FEATURES)?;
    if !text.lines().any(|line| line == HEAD) {
        return Ok(vec![format!("{FEATURES}: the table begins with the line {HEAD}")]);
    }
    let rows = rows(&text);
    let mut findings = wrong_ids(&rows);
    findings.extend(rows.iter().flat_map(|row| wrong_row(row, tree, sources)));
    Ok(findings.into_iter().map(|finding| format!("{FEATURES}: {finding}")).collect())
}

/// Whether the table calls a promise done.
pub fn is_done(tree: &Tree, id: &str) -> Result<bool, Failure> {
    let text = tree.read(FEATURES)?;
    Ok(rows(&text).iter().any(|row| row.id == id && row.done == "done"))
}

/// The tables' rows; the head may be repeated for each chapter.
fn rows(text: &str) -> Vec<Row<'_>> {
    let tabled = text.lines().filter(|line| line.starts_with('|') && *line != HEAD);
    let lines = tabled.filter(|line| !line.trim_matches(['|', '-', ':', ' ']).is_empty());
    lines.map(row).collect()
}

/// A row with more or fewer cells than four is neither done nor open.
fn row(line: &str) -> Row<'_> {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let (done, shown_by) = if let [_, _, done, shown_by] = cells[..] { (done, shown_by) } else { ("", "") };
    Row { id: cells[0], done, shown_by }
}

fn wrong_ids(rows: &[Row<'_>]) -> Vec<String> {
    let ids =
        CHAPTERS.iter().flat_map(|(letter, last)| (1..=*last).map(move |number| format!("{letter}{number}")));
    let ids: Vec<String> = ids.collect();
    let count = |id: &str| rows.iter().filter(|row| row.id == id).count();
    let missing =
        ids.iter().filter(|id| count(id) != 1).map(|id| format!("{id} has {} rows, not one", count(id)));
    let unknown = rows.iter().filter(|row| ids.iter().all(|id| id != row.id));
    missing.chain(unknown.map(|row| format!("`{}` is no promise's id", row.id))).collect()
}

fn wrong_row(row: &Row<'_>, tree: &Tree, sources: &[RustSource]) -> Vec<String> {
    match row.done {
        "open" => Vec::new(),
        "done" => wrong_tests(row, tree, sources),
        other => vec![format!(
            "{}: the third column is `{other}`, neither `done` nor `open`, or the row has not four cells",
            row.id
        )],
    }
}

fn wrong_tests(row: &Row<'_>, tree: &Tree, sources: &[RustSource]) -> Vec<String> {
    let names: Vec<&str> =
        row.shown_by.split('`').skip(1).step_by(2).filter(|name| !name.contains(' ')).collect();
    if names.is_empty() {
        return vec![format!(
            "{} is done: name its test in backticks, as FILE, FILE::FUNCTION or FUNCTION",
            row.id
        )];
    }
    let unknown = names.iter().filter(|name| !exists(name, tree, sources));
    unknown.map(|name| format!("{} is done: there is no test `{name}`", row.id)).collect()
}

/// Whether `FILE`, `FILE::FUNCTION` or `FUNCTION` is in the tree.
fn exists(name: &str, tree: &Tree, sources: &[RustSource]) -> bool {
    let (file, function) = match name.split_once(".rs::") {
        Some((file, path)) => (format!("{file}.rs"), path.rsplit("::").next()),
        None if name.contains('/') => return tree.has(name),
        None => (String::new(), name.rsplit("::").next()),
    };
    let declares = |source: &RustSource| {
        function.is_some_and(|name| source.functions().iter().any(|function| function.name == name))
    };
    sources.iter().filter(|source| file.is_empty() || source.path == file).any(declares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_wanted_once() {
        let text = format!(
            "{HEAD}\n|---|---|---|---|\n| H1 | a | open | |\n| H1 | a | open | |\n| Z9 | a | open | |\n"
        );
        let findings = wrong_ids(&rows(&text));
        assert!(findings.contains(&"H1 has 2 rows, not one".to_owned()), "{findings:?}");
        assert!(findings.contains(&"X11 has 0 rows, not one".to_owned()));
        assert!(findings.contains(&"`Z9` is no promise's id".to_owned()));
    }

    #[test]
    fn a_done_row_names_tests_that_exist() {
        let tree = Tree::open().expect("the tests run inside the tree");
        let sources = [RustSource::new("tests/a.rs", "fn heals() {}")];
        for (cell, wrong) in [
            ("`tests/a.rs::heals`, `heals`, `xtask/src/main.rs`, `cargo xtask sim`", 0),
            ("`tests/a.rs::breaks`", 1),
            ("`tests/none.rs`", 1),
            ("soon", 1),
        ] {
            let row = Row { id: "H1", done: "done", shown_by: cell };
            assert_eq!(wrong_row(&row, &tree, &sources).len(), wrong, "{cell}");
        }
        assert_eq!(wrong_row(&Row { id: "H1", done: "Done", shown_by: "" }, &tree, &sources).len(), 1);
    }
}
