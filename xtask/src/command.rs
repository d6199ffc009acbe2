//! Running other programs, and failing in words that say what to do.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::process::{self, Stdio};

use crate::tree::Tree;

/// Why a task stopped and what the reader does about it.
#[derive(Debug)]
pub struct Failure {
    what: String,
    remedy: String,
}

impl Failure {
    /// `what` is the fact, `remedy` the next action.
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed: {}\nwhat to do: {}", self.what, self.remedy)
    }
}

/// One invocation of a program, from the root of the tree.
#[derive(Debug)]
pub struct Command {
    inner: process::Command,
    shown: String,
}

impl Command {
    /// A program found on the path.
    pub fn new(tree: &Tree, program: impl AsRef<OsStr>) -> Self {
        let shown = program.as_ref().to_string_lossy().into_owned();
        let mut inner = process::Command::new(program);
        inner.current_dir(tree.root());
        Self { inner, shown }
    }

    /// The cargo that runs this task.
    pub fn cargo(tree: &Tree) -> Self {
        Self::new(tree, "cargo")
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        for argument in arguments {
            self.shown.push(' ');
            self.shown.push_str(&argument.as_ref().to_string_lossy());
            self.inner.arg(argument);
        }
        self
    }

    /// Sets an environment variable; it is shown with the command, so that it can be repeated.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.shown = format!("{name}={} {}", value.as_ref().to_string_lossy(), self.shown);
        self.inner.env(name, value);
        self
    }

    /// Keeps a variable of ours from the program.
    pub fn env_remove(mut self, name: &str) -> Self {
        self.inner.env_remove(name);
        self
    }

    /// Runs with our terminal; anything but success is a failure with this remedy.
    pub fn run(self, remedy: &str) -> Result<(), Failure> {
        println!("$ {}", self.shown);
        self.status(remedy)
    }

    /// Runs with both outputs in a file, for programs that say much when all is well.
    pub fn run_logged(mut self, log: &Path, remedy: &str) -> Result<(), Failure> {
        println!("$ {} > {}", self.shown, log.display());
        let file = create(log)?;
        let both = file.try_clone().map_err(|error| unwritable(log, &error))?;
        self.inner.stdout(file).stderr(both);
        self.status(remedy)
    }

    /// What the program prints, its complaints left on our terminal.
    pub fn stdout(mut self, remedy: &str) -> Result<String, Failure> {
        self.inner.stderr(Stdio::inherit());
        let output = self.inner.output().map_err(|error| not_started(&self.shown, &error))?;
        if !output.status.success() {
            return Err(Failure::new(format!("`{}` ended with {}", self.shown, output.status), remedy));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether the program exists and succeeds, with nothing shown.
    pub fn succeeds(mut self) -> bool {
        self.inner.stdout(Stdio::null()).stderr(Stdio::null());
        self.inner.status().is_ok_and(|status| status.success())
    }

    fn status(mut self, remedy: &str) -> Result<(), Failure> {
        let status = self.inner.status().map_err(|error| not_started(&self.shown, &error))?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("`{}` ended with {status}", self.shown), remedy))
    }
}

fn create(path: &Path) -> Result<File, Failure> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    }
    File::create(path).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {error}", path.display()), "make room, or the folder writable")
}

fn not_started(shown: &str, error: &std::io::Error) -> Failure {
    Failure::new(format!("`{shown}` did not start: {error}"), "install the program, or put it on the path")
}
