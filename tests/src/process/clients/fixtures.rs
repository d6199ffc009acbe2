//! Documents and updates that others have made: in through the endpoint of a client, out of another client that has never
//! heard of them.

pub mod automerge;
pub mod yjs;

use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::read::GzDecoder;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::client::opening;
use super::{Driver, Kind};
use crate::process::relay::Relay;

/// A relay, and two processes: what comes in from one goes out to the other.
pub struct Passage {
    kind: Kind,
    relay: Relay,
    writer: Driver,
    reader: Driver,
    /// How many documents there were.
    documents: usize,
}

/// The name of every client.
const CLIENT: &str = "client";

impl Passage {
    /// Starts all of it; `None` where the clients are not installed.
    #[must_use]
    pub fn of(kind: Kind) -> Option<Self> {
        let (writer, reader) = (Driver::start(kind)?, Driver::start(kind)?);
        Some(Self { kind, relay: Relay::start(), writer, reader, documents: 0 })
    }

    /// Opens a new document, with more fields, and has updates loaded into it one by one; the other client opens it.
    fn pass(&mut self, more: Json, updates: &[&[u8]]) {
        self.documents += 1;
        let named = (self.kind != Kind::Automerge).then(|| format!("fixture-{}", self.documents));
        let fields = opening(self.kind, &self.relay, named.as_deref(), more);
        let opened = self.writer.ask("open", CLIENT, fields);
        let loads: Vec<_> = updates
            .iter()
            .map(|update| {
                let fields = json!({ "update": BASE64_STANDARD.encode(update) });
                self.writer.send("load", CLIENT, fields)
            })
            .collect();
        loads.into_iter().for_each(|load| drop(self.writer.answer(load)));
        let made = opened["doc"].as_str().map(|url| url.trim_start_matches("automerge:").to_owned());
        let fields = opening(self.kind, &self.relay, made.or(named).as_deref(), json!({}));
        self.reader.ask("open", CLIENT, fields);
    }

    /// Waits until something holds of the client that reads.
    fn comes(&mut self, until: &Json) {
        let waiting = self.reader.await_that(CLIENT, until);
        self.reader.answer(waiting);
    }

    /// Closes the document for both, who complain if they are not even connected yet, as with an empty document.
    fn close(&mut self) {
        for driver in [&mut self.writer, &mut self.reader] {
            let connecting = driver.await_that(CLIENT, &json!({ "connected": true }));
            driver.answer(connecting);
            driver.ask("close", CLIENT, json!({}));
            assert_eq!(driver.reports(), [""; 0], "a library complains");
        }
    }
}

/// A file.
fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parsed(path: &Path) -> Json {
    serde_json::from_slice(&bytes(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn unzipped(path: &Path) -> Vec<u8> {
    let mut unzipped = Vec::new();
    GzDecoder::new(&bytes(path)[..]).read_to_end(&mut unzipped).expect("a file that was compressed");
    unzipped
}

/// The records of a stream: agent, transaction and length in four bytes each, and so many bytes.
fn records(stream: &[u8]) -> Vec<&[u8]> {
    const HEAD: usize = 12;
    let (mut rest, mut records) = (stream, Vec::new());
    while let Some((head, after)) = rest.split_at_checked(HEAD) {
        let length = u32::from_le_bytes(head[8..].try_into().expect("four bytes"));
        let (record, after) = after.split_at(length as usize);
        records.push(record);
        rest = after;
    }
    records
}

fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
