//! Who is present: two clients of one kind see each other, and one of them goes, in one way or another.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::driver::Request;
use super::{Client, Kind};
use crate::process::relay::Relay;

/// Two clients at one document.
pub struct Pair {
    relay: Relay,
    ada: Client,
    ben: Client,
    doc: String,
}

/// Somebody is going, and somebody else has been asked to tell when he no longer sees him.
pub struct Parting {
    gone: Request,
    since: Instant,
}

/// What somebody says of himself.
fn state(name: &str, at: usize) -> Json {
    json!({ "name": name, "colour": "#a1b2c3", "cursor": { "at": at, "in": ["text", "🦀"] } })
}

impl Pair {
    /// Opens a document for two clients, with presence; `None` where the clients are not installed.
    #[must_use]
    pub fn of(kind: Kind) -> Option<Self> {
        let (mut ada, mut ben) = (Client::start(kind, "ada")?, Client::start(kind, "ben")?);
        let relay = Relay::start();
        let doc = (kind != Kind::Automerge).then_some("present");
        let doc = ada.open(&relay, doc, json!({ "presence": state("ada", 1) }));
        ben.open(&relay, Some(&doc), json!({ "presence": state("ben", 1) }));
        let mut pair = Self { relay, ada, ben, doc };
        pair.see_each_other(1);
        Some(pair)
    }

    /// Waits until each is shown the other as he is.
    pub fn see_each_other(&mut self, at: usize) {
        self.ada.wait(json!({ "present": state("ben", at), "others": 1 }));
        self.ben.wait(json!({ "present": state("ada", at), "others": 1 }));
    }

    /// Both say something else of themselves.
    pub fn move_on(&mut self, at: usize) {
        self.ada.ask("presence", json!({ "state": state("ada", at) }));
        self.ben.ask("presence", json!({ "state": state("ben", at) }));
    }

    /// Ada closes the document, as applications should.
    pub fn close(&mut self) -> Parting {
        let parting = self.part();
        self.ada.close();
        parting
    }

    /// Ada opens it again.
    pub fn reopen(&mut self, at: usize) {
        self.ada.open(&self.relay, Some(&self.doc), json!({ "presence": state("ada", at) }));
    }

    /// Ada's process is killed, and another one takes its place, which has no document open.
    ///
    /// # Panics
    /// If there is none to take its place.
    pub fn kill(&mut self) -> Parting {
        let parting = self.part();
        let next = Client::start(self.ada.kind(), "ada").expect("what was installed is");
        std::mem::replace(&mut self.ada, next).kill();
        parting
    }

    /// Ada's process stands still, and its connection stays.
    pub fn freeze(&mut self) -> Parting {
        let parting = self.part();
        self.ada.driver().freeze();
        parting
    }

    /// Whether it connects again by itself.
    #[must_use]
    pub const fn comes_back(&self) -> bool {
        self.ada.kind().comes_back()
    }

    /// It goes on.
    pub fn thaw(&mut self) {
        self.ada.driver().thaw();
    }

    fn part(&mut self) -> Parting {
        let gone = self.ben.await_that(&json!({ "others": 0 }));
        Parting { gone, since: Instant::now() }
    }

    /// After how long Ben no longer sees Ada.
    pub fn parted(&mut self, how: &str, parting: Parting) -> Duration {
        self.ben.driver().answer(parting.gone);
        let after = parting.since.elapsed();
        println!("{}: gone {after:.2?} after it {how}", self.ben.kind());
        after
    }

    /// Nobody complains.
    ///
    /// # Panics
    /// If somebody does.
    pub fn is_content(&mut self) {
        assert_eq!((self.ada.driver().reports(), self.ben.driver().reports()), (Vec::new(), Vec::new()));
    }
}
