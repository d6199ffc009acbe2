//! Who is present: two clients of one kind see each other, and one of them goes, in one way or another.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::driver::Request;
use super::{Client, Kind};
use crate::process::PATIENCE;
use crate::process::child::Running;
use crate::process::relay::Relay;
use crate::process::terminal::Terminal;

/// After how many milliseconds a client says once more where it is.
const GLANCE: u64 = 500;

/// Two clients at one document.
pub struct Pair {
    relay: Relay,
    ada: Client,
    ben: Client,
    doc: String,
}

/// A store that is present in the same document.
pub struct Onlooker {
    presence: Running,
    _store: Terminal,
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

impl Onlooker {
    /// Waits until these have come or gone, in any order.
    fn sees(&mut self, change: &str, names: &[&str]) {
        let mut left = names.to_vec();
        self.presence.wait_for("who comes and goes", |line| {
            let line: Json = serde_json::from_str(line).ok()?;
            if line["change"] == change {
                left.retain(|name| line["name"] != *name);
            }
            left.is_empty().then_some(())
        });
    }
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

    /// Waits until both see each other again. A client of automerge-repo that others have given up is seen only once it says
    /// something, and what it says before it has connected again nobody hears.
    ///
    /// # Panics
    /// If one does not come to see the other.
    pub fn meet_again(&mut self) {
        let speaks = self.ada.kind() == Kind::Automerge;
        let deadline = Instant::now() + PATIENCE;
        while speaks && Instant::now() < deadline {
            self.move_on(1);
            let glance = json!({ "until": { "present": state("ada", 1) }, "timeout": GLANCE });
            let waiting = self.ben.driver().send("wait", "ben", glance);
            if self.ben.driver().outcome(waiting).is_ok() {
                break;
            }
        }
        let spoken_too_soon = |report: &String| report.starts_with("Websocket not ready");
        assert!(self.ada.driver().reports().iter().all(spoken_too_soon), "a library complains");
        self.see_each_other(1);
    }

    /// A store comes, and all see each other.
    pub fn look_on(&mut self) -> Onlooker {
        let store = Terminal::with_relay(self.relay.url());
        let shown = ["--name", "Cai", "--color", "#2a7de1", "--metadata", r#"{"in":"a store"}"#];
        let presence = store.start(["presence", &self.doc, "--json"].into_iter().chain(shown));
        let mut onlooker = Onlooker { presence, _store: store };
        onlooker.sees("join", &["ada", "ben"]);
        let cai = json!({
            "user": { "name": "Cai", "color": "#2a7de1" },
            "name": "Cai", "status": "online", "metadata": { "in": "a store" },
        });
        for client in [&mut self.ada, &mut self.ben] {
            client.wait(json!({ "present": cai, "others": 2 }));
        }
        onlooker
    }

    /// Ada closes the document, which Cai sees, whose store is killed then.
    pub fn leave_ben_alone(&mut self, mut onlooker: Onlooker) -> Parting {
        self.ada.close();
        onlooker.sees("leave", &["ada"]);
        self.ben.wait(json!({ "others": 1 }));
        let parting = self.part();
        onlooker.presence.kill();
        parting
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
