//! A node: a process that may die at any time, the store that outlives it, a clock, and the applications on it.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::id::DocId;
use syncline_core::replica::{Config, Replica};
use syncline_core::time::Time;

use super::disk::Disk;
use super::store::Store;
use super::world::Happening;

/// When the simulation begins, in milliseconds since the Unix epoch.
const BEGINNING: u64 = 1_800_000_000_000;

/// A node.
pub(super) struct Node {
    pub relay: bool,
    pub config: Config,
    pub store: Store,
    /// Older copies of the disk, and which saved edits each holds.
    pub backups: Vec<(Disk, BTreeSet<u64>)>,
    pub replica: Option<Replica>,
    /// Tells what was planned for this process from what was planned for an earlier one.
    pub incarnation: u32,
    /// How far the clock is ahead, in milliseconds.
    pub clock: i64,
    /// What happened while the process was paused, if it is.
    pub paused: Option<Vec<Happening>>,
    /// When the next tick is planned.
    pub tick_at: u64,
    pub apps: BTreeMap<DocId, App>,
    /// How many operations were just reported lost to refusals.
    pub lost: BTreeMap<DocId, usize>,
    /// How many were reported lost before and are not accounted for.
    pub surplus: BTreeMap<DocId, usize>,
    /// Markers of edits that were reported lost.
    pub told_lost: BTreeSet<u64>,
    /// Markers of edits that were reported saved on this disk.
    pub saved: BTreeSet<u64>,
}

/// What an application knows of one of its documents.
#[derive(Clone, Debug, Default)]
pub(super) struct App {
    pub phase: Phase,
    /// The document is read from the store anew, so tickets begin anew.
    pub fresh: bool,
    /// The markers of edits, by ticket.
    pub tickets: Vec<u64>,
    /// Up to which ticket edits were reported saved here, and at a relay.
    pub local: u64,
    pub relayed: u64,
    /// Markers that have been read.
    pub seen: BTreeSet<u64>,
}

/// Whether an application has a document open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Closed,
    Opening,
    Open,
}

impl Node {
    pub fn new(relay: bool, config: Config, disk: Disk) -> Self {
        Self {
            relay,
            config,
            store: Store::new(disk),
            backups: Vec::new(),
            replica: None,
            incarnation: 0,
            clock: 0,
            paused: None,
            tick_at: 0,
            apps: BTreeMap::new(),
            lost: BTreeMap::new(),
            surplus: BTreeMap::new(),
            told_lost: BTreeSet::new(),
            saved: BTreeSet::new(),
        }
    }

    /// What the node's clock shows.
    pub const fn time(&self, now: u64) -> Time {
        Time((BEGINNING + now).saturating_add_signed(self.clock))
    }

    /// When the node's clock will show a time; at once if it is past.
    pub const fn when(&self, time: Time) -> u64 {
        time.0.saturating_add_signed(-self.clock).saturating_sub(BEGINNING)
    }

    pub const fn is_awake(&self) -> bool {
        self.replica.is_some() && self.paused.is_none()
    }

    /// The documents that are open in applications here.
    pub fn open_documents(&self) -> Vec<DocId> {
        self.apps.iter().filter(|(_, app)| app.phase == Phase::Open).map(|(doc, _)| doc.clone()).collect()
    }
}
