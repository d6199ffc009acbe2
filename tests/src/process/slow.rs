//! Many replicas edit one document over one relay, and some more read along or stand still: what that costs the
//! relay, and whether everybody ends with the same.
//!
//! The relay and the readers are real processes with stores on disk. The others are engines in this process with
//! stores in memory, so that what is measured is not their disks.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use syncline::transports::WebSocket;
use syncline::{BoxError, Document, Engine, MemoryStorage, Operation, Spec, Value};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::child::{Running, Signal};
use super::load::{COUNT, EDITS};
use super::relay::Relay;
use super::{PATIENCE, binary, load, memory, store};

/// The document that everybody edits.
const DOC: &str = "slow/board";

/// How long nothing may come. A machine that is busy with others takes its time.
const STANDSTILL: Duration = PATIENCE.saturating_mul(5);

/// How often the relay's memory is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// What the document is made of.
    pub family: &'static str,
    /// How many replicas there are, the readers among them.
    pub replicas: usize,
    /// How many of them only read.
    pub readers: usize,
    /// How many edits all of them make together.
    pub edits: u64,
    /// How many edits of one replica wait for the relay at the same time.
    pub in_flight: usize,
    /// Whether the readers stand still (SIGSTOP) while the others edit.
    pub suspended: bool,
}

/// What was seen in a run that kept every promise.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Edits that the relay acknowledged durably: all of them.
    pub edits: u64,
    /// Entries of others that replicas took in, those of readers not counted.
    pub deliveries: u64,
    /// From the first edit until all were acknowledged.
    pub acknowledged: Duration,
    /// From the first edit until all replicas that do not stand still had all of them.
    pub delivered: Duration,
    /// From an edit to its acknowledgement: half of them, and all but one in a hundred, took no longer.
    pub latency: (Duration, Duration),
    /// The relay's resident memory before the first edit, in bytes.
    pub before: u64,
    /// The most of it during the load.
    pub peak: u64,
    /// Its mean during the load.
    pub mean: u64,
    /// The same when everybody had everything but for readers that stand still.
    pub after: u64,
    /// Links of the relay at that time: a peer that gives no sign of life for long is given up.
    pub links: u64,
    /// From then, when readers that stand still go on, until they have everything as well.
    pub caught_up: Duration,
}

impl Run {
    /// Plays the run; an error says which promise was broken.
    pub async fn play(self) -> Result<Figures, String> {
        let mut scene = Scene::set(self).await.map_err(|error| error.to_string())?;
        let figures = scene.play().await.map_err(|error| format!("{self:?}: {error}"))?;
        scene.verify().await.map_err(|error| format!("{self:?}: {error}"))?;
        Ok(figures)
    }

    const fn writers(&self) -> usize {
        self.replicas - self.readers
    }

    /// How many edits one of the writers makes.
    const fn share(&self, index: usize) -> u64 {
        let (writers, index) = (self.writers() as u64, index as u64);
        self.edits / writers + if index < self.edits % writers { 1 } else { 0 }
    }
}

struct Scene {
    run: Run,
    relay: Relay,
    readers: Vec<Running>,
    writers: Vec<(Engine, Document)>,
    _folder: TempDir,
}

impl Scene {
    async fn set(run: Run) -> Result<Self, BoxError> {
        let relay = Relay::start();
        let spec = load::spec(run.family)?;
        load::prepare(&relay.url(), DOC, spec).await?;
        let folder = TempDir::new()?;
        let store = |number: usize| folder.path().join(format!("reader {number}.db"));
        let readers = (0..run.readers).map(|number| start_reader(&relay.url(), run.family, &store(number)));
        let readers = readers.collect();
        let mut writers = Vec::new();
        for number in 1..=run.writers() {
            writers.push(start_writer(&relay.url(), number, spec).await?);
        }
        Ok(Self { run, relay, readers, writers, _folder: folder })
    }

    async fn play(&mut self) -> Result<Figures, BoxError> {
        let relay = self.relay.process().pid();
        let before = memory::resident(relay);
        if self.run.suspended {
            self.readers.iter().for_each(|reader| reader.signal(Signal::STOP));
        }
        let watching = Watching::start(relay);
        let begun = Instant::now();
        let latencies = self.edit().await?;
        let acknowledged = begun.elapsed();
        let everything = usize::try_from(self.run.edits)? + 1;
        for (_, document) in &self.writers {
            until(document, everything).await?;
        }
        let delivered = begun.elapsed();
        let (peak, mean) = watching.stop().await;
        let after = memory::resident(relay);
        let links = self.relay.status()["links"].as_u64().unwrap_or_default();
        let caught_up = self.catch_up(everything)?;
        Ok(Figures {
            edits: latencies.len() as u64,
            deliveries: self.run.edits * (self.writers.len() as u64 - 1),
            acknowledged,
            delivered,
            latency: (share(&latencies, 50), share(&latencies, 99)),
            before,
            peak,
            mean,
            after,
            links,
            caught_up,
        })
    }

    /// All edits, as fast as the relay acknowledges them; returns how long each took, in order of that.
    async fn edit(&self) -> Result<Vec<Duration>, BoxError> {
        let mut writing = JoinSet::new();
        for (index, (_, document)) in self.writers.iter().enumerate() {
            let (share, in_flight) = (self.run.share(index), self.run.in_flight);
            writing.spawn(write(document.clone(), index + 1, share, in_flight));
        }
        let mut latencies = Vec::new();
        while let Some(written) = writing.join_next().await {
            latencies.extend(written??);
        }
        latencies.sort_unstable();
        Ok(latencies)
    }

    /// Lets the readers go on, and waits until they have what the others have.
    fn catch_up(&mut self, everything: usize) -> Result<Duration, BoxError> {
        let begun = Instant::now();
        self.readers.iter().for_each(|reader| reader.signal(Signal::CONT));
        let state = |document: &Document| load::whole(document).map(|content| load::digest(&content));
        let wanted = self.writers.first().and_then(|(_, document)| state(document)).ok_or("no state")?;
        if self.writers.iter().any(|(_, document)| state(document) != Some(wanted)) {
            return Err("the replicas are not equal".into());
        }
        let wanted = format!("state {wanted:016x} {everything}");
        self.readers.iter_mut().try_for_each(|reader| catches_up(reader, &wanted))?;
        Ok(begun.elapsed())
    }

    /// Every edit is in the document once, at the replicas and in the store of the relay, killed without notice.
    async fn verify(mut self) -> Result<(), BoxError> {
        let content = load::whole(&self.writers[0].1).ok_or("the document was closed")?;
        let held = load::edits(&content)?;
        let named = |number: usize, edit: u64| held.contains(&name(number, edit));
        let all = |index: usize| (1..=self.run.share(index)).all(|edit| named(index + 1, edit));
        if !(0..self.writers.len()).all(all) || held.len() as u64 != self.run.edits + 1 {
            return Err("the document does not hold every edit".into());
        }
        self.relay.kill();
        self.readers.clear();
        for (engine, _) in &self.writers {
            engine.close().await;
        }
        match store::read(&self.relay.store(), DOC).await == Some(content) {
            true => Ok(()),
            false => Err("the relay's store does not hold every edit that it acknowledged".into()),
        }
    }
}

fn start_reader(relay: &str, family: &str, store: &Path) -> Running {
    let mut command = Command::new(binary::path("load"));
    command.arg("--store").arg(store).args(["--relay", relay, "--family", family, "--user", "reader"]);
    command.args(["--doc", DOC, "--generation", "1", "--edits", "0", "--when-asked"]);
    let mut reader = Running::start(&mut command);
    reader.wait_for("ready", |line| (line == "ready").then_some(()));
    reader
}

/// Asks a reader for its state until that is the one that is wanted.
fn catches_up(reader: &mut Running, wanted: &str) -> Result<(), BoxError> {
    let mut last = (String::new(), Instant::now());
    loop {
        reader.tell("state");
        let told = reader.wait_for("its state", |line| line.starts_with("state ").then(|| line.to_owned()));
        if told == wanted {
            return Ok(());
        }
        if told != last.0 {
            last = (told, Instant::now());
        } else if last.1.elapsed() > STANDSTILL {
            return Err(format!("a reader stays at {}, not {wanted}", last.0).into());
        }
        std::thread::sleep(GLANCE);
    }
}

async fn start_writer(relay: &str, number: usize, spec: Spec) -> Result<(Engine, Document), BoxError> {
    let engine = Engine::builder(MemoryStorage::new())
        .user(format!("writer {number}"))
        .relay(WebSocket::new(relay))
        .open()?;
    let document = engine.document(DOC, spec).await?;
    document.in_sync().await?;
    until(&document, 1).await?;
    Ok((engine, document))
}

/// Waits until the document holds so many edits; gives up when nothing comes any more.
async fn until(document: &Document, count: usize) -> Result<(), BoxError> {
    let path = EDITS.parse()?;
    let mut changes = document.changes();
    loop {
        let held = document.read(|document| document.len(&path)).flatten().unwrap_or_default();
        if held >= count {
            return Ok(());
        }
        let change = tokio::time::timeout(STANDSTILL, changes.next()).await;
        change.map_err(|_| format!("{held} of {count} edits, and no more come"))?;
    }
}

fn name(number: usize, edit: u64) -> String {
    format!("w{number}.1.{edit}")
}

/// Makes edits, so many of them ahead of the relay's acknowledgement; returns how long each took to be acknowledged.
async fn write(
    document: Document,
    number: usize,
    edits: u64,
    in_flight: usize,
) -> Result<Vec<Duration>, BoxError> {
    let mut progress = document.watch_progress();
    let (mut waiting, mut latencies) = (VecDeque::new(), Vec::new());
    for edit in 1..=edits {
        document.edit(|editor| {
            let path = format!("{EDITS}/{}", name(number, edit)).parse()?;
            editor.perform(Operation::Put { path, value: Value::Bool(true) })?;
            editor.perform(Operation::Increment { path: COUNT.parse()?, by: 1 })?;
            Ok::<(), BoxError>(())
        })?;
        waiting.push_back(Instant::now());
        while waiting.len() >= in_flight || (edit == edits && !waiting.is_empty()) {
            let acknowledged = progress.borrow_and_update().relay;
            while (latencies.len() as u64) < acknowledged {
                latencies.extend(waiting.pop_front().map(|made| made.elapsed()));
            }
            if waiting.len() >= in_flight || (edit == edits && !waiting.is_empty()) {
                tokio::time::timeout(STANDSTILL, progress.changed())
                    .await
                    .map_err(|_| "no acknowledgement")??;
            }
        }
    }
    Ok(latencies)
}

fn share(sorted: &[Duration], percent: usize) -> Duration {
    sorted
        .get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

/// Looks at the memory of a process now and then.
struct Watching {
    pid: u32,
    sums: Arc<(AtomicU64, AtomicU64)>,
    task: tokio::task::JoinHandle<()>,
    before: u64,
}

impl Watching {
    fn start(pid: u32) -> Self {
        let sums = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
        let counted = sums.clone();
        let task = tokio::spawn(async move {
            loop {
                counted.0.fetch_add(memory::resident(pid), Ordering::Relaxed);
                counted.1.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(GLANCE).await;
            }
        });
        Self { pid, sums, task, before: memory::resident(pid) }
    }

    /// The most and the mean of what was seen.
    async fn stop(self) -> (u64, u64) {
        self.task.abort();
        // It was told to end.
        let _aborted = self.task.await;
        let (sum, count) = (self.sums.0.load(Ordering::Relaxed), self.sums.1.load(Ordering::Relaxed));
        (memory::peak(self.pid), sum.checked_div(count).unwrap_or(self.before))
    }
}
