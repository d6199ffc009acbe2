//! `ARCHITECTURE.md` stays short enough to be read at once, names only what exists, and shows where everything is: every
//! module at the top of a crate that people run, and every part of the replica.

use crate::command::Failure;
use crate::tree::Tree;

/// The map of the code.
const ARCHITECTURE: &str = "ARCHITECTURE.md";
/// Below this it is read in one sitting.
const LINES_MAX: usize = 200;
/// A word with one of these ends is a path even without a slash.
const FILE_ENDS: &[&str] = &[".rs", ".md", ".toml"];

/// Folders of which the map names every file, but for what every crate has.
const MAPPED: &[&str] = &[
    "core/src/",
    "core/src/replica/",
    "storage/src/",
    "transports/src/",
    "engine/src/",
    "cli/src/",
    "sync-server/src/",
];
/// A crate's beginning, which its name stands for.
const BEGINNINGS: &[&str] = &["lib.rs", "main.rs"];

/// Everything wrong with the map.
pub fn findings(tree: &Tree) -> Result<Vec<String>, Failure> {
    if !tree.has(ARCHITECTURE) {
        return Ok(vec![format!("{ARCHITECTURE}: missing; it is the map of the code")]);
    }
    let text = tree.read(ARCHITECTURE)?;
    let lines = text.lines().count();
    let long =
        (lines >= LINES_MAX).then(|| format!("{ARCHITECTURE}: {lines} lines; it has fewer than {LINES_MAX}"));
    let missing = paths(&text).into_iter().filter(|(_, path)| !tree.at(path).exists());
    let missing = missing.map(|(line, path)| format!("{ARCHITECTURE}:{line}: there is no `{path}`"));
    let unmapped = unmapped(&text, tree.ending(".rs"));
    Ok(long.into_iter().chain(missing).chain(unmapped).collect())
}

/// Files that the map does not show; a folder stands for the file that is named like it.
fn unmapped<'a>(text: &str, files: impl Iterator<Item = &'a str>) -> Vec<String> {
    let named = paths(text);
    let is_mapped = |path: &str| {
        let folder = path.replace(".rs", "/");
        named.iter().any(|(_, name)| *name == path || *name == folder)
    };
    let is_part = |path: &str| {
        let name =
            MAPPED.iter().find_map(|folder| path.strip_prefix(folder).filter(|name| !name.contains('/')));
        name.is_some_and(|name| !BEGINNINGS.contains(&name))
    };
    let unmapped = files.filter(|path| is_part(path) && !is_mapped(path));
    unmapped.map(|path| format!("{ARCHITECTURE}: the code map does not show `{path}`")).collect()
}

/// The paths in backticks and in the code map's fences, each with its line.
fn paths(text: &str) -> Vec<(usize, &str)> {
    let mut paths = Vec::new();
    let mut fenced = false;
    for (line, number) in text.lines().zip(1..) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            let listed = line.split_whitespace().next().filter(|word| word.contains('/') && is_path(word));
            paths.extend(listed.map(|path| (number, path)));
        } else {
            let quoted = line.split('`').skip(1).step_by(2).filter(|word| is_path(word));
            paths.extend(quoted.map(|path| (number, path)));
        }
    }
    paths
}

/// Relative to the root, written out in full; routes, globs and type names are none.
fn is_path(word: &str) -> bool {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let shaped = word.contains('/') || FILE_ENDS.iter().any(|end| word.ends_with(end));
    plain && shaped && !word.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_on_the_map() {
        let text = "`core/src/replica/edit.rs` and `core/src/replica/`\n`core/src/wire/`";
        let files = [
            "core/src/lib.rs",
            "core/src/replica.rs",
            "core/src/wire.rs",
            "core/src/wire/binary.rs",
            "core/src/replica/edit.rs",
            "core/src/replica/new.rs",
            "core/src/other.rs",
            "tests/src/sim/check.rs",
        ];
        let said = |path: &str| format!("ARCHITECTURE.md: the code map does not show `{path}`");
        assert_eq!(
            unmapped(text, files.into_iter()),
            [said("core/src/replica/new.rs"), said("core/src/other.rs")]
        );
    }

    #[test]
    fn finds_paths_and_nothing_else() {
        let text = "`core/src/lib.rs` `/healthz` `Vec<u8>` `Cargo.toml`\n```\nengine/  the engine\n  let a = b/c;\n```\n`x::y`";
        assert_eq!(paths(text), [(1, "core/src/lib.rs"), (1, "Cargo.toml"), (3, "engine/")]);
    }
}
