//! Why a command failed, in words and in a code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use syncline::import::ImportError;
use syncline::{OpenError, SaveError, Spec};
use syncline_core::event::StoreFault;
use thiserror::Error;

use crate::svg::Undrawable;

/// A command's failure.
#[derive(Debug, Error)]
pub enum Failure {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] syncline::storage::StorageError),
    #[error("nothing was saved: {0}")]
    Unwritten(StoreFault),
    #[error(transparent)]
    Save(SaveError),
    #[error("{0}; to have the other one here, `export` what is here, `delete --force` it and `sync`")]
    Mismatch(String),
    #[error(transparent)]
    Path(#[from] syncline_core::path::PathError),
    #[error("the edit was not made: {0}")]
    Edit(String),
    #[error("VALUE is not JSON: {0}; quote strings twice, as in '\"text\"'")]
    Json(#[from] serde_json::Error),
    #[error(
        "there is no document {0:?} in this store; make it with `create` (a board or chart with `--kind`), or fetch it with `sync`"
    )]
    NoDocument(String),
    #[error("neither this store nor the relay has a document {0:?}; make it with `create`")]
    NotAtRelay(String),
    #[error(
        "neither this store nor a relay that is named has a board {0:?}; make it with `create {0} --kind board`"
    )]
    NoBoard(String),
    #[error("the board is drawn on a terminal, and standard output is none; `show DOC` prints what it holds")]
    NoTerminal,
    #[error("there is no store {}; name another one with --store, or make it with `create DOC` (a board or chart with `--kind`) or `sync DOC`", .0.display())]
    NoStore(PathBuf),
    #[error("there is a document {0:?} already")]
    Exists(String),
    #[error("{} cannot be read: {error}", .0.display(), error = .1)]
    Unreadable(PathBuf, std::io::Error),
    #[error("{0}")]
    Import(String),
    #[error(transparent)]
    Export(#[from] syncline::import::ExportError),
    #[error("{0:?} ({1}) cannot be exported as {2}; {3}")]
    Format(String, Spec, &'static str, &'static str),
    #[error("{0}")]
    Ambiguous(String),
    #[error("there is nothing at {1:?} in {0:?}")]
    Nothing(String, String),
    #[error("no relay is named; give --relay URL or set SYNCLINE_RELAY")]
    NoRelay,
    #[error("a server of others is the only --relay; name either one such server, or relays")]
    SeveralServers,
    #[error("sessions are replayed through relays; name one with --relay, or none")]
    NoServer,
    #[error(transparent)]
    Address(#[from] syncline::AddressError),
    #[error("no relay can be reached: {0}; nothing is lost, give another --relay or mend this one")]
    Unreachable(String),
    #[error("{0}")]
    NotSynced(String),
    #[error("{0:?} has {pending} that no relay has; `sync` it first, or `delete --force` it", pending = counted(*.1, "edit"))]
    Pending(String, u64),
    #[error(transparent)]
    Lost(SaveError),
    #[error("{}", list(.0))]
    Several(Vec<Failure>),
    #[error("the store is damaged: {0}")]
    Damaged(String),
    #[error(transparent)]
    Undrawable(#[from] Undrawable),
    #[error("cannot write {file}: {error}", file = .0.display(), error = .1)]
    Unwritable(PathBuf, std::io::Error),
    #[error("{0}")]
    Presence(String),
    #[error("{0}")]
    Trace(String),
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
}

impl Failure {
    /// What is wrong with a file.
    pub fn import(file: &Path, error: &ImportError) -> Self {
        let line = error.line.map(|line| format!(":{line}")).unwrap_or_default();
        Self::Import(format!("{}{line}: {}; nothing was imported", file.display(), error.reason))
    }

    /// The process's exit code; see `--help`.
    pub fn exit_code(&self) -> ExitCode {
        if matches!(self, Self::NotSynced(_)) { ExitCode::from(3) } else { ExitCode::FAILURE }
    }

    /// The kind of failure, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Store(_) | Self::Unwritten(_) => "store",
            Self::Save(_) => "save",
            Self::Mismatch(_) => "mismatch",
            Self::Path(_) => "path",
            Self::Edit(_) => "edit",
            Self::Json(_) => "json",
            Self::NoDocument(_) | Self::NotAtRelay(_) | Self::NoBoard(_) => "no-document",
            Self::NoTerminal => "no-terminal",
            Self::NoStore(_) => "no-store",
            Self::Exists(_) => "exists",
            Self::Unreadable(..) => "unreadable",
            Self::Import(_) => "import",
            Self::Export(_) => "export",
            Self::Format(..) => "format",
            Self::Ambiguous(_) => "ambiguous",
            Self::Nothing(..) => "nothing",
            Self::NoRelay | Self::SeveralServers | Self::NoServer | Self::Address(_) => "no-relay",
            Self::Unreachable(_) => "unreachable",
            Self::NotSynced(_) => "not-synced",
            Self::Pending(..) => "pending",
            Self::Lost(_) => "lost",
            Self::Several(_) => "several",
            Self::Damaged(_) => "damaged",
            Self::Undrawable(_) => "undrawable",
            Self::Unwritable(..) => "output",
            Self::Presence(_) => "presence",
            Self::Trace(_) => "trace",
            Self::Output(_) => "output",
        }
    }
}

/// What went wrong with some documents; everything that could be done with the others is done.
pub fn unless_any(mut failures: Vec<Failure>) -> Result<(), Failure> {
    match failures.len() {
        0 => Ok(()),
        1 => failures.pop().map_or(Ok(()), Err),
        _ => Err(Failure::Several(failures)),
    }
}

/// So many of a thing.
pub fn counted(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

fn list(failures: &[Failure]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl From<SaveError> for Failure {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::Mismatch { reason, .. } => Self::Mismatch(reason),
            other => Self::Save(other),
        }
    }
}

impl<E: std::fmt::Display> From<syncline::EditError<E>> for Failure {
    fn from(error: syncline::EditError<E>) -> Self {
        Self::Edit(error.to_string())
    }
}

impl From<syncline_core::operation::EditError> for Failure {
    fn from(error: syncline_core::operation::EditError) -> Self {
        Self::Edit(error.to_string())
    }
}
