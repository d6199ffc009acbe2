//! What was done to a document, as far as its log still tells it apart.

use syncline_core::entry::{Body, Touch};
use syncline_core::id::{EntryId, Principal};
use syncline_core::log::Log;
use syncline_core::operation::Operation;
use syncline_core::time::Time;
use syncline_core::wire::decode_operations;

/// The history of a document: a snapshot of unnamed edits, and the edits behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// How many edits were merged into the snapshot. What each of them did is no longer told apart.
    pub merged: u64,
    /// The edits behind the snapshot, in the order in which this store got them.
    pub edits: Vec<PastEdit>,
}

/// One edit of the past.
#[derive(Clone, Debug, PartialEq)]
pub struct PastEdit {
    /// Its name, the same on every store.
    pub id: EntryId,
    /// On whose behalf it was made.
    pub author: Principal,
    /// When, by the author's clock.
    pub time: Time,
    /// What it did.
    pub deed: Deed,
}

/// What an edit did.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// It was made on this store, of these operations.
    Operations(Vec<Operation>),
    /// It was made elsewhere: an update of some bytes, which names the registers and containers it touched, but not
    /// what it did inside of texts, lists and counters.
    Update {
        /// The update's size.
        bytes: usize,
        /// Registers written and containers made or removed.
        touched: Vec<Touch>,
    },
    /// A relay found that nobody can apply an edit, and said so for everybody to skip it.
    Void(EntryId),
}

impl History {
    /// What a log tells.
    pub(crate) fn of(log: &Log) -> Self {
        let covered = log.base().map(|base| base.covers.iter().map(|last| last.counter));
        let merged = covered.into_iter().flatten().fold(0, u64::saturating_add);
        let edits = log.after(log.base_offset()).map(|stored| PastEdit {
            id: stored.entry.id,
            author: stored.entry.author.clone(),
            time: stored.entry.time,
            deed: match (&stored.entry.body, &stored.operations) {
                (Body::Void(id), _) => Deed::Void(*id),
                (Body::Update(update) | Body::Foreign(update), Some(operations)) => {
                    decode_operations(operations)
                        .map_or_else(|_| Deed::update(update.len(), &stored.entry.touched), Deed::Operations)
                }
                (Body::Update(update) | Body::Foreign(update), None) => {
                    Deed::update(update.len(), &stored.entry.touched)
                }
            },
        });
        Self { merged, edits: edits.collect() }
    }
}

impl Deed {
    fn update(bytes: usize, touched: &[Touch]) -> Self {
        Self::Update { bytes, touched: touched.to_vec() }
    }
}
