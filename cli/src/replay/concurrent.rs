//! Several authors, an engine each, seeing of each other what was seen when the trace was recorded.

use std::path::PathBuf;
use std::time::Instant;

use futures_util::StreamExt;
use syncline::node::Node;
use syncline::transports::{Transport, memory};
use syncline::{Document, Engine, Family, MemoryStorage, Principal, Saved, Spec};
use syncline_core::event::Side;
use syncline_core::id::{EntryId, Have, ReplicaId};
use syncline_core::replica::{Config, Policy};

use super::gate::Gate;
use super::switch::Switch;
use super::trace::Concurrent;
use super::{conclude, perform, progress_bar, summary};
use crate::args::Global;
use crate::failure::Failure;
use crate::session;

/// One author at work.
struct Author {
    name: String,
    engine: Engine,
    document: Document,
    gate: Gate,
    switch: Switch,
    /// The entry that holds each of its transactions so far; a transaction without effect has that of the one before.
    entries: Vec<Option<EntryId>>,
}

/// Plays a concurrent trace.
pub async fn play(
    global: &Global,
    trace: &Concurrent,
    doc: &str,
    spec: Spec,
    offline_every: Option<usize>,
) -> Result<(), Failure> {
    let hub = match global.relay.is_empty() {
        true => Some(Hub::start()?),
        false => None,
    };
    let mut authors = Vec::new();
    for agent in 0..trace.num_agents {
        let transport: Box<dyn Transport> = match &hub {
            Some(hub) => Box::new(hub.transport.clone()),
            None => session::relays(global)?,
        };
        authors.push(Author::start(global, agent, trace.num_agents, transport, doc, spec).await?);
    }
    let started = Instant::now();
    write_all(trace, &mut authors, offline_every).await?;
    let written = Instant::now();
    let result = finish(trace, &authors).await;
    for author in &authors {
        author.engine.close().await;
    }
    if let Some(hub) = hub {
        hub.node.close().await;
    }
    result?;
    summary(trace.txns.len(), started, written.elapsed());
    Ok(())
}

async fn write_all(
    trace: &Concurrent,
    authors: &mut [Author],
    offline_every: Option<usize>,
) -> Result<(), Failure> {
    let bar = progress_bar(trace.txns.len());
    let mut versions: Vec<Version> = Vec::with_capacity(trace.txns.len());
    for (index, txn) in trace.txns.iter().enumerate() {
        let mut version = Version::of_parents(&versions, &txn.parents, authors.len());
        let seen = version.entries(authors, txn.agent);
        let author = &mut authors[txn.agent];
        author.see(&seen).await;
        perform(&author.document, &txn.patches).await?;
        author.note();
        version.0[txn.agent] = author.entries.len();
        versions.push(version);
        if offline_every.is_some_and(|every| index > 0 && index % every.max(1) == 0) {
            author.switch.off();
            author.switch.on();
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Everybody sees everything, and all is saved.
async fn finish(trace: &Concurrent, authors: &[Author]) -> Result<(), Failure> {
    let everything = Version(authors.iter().map(|author| author.entries.len()).collect());
    for (agent, author) in authors.iter().enumerate() {
        author.see(&everything.entries(authors, agent)).await;
        author.document.saved(Saved::Relay).await?;
        author.document.in_sync().await?;
    }
    authors.iter().try_for_each(|author| conclude(&author.name, &author.document, &trace.end_content))
}

/// How many transactions of each author a state holds.
struct Version(Vec<usize>);

impl Version {
    fn of_parents(versions: &[Self], parents: &[usize], authors: usize) -> Self {
        let mut merged = vec![0; authors];
        for parent in parents {
            merged
                .iter_mut()
                .zip(&versions[*parent].0)
                .for_each(|(count, other)| *count = (*count).max(*other));
        }
        Self(merged)
    }

    /// The entries of the others that a state holds.
    fn entries(&self, authors: &[Author], agent: usize) -> Have {
        let others = self.0.iter().zip(authors).enumerate().filter(|(other, _)| *other != agent);
        others.filter_map(|(_, (count, author))| *author.entries.get(count.checked_sub(1)?)?).collect()
    }
}

impl Author {
    async fn start(
        global: &Global,
        agent: usize,
        agents: usize,
        transport: Box<dyn Transport>,
        doc: &str,
        spec: Spec,
    ) -> Result<Self, Failure> {
        let mut global = global.clone();
        global.store = store_of(&global, agent);
        let (gate, gated) = Gate::new(transport);
        let (switch, switched) = Switch::new(gated);
        let engine = session::with_transport(&global, session::open_store(&global)?, switched)?;
        let mut document = engine.document(doc, spec).await?;
        if document.last_entry().is_some() {
            return Err(Failure::Exists(doc.to_owned()));
        }
        while document.writer().is_some_and(|writer| rank(&writer, spec.family, agents) != agent) {
            engine.delete(doc)?;
            document = engine.document(doc, spec).await?;
        }
        Ok(Self { name: format!("author {agent}"), engine, document, gate, switch, entries: Vec::new() })
    }

    /// Lets in what was seen, and waits until it is here.
    async fn see(&self, seen: &Have) {
        self.gate.allow(seen);
        let mut changes = self.document.changes();
        while !self.document.have().includes(seen) {
            changes.next().await;
        }
    }

    /// Notes which entry the transaction just made is in.
    fn note(&mut self) {
        let before = self.entries.last().copied().flatten();
        let made = self.document.last_entry().filter(|id| self.is_own(id));
        self.entries.push(made.or(before));
    }

    /// Whether an entry is this author's: nobody else has made it, as all others are let in by name.
    fn is_own(&self, id: &EntryId) -> bool {
        self.entries.iter().flatten().next().is_none_or(|own| own.replica == id.replica)
    }
}

/// Where among the authors an id stands, in the order in which concurrent inserts at one place are put by id. The
/// recorded authors stood in the order of their numbers, and the recorded end depends on it.
fn rank(writer: &ReplicaId, family: Family, authors: usize) -> usize {
    let [a, b, c, d, ..] = *writer.as_bytes();
    let share = match family {
        // The highest 32 of its 53 bits.
        Family::Yjs => (writer.yjs_client() >> 21) as u32,
        Family::Automerge | Family::Toy => u32::from_be_bytes([a, b, c, d]),
    };
    ((u64::from(share) * authors as u64) >> 32) as usize
}

/// Each author's store: the named one with the author's number.
fn store_of(global: &Global, agent: usize) -> PathBuf {
    let mut name = global.store.as_os_str().to_owned();
    name.push(format!("-agent{agent}"));
    name.into()
}

/// A relay in this process, for when none is named.
struct Hub {
    node: Node,
    transport: memory::MemoryTransport,
}

impl Hub {
    fn start() -> Result<Self, Failure> {
        let config = Config {
            agent: "replay".to_owned(),
            principal: Principal::new("replay").expect("this is a name"),
            encoding: syncline::Encoding::Binary,
            compression: Vec::new(),
            seed: 1,
            policy: Policy::relay(),
        };
        let node = Node::start(Box::new(MemoryStorage::new()), config, Box::new(|_, _| {}))?;
        let (transport, mut listener) = memory::listen();
        let accepting = node.clone();
        tokio::spawn(async move {
            while let Some(link) = listener.accept().await {
                accepting.attach(link, Side::Accepted);
            }
        });
        Ok(Self { node, transport })
    }
}
