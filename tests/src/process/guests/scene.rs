//! A document at a relay with somebody in it who behaves, and who must not notice what others try.

use std::net::SocketAddr;

use serde_json::{Value as Json, json};
use syncline_core::crdt::automerge::DocumentId;

use super::Behaved;
use super::automerge_repo::Peer;
use super::yjs::Editor;
use crate::process::child::Ended;
use crate::process::http;
use crate::process::relay::Relay;
use crate::process::terminal::Terminal;

/// The name of a Yjs document.
pub const DOC: &str = "d";

/// The name of one of automerge-repo.
const DOCUMENT: DocumentId = DocumentId(*b"everybody's word");

/// Somebody who behaves.
enum Ada {
    Yjs(Box<Editor>),
    Automerge(Box<Peer>),
}

/// A relay, and Ada, who edits a document there.
pub struct Scene {
    relay: Relay,
    ada: Ada,
    /// What the relay calls the document.
    doc: String,
    /// The token of those who behave, if the relay asks for one.
    token: Option<String>,
    edits: i64,
}

impl Scene {
    /// A Yjs document at a relay that asks nobody for a token.
    pub async fn yjs() -> Self {
        Self::yjs_at(Relay::start(), None).await
    }

    /// A Yjs document at a relay that takes this token.
    pub async fn yjs_at(relay: Relay, token: Option<&str>) -> Self {
        let ada = Editor::join(relay.address(), &target(&format!("/yjs/{DOC}"), token)).await;
        Self::with(relay, Ada::Yjs(Box::new(ada)), DOC.to_owned(), token).await
    }

    /// A document of automerge-repo at a relay that asks nobody for a token.
    pub async fn automerge() -> Self {
        Self::automerge_at(Relay::start(), None).await
    }

    /// A document of automerge-repo at a relay that takes this token.
    pub async fn automerge_at(relay: Relay, token: Option<&str>) -> Self {
        let ada = Peer::make(relay.address(), &target("/automerge", token), "ada", DOCUMENT).await;
        let doc = ada.id().to_string();
        Self::with(relay, Ada::Automerge(Box::new(ada)), doc, token).await
    }

    async fn with(relay: Relay, ada: Ada, doc: String, token: Option<&str>) -> Self {
        let mut scene = Self { relay, ada, doc, token: token.map(ToOwned::to_owned), edits: 0 };
        scene.is_untouched().await;
        scene
    }

    /// The relay.
    pub const fn relay(&mut self) -> &mut Relay {
        &mut self.relay
    }

    /// Where the relay listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.relay.address()
    }

    /// The documents that the relay has stored, or had a second ago.
    ///
    /// # Panics
    /// If it does not tell.
    #[must_use]
    pub fn documents(&self) -> Vec<String> {
        let answer = http::ask(self.address(), "GET /status.json", self.token.as_deref(), b"");
        let status: Json = serde_json::from_str(&answer.body).expect("the status is JSON");
        let documents = status["documents"].as_array().expect("the status has the documents").iter();
        documents.map(|document| document["name"].as_str().expect("they have names").to_owned()).collect()
    }

    /// What the relay calls the document.
    #[must_use]
    pub fn doc(&self) -> &str {
        &self.doc
    }

    /// Ada's client.
    ///
    /// # Panics
    /// If the document is none of Yjs.
    pub fn editor(&mut self) -> &mut Editor {
        match &mut self.ada {
            Ada::Yjs(ada) => ada,
            Ada::Automerge(_) => panic!("the document is one of Automerge"),
        }
    }

    /// Ada's client.
    ///
    /// # Panics
    /// If the document is none of Automerge.
    pub fn peer(&mut self) -> &mut Peer {
        match &mut self.ada {
            Ada::Automerge(ada) => ada,
            Ada::Yjs(_) => panic!("the document is one of Yjs"),
        }
    }

    /// A document of the other family, at the same relay.
    #[must_use]
    pub fn other(&self) -> Other {
        let crdt = match self.ada {
            Ada::Yjs(_) => "automerge",
            Ada::Automerge(_) => "yjs",
        };
        let relay = self.relay.url();
        let mut other = Other { store: Terminal::with_relay(&relay), relay, value: 0 };
        other.store.ok(["create", Other::NAME, "--crdt", crdt]);
        other.is_untouched();
        other
    }

    /// Ada writes, and somebody new finds that in the document and nothing else. What that one writes reaches Ada.
    ///
    /// # Panics
    /// If it is not so.
    pub async fn is_untouched(&mut self) {
        let (hers, his) = (self.edits + 1, self.edits + 2);
        let address = self.relay.address();
        let (there, token) = (&self.doc, self.token.as_deref());
        match &mut self.ada {
            Ada::Yjs(ada) => {
                ada.put("n", hers).await;
                ada.sync().await;
                let mut ben = Editor::join(address, &target(&format!("/yjs/{there}"), token)).await;
                assert_eq!(ben.json(), json!({"n": hers}));
                ben.put("n", his).await;
                ada.sees("n", his).await;
            }
            Ada::Automerge(ada) => {
                ada.put("n", hers).await;
                ada.kept().await;
                let name = format!("ben-{hers}");
                let mut ben = Peer::open(address, &target("/automerge", token), &name, ada.id()).await;
                ben.sees("n", hers).await;
                assert_eq!(ben.json(), json!({"n": hers}));
                ben.put("n", his).await;
                ben.kept().await;
                ada.sees("n", his).await;
            }
        }
        self.edits = his;
    }

    /// Ends it: all is as it was, also for a store of ours, and the relay's log has a line with each of these, which are
    /// pieces of a line with an ellipsis in between.
    ///
    /// # Panics
    /// If it is not so.
    pub async fn ends(mut self, told: &[&str]) {
        self.is_untouched().await;
        let n = self.edits;
        let (reader, token) =
            (Terminal::with_relay(self.relay.url()), self.token.as_deref().unwrap_or("none"));
        reader.ok(["--token", token, "sync", &self.doc]);
        let content = match self.ada {
            Ada::Yjs(_) => json!({"map": {"n": n}}),
            Ada::Automerge(_) => json!({"n": n}),
        };
        assert_eq!(reader.ok(["show", &self.doc]), content.to_string());
        let Ended { errors, .. } = self.relay.stop();
        for line in told {
            let is_told = errors.lines().any(|said| line.split('…').all(|part| said.contains(part)));
            assert!(is_told, "the log says nothing like {line:?}:\n{errors}");
        }
    }
}

/// A document of another family than Ada's, and the store of ours that has made it.
pub struct Other {
    /// The store.
    pub store: Terminal,
    relay: String,
    value: i64,
}

impl Other {
    /// What it is called.
    pub const NAME: &str = "other";

    /// The store writes, and somebody new finds that and nothing else.
    ///
    /// # Panics
    /// If it is not so.
    pub fn is_untouched(&mut self) {
        self.value += 1;
        self.store.ok(["set", Self::NAME, "/a", &self.value.to_string()]);
        self.store.ok(["sync"]);
        self.is_found();
    }

    /// Somebody new finds what was written last, and nothing else.
    ///
    /// # Panics
    /// If it is not so.
    pub fn is_found(&self) {
        let reader = Terminal::with_relay(&self.relay);
        reader.ok(["sync", Self::NAME]);
        assert_eq!(reader.ok(["show", Self::NAME]), json!({"a": self.value}).to_string());
    }
}

/// A path with a token, if there is one.
#[must_use]
pub fn target(path: &str, token: Option<&str>) -> String {
    token.map_or_else(|| path.to_owned(), |token| format!("{path}?token={token}"))
}
