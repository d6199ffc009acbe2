//! Random scripts: several clients in one process and a store of ours edit one document through the relay, each with spells
//! without it. At quiet points all read the same, to the byte.

use futures_util::StreamExt;
use serde_json::json;
use syncline::transports::WebSocket;
use syncline::{
    Document, EditError, Engine, Family, Kind as DocumentKind, Saved, Spec, SqliteStorage, storage,
};
use syncline_core::path::Path;
use syncline_core::random::Random;
use syncline_core::replica::EditFailure;
use tempfile::TempDir;

use super::client::opening;
use super::driver::Request;
use super::edit::{canonical, mark};
use super::seed::Named;
use super::{Driver, Edit, Kind};
use crate::process::PATIENCE;
use crate::process::proxy::Proxy;
use crate::process::relay::Relay;

/// The clients of a script. The store is one more.
const CLIENTS: [&str; 3] = ["ada", "ben", "cleo"];
const STORE: &str = "store";

/// What may be clients of a Yjs document in one process; each script draws three.
const YJS: [Kind; 6] = [
    Kind::YWebsocket,
    Kind::YWebsocket2,
    Kind::Hocuspocus,
    Kind::Hocuspocus3,
    Kind::Hocuspocus2,
    Kind::YSweet,
];

/// Quiet points of a script, and what somebody does between two of them.
const PHASES: usize = 3;
const STEPS: usize = 16;

/// Most edits that are made at once.
const EDITS: usize = 4;

/// How likely a step takes somebody off the network, or back.
const MOVES: f64 = 0.15;

/// How likely everybody's answers are waited for after a step: in between, what is said crosses on the network.
const PAUSES: f64 = 0.3;

/// Longest wait of the store between attempts to reach the relay, in milliseconds.
const LONGEST_WAIT: u64 = 50;

/// A relay, a process for clients and an engine, for any number of scripts.
pub struct Stage {
    family: Family,
    relay: Relay,
    driver: Driver,
    proxy: Proxy,
    engine: Engine,
    /// What sort of client each of them is.
    kinds: [Kind; CLIENTS.len()],
    _folder: TempDir,
}

/// What was done in a script.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Edits that clients were asked for.
    pub edits: usize,
    /// Operations that the store made.
    pub operations: usize,
    /// How often somebody left the network.
    pub departures: usize,
    /// Size of the document in the end, in bytes of JSON.
    pub bytes: usize,
    /// How often a client of automerge-repo has shown something else than the document that it held.
    pub stale: usize,
}

impl Stage {
    /// Sets it for documents of a family; `None` where the clients are not installed.
    ///
    /// # Panics
    /// If there is no room for it.
    pub async fn set(family: Family) -> Option<Self> {
        let driver =
            Driver::start(if family == Family::Automerge { Kind::Automerge } else { Kind::YWebsocket })?;
        let relay = Relay::start();
        let proxy = Proxy::start(relay.address()).await;
        let folder = TempDir::new().expect("there is room for a folder");
        let store = SqliteStorage::open(folder.path().join("store.db"), storage::Options::default());
        let builder = Engine::builder(store.expect("a store that can be opened"));
        let builder = builder.relay(WebSocket::new(proxy.url())).longest_wait(LONGEST_WAIT);
        let engine = builder.open().expect("an engine that opens");
        let kinds = [Kind::Automerge; CLIENTS.len()];
        Some(Self { family, relay, driver, proxy, engine, kinds, _folder: folder })
    }

    /// Plays the script of a seed.
    ///
    /// # Panics
    /// If somebody reads something else than the others at a quiet point, or a library complains; the seed is printed.
    pub async fn play(&mut self, seed: u64) -> Figures {
        let _named = Named { what: format!("a script of {}", self.family), part: "scripts", seed };
        let mut random = Random::new(seed);
        let doc = self.open(&mut random, seed);
        let spec = Spec { family: self.family, kind: DocumentKind::Tree };
        let document = self.engine.document(&doc, spec).await.expect("a document that can be opened");
        if self.family == Family::Automerge {
            // Its fields are what the client has made that made the document; another map would be in their place, not in
            // them.
            tokio::time::timeout(PATIENCE, document.in_sync())
                .await
                .expect("in time")
                .expect("a document of the relay");
        }
        let mut scene =
            Scene { random, document, online: [true; CLIENTS.len() + 1], figures: Figures::default() };
        for phase in 1..=PHASES {
            let mut asked = Vec::new();
            for _ in 0..STEPS {
                scene.step(self, &mut asked).await;
            }
            self.answers(asked);
            scene.return_all(self);
            scene.settle(self, phase).await;
        }
        let closing = CLIENTS.map(|name| self.driver.send("close", name, json!({})));
        self.answers(closing);
        assert_eq!(self.driver.reports(), [""; 0], "libraries complain");
        scene.figures
    }

    /// Opens a new document for all clients.
    fn open(&mut self, random: &mut Random, seed: u64) -> String {
        self.kinds = CLIENTS.map(|_| match self.family {
            Family::Automerge => Kind::Automerge,
            Family::Yjs | Family::Toy => YJS[random.index(YJS.len())],
        });
        // Clients of automerge-repo give documents their names.
        let mut doc = (self.family != Family::Automerge).then(|| format!("script-{seed}"));
        for (name, kind) in CLIENTS.into_iter().zip(self.kinds) {
            let fields = opening(kind, &self.relay, doc.as_deref(), json!({}));
            let opened = self.driver.ask("open", name, fields);
            let made = opened["doc"].as_str().map(|url| url.trim_start_matches("automerge:").to_owned());
            doc = doc.or(made);
        }
        let until = json!({ "connected": true, "ready": true, "synced": true });
        let waits = CLIENTS.map(|name| self.driver.await_that(name, &until));
        self.answers(waits);
        doc.expect("a document has a name")
    }

    fn answers(&mut self, requests: impl IntoIterator<Item = Request>) {
        for request in requests {
            if let Err(error) = self.driver.outcome(request) {
                let others: Vec<String> = CLIENTS
                    .into_iter()
                    .zip(self.kinds)
                    .map(|(name, kind)| self.state_of(name, kind))
                    .collect();
                let others = others.join("\n");
                panic!("{error}\nand this is how everybody was:\n{others}");
            }
        }
    }

    /// What a client says of itself, for whoever has to find out what went wrong.
    fn state_of(&mut self, name: &str, kind: Kind) -> String {
        let mut ask = |what| {
            let request = self.driver.send(what, name, json!({}));
            self.driver.outcome(request).map_or_else(|error| error, |answer| answer.to_string())
        };
        format!("{name}, {kind}: {} {} {}", ask("status"), ask("state"), ask("read"))
    }
}

/// A script that is being played.
struct Scene {
    random: Random,
    document: Document,
    online: [bool; CLIENTS.len() + 1],
    figures: Figures,
}

impl Scene {
    /// Somebody edits, leaves or comes back.
    async fn step(&mut self, stage: &mut Stage, asked: &mut Vec<Request>) {
        let who = self.random.index(self.online.len());
        if self.random.chance(MOVES) {
            self.online[who] = !self.online[who];
            self.figures.departures += usize::from(!self.online[who]);
            asked.extend(self.connect(stage, who));
        } else {
            let edits = Edit::several(&mut self.random, EDITS);
            match CLIENTS.get(who) {
                Some(name) => asked.push(self.ask(stage, name, &edits)),
                None => self.edit(&edits),
            }
        }
        if self.random.chance(PAUSES) {
            stage.answers(asked.drain(..));
            tokio::task::yield_now().await;
        }
    }

    /// Has the network be there for somebody, or not, as it should be.
    fn connect(&self, stage: &mut Stage, who: usize) -> Option<Request> {
        let online = self.online[who];
        match CLIENTS.get(who) {
            Some(name) if online => {
                // Some are lost for ever that are told to connect while they still say goodbye.
                let gone = stage.driver.await_that(name, &json!({ "connected": false }));
                stage.driver.answer(gone);
                return Some(stage.driver.send("connect", name, json!({})));
            }
            Some(name) => return Some(stage.driver.send("disconnect", name, json!({}))),
            None if online => stage.proxy.mend(),
            None => stage.proxy.cut(),
        }
        None
    }

    fn return_all(&mut self, stage: &mut Stage) {
        for who in 0..self.online.len() {
            if !std::mem::replace(&mut self.online[who], true)
                && let Some(request) = self.connect(stage, who)
            {
                stage.driver.answer(request);
            }
        }
    }

    fn ask(&mut self, stage: &mut Stage, name: &str, edits: &[Edit]) -> Request {
        self.figures.edits += edits.len();
        let edits: serde_json::Value = edits.iter().map(Edit::to_json).collect();
        stage.driver.send("edit", name, json!({ "edits": edits }))
    }

    /// The store makes the edits, but for those that cannot be made.
    fn edit(&mut self, edits: &[Edit]) {
        for edit in edits {
            let now = self.document.value(&Path::root()).expect("an open document");
            for operation in edit.operations(&now) {
                match self.document.perform(operation.clone()) {
                    Ok(()) => self.figures.operations += 1,
                    // What others have put there as plain JSON cannot be edited inside.
                    Err(EditError::Failed(EditFailure::Rejected(_))) => {}
                    Err(other) => panic!("{operation:?}: {other}"),
                }
            }
        }
    }

    /// Everybody says that he is done, hears it of all others, and reads the document.
    async fn settle(&mut self, stage: &mut Stage, phase: usize) {
        for name in CLIENTS {
            let request = self.ask(stage, name, &Edit::marks(name, phase));
            stage.driver.answer(request);
        }
        self.edit(&Edit::marks(STORE, phase));
        let saved = self.document.saved(Saved::Relay);
        tokio::time::timeout(PATIENCE, saved).await.expect("in time").expect("edits that the relay takes");
        let everybody = || CLIENTS.into_iter().chain([STORE]);
        let waits: Vec<Request> = CLIENTS
            .into_iter()
            .flat_map(|name| everybody().map(move |other| (name, mark(other, phase))))
            .map(|(name, until)| stage.driver.await_that(name, &until))
            .collect();
        stage.answers(waits);
        for name in CLIENTS {
            hears(&self.document, name, phase).await;
        }
        let ours = canonical(&self.document.value(&Path::root()).expect("an open document"));
        for name in CLIENTS {
            let mut theirs = stage.driver.ask("read", name, json!({}));
            if stage.family == Family::Automerge && theirs["json"] != ours {
                self.figures.stale += 1;
                theirs = stage.driver.ask("reread", name, json!({}));
            }
            assert_eq!(theirs["json"].as_str(), Some(&*ours), "{name} and the store");
        }
        self.figures.bytes = ours.len();
    }
}

/// Waits until somebody's mark has come to a document.
pub async fn hears(document: &Document, name: &str, number: usize) {
    let path = Path::root().child("map").child(name);
    let wanted = i64::try_from(number).ok().map(syncline::Value::Int);
    let mut changes = document.changes();
    let waiting = async {
        while document.value(&path) != wanted {
            changes.next().await.expect("a document that stays open");
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{name} is not heard of"));
}
