//! One document of a connection: what both sides have told each other of it.

use syncline_core::crdt::ReceiveError;
use syncline_core::crdt::automerge::{Conversation, DocumentId};
use syncline_core::replica::ContributeError;
use tokio::time::Instant;

use super::remote_heads::Told;
use super::{PROMPT_MESSAGES, SYNC_TICK};
use crate::guests::line::End;
use crate::rooms::{Seat, is_gap};

/// A document that a client has spoken of and may read.
pub(super) struct Dialogue {
    pub id: DocumentId,
    pub seat: Seat,
    pub conversation: Conversation,
    /// What has been said of other stores.
    pub told: Told,
    /// The client has been told of nothing that is behind this in the log: its own changes are not on disk yet, and being
    /// told of them it takes them for kept.
    answer_after: u64,
    /// Whether it has asked for the document, and has heard neither what it holds nor that nobody has it.
    pub asked: bool,
    /// When it may be sent the next message.
    pub pace: Pace,
}

/// How messages follow each other: a few at once, and then one each [tick](SYNC_TICK).
pub(super) struct Pace {
    /// Until when it takes to have sent those that were sent, a tick each.
    takes_until: Instant,
}

impl Pace {
    const fn new(now: Instant) -> Self {
        Self { takes_until: now }
    }

    /// A message was sent.
    pub(super) fn note(&mut self, now: Instant) {
        self.takes_until = self.takes_until.max(now) + SYNC_TICK;
    }

    /// From when on another one may be sent.
    pub(super) fn next(&self) -> Instant {
        self.takes_until.checked_sub(SYNC_TICK * (PROMPT_MESSAGES - 1)).unwrap_or(self.takes_until)
    }
}

impl Dialogue {
    pub(super) fn new(id: DocumentId, seat: Seat, may_write: bool) -> Self {
        let conversation = if may_write { Conversation::default() } else { Conversation::read_only() };
        Self {
            id,
            seat,
            conversation,
            told: Told::default(),
            answer_after: 0,
            asked: false,
            pace: Pace::new(Instant::now()),
        }
    }

    /// The client sends a sync message.
    pub(super) async fn hear(&mut self, message: &[u8]) -> Result<(), End> {
        let guest = self.seat.guest();
        let conversation = &mut self.conversation;
        let heard = self.seat.room().contribute_with(&guest, |exchange, replicas| {
            let document = exchange.automerge().ok_or(ReceiveError::Refused(not_automerge()))?;
            let heard = document.hear(conversation, replicas, message)?;
            Ok((heard.updates, heard.in_sync))
        });
        let heard = heard.await?;
        self.seat.connection().contributed(&heard);
        match heard {
            Ok(heard) => {
                if heard.value {
                    self.seat.holds_all();
                }
                if heard.entries > 0 {
                    self.answer_after = heard.offset;
                }
                Ok(())
            }
            // The relay has lost what it once held, or a replica has to bring it first.
            Err(error) if is_gap(&error) => {
                self.conversation.start_again();
                Ok(())
            }
            Err(error @ ContributeError::Refused(_)) => Err(error.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// The next message for the client, if there is one and it may be sent now; and up to where the log must be on disk
    /// before it is.
    pub(super) async fn speak(&mut self) -> Result<Option<(bytes::Bytes, u64)>, End> {
        let room = self.seat.room();
        if self.answer_after > room.durable() && self.answer_after > self.seat.await_durable() {
            return Ok(None);
        }
        let conversation = &mut self.conversation;
        let spoken = room.with_built(|replica, _| {
            let head = replica.log(room.doc()).map_or(0, syncline_core::log::Log::head);
            let document = replica.exchange(room.doc()).and_then(|exchange| exchange.automerge())?;
            Some(document.speak(conversation).map(|message| message.map(|message| (message, head))))
        });
        match spoken.await? {
            Some(spoken) => Ok(spoken?),
            None => Ok(None),
        }
    }

    /// Whether the document has any content to tell of.
    pub(super) async fn is_empty(&self) -> Result<bool, End> {
        let room = self.seat.room();
        let heads = room.with_built(|replica, _| replica.version(room.doc())).await?;
        Ok(heads.is_some_and(|heads| heads.is_empty()))
    }
}

fn not_automerge() -> syncline_core::crdt::GateError {
    syncline_core::crdt::GateError::Malformed { reason: "the document is none of Automerge".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_messages_follow_each_other_at_once_and_the_others_at_a_tick_until_it_was_quiet() {
        // The time begins some time before the first message.
        let now = Instant::now() + SYNC_TICK * PROMPT_MESSAGES;
        let mut pace = Pace::new(Instant::now());
        for _ in 0..PROMPT_MESSAGES {
            assert!(pace.next() <= now);
            pace.note(now);
        }
        assert_eq!(pace.next(), now + SYNC_TICK);
        pace.note(now + SYNC_TICK);
        assert_eq!(pace.next(), now + 2 * SYNC_TICK);
        let later = now + SYNC_TICK * (PROMPT_MESSAGES + 1);
        for _ in 0..PROMPT_MESSAGES {
            assert!(pace.next() <= later);
            pace.note(later);
        }
        assert_eq!(pace.next(), later + SYNC_TICK);
    }
}
