//! Automerge's sync protocol, as its clients speak it with a relay.
//!
//! The library would apply the changes of a message by itself. Here they go through the gate first, like all others. What it thinks
//! of a peer is a [`Conversation`], which hears the rest of the message as the library would, but for one thing: with every message
//! the library looks for what the peer has meanwhile among everything that was ever written.
//!
//! Peers tell each other what they hold by filters that err, once in a hundred changes: one that is taken for held is not sent,
//! and what was made on top of it is. The library keeps that for later. Here nothing waits: all of the message is refused, and
//! the peer is asked for what was missing, and if that is not enough for everything.

use std::collections::BTreeSet;

use automerge::Automerge as Library;
use automerge::ChangeHash;
use automerge::sync::{Capability, ChunkList, Have as Held, Message, MessageFlags, State, SyncDoc};
use bytes::Bytes;

use super::Automerge;
use super::change::Change;
use super::chunk::{ChunkKind, Chunks, Hash};
use super::contain::contained;
use super::inflate::Budget;
use super::reader::{Reader, malformed};
use crate::crdt::exchange::MAX_FOREIGN_UPDATE_BYTES;
use crate::crdt::{Damaged, Exchange, GateError, ReceiveError};
use crate::id::Have;

/// Most bits for a change in a filter, and most of them that are looked at. All clients have 10 and 7.
const MAX_FILTER_BITS: u64 = 64;
const MAX_FILTER_PROBES: u64 = 32;

/// Changes that a peer was sent and that are remembered at least, so that they are not sent again before it has said that it has
/// them. Of more, those are forgotten that it has, whenever they have become twice as many as were left the last time: to find out
/// takes as long as all of those take that it lacks.
const MANY_SENT: usize = 1_024;

const HASH_BYTES: usize = 32;

/// The types of a message: with changes, or with a whole document.
const MESSAGE_TYPES: [u8; 2] = [0x42, 0x43];

/// What is known of one peer and one document, for as long as they are connected.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    state: State,
    /// How many changes that it was sent it lacked still when that was found out last.
    still_sent: usize,
    /// Something the peer sent was not taken, so it is told that it has sent nothing.
    starts_again: bool,
    /// How often in a row what it sent was not taken as something was missing, and what that was the last time.
    gaps: usize,
    missing: BTreeSet<Hash>,
}

/// What came of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// What was not held before, as entries hold it.
    pub updates: Vec<Bytes>,
    /// Whether the peer holds exactly what is held here.
    pub in_sync: bool,
}

impl Conversation {
    /// A conversation with a peer that may read and not write: what it sends is passed over, and it is told so.
    #[must_use]
    pub fn read_only() -> Self {
        Self { state: State::new_read_only(), ..Self::default() }
    }

    /// The hashes of the heads that the peer named last, if it has said anything.
    pub fn their_heads(&self) -> Option<impl Iterator<Item = &[u8; 32]>> {
        self.state.their_heads.as_ref().map(|heads| heads.iter().map(|head| &head.0))
    }

    /// Makes the next message ask the peer to send again whatever it has sent, and first of all what was missing.
    pub const fn start_again(&mut self) {
        self.starts_again = true;
    }

    /// What a peer says of itself in a message, beside changes. `State` is the library's, and so is what is made of a message:
    /// see its `receive_sync_message`. `document` holds the changes already.
    fn note(&mut self, document: &Library, message: Message) {
        let state = &mut self.state;
        state.in_flight = false;
        if let Some(flags) = message.flags {
            state.their_capabilities = Some(capabilities(flags));
            state.peer_read_only = flags.contains(MessageFlags::READ_ONLY);
            if flags.contains(MessageFlags::SYNC_RESET) {
                state.sent_hashes.clear();
            }
        }
        let (known, unknown): (Vec<ChangeHash>, Vec<_>) =
            message.heads.iter().copied().partition(|head| super::document::has(document, &head.0));
        if unknown.is_empty() {
            state.shared_heads.clone_from(&known);
        } else {
            state.shared_heads.extend(&known);
            state.shared_heads.sort_unstable();
            state.shared_heads.dedup();
        }
        if message.heads.is_empty() {
            // It has lost everything.
            (state.last_sent_heads, state.sent_hashes, self.still_sent) = Default::default();
        } else if message.heads == document.get_heads() {
            state.sent_hashes.clear();
            self.still_sent = 0;
        } else if state.sent_hashes.len() > MANY_SENT.max(2 * self.still_sent) {
            let lacks: BTreeSet<ChangeHash> =
                document.get_changes(&known).iter().map(automerge::Change::hash).collect();
            state.sent_hashes.retain(|hash| lacks.contains(hash));
            self.still_sent = state.sent_hashes.len();
        }
        state.their_have = Some(message.have);
        state.their_heads = Some(message.heads);
        state.their_need = Some(message.need);
    }

    /// Has a message that tells the peer that it has sent nothing ask for what was missing.
    fn ask(&self, message: &mut Message) {
        match self.gaps {
            0 => {}
            // Without a filter it sends what it is asked for, and nothing else.
            1 if !self.missing.is_empty() => {
                message.need = self.missing.iter().copied().map(ChangeHash).collect();
                message.have.clear();
            }
            _ => {
                message.need.clear();
                message.have = vec![Held::default()];
            }
        }
    }
}

impl Automerge {
    /// Takes in a message. If its changes are refused nothing of it counts, but that the peer was heard.
    pub fn hear(
        &mut self,
        conversation: &mut Conversation,
        replicas: &Have,
        message: &[u8],
    ) -> Result<Heard, ReceiveError> {
        let mut message = decode(message)?;
        let changes = std::mem::replace(&mut message.changes, ChunkList::empty());
        let mut updates = Vec::new();
        if !conversation.state.read_only && !changes.is_empty() {
            let bytes: Vec<u8> = changes.iter().flatten().copied().collect();
            updates = match self.receive(replicas, &bytes) {
                Err(refused @ ReceiveError::Refused(GateError::Gap { .. })) => {
                    conversation.gaps += 1;
                    conversation.missing = self.missing_below(&bytes)?;
                    return Err(refused);
                }
                received => received?,
            };
            conversation.gaps = 0;
        }
        // The library takes a message without changes from a peer with our heads for one that needs no answer, and what it came
        // after for answered. But the answer is what tells the peer that its changes have arrived, and may still wait for the disk.
        let in_sync = self.with_committed(|document| {
            conversation.note(document, message);
            Ok(conversation.state.their_heads.as_ref() == Some(&document.get_heads()))
        })?;
        Ok(Heard { updates, in_sync })
    }

    /// The next message to the peer; `None` if there is nothing to say, or it has to answer first.
    pub fn speak(&self, conversation: &mut Conversation) -> Result<Option<Bytes>, Damaged> {
        let again = std::mem::take(&mut conversation.starts_again);
        let state = &mut conversation.state;
        if again {
            state.needs_reset = true;
            state.in_flight = false;
            state.have_responded = false;
        }
        let mut message = self.read_committed(|document| {
            // The library finds that out in the end, when it has made the message.
            let waits =
                state.in_flight && state.have_responded && state.last_sent_heads == document.get_heads();
            if waits { None } else { document.generate_sync_message(state) }
        })?;
        if let Some(message) = message.as_mut().filter(|_| again) {
            conversation.ask(message);
        }
        Ok(message.map(|message| message.encode().into()))
    }

    /// What changes were made on top of that is neither held nor among them.
    fn missing_below(&self, changes: &[u8]) -> Result<BTreeSet<Hash>, GateError> {
        let (mut below, mut among) = (BTreeSet::new(), BTreeSet::new());
        for chunk in Chunks::new(changes, &mut Budget::new(changes.len())) {
            let chunk = chunk?;
            if chunk.kind == ChunkKind::Change {
                below.extend(Change::parse(&chunk.body)?.dependencies);
                among.insert(chunk.hash);
            }
        }
        Ok(below.difference(&among).filter(|hash| !self.holds(hash)).copied().collect())
    }

    /// Whether the peer holds everything that was held here at a version, as far as it has said.
    pub fn peer_holds(&self, conversation: &Conversation, version: &[u8]) -> Result<bool, Damaged> {
        let Some(theirs) = &conversation.state.their_heads else { return Ok(false) };
        self.read_committed(|document| {
            let shared: Vec<_> =
                theirs.iter().filter(|head| super::document::has(document, &head.0)).copied().collect();
            let lacking: BTreeSet<[u8; HASH_BYTES]> =
                document.get_changes(&shared).iter().map(|change| change.hash().0).collect();
            version.as_chunks::<HASH_BYTES>().0.iter().all(|head| !lacking.contains(head))
        })
    }

    /// Whether a change is held.
    #[must_use]
    pub fn holds(&self, hash: &[u8; 32]) -> bool {
        self.read_committed(|document| super::document::has(document, hash)).unwrap_or(false)
    }

    fn with_committed<T>(
        &mut self,
        work: impl FnOnce(&mut Library) -> Result<T, automerge::AutomergeError>,
    ) -> Result<T, Damaged> {
        let document = self.committed()?;
        contained(|| work(document)).inspect_err(|_| self.lose())
    }
}

/// Who says anything of itself understands what came with that.
fn capabilities(flags: MessageFlags) -> Vec<Capability> {
    let resets = flags.contains(MessageFlags::SUPPORTS_SYNC_RESET).then_some(Capability::SyncReset);
    [Capability::MessageV2].into_iter().chain(resets).collect()
}

/// Reads a message whose form has been checked: the library divides by what filters claim, and reserves what lists claim.
fn decode(bytes: &[u8]) -> Result<Message, ReceiveError> {
    check_message(bytes)?;
    let message = contained(|| Ok(Message::decode(bytes))).map_err(|error| malformed(error.reason))?;
    Ok(message.map_err(|error| malformed(error.to_string()))?)
}

/// Whether bytes have the form of a sync message. What it brings may be refused all the same.
pub fn check_message(bytes: &[u8]) -> Result<(), GateError> {
    if bytes.len() > MAX_FOREIGN_UPDATE_BYTES {
        return Err(GateError::Limit { what: "a sync message", limit: MAX_FOREIGN_UPDATE_BYTES as u64 });
    }
    let mut reader = Reader::new(bytes);
    if !MESSAGE_TYPES.contains(&reader.byte()?) {
        return Err(malformed("this is no sync message"));
    }
    skip_hashes(&mut reader)?;
    skip_hashes(&mut reader)?;
    for _ in 0..reader.length()? {
        skip_hashes(&mut reader)?;
        check_filter(reader.bytes()?)?;
    }
    for _ in 0..reader.length()? {
        reader.bytes()?;
    }
    if !reader.is_empty() {
        reader.bytes()?;
    }
    Ok(())
}

fn skip_hashes(reader: &mut Reader<'_>) -> Result<(), GateError> {
    for _ in 0..reader.length()? {
        reader.array::<HASH_BYTES>()?;
    }
    Ok(())
}

/// A filter is empty, or as large as it says.
fn check_filter(filter: &[u8]) -> Result<(), GateError> {
    if filter.is_empty() {
        return Ok(());
    }
    let mut reader = Reader::new(filter);
    let (entries, bits, probes) = (reader.unsigned()?, reader.unsigned()?, reader.unsigned()?);
    let bytes = entries.checked_mul(bits).map(|bits| bits.div_ceil(8));
    let sound =
        entries > 0 && (1..=MAX_FILTER_BITS).contains(&bits) && (1..=MAX_FILTER_PROBES).contains(&probes);
    if sound && bytes == Some(reader.rest().len() as u64) {
        return Ok(());
    }
    Err(malformed("a filter that no Automerge would make"))
}
