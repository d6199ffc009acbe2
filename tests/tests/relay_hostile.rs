//! Updates made to kill CRDT libraries, sent to a real relay while engines hold the documents open.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path as FilePath;

use bytes::Bytes;
use futures_util::StreamExt;
use syncline::transports::WebSocket;
use syncline::{
    DocId, Document, Encoding, Engine, Family, Kind, MemoryStorage, Operation, Saved, Spec, Value,
};
use syncline_core::entry::{Cursor, Digest};
use syncline_core::id::{Epoch, ReplicaId};
use syncline_core::random::Random;
use syncline_core::wire::Message;
use syncline_tests::process::raw::{Raw, entry};
use syncline_tests::process::relay::Relay;
use syncline_tests::process::{PATIENCE, memory, real_data};

/// How much more memory than before a process may ever have had.
const MAX_GROWTH: u64 = 64 << 20;

/// What the relay did with the updates.
#[derive(Debug, Default)]
struct Verdicts {
    refused: usize,
    taken: usize,
    /// Connections and documents that the relay ended.
    ended: usize,
    reasons: BTreeMap<String, usize>,
}

impl Verdicts {
    fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Ended => self.ended += 1,
            Verdict::Taken => self.taken += 1,
            Verdict::Refused(reason) => {
                self.refused += 1;
                let kind = reason.split(':').next().unwrap_or_default().to_owned();
                *self.reasons.entry(kind).or_default() += 1;
            }
        }
    }
}

/// Sends hostile updates, each as another replica.
struct Attacker<'a> {
    relay: &'a Relay,
    doc: DocId,
    spec: Spec,
    /// The open connection, and the last offset of the log that we pretend to have.
    raw: Option<(Raw, u64)>,
    epoch: Epoch,
    random: Random,
}

impl<'a> Attacker<'a> {
    fn new(relay: &'a Relay, doc: DocId, spec: Spec, seed: u64) -> Self {
        Self { relay, doc, spec, raw: None, epoch: Epoch::new([0; 16]), random: Random::new(seed) }
    }

    async fn send(&mut self, update: &Bytes, verdicts: &mut Verdicts) {
        for replica in self.identities(update) {
            verdicts.count(self.send_as(replica, update.clone()).await);
        }
    }

    /// Somebody new, and whoever the update claims to be written by.
    fn identities(&mut self, update: &[u8]) -> Vec<ReplicaId> {
        let mut drawn = [0; 16];
        drawn.iter_mut().for_each(|byte| *byte = self.random.below(256) as u8);
        let claimed = match self.spec.family {
            Family::Yjs => first_client(update).map(|client| with_client(drawn, client)),
            Family::Automerge | Family::Toy => first_actor(update),
        };
        [Some(ReplicaId::new(drawn)), claimed].into_iter().flatten().collect()
    }

    async fn send_as(&mut self, replica: ReplicaId, update: Bytes) -> Verdict {
        let (mut raw, offset) = match self.raw.take() {
            Some((raw, offset)) => (raw, offset + 1),
            None => (self.open().await, 1),
        };
        let cursor = Cursor { epoch: self.epoch, offset, digest: Digest(offset) };
        let durable = Message::Durable { doc: self.doc.clone(), cursor };
        raw.say(&[entry(&self.doc, offset, replica, update), durable]).await;
        let verdict = verdict(&mut raw, replica, offset).await;
        if !matches!(verdict, Verdict::Ended) {
            self.raw = Some((raw, offset));
        }
        verdict
    }

    async fn open(&mut self) -> Raw {
        let mut raw = Raw::greeted(self.relay.address(), Encoding::Binary).await;
        let mut epoch = [0; 16];
        epoch.iter_mut().for_each(|byte| *byte = self.random.below(256) as u8);
        self.epoch = Epoch::new(epoch);
        raw.open(&self.doc, self.spec, self.epoch).await;
        raw
    }
}

enum Verdict {
    Refused(String),
    Taken,
    Ended,
}

/// What the relay says of an entry, once that is on its disk.
async fn verdict(raw: &mut Raw, replica: ReplicaId, at: u64) -> Verdict {
    loop {
        let Some(messages) = raw.hear().await else { return Verdict::Ended };
        for message in messages {
            match message {
                Message::Refused { id, reason, .. } if id.replica == replica => {
                    return Verdict::Refused(reason);
                }
                // A relay that asks for what is in front of the entry will not be told.
                Message::Failure { .. } | Message::Have { .. } => return Verdict::Ended,
                Message::Ack { offset, .. } if offset >= at => return Verdict::Taken,
                _ => {}
            }
        }
    }
}

/// The replica whose Yjs client id this is.
fn with_client(mut bytes: [u8; 16], client: u64) -> ReplicaId {
    bytes[..8].copy_from_slice(&client.to_le_bytes());
    ReplicaId::new(bytes)
}

/// A Yjs update begins with the number of clients, and of the first one's blocks, and its id.
fn first_client(update: &[u8]) -> Option<u64> {
    let mut rest = update;
    let _clients = varint(&mut rest)?;
    let _blocks = varint(&mut rest)?;
    varint(&mut rest)
}

/// An Automerge change: magic, checksum, type, length, dependencies, actor.
fn first_actor(update: &[u8]) -> Option<ReplicaId> {
    const CHANGE: u8 = 1;
    const HASH_BYTES: usize = 32;
    let mut rest = update.get(8..)?;
    if *rest.split_off_first()? != CHANGE {
        return None;
    }
    let _length = varint(&mut rest)?;
    let dependencies = usize::try_from(varint(&mut rest)?).ok()?;
    rest = rest.get(dependencies.checked_mul(HASH_BYTES)?..)?;
    let length = usize::try_from(varint(&mut rest)?).ok()?;
    rest.get(..length)?.try_into().ok().map(ReplicaId::new)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first()?;
        number |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn engine(relay: &Relay) -> Engine {
    Engine::builder(MemoryStorage::new()).relay(WebSocket::new(relay.url())).longest_wait(200).open().unwrap()
}

fn put(document: &Document, path: &str, value: i64) {
    document.perform(Operation::Put { path: path.parse().unwrap(), value: Value::Int(value) }).unwrap();
}

async fn saved(document: &Document) {
    tokio::time::timeout(PATIENCE, document.saved(Saved::Relay)).await.unwrap().unwrap();
}

async fn becomes(document: &Document, path: &str, value: i64) {
    let mut changes = document.changes();
    let waiting = async {
        while document.value(&path.parse().unwrap()) != Some(Value::Int(value)) {
            changes.next().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

fn updates(folder: &FilePath) -> Vec<(String, Bytes)> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    let mut updates: Vec<_> = files
        .map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap().into()))
        .filter(|(name, _): &(String, Bytes)| {
            ["y1-", "y2-", "am-", "sync-"].iter().any(|prefix| name.starts_with(prefix))
        })
        .collect();
    updates.sort();
    updates
}

/// A document that two engines hold open.
struct Target {
    doc: DocId,
    a: Document,
    b: Document,
}

impl Target {
    async fn open(engines: &[Engine; 2], name: &str, spec: Spec) -> Self {
        let (a, b) =
            (engines[0].document(name, spec).await.unwrap(), engines[1].document(name, spec).await.unwrap());
        Self { doc: DocId::new(name).unwrap(), a, b }
    }

    /// What one engine writes, the other sees.
    async fn serves(&self, path: &str, value: i64) {
        put(&self.a, path, value);
        saved(&self.a).await;
        becomes(&self.b, path, value).await;
        assert!(self.a.failure().is_none() && self.b.failure().is_none(), "{:?} was closed", self.doc);
    }
}

async fn survives(family: Family, updates: &[(String, Bytes)]) {
    let spec = Spec { family, kind: Kind::Tree };
    let mut relay = Relay::start();
    let engines = [engine(&relay), engine(&relay)];
    let other = Target::open(&engines, "other", spec).await;
    other.serves("/n", -1).await;
    let (pid, ours) = (relay.process().pid(), std::process::id());
    let before = (memory::resident(pid), memory::resident(ours));
    let mut verdicts = Verdicts::default();
    for (number, (name, update)) in updates.iter().enumerate() {
        let target = Target::open(&engines, &format!("target/{name}"), spec).await;
        target.serves("/before", 1).await;
        let mut attacker = Attacker::new(&relay, target.doc.clone(), spec, number as u64);
        attacker.send(update, &mut verdicts).await;
        other.serves("/n", number as i64).await;
        target.serves("/after", 2).await;
        assert_eq!(target.b.value(&"/before".parse().unwrap()), Some(Value::Int(1)), "{name}");
    }
    assert_eq!(relay.process().pid(), pid, "the relay lives");
    let growth = (memory::peak(pid).saturating_sub(before.0), memory::peak(ours).saturating_sub(before.1));
    println!(
        "{family}: {} files; {verdicts:?}; growth at the most: relay {} KiB, two engines {} KiB",
        updates.len(),
        growth.0 >> 10,
        growth.1 >> 10
    );
    assert!(growth.0 < MAX_GROWTH && growth.1 < MAX_GROWTH, "{growth:?} bytes more memory");
    assert!(verdicts.refused > updates.len() / 2, "most are refused: {verdicts:?}");
}

#[tokio::test]
async fn a_yjs_document_survives_every_hostile_update() {
    let Some(folder) = real_data("hostile") else { return };
    survives(Family::Yjs, &updates(&folder)).await;
}

#[tokio::test]
async fn an_automerge_document_survives_every_hostile_update() {
    let Some(folder) = real_data("hostile") else { return };
    survives(Family::Automerge, &updates(&folder)).await;
}
