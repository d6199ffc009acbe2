//! Frames out: what waits for a link, the messages of one tick in one frame, encoded once for all who get the same.

use std::collections::{BTreeMap, BTreeSet};

use super::Replica;
use super::connection::Connection;
use super::peer::{Part, Stretch};
use crate::event::Output;
use crate::id::{ConnectionId, DocId};
use crate::presence::{PRESENCE_TICK, PRESENCE_TICK_OF_FOUR, PRESENCE_TURN};
use crate::time::Time;
use crate::wire::{Codec, Encoded, Frame, MAX_FRAME_BYTES, MAX_FRAME_MESSAGES, Message};

/// Size at which a frame is full and the rest waits for the link to take it. It bounds what a slow peer costs.
pub const FULL_FRAME_BYTES: usize = 64 << 10;

/// Largest size that may be set for that: the last entry of a frame may be as large as entries get.
pub const MAX_FULL_FRAME_BYTES: usize = 1 << 20;

/// How updates share frames. The updates of one tick always do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// Size at which a frame is full, in bytes, at most [`MAX_FULL_FRAME_BYTES`].
    pub bytes: usize,
    /// How long an update waits for others, in milliseconds. What is no update waits for nothing and takes along what
    /// waits.
    pub delay: u64,
}

impl Default for Batching {
    fn default() -> Self {
        Self { bytes: FULL_FRAME_BYTES, delay: 0 }
    }
}

/// What is made in one pass, for the links that get the same.
#[derive(Default)]
struct Shared {
    frames: BTreeMap<DocId, Vec<(Contents, Codec, Frame)>>,
    /// News of who is present since a version.
    presence: BTreeMap<DocId, Vec<(u64, Codec, Encoded)>>,
}

/// What a frame holds of one document, and nothing else: in one pass, with one codec, equal contents are equal frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Contents {
    /// News of who is present since a version.
    presence: Option<u64>,
    /// Behind it, a part of the log.
    stretch: Option<Stretch>,
}

impl Shared {
    fn frame(&self, doc: &DocId, contents: Contents, codec: Codec) -> Option<Frame> {
        let mut known = self.frames.get(doc)?.iter();
        known.find(|(c, with, _)| *c == contents && *with == codec).map(|(.., frame)| frame.clone())
    }

    fn keep(&mut self, doc: &DocId, contents: Contents, codec: Codec, frame: &Frame) {
        self.frames.entry(doc.clone()).or_default().push((contents, codec, frame.clone()));
    }

    fn presence(&self, doc: &DocId, since: u64, codec: Codec) -> Option<Encoded> {
        let mut known = self.presence.get(doc)?.iter();
        known.find(|(s, with, _)| *s == since && *with == codec).map(|(.., news)| news.clone())
    }
}

impl Replica {
    /// Gives a frame to every link that takes one and has something coming.
    pub(super) fn flush(&mut self) {
        self.deliver();
        let now = self.context.now;
        let is_due = |connection: &&Connection| connection.frame_due().is_some_and(|due| due <= now);
        let mut shared = Shared::default();
        for id in self.connections.due(now) {
            let Some(connection) = self.connections.get(&id).filter(is_due) else { continue };
            let waited = connection.waited(now);
            if let Some((frame, entries)) = self.next_frame(id, &mut shared) {
                self.context.counts.entries_out += entries as u64;
                self.context.emit(Output::Send { connection: id, frame, entries, waited });
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.sent(now);
                }
            }
        }
    }

    /// The next frame for a link, and how many entries it carries.
    fn next_frame(&mut self, id: ConnectionId, shared: &mut Shared) -> Option<(Frame, usize)> {
        let now = self.context.now;
        let mut batch = Batch::new(self.full_frame());
        let connection = self.connections.get_mut(&id)?;
        let codec = connection.codec();
        while let Some(message) = connection.next_waiting(|message| batch.has_room_for(message)) {
            batch.push(message);
        }
        let (presence, dirty) = (connection.take_presence(now), connection.take_dirty());
        if !presence.is_empty() {
            self.append_presence(id, presence, codec, &mut batch, shared)?;
        }
        dirty.iter().for_each(|doc| self.wake_document(doc));
        if let Some(doc) = dirty.only().filter(|_| !batch.is_full()) {
            return self.frame_with_one(id, doc, codec, &mut batch, shared);
        }
        for doc in dirty {
            if batch.is_full() || self.append(id, &doc, codec, &mut batch) {
                self.connections.get_mut(&id)?.mark(doc, now);
            }
        }
        self.frame_of_batch(codec, &batch, shared)
    }

    fn frame_of_batch(&mut self, codec: Codec, batch: &Batch, shared: &mut Shared) -> Option<(Frame, usize)> {
        if batch.is_empty() {
            return None;
        }
        let known = batch.contents.as_ref().and_then(|(doc, contents)| shared.frame(doc, *contents, codec));
        let frame = known.unwrap_or_else(|| {
            let frame = self.packer.frame(codec, &batch.messages);
            if let Some((doc, contents)) = &batch.contents {
                shared.keep(doc, *contents, codec, &frame);
            }
            frame
        });
        Some((frame, batch.entries))
    }

    /// Adds what a peer is to be told of who is present in documents.
    fn append_presence(
        &mut self,
        id: ConnectionId,
        docs: BTreeSet<DocId>,
        codec: Codec,
        batch: &mut Batch,
        shared: &mut Shared,
    ) -> Option<()> {
        let now = self.context.now;
        let links = docs.iter().filter_map(|doc| Some(self.documents.get(doc)?.links())).max().unwrap_or(0);
        let tick = PRESENCE_TICK.max(links as u64 / 4 * PRESENCE_TICK_OF_FOUR);
        self.connections.get_mut(&id)?.rest_presence(next_presence(id, now, tick));
        for doc in docs {
            if batch.is_full() {
                self.connections.get_mut(&id)?.mark_presence(&doc, now);
                continue;
            }
            let since = self.presence_since(id, &doc).filter(|_| batch.is_empty());
            if let Some((news, since)) = self.news(id, &doc, since, codec, batch, shared) {
                self.context.counts.presence_out += 1;
                batch.push(news);
                batch.contents = since.map(|since| (doc, Contents { presence: Some(since), stretch: None }));
            }
        }
        Some(())
    }

    /// What a peer is told of who is present in a document, and since when that is news if others are told the same. Most are: what
    /// is new, and nothing of that is their own.
    fn news(
        &mut self,
        id: ConnectionId,
        doc: &DocId,
        since: Option<u64>,
        codec: Codec,
        batch: &Batch,
        shared: &mut Shared,
    ) -> Option<(Encoded, Option<u64>)> {
        if let Some(news) = since.and_then(|since| shared.presence(doc, since, codec)) {
            self.note_presence_told(id, doc);
            return Some((news, since));
        }
        let (message, more) = self.presence_news(id, doc, batch.left())?;
        let (news, since) = (codec.encode(&message), since.filter(|_| !more));
        if let Some(since) = since {
            shared.presence.entry(doc.clone()).or_default().push((since, codec, news.clone()));
        }
        Some((news, since))
    }

    fn full_frame(&self) -> usize {
        self.context.config.policy.batching.bytes.min(MAX_FULL_FRAME_BYTES)
    }

    /// Adds what a document has for a peer; true if more is to come.
    fn append(&mut self, id: ConnectionId, doc: &DocId, codec: Codec, batch: &mut Batch) -> bool {
        let Some(document) = self.documents.get_mut(doc) else { return false };
        let Some(portion) = document.portion(id, batch.left(), batch.is_empty()) else {
            return false;
        };
        document.messages(&portion).iter().for_each(|message| batch.push(codec.encode(message)));
        batch.entries += portion.entries;
        portion.more
    }

    /// The frame for a peer that one document has something for, behind what is in the batch; the usual case, and the one worth
    /// sharing.
    fn frame_with_one(
        &mut self,
        id: ConnectionId,
        doc: &DocId,
        codec: Codec,
        batch: &mut Batch,
        shared: &mut Shared,
    ) -> Option<(Frame, usize)> {
        let document = self.documents.get_mut(doc);
        let portion = document.and_then(|document| document.portion(id, batch.left(), batch.is_empty()));
        let Some(portion) = portion else { return self.frame_of_batch(codec, batch, shared) };
        if portion.more {
            self.connections.get_mut(&id)?.mark(doc.clone(), self.context.now);
        }
        if let Some(part) = portion.part.as_ref().filter(|_| batch.is_empty()) {
            return Some((self.frame_of_part(doc, codec, part, &portion.messages)?, 0));
        }
        let contents = portion.stretch.and_then(|stretch| batch.contents_with(doc, stretch));
        batch.entries += portion.entries;
        if let Some(frame) = contents.and_then(|contents| shared.frame(doc, contents, codec)) {
            return Some((frame, batch.entries));
        }
        let messages = self.documents.get(doc)?.messages(&portion);
        messages.iter().for_each(|message| batch.push(codec.encode(message)));
        batch.contents = contents.map(|contents| (doc.clone(), contents));
        self.frame_of_batch(codec, batch, shared)
    }

    /// The frame of a part of a snapshot.
    fn frame_of_part(
        &mut self,
        doc: &DocId,
        codec: Codec,
        part: &Part,
        messages: &[Message],
    ) -> Option<Frame> {
        if let Some(frame) = self.documents.get(doc)?.live()?.snapshot_frames.get(part, codec) {
            return Some(frame);
        }
        let messages: Vec<Encoded> = messages.iter().map(|message| codec.encode(message)).collect();
        let frame = self.packer.frame(codec, &messages);
        self.documents.get_mut(doc)?.live_mut()?.snapshot_frames.put(part, codec, &frame);
        self.note_use(doc);
        Some(frame)
    }
}

/// When a peer may next be told who is present, if it is told now: a tick later. Of many each has its turn within the tick, so that
/// not all are told at the same time; until that is found the tick is up to a half shorter or longer.
fn next_presence(id: ConnectionId, now: Time, tick: u64) -> Time {
    if tick <= PRESENCE_TICK {
        return now.after(tick);
    }
    let turn = id.0 % (tick / PRESENCE_TURN) * PRESENCE_TURN;
    let soonest = now.after(tick / 2);
    soonest.after((turn + tick - soonest.0 % tick) % tick)
}

/// The messages of one frame.
struct Batch {
    messages: Vec<Encoded>,
    bytes: usize,
    /// How many entries are in them.
    entries: usize,
    /// Size from which on it takes no more.
    full: usize,
    /// What is in it of which document, if others may be sent the same.
    contents: Option<(DocId, Contents)>,
}

impl Batch {
    const fn new(full: usize) -> Self {
        Self { messages: Vec::new(), bytes: 0, entries: 0, full, contents: None }
    }

    fn push(&mut self, message: Encoded) {
        self.bytes += message.len();
        self.messages.push(message);
        self.contents = None;
    }

    /// What is in it if a stretch of a document's log is put behind it, if others may be sent the same.
    fn contents_with(&self, doc: &DocId, stretch: Stretch) -> Option<Contents> {
        let presence = match &self.contents {
            None if self.is_empty() => None,
            Some((known, Contents { presence, stretch: None })) if known == doc => *presence,
            None | Some(_) => return None,
        };
        Some(Contents { presence, stretch: Some(stretch) })
    }

    /// About how many bytes it still takes.
    const fn left(&self) -> usize {
        self.full.saturating_sub(self.bytes)
    }

    const fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    const fn is_full(&self) -> bool {
        self.bytes >= self.full || self.messages.len() >= MAX_FRAME_MESSAGES
    }

    fn has_room_for(&self, message: &Encoded) -> bool {
        self.is_empty() || (!self.is_full() && self.bytes + message.len() < MAX_FRAME_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_told_after_a_tick_and_many_in_turns() {
        assert_eq!(next_presence(ConnectionId(3), Time(7), PRESENCE_TICK), Time(57));
        let tick = 125;
        let mut turns = BTreeSet::new();
        for id in 0..500 {
            let now = Time(1_000_007);
            let first = next_presence(ConnectionId(id), now, tick);
            assert!((tick / 2..tick * 3 / 2).contains(&first.since(now)), "{first:?}");
            assert_eq!(next_presence(ConnectionId(id), first, tick).since(first), tick);
            turns.insert(first.0 % tick);
        }
        assert_eq!(turns.len() as u64, tick / PRESENCE_TURN);
    }
}
