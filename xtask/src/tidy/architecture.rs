//! `ARCHITECTURE.md` stays short enough to be read at once, and names only what exists.

use crate::command::Failure;
use crate::tree::Tree;

/// The map of the code.
const ARCHITECTURE: &str = "ARCHITECTURE.md";
/// Below this it is read in one sitting.
const LINES_MAX: usize = 200;
/// A word with one of these ends is a path even without a slash.
const FILE_ENDS: &[&str] = &[".rs", ".md", ".toml"];

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
    Ok(long.into_iter().chain(missing).collect())
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
    fn finds_paths_and_nothing_else() {
        let text = "`core/src/lib.rs` `/healthz` `Vec<u8>` `Cargo.toml`\n```\nengine/  the engine\n  let a = b/c;\n```\n`x::y`";
        assert_eq!(paths(text), [(1, "core/src/lib.rs"), (1, "Cargo.toml"), (3, "engine/")]);
    }
}
