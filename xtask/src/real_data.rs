//! The real data that tests run on where it is there: one folder for all of them, and what it lacks.

use std::path::{Path, PathBuf};

use crate::tree::Tree;

/// The variable that names the folder.
pub const VARIABLE: &str = "SYNCLINE_DATA";

/// Where it is looked for otherwise.
const BESIDE: &str = "../shared/data";

/// What tests read in it.
const NEEDED: &[&str] = &[
    "charts",
    "fixtures/automerge",
    "fixtures/yjs",
    "hostile",
    "streams",
    "strings",
    "tasks",
    "traces/concurrent",
    "traces/sequential",
];

/// The folder, from the root of the file system: each test runs in the folder of its crate, where a relative name means
/// something else.
pub fn folder(tree: &Tree) -> PathBuf {
    named(tree.root(), std::env::var_os(VARIABLE).map(PathBuf::from))
}

fn named(root: &Path, named: Option<PathBuf>) -> PathBuf {
    let folder = root.join(named.unwrap_or_else(|| BESIDE.into()));
    std::path::absolute(&folder).unwrap_or(folder)
}

/// Tests on real data skip themselves where there is none; this says so aloud.
pub fn missing(tree: &Tree) -> Option<String> {
    lacking(&folder(tree))
}

fn lacking(folder: &Path) -> Option<String> {
    if !folder.is_dir() {
        return Some(format!("tests on real data: {} is no folder; set {VARIABLE} to one", folder.display()));
    }
    let is_empty = |part: &&&str| {
        let mut entries = std::fs::read_dir(folder.join(part)).into_iter().flatten();
        entries.next().is_none()
    };
    let lacking: Vec<&str> = NEEDED.iter().filter(is_empty).copied().collect();
    (!lacking.is_empty())
        .then(|| format!("tests on real data: {} has nothing in {}", folder.display(), lacking.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_name_is_one_from_the_root_of_the_tree() {
        let tree = Path::new("/home/ada/syncline");
        assert_eq!(named(tree, None), tree.join("../shared/data"));
        assert_eq!(named(tree, Some("data".into())), tree.join("data"));
        assert_eq!(named(tree, Some("/data".into())), Path::new("/data"));
    }

    #[test]
    fn what_is_not_there_is_named() {
        let folder = std::env::temp_dir().join(format!("syncline-xtask-{}", std::process::id()));
        assert!(lacking(&folder).is_some_and(|said| said.contains("is no folder")));
        for part in NEEDED {
            std::fs::create_dir_all(folder.join(part)).expect("the system's temporary folder can be written");
            std::fs::write(folder.join(part).join("file"), "").expect("a new folder can be written");
        }
        assert_eq!(lacking(&folder), None);
        std::fs::remove_file(folder.join("hostile/file")).expect("what was made can be removed");
        std::fs::remove_dir_all(folder.join("traces/sequential")).expect("what was made can be removed");
        assert!(lacking(&folder).is_some_and(|said| said.ends_with("nothing in hostile, traces/sequential")));
        std::fs::remove_dir_all(&folder).expect("what was made can be removed");
    }
}
