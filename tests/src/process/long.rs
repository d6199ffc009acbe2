//! A document of very many small edits, as it comes about over a relay with the compaction of every day: what it
//! takes to make it, to open it, and for others to catch up with it.

use std::path::Path;
use std::time::{Duration, Instant};

use syncline::transports::WebSocket;
use syncline::{BoxError, Document, Engine, Operation, Saved, Spec, SqliteStorage, Value, storage};
use syncline_core::random::Random;
use tempfile::TempDir;

use super::relay::Relay;
use super::{load, memory};

const DOC: &str = "long/board";

/// How many fields are written, over and over.
const FIELDS: usize = 2_000;

/// Edits that wait for the author's disk at the same time.
const IN_FLIGHT: u64 = 1_024;

/// How often the document is opened.
const OPENINGS: usize = 5;

/// Edits that somebody lacks who catches up by saying what he holds: fewer than logs keep behind their snapshots.
const FEW: u64 = 200;

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// What the document is made of.
    pub family: &'static str,
    /// How many edits are made.
    pub edits: u64,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Until all edits were on the author's disk, and at the relay.
    pub made: (Duration, Duration),
    /// Memory of the author and of the relay then, and the most the relay had, in bytes.
    pub memory: (u64, u64, u64),
    /// Size of their stores, in bytes.
    pub stores: (u64, u64),
    /// Opening the store and the document, half of the times.
    pub opened: Duration,
    /// Until an empty store had everything from the relay, and how many bytes the relay sent.
    pub by_snapshot: (Duration, u64),
    /// Until a second relay had everything from the author.
    pub to_another_relay: Duration,
    /// Until a store that lacked a few edits had them from a relay that it did not know, and how many bytes that sent.
    pub by_have: (Duration, u64),
}

impl Run {
    /// Plays the run; an error says what was not as it should be.
    pub async fn play(self) -> Result<Figures, BoxError> {
        let spec = load::spec(self.family)?;
        let folder = TempDir::new()?;
        let store = |name: &str| folder.path().join(name);
        let mut relay = Relay::start();
        let (author, document) = open(&store("author.db"), &relay, spec).await?;
        let begun = Instant::now();
        write(&document, self.edits).await?;
        let here = begun.elapsed();
        document.saved(Saved::Relay).await?;
        let made = (here, begun.elapsed());
        let pid = relay.process().pid();
        let memory = (memory::resident(std::process::id()), memory::resident(pid), memory::peak(pid));
        let text = load::whole(&document).ok_or("the document was closed")?;
        drop(document);
        author.close().await;
        let stores = (size(&store("author.db")), size(&relay.store()));
        let opened = median(&store("author.db"), spec, &text).await?;
        let by_snapshot = catch_up(&store("empty.db"), &relay, spec, &text).await?;
        std::fs::copy(store("author.db"), store("behind.db"))?;
        let mut other = Relay::start();
        let begun = Instant::now();
        let (author, document) = open(&store("author.db"), &other, spec).await?;
        let to_another_relay = begun.elapsed();
        write(&document, FEW).await?;
        document.saved(Saved::Relay).await?;
        let text = load::whole(&document).ok_or("the document was closed")?;
        author.close().await;
        let by_have = catch_up(&store("behind.db"), &other, spec, &text).await?;
        other.kill();
        Ok(Figures { made, memory, stores, opened, by_snapshot, to_another_relay, by_have })
    }
}

/// An engine with the document open and in sync.
async fn open(store: &Path, relay: &Relay, spec: Spec) -> Result<(Engine, Document), BoxError> {
    let storage = SqliteStorage::open(store, storage::Options::default())?;
    let engine = Engine::builder(storage).relay(WebSocket::new(relay.url())).open()?;
    let document = engine.document(DOC, spec).await?;
    document.in_sync().await?;
    Ok((engine, document))
}

/// Writes fields, one in each edit.
async fn write(document: &Document, edits: u64) -> Result<(), BoxError> {
    let (mut random, mut progress) = (Random::new(edits), document.watch_progress());
    for number in 0..edits {
        let path = format!("/f{}", random.index(FIELDS)).parse()?;
        document.perform(Operation::Put { path, value: Value::Int(number.cast_signed()) })?;
        if number % IN_FLIGHT == 0 {
            let made = document.progress().made.saturating_sub(IN_FLIGHT);
            progress.wait_for(|progress| progress.local >= made).await?;
        }
    }
    Ok(document.saved(Saved::Local).await?)
}

async fn median(store: &Path, spec: Spec, text: &Value) -> Result<Duration, BoxError> {
    let mut times = Vec::new();
    for _ in 0..OPENINGS {
        let begun = Instant::now();
        let engine = Engine::builder(SqliteStorage::open(store, storage::Options::default())?).open()?;
        let document = engine.document(DOC, spec).await?;
        times.push(begun.elapsed());
        if load::whole(&document).as_ref() != Some(text) {
            return Err("what was opened is not what was written".into());
        }
        engine.close().await;
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// Opens a store at a relay, until it holds what it should.
async fn catch_up(
    store: &Path,
    relay: &Relay,
    spec: Spec,
    text: &Value,
) -> Result<(Duration, u64), BoxError> {
    let sent = || relay.status()["bytes_out"].as_u64().unwrap_or_default();
    let (before, begun) = (sent(), Instant::now());
    let (engine, document) = open(store, relay, spec).await?;
    let figures = (begun.elapsed(), sent() - before);
    let equal = load::whole(&document).as_ref() == Some(text);
    engine.close().await;
    if equal { Ok(figures) } else { Err("who caught up has something else".into()) }
}

/// The size of a store whose write-ahead log may not be folded in.
fn size(store: &Path) -> u64 {
    let length = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    length(store) + length(&store.with_extension("db-wal"))
}
