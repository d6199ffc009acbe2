//! Which stores a client of automerge-repo wants to hear of, and what it says of its own and of others'.

use std::collections::BTreeSet;

use syncline_core::crdt::automerge::{Conversation, DocumentId, to_base58check};
use syncline_core::protocol::automerge_repo::{Message, StorageHeads, Writer};

use crate::rooms::{Holding, Room};

/// Most stores that one connection hears of.
pub(crate) const MAX_SUBSCRIPTIONS: usize = 1_000;

/// The part of a connection that has to do with that.
#[derive(Debug, Default)]
pub(super) struct RemoteHeads {
    /// The client's own store, if it has one.
    own: Option<String>,
    /// The stores that it wants to hear of.
    wanted: BTreeSet<String>,
}

/// What has been said of that in one document.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The heads that the client has named last.
    noted: Option<Vec<[u8; 32]>>,
    /// The version of what it has been told.
    version: u64,
}

impl Told {
    /// Has the client told everything once more that it wants to hear.
    pub const fn start_again(&mut self) {
        self.version = 0;
    }
}

impl RemoteHeads {
    pub fn of(join: &Message<'_>) -> Self {
        Self { own: join.storage.map(ToOwned::to_owned), wanted: BTreeSet::new() }
    }

    /// The client wants to hear of other stores from now on; true if there are new ones among them.
    pub fn change(&mut self, change: &Message<'_>) -> bool {
        change.remove.iter().for_each(|storage| _ = self.wanted.remove(*storage));
        let before = self.wanted.len();
        for storage in &change.add {
            if self.wanted.len() < MAX_SUBSCRIPTIONS {
                self.wanted.insert((*storage).to_owned());
            }
        }
        self.wanted.len() > before
    }

    /// The client has named its heads of a document, which others may want to hear.
    pub fn note_own(&self, told: &mut Told, conversation: &Conversation, room: &Room) {
        let (Some(storage), Some(heads)) = (&self.own, conversation.their_heads()) else { return };
        let heads: Vec<[u8; 32]> = heads.copied().collect();
        if told.noted.as_ref() == Some(&heads) {
            return;
        }
        let holding = Holding {
            storage: storage.clone(),
            heads: heads.iter().map(|head| to_base58check(head)).collect(),
            timestamp: room.node().with(|_, now| now.0),
        };
        room.note_holding(|storages| storages.note(holding));
        told.noted = Some(heads);
    }

    /// The client passes on what it has heard of other stores.
    pub fn note_others(&self, message: &Message<'_>, room: &Room) {
        // Whoever lives in the future would have the last word for ever.
        let now = room.node().with(|_, now| now.0);
        for StorageHeads { storage, heads, timestamp } in &message.heads {
            let heads = heads.iter().map(|head| (*head).to_owned()).collect();
            let timestamp = now.min(*timestamp);
            let holding = Holding { storage: (*storage).to_owned(), heads, timestamp };
            room.note_holding(|storages| storages.note_hearsay(holding));
        }
    }

    /// What the client is to be told of a document, but for whom it is from and for.
    pub fn news(
        &self,
        told: &mut Told,
        document: DocumentId,
        room: &Room,
    ) -> Option<impl Fn(&str, &str) -> Vec<u8>> {
        if self.wanted.is_empty() {
            return None;
        }
        let (news, version) = room.holdings_since(told.version, &self.wanted);
        told.version = version;
        (!news.is_empty()).then_some(move |from: &str, to: &str| {
            let writer = Writer::new(5, "remote-heads-changed", from).text("targetId", to);
            let heads: Vec<StorageHeads<'_>> = news.iter().map(as_heads).collect();
            writer.text("documentId", &document.to_string()).heads(&heads).done()
        })
    }
}

fn as_heads(holding: &Holding) -> StorageHeads<'_> {
    let Holding { storage, heads, timestamp } = holding;
    StorageHeads { storage, heads: heads.iter().map(String::as_str).collect(), timestamp: *timestamp }
}
