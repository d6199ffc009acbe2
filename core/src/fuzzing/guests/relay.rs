//! A relay that has one document for guests, over a disk that is done at once.

use std::collections::BTreeMap;

use automerge::{Automerge as LibraryAutomerge, ReadDoc};
use bytes::Bytes;
use yrs::updates::decoder::Decode;
use yrs::{Doc, OffsetKind, Options, ReadTxn, Transact, Update};

use super::{hold_alike, made_of, read};
use crate::crdt;
use crate::entry::{Family, MAX_UPDATE_BYTES, Seen, Spec};
use crate::event::{Input, Output, StoredDocument};
use crate::fuzzing::commit;
use crate::id::{DocId, Principal};
use crate::log::Log;
use crate::replica::{Config, ContributeError, Guest, Policy, Replica};
use crate::time::Time;
use crate::wire::Encoding;

/// What every clock shows.
const NOW: Time = Time(1_000_000);

/// The relay.
pub struct Relay {
    replica: Replica,
    documents: BTreeMap<DocId, StoredDocument>,
    doc: DocId,
}

impl Relay {
    /// A relay with an empty document that is built for guests.
    pub fn new(spec: Spec) -> Self {
        let doc = DocId::new("doc").expect("a name");
        let replica = Replica::new(config(Policy::relay()));
        let mut relay = Self { replica, documents: BTreeMap::new(), doc };
        relay.replica.host(NOW, &relay.doc, Some(spec));
        relay.settle();
        relay.replica.build(NOW, &relay.doc);
        relay.settle();
        relay
    }

    /// An id for a new guest.
    pub fn guest(&mut self) -> Guest {
        let author = Principal::new("guest").expect("a name");
        Guest { replica: self.replica.new_guest(), author, seen: Seen::default() }
    }

    /// Takes in an update. Panics if a refusal changes anything, or if entries are not what was promised.
    pub fn contribute(&mut self, guest: &Guest, update: &[u8]) -> Result<usize, ContributeError> {
        let before = (self.head(), self.version(), self.read());
        let receive = |exchange: &mut dyn crdt::Exchange, replicas: &_| {
            exchange.receive(replicas, update).map(|updates| (updates, ()))
        };
        let contributed = self.replica.contribute(NOW, &self.doc, guest, receive);
        self.settle();
        match contributed {
            Ok(contributed) => {
                assert_eq!(self.head(), before.0 + contributed.entries as u64);
                assert_eq!(contributed.offset, self.head());
                let sizes = self.updates().into_iter().map(|update| update.len());
                assert!(sizes.max().unwrap_or(0) <= MAX_UPDATE_BYTES, "an entry is too large for replicas");
                Ok(contributed.entries)
            }
            Err(error) => {
                let after = (self.head(), self.version(), self.read());
                assert_eq!(after, before, "{error}, and something has changed");
                Err(error)
            }
        }
    }

    /// What the document holds.
    pub fn version(&self) -> Bytes {
        self.replica.version(&self.doc).expect("a document tells its version")
    }

    /// What somebody lacks.
    pub fn missing(&mut self, version: &[u8]) -> Bytes {
        let exchange = self.replica.exchange(&self.doc).expect("it is built");
        exchange.missing(version).expect("a version that a document has told")
    }

    /// What the document shows.
    pub fn read(&self) -> String {
        read(self.replica.document(&self.doc).expect("it is built"))
    }

    /// What was appended.
    pub fn updates(&self) -> Vec<Bytes> {
        let entries = self.documents[&self.doc].entries.iter();
        entries.filter_map(|stored| stored.entry.body.update().cloned()).collect()
    }

    /// Whoever has the log can make the document: by its updates alone, and as a replica that loads it. What is read of
    /// forged blocks may differ, as the order of neighbours that no real client would have named depends on which of them
    /// came first.
    pub fn check_log(&self, spec: Spec, forged: bool) {
        let made = made_of(spec, &self.updates());
        let mut fresh = Replica::new(config(Policy::client()));
        fresh.open(NOW, &self.doc, None);
        let stored = self.documents[&self.doc].clone();
        fresh.handle(NOW, Input::Loaded { doc: self.doc.clone(), result: Ok(Some(stored)) });
        let loaded = fresh.document(&self.doc).expect("the log loads");
        let here = self.replica.document(&self.doc).expect("it is built");
        for other in [&*made, loaded] {
            match (spec.family, forged) {
                (Family::Yjs, true) => assert!(hold_alike(other, here), "the log makes another document"),
                _ => assert_eq!(read(other), read(here), "the log makes another document"),
            }
        }
    }

    fn head(&self) -> u64 {
        self.replica.log(&self.doc).map_or(0, Log::head)
    }

    fn settle(&mut self) {
        while let Some(output) = self.replica.poll() {
            match output {
                Output::Write { id, write } => {
                    commit(&mut self.documents, write);
                    self.replica.handle(NOW, Input::Written { write: id });
                }
                Output::Load { doc } => {
                    let result = Ok(self.documents.get(&doc).cloned());
                    self.replica.handle(NOW, Input::Loaded { doc, result });
                }
                Output::Merge(merge) => self.replica.handle(NOW, Input::Merged(merge.run())),
                Output::Send { .. } | Output::Close { .. } => panic!("nobody is linked to it"),
                Output::Event(_) => {}
            }
        }
    }
}

fn config(policy: Policy) -> Config {
    let (agent, principal) = ("fuzzing".to_owned(), Principal::new("relay").expect("a name"));
    Config { agent, principal, encoding: Encoding::Binary, compression: Vec::new(), seed: 1, policy }
}

/// The bare library of a family takes every update, and waits for nothing.
pub fn take_all(spec: Spec, updates: &[Bytes]) {
    match spec.family {
        Family::Yjs => {
            // Counting as Yjs does.
            let document =
                Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::default() });
            let mut txn = document.transact_mut();
            for update in updates {
                let update = Update::decode_v1(update).expect("what was appended is an update");
                txn.apply_update(update).expect("what was appended is merged");
                assert!(!txn.has_missing_updates(), "an update waits for others");
            }
        }
        Family::Automerge => {
            let mut document = LibraryAutomerge::new();
            let beginning = crdt::create(spec).snapshot().expect("a new document can be saved");
            document.load_incremental(&beginning).expect("what was saved can be loaded");
            for update in updates {
                document.load_incremental(update).expect("what was appended is merged");
                assert!(document.get_missing_deps(&[]).is_empty(), "a change waits for others");
            }
        }
        Family::Toy => {}
    }
}
