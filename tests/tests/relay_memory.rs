//! A relay keeps to the memory that it is given for documents, however many are open.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use syncline::transports::WebSocket;
use syncline::{Document, Engine, Family, Kind, MemoryStorage, Operation, Saved, Spec, Value};
use syncline_core::random::Random;
use syncline_tests::process::memory;
use syncline_tests::process::relay::Relay;

const DOCUMENTS: usize = 2_000;

/// How many are touched at the same time.
const AT_ONCE: usize = 50;

/// What each of them holds: all of it together is much more than the relay may keep.
const BYTES: usize = 40 << 10;

/// What the relay may keep, in MiB.
const MEMORY: u64 = 8;

const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Tree };

/// Text that no compression makes small.
fn noise(number: usize) -> Value {
    let mut random = Random::new(number as u64);
    Value::String((0..BYTES).map(|_| char::from(b' ' + random.below(90) as u8)).collect())
}

async fn write(documents: &[Document], path: &str, value: impl Fn(usize) -> Value) {
    for (number, document) in documents.iter().enumerate() {
        document.perform(Operation::Put { path: path.parse().unwrap(), value: value(number) }).unwrap();
        if number % AT_ONCE == AT_ONCE - 1 {
            for document in &documents[number + 1 - AT_ONCE..=number] {
                document.saved(Saved::Relay).await.unwrap();
            }
        }
    }
}

async fn open(engine: &Engine) -> Vec<Document> {
    let mut documents = Vec::new();
    for number in 0..DOCUMENTS {
        documents.push(engine.document(&format!("d{number}"), SPEC).await.unwrap());
        if number % AT_ONCE == AT_ONCE - 1 {
            for document in &documents[number + 1 - AT_ONCE..] {
                document.in_sync().await.unwrap();
            }
        }
    }
    documents
}

#[tokio::test]
async fn documents_beyond_the_memory_of_a_relay_are_served() {
    let mut relay = Relay::with(&["--memory", &MEMORY.to_string(), "--durability", "normal"]);
    let engine = || Engine::builder(MemoryStorage::new()).relay(WebSocket::new(relay.url())).open().unwrap();
    let (ada, ben) = (engine(), engine());
    let before = memory::resident(relay.process().pid());
    let documents = open(&ada).await;
    write(&documents, "/content", noise).await;
    // They are all open still, and go on being edited and read.
    write(&documents, "/more", |number| Value::Int(number as i64)).await;
    let copies = open(&ben).await;
    for (number, document) in copies.iter().enumerate() {
        assert_eq!(document.value(&"/content".parse().unwrap()), Some(noise(number)));
        assert_eq!(document.value(&"/more".parse().unwrap()), Some(Value::Int(number as i64)));
    }
    let grown = memory::peak(relay.process().pid()) - before;
    let status = relay.status();
    let told = |name: &str| status[name].as_u64().unwrap();
    println!(
        "{DOCUMENTS} documents of {BYTES} bytes: the relay has {} of them and {} KiB, and grew by {} KiB at most",
        told("documents_loaded"),
        told("loaded_bytes") >> 10,
        grown >> 10
    );
    assert_eq!(told("documents_stored"), DOCUMENTS as u64);
    assert!(told("documents_loaded") > 0 && told("loaded_bytes") <= MEMORY << 20);
    // Besides documents there are the store, frames, and what an allocator keeps. Without a bound it is half as much again.
    assert!(grown < (DOCUMENTS * BYTES) as u64 / 4 * 3, "{grown}");
    ada.close().await;
    ben.close().await;
}
