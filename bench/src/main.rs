//! Large stores and long documents: what the engine costs beside the bare libraries and beside a peer, in one run:
//! `cargo xtask bench store`, followed by `many`, `long`, `sessions` or `commands` for a part of it.
//!
//! *many* is a folder with thousands of small documents: how soon the first of them can be read, by a process that has
//! just started, and what the folder takes on disk. *long* is one document of 260,000 edits, with the store open
//! already. *sessions* are recorded ones, each written into a document edit by edit, and read again. *commands* are those
//! of the terminal over the large store, and its way to a relay and into a new store.
//!
//! The peer is samod with its storage in files, as it comes. It keeps Automerge documents, syncs nothing to the disk, and
//! knows no list of documents; so it has no column for that and is not asked for what it does not promise.
//!
//! Sides take turns, so that noise of the machine falls on all alike. Goals that are missed are said; only what
//! cannot be run is an error.

mod bare;
mod commands;
mod disk;
mod edits;
mod long;
mod many;
mod once;
mod ours;
mod peer;
mod process;
mod sessions;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use syncline::BoxError;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const USAGE: &str = "\
store [many] [long] [sessions] [commands] [--documents N] [--openings N] [--rounds N] [--edits N] [--json FILE]
      [--programs FOLDER] [--folder FOLDER]

  --documents N      documents in the large store (10000)
  --openings N       how often the long document is opened (50)
  --rounds N         how often each side writes a session (5)
  --edits N          edits of a session, at most (all)
  --json FILE        the figures of the sessions
  --programs FOLDER  where syncline and sync-server are (target/release)
  --folder FOLDER    an empty folder on the disk to measure, kept afterwards; else a temporary one
";

/// The hidden task of a process that opens a large store once.
const OPEN_ONCE: &str = "open-once";

/// What was asked for.
struct Options {
    parts: Vec<String>,
    documents: usize,
    openings: usize,
    rounds: usize,
    edits: usize,
    json: Option<PathBuf>,
    programs: PathBuf,
    folder: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), BoxError> {
    let runtime = Runtime::new()?;
    match arguments.split_first().map(|(task, rest)| (task.as_str(), rest)) {
        Some((OPEN_ONCE, rest)) => return runtime.block_on(many::open_once(rest)),
        Some((once::WRITE, rest)) => return runtime.block_on(once::write_here(rest)),
        Some((once::READ, rest)) => return runtime.block_on(once::read_here(rest)),
        Some(_) | None => {}
    }
    let options = Options::parse(arguments)?;
    let temporary = TempDir::new()?;
    let folder = options.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    if options.wants("many") || options.wants("commands") {
        let made = runtime.block_on(many::make(&folder, options.documents))?;
        if options.wants("commands") {
            commands::measure(&folder, &options.programs, options.documents)?;
        }
        if options.wants("many") {
            made.measure(&runtime)?;
        }
    }
    if options.wants("long") {
        long::measure(&runtime, &folder, options.openings)?;
    }
    if options.wants("sessions") {
        sessions::measure(&folder, options.rounds, options.edits, options.json.as_deref())?;
    }
    Ok(())
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, BoxError> {
        let mut options = Self {
            parts: Vec::new(),
            documents: 10_000,
            openings: 50,
            rounds: 5,
            edits: usize::MAX,
            json: None,
            programs: PathBuf::from("target/release"),
            folder: None,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value\n\n{USAGE}"));
            match argument.as_str() {
                "many" | "long" | "sessions" | "commands" => options.parts.push(argument.clone()),
                "--documents" => options.documents = value()?.parse()?,
                "--openings" => options.openings = value()?.parse()?,
                "--rounds" => options.rounds = value()?.parse()?,
                "--edits" => options.edits = value()?.parse()?,
                "--json" => options.json = Some(value()?.into()),
                "--programs" => options.programs = value()?.into(),
                "--folder" => options.folder = Some(value()?.into()),
                _ => return Err(format!("`{argument}` is not understood\n\n{USAGE}").into()),
            }
        }
        match options.documents.min(options.openings).min(options.rounds).min(options.edits) {
            0 => Err("nothing can be measured of none".into()),
            _ => Ok(options),
        }
    }

    fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }
}
