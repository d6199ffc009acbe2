//! Planted defects: what the simulator must find, or nobody should believe it when it finds nothing.
//!
//! None of them is in the code under test. Each is a lie that a broken driver, disk or replica would tell.

use serde_json::Value as Json;

use syncline_core::entry::Family;
use syncline_core::event::{Input, Write};
use syncline_core::id::{DocId, EntryId, WriteId};
use syncline_core::wire::{Codec, Encoded, Frame, Message};

use super::network::{LinkId, NodeId, STRANGER, connection};
use super::store::Request;
use super::world::World;
use super::{Cast, Run};

/// A kind of planted defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// A relay is told that a write is on disk as soon as it is queued, and acknowledges it.
    AckBeforeCommit,
    /// What is remembered of a peer's log survives a crash that the entries before it do not.
    CursorBeforeEntries,
    /// The first entries after a reconnect get lost; that they are durable does not.
    DropOnReconnect,
    /// That a relay passes an entry on counts as its acknowledgement.
    EchoAsAck,
    /// A process started again draws the same replica ids.
    CounterReused,
    /// A snapshot leaves out what was deleted.
    DeleteForgotten,
    /// A guest is told that its edits are saved before they are on disk.
    AnswerBeforeCommit,
}

impl Plant {
    /// Every kind, with its name on the command line.
    pub const ALL: [(&'static str, Self); 7] = [
        ("ack-before-commit", Self::AckBeforeCommit),
        ("cursor-before-entries", Self::CursorBeforeEntries),
        ("drop-on-reconnect", Self::DropOnReconnect),
        ("echo-as-ack", Self::EchoAsAck),
        ("counter-reused", Self::CounterReused),
        ("delete-forgotten", Self::DeleteForgotten),
        ("answer-before-commit", Self::AnswerBeforeCommit),
    ];

    /// A world in which it shows. All but those that concern guests are a matter of the replicas, not of the CRDT.
    #[must_use]
    pub fn world(self, seed: u64) -> Run {
        let cast = if self == Self::AnswerBeforeCommit { Cast::Guests } else { Cast::Replicas(Family::Toy) };
        Run { seed, cast, plant: Some(self) }
    }
}

impl World {
    /// A write was queued.
    pub fn planted_write(&mut self, node: NodeId, id: WriteId) -> Result<(), String> {
        if self.plant == Some(Plant::AckBeforeCommit) && self.nodes[node].relay {
            let now = self.nodes[node].time(self.now);
            if let Some(replica) = &mut self.nodes[node].replica {
                replica.handle(now, Input::Written { write: id });
            }
        }
        Ok(())
    }

    /// A process is about to die with its queue.
    pub fn planted_crash(&mut self, node: NodeId) {
        if self.plant != Some(Plant::CursorBeforeEntries) {
            return;
        }
        let store = &mut self.nodes[node].store;
        for request in &store.requests {
            if let Request::Write(_, write @ Write::Peer { .. }) = request {
                // Out of order on purpose.
                let _ = store.disk.apply(write, true);
            }
        }
    }

    /// A frame reaches a node.
    pub fn planted_frame(&mut self, link: LinkId, side: usize, frame: Frame) -> Result<Frame, String> {
        match self.plant {
            Some(Plant::DropOnReconnect) => Ok(self.without_first_entries(link, side, frame)),
            Some(Plant::EchoAsAck) => self.acknowledge_echo(link, side, &frame).map(|()| frame),
            Some(Plant::DeleteForgotten) => Ok(rewrite(&frame, |message| Some(without_tombstones(message)))),
            Some(
                Plant::AckBeforeCommit
                | Plant::CursorBeforeEntries
                | Plant::CounterReused
                | Plant::AnswerBeforeCommit,
            )
            | None => Ok(frame),
        }
    }

    fn without_first_entries(&mut self, link: LinkId, side: usize, frame: Frame) -> Frame {
        let Some(link) = self.network.links.get_mut(&link).filter(|link| link.again) else { return frame };
        let had = &mut link.ends[side].had_entries;
        rewrite(&frame, |message| match message {
            Message::Entries { .. } if !*had => {
                *had = true;
                None
            }
            other => Some(other),
        })
    }

    /// The authors of the entries in a relay's frame think that the relay has them, wherever it sends them entries.
    fn acknowledge_echo(&mut self, link: LinkId, side: usize, frame: &Frame) -> Result<(), String> {
        let messages = Codec::decode(frame).unwrap_or_default();
        let resumed = messages.iter().any(|message| matches!(message, Message::Resume { .. }));
        if let (true, Some(link)) = (resumed, self.network.links.get_mut(&link)) {
            link.ends[side].had_entries = true;
        }
        let Some(relay) = self.network.links.get(&link).map(|link| link.ends[1 - side].node) else {
            return Ok(());
        };
        if relay == STRANGER || !self.nodes[relay].relay {
            return Ok(());
        }
        for message in messages {
            let Message::Entries { doc, entries } = message else { continue };
            for numbered in entries {
                self.acknowledge_to_author(relay, &doc, numbered.entry.id)?;
            }
        }
        Ok(())
    }

    fn acknowledge_to_author(&mut self, relay: NodeId, doc: &DocId, id: EntryId) -> Result<(), String> {
        for (link, side) in self.network.links_of(relay) {
            let end = &self.network.links[&link].ends[1 - side];
            let author = end.node;
            if !end.had_entries {
                continue;
            }
            let Some(log) = self.nodes.get(author).and_then(|node| node.replica.as_ref()?.log(doc)) else {
                continue;
            };
            let own = log
                .after(log.base_offset())
                .find(|stored| stored.entry.id == id && stored.operations.is_some());
            let Some(offset) = own.map(|stored| stored.offset) else { continue };
            let codec = Codec::default();
            let frame = codec.frame(&[codec.encode(&Message::Ack { doc: doc.clone(), offset })]);
            self.input(author, Input::Received { connection: connection(link, 1 - side), frame })?;
        }
        Ok(())
    }
}

/// The frame with each message changed or left out.
fn rewrite(frame: &Frame, change: impl FnMut(Message) -> Option<Message>) -> Frame {
    let Ok(messages) = Codec::decode(frame) else { return frame.clone() };
    let codec = Codec { encoding: Codec::detect(frame), ..Codec::default() };
    let encoded: Vec<Encoded> =
        messages.into_iter().filter_map(change).map(|message| codec.encode(&message)).collect();
    codec.frame(&encoded)
}

/// A toy's snapshot in one piece, without what was deleted.
fn without_tombstones(message: Message) -> Message {
    let Message::SnapshotPart { doc, cursor, covers, total, bytes } = message else { return message };
    let state: Option<Json> = serde_json::from_slice(&bytes).ok();
    let Some(mut state) = state else { return Message::SnapshotPart { doc, cursor, covers, total, bytes } };
    if let Some(Json::Object(registers)) = state.get_mut("registers") {
        registers.retain(|_, register| !register.to_string().contains("Tombstone"));
    }
    let bytes = bytes::Bytes::from(state.to_string());
    Message::SnapshotPart { doc, cursor, covers, total: bytes.len() as u64, bytes }
}
