//! Many at one document: everybody gets everything once, in little memory. How fast that is, `cargo xtask bench peers` tells.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use syncline::{DocId, Encoding, Family, Kind, Spec};
use syncline_core::id::Epoch;
use syncline_core::wire::Message;
use syncline_tests::process::guests::Behaved;
use syncline_tests::process::guests::yjs::Editor;
use syncline_tests::process::memory;
use syncline_tests::process::raw::Raw;
use syncline_tests::process::relay::Relay;
use tokio::task::JoinSet;

/// Clients of Yjs, who all write, and of our own protocol, who read.
const WRITERS: usize = 50;
const READERS: usize = 50;

/// What each of them writes.
const EDITS: i64 = 40;

/// All of that.
const ALL_EDITS: usize = WRITERS * EDITS as usize;

/// What the relay may take for all of them.
const MAX_MEMORY: u64 = 100_000_000;

const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Tree };

/// Writes, and takes in what the others write.
async fn write(mut editor: Editor, number: usize) -> Editor {
    for edit in 0..EDITS {
        editor.put(&format!("{number}-{edit}"), edit).await;
    }
    while editor.operations() < ALL_EDITS as u64 {
        editor.hear().await;
    }
    editor
}

/// Takes in everything, and nothing twice.
async fn read(mut reader: Raw) {
    let mut offsets = BTreeSet::new();
    while offsets.len() < ALL_EDITS {
        for message in reader.hear().await.unwrap() {
            if let Message::Entries { entries, .. } = message {
                entries.iter().for_each(|entry| assert!(offsets.insert(entry.offset), "twice"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_who_write_and_fifty_who_read_get_everything_once() {
    let mut relay = Relay::start();
    let (mut writers, mut readers) = (JoinSet::new(), JoinSet::new());
    let mut editors = Vec::new();
    for _ in 0..WRITERS {
        editors.push(Editor::join(relay.address(), "/yjs/d").await);
    }
    for number in 0..READERS {
        let mut reader = Raw::greeted(relay.address(), Encoding::Binary).await;
        reader.open(&DocId::new("d").unwrap(), SPEC, Epoch::new([number as u8 + 1; 16])).await;
        readers.spawn(read(reader));
    }
    editors.into_iter().enumerate().for_each(|(number, editor)| _ = writers.spawn(write(editor, number)));
    let editors = writers.join_all().await;
    readers.join_all().await;
    let keys = editors[0].json().as_object().unwrap().len();
    assert_eq!(keys, ALL_EDITS);
    assert!(editors.iter().all(|editor| editor.json() == editors[0].json()));
    let peak = memory::peak(relay.process().pid());
    assert!(peak < MAX_MEMORY, "{peak} bytes");
}
