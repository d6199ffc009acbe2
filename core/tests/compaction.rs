//! Compaction through a replica's own door: logs shrink, documents stay, and what was compacted opens again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use syncline_core::entry::{Family, Kind, Spec};
use syncline_core::event::{Input, Output, Snapshot, StoredDocument, StoredEntry, Write};
use syncline_core::id::{DocId, Principal};
use syncline_core::operation::{EditError, Operation};
use syncline_core::path::Path;
use syncline_core::replica::{Compaction, Config, Merge, Policy, Replica};
use syncline_core::time::Time;
use syncline_core::value::Value;
use syncline_core::wire::Encoding;

/// A store as small as can be: the last snapshot and the entries behind it.
#[derive(Default)]
struct Disk {
    created: Option<(Spec, syncline_core::id::Epoch)>,
    snapshot: Option<std::sync::Arc<Snapshot>>,
    entries: BTreeMap<u64, StoredEntry>,
    compactions: usize,
    /// What was ever written of entries, and of snapshots.
    entry_bytes: usize,
    snapshot_bytes: usize,
}

impl Disk {
    fn write(&mut self, write: Write) {
        match write {
            Write::Create { spec, epoch, .. } => self.created = Some((spec, epoch)),
            Write::Append { entry, .. } => {
                self.entry_bytes += entry.entry.cost();
                self.entries.insert(entry.offset, entry);
            }
            Write::Compact { snapshot, .. } => {
                self.entries.retain(|offset, _| *offset > snapshot.offset);
                self.snapshot_bytes += snapshot.state.len();
                self.snapshot = Some(snapshot);
                self.compactions += 1;
            }
            other => panic!("not expected of a replica without peers: {other:?}"),
        }
    }

    fn stored(&self) -> Option<StoredDocument> {
        let (spec, epoch) = self.created?;
        Some(StoredDocument {
            spec,
            epoch,
            snapshot: self.snapshot.clone(),
            entries: self.entries.values().cloned().collect(),
            peers: Vec::new(),
            fences: Vec::new(),
            quarantined: Vec::new(),
        })
    }
}

/// Entries lighter than this are left alone.
const LEAST_BYTES: usize = 4_096;

fn replica(seed: u64, awaits_relay: bool) -> Replica {
    let compaction = Compaction { least_bytes: LEAST_BYTES, ratio: 1, keep_entries: 8 };
    Replica::new(Config {
        agent: "test".to_owned(),
        principal: Principal::new("ada").unwrap(),
        encoding: Encoding::Binary,
        compression: Vec::new(),
        seed,
        policy: Policy { awaits_relay, compaction, ..Policy::client() },
    })
}

/// Performs what the replica asks for, at once.
fn settle(replica: &mut Replica, disk: &mut Disk) {
    for merge in settle_but_merges(replica, disk) {
        replica.handle(Time(1), Input::Merged(merge.run()));
        settle(replica, disk);
    }
}

/// The same but for merges.
fn settle_but_merges(replica: &mut Replica, disk: &mut Disk) -> Vec<Merge> {
    let mut merges = Vec::new();
    while let Some(output) = replica.poll() {
        match output {
            Output::Write { id, write } => {
                disk.write(write);
                replica.handle(Time(1), Input::Written { write: id });
            }
            Output::Load { doc } => {
                let result = Ok(disk.stored());
                replica.handle(Time(1), Input::Loaded { doc, result });
            }
            Output::Merge(merge) => merges.push(merge),
            Output::Event(_) => {}
            other => panic!("not expected of a replica without peers: {other:?}"),
        }
    }
    merges
}

fn doc() -> DocId {
    DocId::new("notes").unwrap()
}

fn splice(at: usize, delete: usize, insert: &str) -> Operation {
    Operation::Splice { path: "/text".parse().unwrap(), at, delete, insert: insert.to_owned() }
}

fn perform(replica: &mut Replica, operation: Operation) {
    replica.edit(Time(2), &doc(), |editor| editor.perform(operation) as Result<(), EditError>).unwrap();
}

/// Somebody writes a text, and the store takes it all.
fn written(family: Family, awaits_relay: bool) -> (Replica, Disk) {
    let spec = Spec { family, kind: Kind::Text };
    let (mut replica, mut disk) = (replica(1, awaits_relay), Disk::default());
    replica.open(Time(1), &doc(), Some(spec));
    settle(&mut replica, &mut disk);
    for index in 0..600 {
        let insert = "é🦀x".chars().nth(index % 3).unwrap().to_string();
        perform(&mut replica, splice(index / 2, usize::from(index % 5 == 4), &insert));
        settle(&mut replica, &mut disk);
    }
    (replica, disk)
}

fn compacts_and_opens_again(family: Family) {
    let (replica, mut disk) = written(family, false);
    assert!(disk.compactions > 0, "nothing was compacted");
    assert!(disk.entries.len() < 300, "{} entries are left", disk.entries.len());
    assert!(disk.compactions <= disk.entry_bytes / LEAST_BYTES, "{} compactions", disk.compactions);
    assert!(disk.snapshot_bytes <= 2 * disk.entry_bytes, "bytes in proportion to what edits cost");
    let before = replica.document(&doc()).unwrap().value(&Path::root());
    assert!(matches!(&before, Some(Value::Map(map)) if !map.is_empty()));

    let mut replica = self::replica(2, false);
    replica.open(Time(3), &doc(), None);
    settle(&mut replica, &mut disk);
    assert_eq!(replica.document(&doc()).unwrap().value(&Path::root()), before);
}

#[test]
fn yjs_logs_are_compacted() {
    compacts_and_opens_again(Family::Yjs);
}

#[test]
fn automerge_logs_are_compacted() {
    compacts_and_opens_again(Family::Automerge);
}

/// Yjs forgets what was deleted, so that a log takes as much to merge as there is left of the document.
#[test]
fn a_log_of_yjs_is_as_short_however_much_was_written_before() {
    let (mut replica, mut disk) = (replica(1, false), Disk::default());
    replica.open(Time(1), &doc(), Some(Spec { family: Family::Yjs, kind: Kind::Text }));
    settle(&mut replica, &mut disk);
    let mut longest = 0;
    for index in 0..4_000 {
        perform(&mut replica, splice(index.min(50), 0, "x"));
        perform(&mut replica, splice(0, usize::from(index >= 50), ""));
        settle(&mut replica, &mut disk);
        longest = disk.entries.len().max(longest);
    }
    assert!(longest < 200, "{longest} entries at a time");
}

#[test]
fn what_has_come_while_a_log_was_merged_is_merged_next() {
    let (mut replica, mut disk) = (replica(1, false), Disk::default());
    replica.open(Time(1), &doc(), Some(Spec { family: Family::Yjs, kind: Kind::Text }));
    let mut merges = settle_but_merges(&mut replica, &mut disk);
    for at in 0..600 {
        perform(&mut replica, splice(at, 0, "x"));
        merges.extend(settle_but_merges(&mut replica, &mut disk));
    }
    let [first] = <[Merge; 1]>::try_from(merges).unwrap();
    assert!(!first.is_awaited(), "nobody has asked for it");
    replica.handle(Time(3), Input::Merged(first.run()));
    let next = settle_but_merges(&mut replica, &mut disk);
    assert_eq!(next.iter().map(Merge::is_awaited).collect::<Vec<_>>(), [false]);
    for merge in next {
        replica.handle(Time(3), Input::Merged(merge.run()));
    }
    replica.compact(&doc());
    let asked = settle_but_merges(&mut replica, &mut disk);
    assert_eq!(asked.iter().map(Merge::is_awaited).collect::<Vec<_>>(), [true]);
}

#[test]
fn what_the_last_session_left_is_merged_when_the_document_is_opened() {
    let (mut replica, mut disk) = (replica(1, false), Disk::default());
    replica.open(Time(1), &doc(), Some(Spec { family: Family::Yjs, kind: Kind::Text }));
    settle(&mut replica, &mut disk);
    for at in 0..600 {
        perform(&mut replica, splice(at, 0, "x"));
        let _unheeded = settle_but_merges(&mut replica, &mut disk);
    }
    assert_eq!((disk.compactions, disk.entries.len()), (0, 600));
    let mut replica = self::replica(2, false);
    replica.open(Time(3), &doc(), None);
    settle(&mut replica, &mut disk);
    assert_eq!((disk.compactions, disk.entries.len()), (1, 8), "but for what is kept");
}

/// A relay may yet refuse them, and then the log begins again without them.
#[test]
fn what_no_relay_has_is_kept_apart() {
    for family in [Family::Yjs, Family::Automerge] {
        let (mut replica, mut disk) = written(family, true);
        replica.compact(&doc());
        settle(&mut replica, &mut disk);
        assert_eq!((disk.compactions, disk.entries.len()), (0, 600), "{family}");
    }
}
