//! The source tree: its root and the files that belong to it.

use std::path::{Path, PathBuf};

use crate::command::{Command, Failure};

/// The repository's files, without what git ignores.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    paths: Vec<String>,
}

impl Tree {
    /// The tree that this program was built from.
    pub fn open() -> Result<Self, Failure> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("the xtask crate lies in a folder of the workspace")
            .to_path_buf();
        let mut tree = Self { root, paths: Vec::new() };
        tree.paths = tree.list()?;
        Ok(tree)
    }

    /// The folder of the workspace.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where `path`, given from the root, lies.
    pub fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The paths, from the root and with `/`, that end so.
    pub fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = &'a str> {
        self.paths.iter().map(String::as_str).filter(move |path| path.ends_with(end))
    }

    /// Every path, from the root and with `/`.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// Whether the file belongs to the tree.
    pub fn has(&self, path: &str) -> bool {
        self.paths().any(|known| known == path)
    }

    /// The file's text.
    pub fn read(&self, path: &str) -> Result<String, Failure> {
        std::fs::read_to_string(self.at(path))
            .map_err(|error| Failure::new(format!("cannot read {path}: {error}"), "the gate needs this file"))
    }

    /// New files count before they are committed, so that a finding comes before the commit.
    fn list(&self) -> Result<Vec<String>, Failure> {
        let listed = Command::new(self, "git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .stdout("run it inside a clone of the repository")?;
        let mut paths: Vec<String> =
            listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
        paths.retain(|path| self.at(path).is_file());
        paths.sort();
        paths.dedup();
        Ok(paths)
    }
}
