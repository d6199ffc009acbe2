//! Numbers for whoever runs a replica: what it has done since it was made, and what it has in its hands now.

use super::Replica;
use super::connection::Connection;
use super::content::Content;
use super::document::Document;
use crate::id::DocId;

/// What a replica has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries that peers have sent and that were new.
    pub entries_in: u64,
    /// Entries that peers were sent, each counted for each of them.
    pub entries_out: u64,
    /// Entries of peers that were refused.
    pub refused: u64,
    /// Messages of peers about who is present.
    pub presence_in: u64,
    /// Messages to peers about that.
    pub presence_out: u64,
    /// How often a document was opened that was in memory, or on its way there.
    pub found: u64,
    /// How often the store was asked for one.
    pub loaded: u64,
    /// How often one that was in memory was given up to make room.
    pub unloaded: u64,
    /// How often one was built for guests.
    pub built: u64,
    /// How often one that was built for guests was given up to make room, and only its log was kept.
    pub unbuilt: u64,
}

/// What a replica has in its hands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Documents that somebody has open here.
    pub open: usize,
    /// Those of them that are in memory.
    pub loaded: usize,
    /// Those of these that are held as CRDTs, not only as logs behind a gate.
    pub built: usize,
    /// Writes that are not known to be on disk.
    pub unwritten: usize,
    /// Links that have not taken the last frame they were given, while more waits for them.
    pub behind: usize,
}

impl Replica {
    /// What was done so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.context.counts
    }

    /// Somebody opens a document: one that is in memory, or that somebody else is waiting for, is found. For any other the
    /// store is asked, which counts by itself.
    pub(super) fn count_opening(&mut self, doc: &DocId) {
        let found = self.documents.get(doc).is_some_and(|document| !document.is_resting());
        self.context.counts.found += u64::from(found);
    }

    /// What there is now. It looks at every document and every link.
    #[must_use]
    pub fn census(&self) -> Census {
        let contents = || self.documents.values().filter_map(Document::content);
        Census {
            open: self.documents.len(),
            loaded: contents().count(),
            built: contents().filter(|content| Content::is_built(content)).count(),
            unwritten: self.context.unwritten(),
            behind: self.connections.values().filter(|link| Connection::is_behind(link)).count(),
        }
    }
}
