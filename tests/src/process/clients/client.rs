//! One client in a process of its own.

use serde_json::{Value as Json, json};

use super::driver::Request;
use super::{Driver, Edit, Kind};
use crate::process::relay::Relay;

/// How long clients wait before they connect again, in milliseconds, where that can be set. Some wait many seconds unless
/// they are told.
const RETRY_MILLIS: u64 = 100;

/// A client of one document at a time.
pub struct Client {
    kind: Kind,
    name: &'static str,
    driver: Driver,
}

/// What a library says of its document. What it does not tell is `None`.
#[derive(Debug)]
pub struct Status {
    /// Whether it is connected.
    pub connected: bool,
    /// Whether it has what the server has, as it calls it.
    pub synced: bool,
    /// Updates that the server has not confirmed.
    pub unsynced: Option<i64>,
    /// What its token lets it do.
    pub scope: Option<String>,
    /// Who it is connected to.
    pub peers: Option<Vec<String>>,
    /// How far the document is.
    pub doc_state: Option<String>,
    /// Codes and reasons with which its connections ended.
    pub closes: Vec<(Option<u64>, String)>,
    /// What it has told since it was asked last, in its own words.
    pub events: Vec<Json>,
}

impl Client {
    /// Starts a process for a client; `None` where its packages are not installed.
    #[must_use]
    pub fn start(kind: Kind, name: &'static str) -> Option<Self> {
        Some(Self { kind, name, driver: Driver::start(kind)? })
    }

    /// What sort of client it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its process.
    pub const fn driver(&mut self) -> &mut Driver {
        &mut self.driver
    }

    /// Kills its process.
    pub fn kill(self) {
        self.driver.kill();
    }

    /// Opens a document, or has one made where the library itself names it, and waits until it is there. Returns its name
    /// at the relay.
    ///
    /// # Panics
    /// If it does not come.
    pub fn open(&mut self, relay: &Relay, doc: Option<&str>, more: Json) -> String {
        let name = self.begin(relay, doc, more);
        self.wait(json!({ "connected": true, "ready": true, "synced": true }));
        name
    }

    /// Opens a document, whatever becomes of it.
    ///
    /// # Panics
    /// If it cannot even begin.
    pub fn begin(&mut self, relay: &Relay, doc: Option<&str>, more: Json) -> String {
        let fields = opening(self.kind, relay, doc, more);
        let opened = self.driver.ask("open", self.name, fields);
        let made = opened["doc"].as_str().map(|url| url.trim_start_matches("automerge:").to_owned());
        made.or_else(|| doc.map(ToOwned::to_owned)).expect("a document has a name")
    }

    /// Closes its document.
    pub fn close(&mut self) {
        self.ask("close", json!({}));
    }

    /// Asks something of it.
    #[track_caller]
    pub fn ask(&mut self, what: &str, fields: Json) -> Json {
        self.driver.ask(what, self.name, fields)
    }

    /// Makes edits, in one transaction.
    pub fn edit(&mut self, edits: &[Edit]) {
        let edits: Json = edits.iter().map(Edit::to_json).collect();
        self.ask("edit", json!({ "edits": edits }));
    }

    /// Waits until something holds.
    #[track_caller]
    pub fn wait(&mut self, until: Json) {
        let request = self.await_that(&until);
        self.driver.answer(request);
    }

    /// Asks to be told when something holds.
    pub fn await_that(&mut self, until: &Json) -> Request {
        self.driver.await_that(self.name, until)
    }

    /// The document as canonical JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn read(&mut self) -> String {
        self.ask("read", json!({}))["json"].as_str().expect("a document").to_owned()
    }

    /// Takes it off the network.
    pub fn leave(&mut self) {
        self.ask("disconnect", json!({}));
        self.wait(json!({ "connected": false }));
    }

    /// Lets it connect again.
    pub fn come_back(&mut self) {
        self.ask("connect", json!({}));
    }

    /// What the library says.
    pub fn status(&mut self) -> Status {
        Status::of(&self.ask("status", json!({})))
    }
}

/// What opens a document for a client of a kind.
///
/// # Panics
/// If what is to be added is not an object.
#[must_use]
pub fn opening(kind: Kind, relay: &Relay, doc: Option<&str>, more: Json) -> Json {
    let options = match kind {
        Kind::YWebsocket | Kind::YWebsocket2 | Kind::Pycrdt | Kind::YSweet => json!({}),
        Kind::Hocuspocus | Kind::Hocuspocus3 | Kind::Hocuspocus2 => {
            json!({ "delay": RETRY_MILLIS, "minDelay": RETRY_MILLIS, "jitter": false })
        }
        Kind::Automerge => json!({ "retryInterval": RETRY_MILLIS }),
    };
    let mut fields = json!({ "kind": kind.name(), "url": kind.url(relay.address()), "options": options });
    let opening = fields.as_object_mut().expect("it is an object");
    if let Some(doc) = doc {
        let doc = if kind == Kind::Automerge { format!("automerge:{doc}") } else { doc.to_owned() };
        opening.insert("doc".to_owned(), doc.into());
    }
    let Json::Object(more) = more else { panic!("no object: {more}") };
    opening.extend(more);
    fields
}

impl Status {
    fn of(answer: &Json) -> Self {
        let text = |name: &str| answer[name].as_str().map(ToOwned::to_owned);
        let list = |name: &str| answer[name].as_array().cloned();
        let words = |list: Vec<Json>| list.iter().filter_map(Json::as_str).map(ToOwned::to_owned).collect();
        let close =
            |close: &Json| (close["code"].as_u64(), close["reason"].as_str().unwrap_or_default().to_owned());
        Self {
            connected: answer["connected"] == true,
            synced: answer["synced"] == true,
            unsynced: answer["unsynced"].as_i64(),
            scope: text("scope"),
            peers: list("peers").map(words),
            doc_state: text("docState"),
            closes: list("closes").unwrap_or_default().iter().map(close).collect(),
            events: list("events").unwrap_or_default(),
        }
    }

    /// Whether it has told of an event with these fields.
    #[must_use]
    pub fn told(&self, wanted: &Json) -> bool {
        let fields = wanted.as_object().into_iter().flatten();
        let fields: Vec<_> = fields.collect();
        self.events.iter().any(|event| fields.iter().all(|(key, value)| event[key.as_str()] == **value))
    }
}
