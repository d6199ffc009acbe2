//! The tokens of a relay, as `sync-server token` makes them.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::child::{Ended, Running};
use super::relay::{self, Relay};

/// A file of tokens.
pub struct Tokens {
    folder: TempDir,
    text: String,
}

impl Tokens {
    /// A file without a token.
    ///
    /// # Panics
    /// If there is no room for it.
    #[must_use]
    pub fn none() -> Self {
        Self { folder: TempDir::new().expect("there is room for a folder"), text: String::new() }
    }

    /// Makes a token for somebody who has these rights, as in `["--read", "*"]`.
    ///
    /// # Panics
    /// If the relay's program makes none.
    pub fn make(&mut self, name: &str, rights: [&str; 2]) -> String {
        let mut making = Running::start(relay::command().args(["token", name]).args(rights));
        let Ended { status, lines, errors } = making.wait();
        assert!(status.success(), "{errors}");
        lines.iter().for_each(|line| self.text.extend([line, "\n"]));
        errors.split_whitespace().last().expect("the token is told last").to_owned()
    }

    /// Starts a relay that asks for one of them.
    ///
    /// # Panics
    /// If they cannot be written.
    #[must_use]
    pub fn relay(&self) -> Relay {
        let file: PathBuf = self.folder.path().join("tokens.toml");
        fs::write(&file, &self.text).expect("there is room for a file");
        Relay::with(&["--auth", file.to_str().expect("folders for tests have simple names")])
    }
}
