//! A store with many small documents, and how soon the first of them can be read.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use syncline::{BoxError, Family};
use tokio::runtime::Runtime;

use crate::process::run;
use crate::show::{bytes, goal, median, millis, table, time, times};
use crate::{OPEN_ONCE, bare, disk, edits, ours, peer};

/// How often each side opens its store, in a process of its own.
const OPENINGS: usize = 15;

/// The most that opening may take, in milliseconds.
const GOAL_MILLIS: f64 = 300.0;

/// How a process is told that the folder is the peer's.
const PEER: &str = "peer";

/// The names of the engine's documents.
pub fn name(number: usize) -> String {
    format!("team/notes/{number:05}")
}

/// A folder for each side, with the same documents in each.
pub struct Made {
    count: usize,
    sides: Vec<Side>,
}

struct Side {
    name: String,
    /// Whose folder it is, as [`open_once`] is told.
    whose: &'static str,
    folder: PathBuf,
    /// The document that is opened.
    document: String,
    /// The sum of what the library makes of each document.
    encoded: u64,
}

/// The folder of the engine's store of a family.
pub fn folder(folder: &Path, family: Family) -> PathBuf {
    folder.join(format!("many-{family}"))
}

/// Writes the documents.
pub async fn make(base: &Path, count: usize) -> Result<Made, BoxError> {
    let numbers = || 0..count;
    let mut sides = Vec::new();
    let mut encoded = 0;
    for (family, whose) in [(Family::Yjs, "yjs"), (Family::Automerge, "automerge")] {
        let folder = folder(base, family);
        ours::write(&folder, family, numbers().map(|number| (name(number), edits::note(number)))).await?;
        encoded = 0;
        for number in numbers() {
            encoded += bare::encoding(family, &edits::note(number))?.len() as u64;
        }
        let document = name(count / 2);
        sides.push(Side { name: format!("syncline, {family}"), whose, folder, document, encoded });
    }
    let folder = base.join("many-peer");
    let names = peer::write(&folder, numbers().map(|number| bare::automerge(&edits::note(number)))).await?;
    let document = names.get(count / 2).ok_or("the peer has no documents")?.clone();
    sides.push(Side { name: peer::NAME.to_owned(), whose: PEER, folder, document, encoded });
    Ok(Made { count, sides })
}

/// What one process measured.
struct Opening {
    phases: Vec<Duration>,
    peak: u64,
}

impl Opening {
    /// Until the document could be read: everything but closing.
    fn ready(&self) -> Duration {
        self.phases.iter().rev().skip(1).sum()
    }
}

impl Made {
    /// Compacts the engine's stores, opens every side's store in turn, and says what that took.
    pub fn measure(&self, runtime: &Runtime) -> Result<(), BoxError> {
        for side in self.sides.iter().filter(|side| side.whose != PEER) {
            runtime.block_on(ours::compact(&side.folder, (0..self.count).map(name)))?;
        }
        let mut openings: Vec<Vec<Opening>> = self.sides.iter().map(|_| Vec::new()).collect();
        for _ in 0..OPENINGS {
            for (side, openings) in self.sides.iter().zip(&mut openings) {
                openings.push(side.open(self.count)?);
            }
        }
        let rows: Result<Vec<_>, BoxError> =
            self.sides.iter().zip(&openings).map(|(side, openings)| side.row(openings)).collect();
        table(
            &format!(
                "a store with {} documents: a new process opens it, lists it, reads one document, closes it \
                 (median of {OPENINGS})",
                self.count
            ),
            &[
                "",
                "open",
                "list",
                "read one",
                "ready after",
                "close",
                "peak memory",
                "files",
                "on disk",
                "encoded",
            ],
            &rows?,
        );
        for (side, openings) in self.sides.iter().zip(&openings).filter(|(side, _)| side.whose != PEER) {
            let ready = median(&openings.iter().map(Opening::ready).collect::<Vec<_>>());
            goal(&format!("{}, ready after", side.name), millis(ready), GOAL_MILLIS, " ms");
        }
        Ok(())
    }
}

impl Side {
    fn open(&self, count: usize) -> Result<Opening, BoxError> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([OPEN_ONCE, self.whose]).arg(&self.folder).args([&self.document, &count.to_string()]);
        let ended = run(&mut command)?;
        let nanos: Result<Vec<u64>, _> = ended.said.split_whitespace().map(str::parse).collect();
        Ok(Opening { phases: nanos?.into_iter().map(Duration::from_nanos).collect(), peak: ended.peak })
    }

    fn row(&self, openings: &[Opening]) -> Result<Vec<String>, BoxError> {
        let phase = |index: usize| {
            let phases: Vec<_> =
                openings.iter().filter_map(|opening| opening.phases.get(index).copied()).collect();
            time(median(&phases))
        };
        let middle = match openings.first().map(|opening| opening.phases.len()) {
            Some(4) => [phase(0), phase(1), phase(2)],
            _ => [phase(0), "-".to_owned(), phase(1)],
        };
        let last = openings.first().map_or(0, |opening| opening.phases.len()).saturating_sub(1);
        let ready = median(&openings.iter().map(Opening::ready).collect::<Vec<_>>());
        let peak = openings.iter().map(|opening| opening.peak).max().unwrap_or(0);
        let size = disk::size(&self.folder)?;
        let mut row = vec![self.name.clone()];
        row.extend(middle);
        row.extend([time(ready), phase(last), bytes(peak), bytes(size.held), bytes(size.taken)]);
        row.push(format!("{} ({})", bytes(self.encoded), times(size.taken as f64, self.encoded as f64)));
        Ok(row)
    }
}

/// The task of a process that opens a store once: prints how long each part of it took, in nanoseconds.
pub async fn open_once(arguments: &[String]) -> Result<(), BoxError> {
    let [whose, folder, document, count] = arguments else { return Err("not for people".into()) };
    let folder = Path::new(folder);
    let (phases, text) = match whose.as_str() {
        PEER => {
            let (phases, text) = peer::open_once(folder, document).await?;
            (phases.to_vec(), text)
        }
        _ => {
            let (phases, found, text) = ours::open_once(folder, document).await?;
            if found.to_string() != *count {
                return Err(format!("{found} documents are listed, not {count}").into());
            }
            (phases.to_vec(), text)
        }
    };
    if text != edits::text(&edits::note(count.parse::<usize>()? / 2)) {
        return Err(format!("{document} does not hold what was written").into());
    }
    phases.iter().for_each(|phase| println!("{}", phase.as_nanos()));
    Ok(())
}
