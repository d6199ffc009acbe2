//! What is measured in a process of its own, so that nobody's memory is counted with somebody else's: writing one document,
//! or reading it.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use syncline::{BoxError, Family, MemoryStorage};

use crate::process::{own_memory, run};
use crate::{bare, edits, ours, peer};

/// The first words of a process that does this.
pub const WRITE: &str = "write-once";
pub const READ: &str = "read-once";

/// How long the peer may take for edits one after the other. It saves the whole document again and again.
const PEER_TIME: Duration = Duration::from_secs(5);

/// The file that a library's encoding is kept in.
const ENCODING: &str = "encoding";

/// Whose document it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The library by itself. It keeps its encoding in a file, once, at the end.
    Bare(Family),
    /// The same, with the update taken that each edit makes. It keeps nothing.
    Updates(Family),
    /// The engine over a store in memory.
    Memory(Family),
    /// The engine over SQLite, as it comes: durable in full.
    Disk(Family),
    /// The peer over files.
    Peer,
}

/// All sides.
pub const SIDES: [Side; 9] = [
    Side::Bare(Family::Yjs),
    Side::Updates(Family::Yjs),
    Side::Memory(Family::Yjs),
    Side::Disk(Family::Yjs),
    Side::Bare(Family::Automerge),
    Side::Updates(Family::Automerge),
    Side::Memory(Family::Automerge),
    Side::Disk(Family::Automerge),
    Side::Peer,
];

impl Side {
    /// What it is called.
    pub fn name(self) -> String {
        match self {
            Self::Bare(Family::Automerge) => "automerge".to_owned(),
            Self::Bare(Family::Yjs | Family::Toy) => "yrs".to_owned(),
            Self::Updates(family) => format!("{}, updates taken", Self::Bare(family).name()),
            Self::Memory(family) => format!("syncline, {family}, memory"),
            Self::Disk(family) => format!("syncline, {family}, sqlite"),
            Self::Peer => peer::NAME.to_owned(),
        }
    }

    fn of(name: &str) -> Result<Self, BoxError> {
        let found = SIDES.into_iter().find(|side| side.name() == name);
        Ok(found.ok_or_else(|| format!("there is no side {name}"))?)
    }

    /// Whether the document is there when the process has ended.
    pub const fn keeps(self) -> bool {
        !matches!(self, Self::Memory(_) | Self::Updates(_))
    }
}

/// What came of writing.
#[derive(Clone, Debug)]
pub struct Written {
    /// How many edits were timed.
    pub edits: usize,
    /// Until the last of them was made.
    pub made: Duration,
    /// Until all of them were where this side keeps them.
    pub saved: Duration,
    /// The most memory that it took, in bytes.
    pub memory: u64,
    /// What the document is called.
    name: String,
}

/// What came of reading.
#[derive(Clone, Debug)]
pub struct Read {
    /// Until there was the text.
    pub took: Duration,
    /// The most memory that it took, in bytes.
    pub memory: u64,
    pub text: String,
}

/// Has edits made by a new process, in a document that is kept in a folder.
pub fn write(side: Side, edits: &Path, folder: &Path) -> Result<Written, BoxError> {
    let told =
        told(Command::new(std::env::current_exe()?).arg(WRITE).arg(side.name()).args([folder, edits]))?;
    Ok(Written {
        edits: usize::try_from(number(&told, "edits")?)?,
        made: Duration::from_nanos(number(&told, "made")?),
        saved: Duration::from_nanos(number(&told, "saved")?),
        memory: number(&told, "memory")?,
        name: string(&told, "name")?,
    })
}

/// Has what was written read by a new process.
pub fn read(side: Side, written: &Written, folder: &Path) -> Result<Read, BoxError> {
    let mut command = Command::new(std::env::current_exe()?);
    let told = told(command.arg(READ).arg(side.name()).arg(folder).arg(&written.name))?;
    Ok(Read {
        took: Duration::from_nanos(number(&told, "took")?),
        memory: number(&told, "memory")?,
        text: string(&told, "text")?,
    })
}

fn told(command: &mut Command) -> Result<Json, BoxError> {
    Ok(serde_json::from_str(&run(command)?.said)?)
}

fn number(told: &Json, name: &str) -> Result<u64, BoxError> {
    Ok(told[name].as_u64().ok_or_else(|| format!("a process did not tell `{name}`"))?)
}

fn string(told: &Json, name: &str) -> Result<String, BoxError> {
    Ok(told[name].as_str().ok_or_else(|| format!("a process did not tell `{name}`"))?.to_owned())
}

/// The task of a process that writes.
pub async fn write_here(arguments: &[String]) -> Result<(), BoxError> {
    let [side, folder, edits] = arguments else { return Err("not for people".into()) };
    let (side, folder, edits) = (Side::of(side)?, Path::new(folder), edits::read(Path::new(edits))?);
    let (before, _) = own_memory()?;
    let (mut count, mut name) = (edits.len(), ours::NAME.to_owned());
    let (made, saved) = match side {
        Side::Bare(family) => {
            let started = Instant::now();
            let (made, encoding) = bare::write(family, &edits, false)?;
            keep(&encoding, folder)?;
            (made, started.elapsed())
        }
        Side::Updates(family) => {
            let (made, _) = bare::write(family, &edits, true)?;
            (made, made)
        }
        Side::Memory(family) => ours::edit(MemoryStorage::new(), family, &edits).await?,
        Side::Disk(family) => ours::edit(ours::storage(folder)?, family, &edits).await?,
        Side::Peer => {
            let (made, saved);
            (count, made, saved, name) = peer::edit(folder, &edits, PEER_TIME).await?;
            (made, saved)
        }
    };
    let memory = own_memory()?.1.saturating_sub(before);
    let (made, saved) = (nanos(made)?, nanos(saved)?);
    println!("{}", json!({ "edits": count, "made": made, "saved": saved, "memory": memory, "name": name }));
    Ok(())
}

/// The library's encoding in a file, synced to the disk.
fn keep(encoding: &[u8], folder: &Path) -> Result<(), BoxError> {
    std::fs::create_dir_all(folder)?;
    let mut file = File::create(folder.join(ENCODING))?;
    file.write_all(encoding)?;
    Ok(file.sync_all()?)
}

/// The task of a process that reads.
pub async fn read_here(arguments: &[String]) -> Result<(), BoxError> {
    let [side, folder, name] = arguments else { return Err("not for people".into()) };
    let (side, folder) = (Side::of(side)?, Path::new(folder));
    let (before, _) = own_memory()?;
    let (took, text) = match side {
        Side::Bare(family) => {
            let started = Instant::now();
            let text = bare::load(family, &std::fs::read(folder.join(ENCODING))?)?.1;
            (started.elapsed(), text)
        }
        Side::Memory(_) | Side::Updates(_) => return Err("what was in memory is gone".into()),
        Side::Disk(_) => {
            let ([open, list, read, _], _, text) = ours::open_once(folder, name).await?;
            (open + list + read, text)
        }
        Side::Peer => {
            let ([open, read, _], text) = peer::open_once(folder, name).await?;
            (open + read, text)
        }
    };
    let memory = own_memory()?.1.saturating_sub(before);
    println!("{}", json!({ "took": nanos(took)?, "memory": memory, "text": text }));
    Ok(())
}

fn nanos(time: Duration) -> Result<u64, BoxError> {
    Ok(u64::try_from(time.as_nanos())?)
}
