//! A client of automerge-repo: sync messages of Automerge in its envelopes.
//!
//! It holds no document, but what the protocol is about: which changes it has, and which of them are heads. Everybody begins with the
//! same first change, which makes the text, as applications do whose documents have a form. Changes are sent at once; the library
//! would gather them for a tenth of a second.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::sync::{ChunkList, Have, Message as SyncMessage, MessageVersion};
use automerge::{ActorId, Change, ChangeHash, ExpandedChange, ObjType, ScalarValue};
use syncline_core::crdt::automerge::DocumentId;
use syncline_core::id::DocId;
use syncline_core::protocol::automerge_repo::{Message, Presence, Writer, addressed, ephemeral};

use super::{Content, Heard, Session};
use crate::BoxError;
use crate::awareness;
use crate::socket::Outbox;
use crate::update::{self, Brought};

/// Who has made the first change.
const FOUNDER: [u8; 16] = [0xf0; 16];

/// The text that everybody types in.
const TEXT: &str = "text";

/// A client.
pub struct Automerge {
    number: usize,
    peer: String,
    doc: DocumentId,
    server: String,
    leaves: u64,
    /// The changes it has.
    held: BTreeSet<ChangeHash>,
    heads: BTreeSet<ChangeHash>,
    /// Its own ones, which may be asked for, and where each of its characters is.
    own: BTreeMap<ChangeHash, Vec<u8>>,
    typed: Vec<OpId>,
    last_op: u64,
    /// What it has told the server that it has, and how far the server is known to have come.
    told: Option<BTreeSet<ChangeHash>>,
    shared: Vec<ChangeHash>,
    shown: u64,
    joined: bool,
}

impl Automerge {
    /// Somebody of a number at a document, who leaves so many characters standing.
    pub fn new(doc: &str, number: usize, leaves: u64) -> Result<Self, BoxError> {
        let doc = DocumentId::of(&DocId::new(doc)?);
        let first = first_change();
        let hash = first.hash();
        Ok(Self {
            number,
            peer: format!("client-{number}-{doc}"),
            doc,
            server: String::new(),
            leaves,
            held: BTreeSet::from([hash]),
            heads: BTreeSet::from([hash]),
            own: BTreeMap::from([(hash, first.raw_bytes().to_vec())]),
            typed: Vec::new(),
            last_op: first.max_op(),
            told: None,
            shared: Vec::new(),
            shown: 0,
            joined: false,
        })
    }

    /// Says what it has, and sends changes.
    fn sync(&mut self, need: Vec<ChangeHash>, changes: Vec<Vec<u8>>, out: &mut Outbox) {
        let message = SyncMessage {
            heads: self.heads.iter().copied().collect(),
            need,
            have: vec![Have { last_sync: self.shared.clone(), ..Have::default() }],
            changes: ChunkList::from(changes),
            flags: None,
            version: MessageVersion::V1,
        };
        self.told = Some(self.heads.clone());
        let frame = Writer::new(5, "sync", &self.peer)
            .text("documentId", &self.doc.to_string())
            .text("targetId", &self.server)
            .bytes("data", &message.encode());
        out.say(&frame.done());
    }

    fn on_sync(
        &mut self,
        data: &[u8],
        out: &mut Outbox,
        tell: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(), BoxError> {
        let message = SyncMessage::decode(data)?;
        for chunk in message.changes.iter() {
            self.take(&Change::from_bytes(chunk.to_vec())?, tell);
        }
        let lacks: Vec<ChangeHash> =
            message.heads.iter().filter(|head| !self.held.contains(head)).copied().collect();
        if lacks.is_empty() {
            self.shared.clone_from(&message.heads);
        }
        let wanted = message.need.iter().filter_map(|hash| self.own.get(hash).cloned()).collect::<Vec<_>>();
        if !lacks.is_empty() || !wanted.is_empty() || self.told.as_ref() != Some(&self.heads) {
            self.sync(lacks.clone(), wanted, out);
        }
        if lacks.is_empty() && !message.heads.is_empty() && !self.joined {
            self.joined = true;
            tell(Heard::Joined);
        }
        Ok(())
    }

    /// Takes a change of somebody else.
    fn take(&mut self, change: &Change, tell: &mut dyn FnMut(Heard<'_>)) {
        self.follow(change.hash(), change.deps());
        self.last_op = self.last_op.max(change.max_op());
        let author = change.actor_id().to_bytes().first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        if let Some(typist) = author.and_then(update::typist) {
            let brought = Brought { typist, from: change.seq() - 1, to: change.seq() };
            tell(Heard::Content(Content::Automerge { change: change.raw_bytes(), brought }));
        }
    }

    fn follow(&mut self, hash: ChangeHash, deps: &[ChangeHash]) {
        if self.held.insert(hash) {
            deps.iter().for_each(|dep| _ = self.heads.remove(dep));
            self.heads.insert(hash);
        }
    }

    /// The next character behind its own last one, and perhaps the end of an old one.
    fn change(&mut self) -> Change {
        let actor = actor(self.number);
        let behind = self.typed.last().map_or(ElementId::Head, |last| ElementId::Id(last.clone()));
        let mut operations = vec![Op {
            action: OpType::Put(ScalarValue::Str("x".into())),
            obj: text(),
            key: Key::Seq(behind),
            pred: SortedVec::new(),
            insert: true,
        }];
        if let Some(old) = (self.typed.len() as u64).checked_sub(self.leaves) {
            let old = &self.typed[usize::try_from(old).expect("it is below a length")];
            operations.push(Op {
                action: OpType::Delete,
                obj: text(),
                key: Key::Seq(ElementId::Id(old.clone())),
                pred: vec![old.clone()].into(),
                insert: false,
            });
        }
        let change = Change::from(ExpandedChange {
            operations,
            actor_id: actor.clone(),
            hash: None,
            seq: self.typed.len() as u64 + 1,
            start_op: NonZeroU64::MIN.saturating_add(self.last_op),
            time: 0,
            message: None,
            deps: self.heads.iter().copied().collect(),
            author: None,
            extra_bytes: Vec::new(),
        });
        self.typed.push(OpId::new(self.last_op + 1, &actor));
        self.last_op = change.max_op();
        change
    }
}

impl Session for Automerge {
    fn greet(&mut self, out: &mut Outbox, _: &mut dyn FnMut(Heard<'_>)) {
        out.say(&Writer::join(&self.peer));
    }

    fn hear(
        &mut self,
        message: &[u8],
        out: &mut Outbox,
        tell: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(), BoxError> {
        let message = Message::read(message)?;
        match (message.kind, message.data) {
            ("peer", _) => {
                message.sender.clone_into(&mut self.server);
                self.sync(Vec::new(), Vec::new(), out);
            }
            ("sync" | "request", Some(data)) => self.on_sync(data, out, tell)?,
            ("ephemeral", Some(_)) => {
                moment(&message).into_iter().for_each(|moment| tell(Heard::Shown(moment)))
            }
            ("error", _) => return Err(message.error.unwrap_or("an error without a word").into()),
            // Of heads elsewhere, and of documents that nobody has yet, nothing need be known.
            _ => {}
        }
        Ok(())
    }

    fn writes(&mut self, _: &[u8], _: &mut Outbox) -> Result<(), BoxError> {
        Err("documents of Automerge do not take updates of Yjs".into())
    }

    fn types(&mut self, out: &mut Outbox) {
        let change = self.change();
        self.follow(change.hash(), change.deps());
        self.own.insert(change.hash(), change.raw_bytes().to_vec());
        self.sync(Vec::new(), vec![change.raw_bytes().to_vec()], out);
    }

    fn shows(&mut self, out: &mut Outbox) {
        self.shown += 1;
        let state = serde_json::from_str(&awareness::state(self.number, self.shown)).unwrap_or_default();
        let data = Presence::Snapshot(state).write();
        let message = ephemeral(&self.peer, self.doc, &self.number.to_string(), self.shown, &data);
        out.say(&addressed(&message, &self.server));
    }
}

/// The change that makes the text; the same for everybody.
fn first_change() -> Change {
    Change::from(ExpandedChange {
        operations: vec![Op {
            action: OpType::Make(ObjType::Text),
            obj: ObjectId::Root,
            key: Key::Map(TEXT.into()),
            pred: SortedVec::new(),
            insert: false,
        }],
        actor_id: ActorId::from(FOUNDER),
        hash: None,
        seq: 1,
        start_op: NonZeroU64::MIN,
        time: 0,
        message: None,
        deps: Vec::new(),
        author: None,
        extra_bytes: Vec::new(),
    })
}

fn text() -> ObjectId {
    ObjectId::Id(OpId::new(1, &ActorId::from(FOUNDER)))
}

fn actor(typist: usize) -> ActorId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&update::client(typist).to_le_bytes());
    ActorId::from(bytes)
}

/// Which moment of whom an ephemeral message tells of.
fn moment(message: &Message<'_>) -> Option<Brought> {
    let (typist, to) = (message.session?.parse().ok()?, message.count?);
    Some(Brought { typist, from: to.checked_sub(1)?, to })
}

#[cfg(test)]
mod tests {
    use automerge::{AutoCommit, ReadDoc};

    use super::*;

    #[test]
    fn what_is_typed_is_what_automerge_reads() {
        let mut session = Automerge::new("doc", 3, 2).expect("a name");
        let changes = [vec![first_change()], (0..5).map(|_| typed(&mut session)).collect()].concat();
        let mut document = AutoCommit::new();
        document.apply_changes(changes).expect("they are changes");
        let (_, text) = document.get(automerge::ROOT, TEXT).expect("a map").expect("there is a text");
        assert_eq!(document.text(text).expect("it is a text"), "xx");
    }

    fn typed(session: &mut Automerge) -> Change {
        let change = session.change();
        session.follow(change.hash(), change.deps());
        change
    }

    #[test]
    fn what_others_type_becomes_heads() {
        let (mut one, mut other) =
            (Automerge::new("doc", 0, 9).expect("a name"), Automerge::new("doc", 1, 9).expect("a name"));
        let changes = [typed(&mut one), typed(&mut one)];
        let mut heard = Vec::new();
        for change in &changes {
            other.take(change, &mut |content| match content {
                Heard::Content(Content::Automerge { brought, .. }) => heard.push(brought),
                _ => panic!("{content:?}"),
            });
        }
        assert_eq!(heard, [0, 1].map(|from| Brought { typist: 0, from, to: from + 1 }));
        assert_eq!((&other.heads, other.last_op), (&one.heads, one.last_op));
    }
}
