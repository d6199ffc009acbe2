//! What the engine costs beside the bare libraries, in one run: `cargo bench -p syncline --bench engine`, followed by
//! `-- local`, `-- durable`, `-- opening` or `-- 'yjs local'` and the like for a part of it.
//!
//! The edits are those of a text being written: mostly a character behind the last one, sometimes a jump, sometimes
//! some characters deleted. Bare means what any program must do to keep a document and tell others of each edit:
//! perform it in a transaction of its own and take the update it made. Rounds of both sides alternate, so that
//! noise of the machine falls on all alike; medians are printed, and their ratio.

use std::time::{Duration, Instant};

use automerge::transaction::Transactable;
use automerge::{AutoCommit, ObjType, ROOT, ReadDoc};
use syncline::{
    Document, Durability, Engine, Family, Kind, MemoryStorage, Operation, Path, Saved, Spec, SqliteStorage,
    Storage, Value,
};
use syncline_core::random::Random;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use yrs::updates::decoder::Decode;
use yrs::{Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text, Transact, Update};

/// Edits of a round of the comparison.
const EDITS: usize = 20_000;

/// Edits of the long document.
const LONG: usize = 260_000;

/// How often the writer goes to another place in a script; yrs walks over what every one of them left behind.
const JUMPS: f64 = 400.0;

/// Rounds of each side.
const ROUNDS: usize = 5;

/// How often the long document is opened.
const OPENINGS: usize = 25;

/// One edit of the text: where, how many characters go, what comes.
struct Edit(usize, usize, String);

fn main() {
    let runtime = Runtime::new().expect("a runtime");
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let wanted = |name: &str| filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()));
    let edits = script(EDITS);
    for family in [Family::Yjs, Family::Automerge] {
        if wanted(&format!("{family} local")) {
            local_edits(&runtime, family, &edits);
        }
        if wanted(&format!("{family} durable")) {
            durable_edits(&runtime, family, &edits);
        }
        if wanted(&format!("{family} opening")) {
            opening(&runtime, family);
        }
    }
}

/// A text being written, from one seed.
fn script(count: usize) -> Vec<Edit> {
    let (mut random, mut len, mut cursor) = (Random::new(7), 0, 0);
    let mut edits = Vec::with_capacity(count);
    for _ in 0..count {
        if random.chance(JUMPS / count as f64) {
            cursor = random.index(len + 1);
        }
        let delete = if random.chance(0.1) { random.index(4).min(len - cursor) } else { 0 };
        let letter = char::from(b'a' + u8::try_from(random.below(26)).unwrap_or_default());
        edits.push(Edit(cursor, delete, letter.to_string()));
        len = len - delete + 1;
        cursor += 1;
    }
    edits
}

fn local_edits(runtime: &Runtime, family: Family, edits: &[Edit]) {
    let (mut bare, mut engine) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(bare_edits(family, edits).0);
        engine.push(runtime.block_on(engine_edits(family, edits, MemoryStorage::new())));
    }
    compare(&format!("{family}: {} local edits, memory", edits.len()), &mut bare, &mut engine);
}

/// The time and the document's encoding.
fn bare_edits(family: Family, edits: &[Edit]) -> (Duration, Vec<u8>) {
    match family {
        Family::Automerge => bare_automerge(edits),
        Family::Yjs | Family::Toy => bare_yrs(edits),
    }
}

fn bare_yrs(edits: &[Edit]) -> (Duration, Vec<u8>) {
    let doc = Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::default() });
    let text = doc.get_or_insert_text("text");
    let (started, mut bytes) = (Instant::now(), 0);
    for Edit(at, delete, insert) in edits {
        let mut txn = doc.transact_mut();
        text.remove_range(&mut txn, *at as u32, *delete as u32);
        text.insert(&mut txn, *at as u32, insert);
        bytes += txn.encode_update_v1().len();
    }
    assert!(bytes > edits.len(), "every edit made an update");
    (started.elapsed(), doc.transact().encode_diff_v1(&StateVector::default()))
}

fn bare_automerge(edits: &[Edit]) -> (Duration, Vec<u8>) {
    let mut doc = AutoCommit::new();
    let text = doc.put_object(ROOT, "text", ObjType::Text).expect("a text");
    let (started, mut bytes) = (Instant::now(), 0);
    for Edit(at, delete, insert) in edits {
        doc.splice_text(&text, *at, *delete as isize, insert).expect("an edit");
        doc.commit();
        bytes += doc.get_last_local_change().expect("a change").raw_bytes().len();
    }
    assert!(bytes > edits.len(), "every edit made a change");
    (started.elapsed(), doc.save())
}

async fn open(storage: impl Storage + 'static, family: Family) -> (Engine, Document) {
    let engine = Engine::builder(storage).open().expect("an engine");
    let document = engine.document("text", Spec { family, kind: Kind::Text }).await.expect("a document");
    (engine, document)
}

fn write(document: &Document, edits: &[Edit]) {
    for Edit(at, delete, insert) in edits {
        let path = Path::root().child(Kind::TEXT_KEY);
        let splice = Operation::Splice { path, at: *at, delete: *delete, insert: insert.clone() };
        document.perform(splice).expect("an edit");
    }
}

/// The time until the last edit is made and seen by the application.
async fn engine_edits(family: Family, edits: &[Edit], storage: impl Storage + 'static) -> Duration {
    let (engine, document) = open(storage, family).await;
    let started = Instant::now();
    write(&document, edits);
    let made = started.elapsed();
    document.saved(Saved::Local).await.expect("saved");
    engine.close().await;
    made
}

/// How many edits a second are made and reported durable by a store on this disk.
fn durable_edits(runtime: &Runtime, family: Family, edits: &[Edit]) {
    let mut rounds: Vec<Duration> =
        (0..ROUNDS).map(|_| runtime.block_on(durable_round(family, edits))).collect();
    let rate = edits.len() as f64 / median(&mut rounds).as_secs_f64();
    println!("{family}: durable edits, SQLite, full: {rate:.0} a second");
}

async fn durable_round(family: Family, edits: &[Edit]) -> Duration {
    let folder = TempDir::new().expect("a folder");
    let (engine, document) = open(store(&folder), family).await;
    let started = Instant::now();
    for part in edits.chunks(1_000) {
        write(&document, part);
        tokio::task::yield_now().await;
    }
    document.saved(Saved::Local).await.expect("saved");
    let taken = started.elapsed();
    engine.close().await;
    taken
}

fn store(folder: &TempDir) -> SqliteStorage {
    let options = syncline::storage::Options { durability: Durability::Full, ..Default::default() };
    SqliteStorage::open(folder.path().join("app.db"), options).expect("a store")
}

/// Opening a long document from a store that is open already, beside loading its encoding with the library.
fn opening(runtime: &Runtime, family: Family) {
    let folder = TempDir::new().expect("a folder");
    let edits = script(LONG);
    let encoding = bare_edits(family, &edits).1;
    let expected = bare_load(family, &encoding).1;
    runtime.block_on(write_long(&folder, family, &edits));
    let (mut bare, mut engine) = (Vec::new(), Vec::new());
    for _ in 0..OPENINGS {
        bare.push(bare_load(family, &encoding).0);
        let (taken, text) = runtime.block_on(engine_load(&folder, family));
        assert!(text == expected, "both hold the same text");
        engine.push(taken);
    }
    compare(&format!("{family}: opening a document of {LONG} edits"), &mut bare, &mut engine);
    let bytes = std::fs::metadata(folder.path().join("app.db")).map_or(0, |found| found.len());
    println!("  {} bytes encoded by the library, {bytes} in the store", encoding.len());
}

async fn write_long(folder: &TempDir, family: Family, edits: &[Edit]) {
    let (engine, document) = open(store(folder), family).await;
    for part in edits.chunks(8_000) {
        write(&document, part);
        document.saved(Saved::Local).await.expect("saved");
    }
    document.compact().await;
    document.saved(Saved::Local).await.expect("saved");
    engine.close().await;
}

fn bare_load(family: Family, encoding: &[u8]) -> (Duration, String) {
    let started = Instant::now();
    match family {
        Family::Automerge => {
            let doc = automerge::Automerge::load(encoding).expect("a document");
            let taken = started.elapsed();
            let (_, text) = doc.get(ROOT, "text").expect("a key").expect("a text");
            (taken, doc.text(&text).expect("a text"))
        }
        Family::Yjs | Family::Toy => {
            let doc = Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::default() });
            let text = doc.get_or_insert_text("text");
            let update = Update::decode_v1(encoding).expect("an update");
            doc.transact_mut().apply_update(update).expect("an update");
            (started.elapsed(), text.get_string(&doc.transact()))
        }
    }
}

async fn engine_load(folder: &TempDir, family: Family) -> (Duration, String) {
    let engine = Engine::builder(store(folder)).open().expect("an engine");
    engine.list().await.expect("the store answers");
    let started = Instant::now();
    let document = engine.document("text", Spec { family, kind: Kind::Text }).await.expect("a document");
    let taken = started.elapsed();
    let text = match document.value(&Path::root().child(Kind::TEXT_KEY)) {
        Some(Value::Text(text)) => text,
        _ => String::new(),
    };
    engine.close().await;
    (taken, text)
}

fn compare(what: &str, bare: &mut [Duration], engine: &mut [Duration]) {
    let (bare, engine) = (median(bare), median(engine));
    let ratio = engine.as_secs_f64() / bare.as_secs_f64();
    println!("{what}: bare {bare:.1?}, engine {engine:.1?}, {ratio:.2} times");
}

fn median(rounds: &mut [Duration]) -> Duration {
    rounds.sort_unstable();
    rounds[rounds.len() / 2]
}
