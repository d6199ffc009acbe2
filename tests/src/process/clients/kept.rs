//! What a client was told is kept: the relay is killed the moment that a library reports an update confirmed, and has it
//! when it is back.

use serde_json::json;

use super::edit::mark;
use super::{Client, Edit, Kind};
use crate::process::relay::Relay;

/// Kinds whose libraries report confirmations one by one.
pub const CONFIRMED: [Kind; 4] = [Kind::Hocuspocus, Kind::Hocuspocus3, Kind::YSweet, Kind::Automerge];

/// An author, whose updates are confirmed, and a reader, who knows only what the relay tells.
pub struct Keeping {
    relay: Relay,
    author: Client,
    reader: Client,
    doc: String,
}

impl Keeping {
    /// Opens a document for an author; `None` where the clients are not installed.
    #[must_use]
    pub fn of(kind: Kind) -> Option<Self> {
        let (mut author, reader) = (Client::start(kind, "ada")?, Client::start(kind, "ben")?);
        let relay = Relay::start();
        let doc = (kind != Kind::Automerge).then_some("kept");
        let doc = author.open(&relay, doc, json!({}));
        Some(Self { relay, author, reader, doc })
    }

    /// The author edits, and the relay is killed when that is confirmed. A reader finds it at the next relay, which the
    /// author does not reach.
    ///
    /// # Panics
    /// If the relay has lost what it confirmed.
    pub fn is_kept(&mut self, number: usize) {
        let Self { relay, author, reader, doc } = self;
        author.wait(json!({ "connected": true, "synced": true, "unsynced": 0 }));
        let edits: serde_json::Value = Edit::marks("ada", number).iter().map(Edit::to_json).collect();
        let driver = author.driver();
        // Without a pause in between, in which a confirmation would be old when it is noticed.
        let edited = driver.send("edit", "ada", json!({ "edits": edits }));
        let killed = driver.kill_when("ada", &json!({ "unsynced": 0 }), relay.process().pid());
        driver.answer(edited);
        driver.answer(killed);
        relay.process().wait();
        author.leave();
        relay.restart();
        reader.open(relay, Some(doc), json!({}));
        // At once: there is nobody whom it could come from later.
        let document: serde_json::Value = serde_json::from_str(&reader.read()).expect("JSON");
        assert_eq!(document["map"]["ada"], mark("ada", number)["map"]["ada"], "{} {number}", author.kind());
        reader.close();
        author.come_back();
    }
}
