//! Compaction through a replica's own door: logs shrink, documents stay, and what was compacted opens again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use syncline_core::entry::{Family, Kind, Spec};
use syncline_core::event::{Input, Output, Snapshot, StoredDocument, StoredEntry, Write};
use syncline_core::id::{DocId, Principal};
use syncline_core::operation::{EditError, Operation};
use syncline_core::path::Path;
use syncline_core::replica::{Compaction, Config, Policy, Replica};
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
            Output::Merge(merge) => replica.handle(Time(1), Input::Merged(merge.run())),
            Output::Event(_) => {}
            other => panic!("not expected of a replica without peers: {other:?}"),
        }
    }
}

fn doc() -> DocId {
    DocId::new("notes").unwrap()
}

/// Somebody writes a text, and the store takes it all.
fn written(family: Family, awaits_relay: bool) -> (Replica, Disk) {
    let spec = Spec { family, kind: Kind::Text };
    let (mut replica, mut disk) = (replica(1, awaits_relay), Disk::default());
    replica.open(Time(1), &doc(), Some(spec));
    settle(&mut replica, &mut disk);
    for index in 0..600 {
        let operation = Operation::Splice {
            path: "/text".parse().unwrap(),
            at: index / 2,
            delete: usize::from(index % 5 == 4),
            insert: "é🦀x".chars().nth(index % 3).unwrap().to_string(),
        };
        replica.edit(Time(2), &doc(), |editor| editor.perform(operation) as Result<(), EditError>).unwrap();
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
