//! The real `syncline`, as somebody in front of a terminal runs it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;
use tempfile::TempDir;

use super::binary;
use super::child::Running;

/// One user's terminal: a folder with a store, and perhaps a relay.
pub struct Terminal {
    folder: TempDir,
    relay: Option<String>,
}

/// What a command did.
#[derive(Debug)]
pub struct Said {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output, to the byte.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Terminal {
    /// A terminal over an empty folder.
    #[must_use]
    pub fn new() -> Self {
        Self { folder: TempDir::new().expect("there is room for a folder"), relay: None }
    }

    /// A terminal over an empty folder that knows a relay.
    #[must_use]
    pub fn with_relay(url: impl Into<String>) -> Self {
        Self { relay: Some(url.into()), ..Self::new() }
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its store.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("syncline.db")
    }

    /// The command with these arguments, in the terminal's folder.
    pub fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(binary::path("syncline"));
        command.current_dir(self.folder.path()).args(arguments);
        for name in ["SYNCLINE_STORE", "SYNCLINE_RELAY", "SYNCLINE_TOKEN", "SYNCLINE_LOG"] {
            command.env_remove(name);
        }
        if let Some(relay) = &self.relay {
            command.env("SYNCLINE_RELAY", relay);
        }
        command
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Said {
        Said::of(&mut self.command(arguments))
    }

    /// Runs a command that must succeed without a complaint, and returns its output.
    ///
    /// # Panics
    /// If it fails or complains.
    #[track_caller]
    pub fn ok(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
        let arguments: Vec<_> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        let said = self.run(&arguments);
        assert!(said.code == Some(0) && said.err.is_empty(), "{arguments:?}: {said:?}");
        said.out
    }

    /// Runs a command that must succeed, and returns the objects it prints, one a line.
    ///
    /// # Panics
    /// If it fails or prints anything else.
    #[track_caller]
    pub fn json(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Vec<Json> {
        let out = self.ok(arguments);
        out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }

    /// Runs a command that must fail, printing nothing, and returns what it complains.
    ///
    /// # Panics
    /// If it does not fail with this code.
    #[track_caller]
    pub fn fails(&self, code: i32, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
        let arguments: Vec<_> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        let said = self.run(&arguments);
        let fails = said.code == Some(code) && said.out.is_empty() && !said.err.is_empty();
        assert!(fails, "{arguments:?} did not fail with {code}: {said:?}");
        said.err
    }

    /// Runs a command to its end that may make no file longer than so many blocks of half a kilobyte: for its store
    /// that is a full disk.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run_cramped(&self, blocks: u32, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Said {
        let command = self.command(arguments);
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut cramped = Command::new("sh");
        cramped.arg("-c").arg(script).arg(command.get_program()).args(command.get_args());
        Said::of(cramped.current_dir(self.folder.path()))
    }

    /// Starts a command that goes on until it is told to stop.
    pub fn start(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Running {
        Running::start(&mut self.command(arguments))
    }
}

impl Said {
    fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().expect("syncline starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what is printed is UTF-8");
        Self { code: status.code(), out: text(stdout), err: text(stderr) }
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}
