//! Clients of other protocols: y-websocket, Hocuspocus, y-sweet and automerge-repo, as they are.
//!
//! ```text
//! socket ──► head ──► Endpoint ──► session of a protocol ──► seats in rooms ──► replica
//! ```
//!
//! One file a protocol. Each turns messages into what a [`Seat`](crate::rooms::Seat) does, and back.

mod automerge;
mod hocuspocus;
mod line;
pub(crate) mod y_sweet;
mod yjs;

use std::pin::Pin;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use syncline::transports::{Close, Link};
use syncline::{DocId, Family, Principal};
use syncline_core::replica::ContributeError;
use tokio::sync::watch;

use crate::auth::{Access, Auth};
use crate::identity::Identity;
use crate::intake::Meter;
use crate::metrics::{Connection, Metrics, Protocol};
use crate::rooms::{Inbox, Rooms, Visitor};
use automerge::Peers;
pub(crate) use line::{BAD_MESSAGE, End, FORBIDDEN, RESTART, UNAUTHORIZED};
use line::{Ear, Line};
use y_sweet::Signer;

/// Largest message of a client: those of Yjs send whole documents at once.
pub(crate) const MAX_MESSAGE_BYTES: usize = 32 << 20;

/// What the sessions of guests share.
pub(crate) struct Guests {
    pub rooms: Arc<Rooms>,
    pub auth: Arc<Auth>,
    /// What clients of automerge-repo know the relay by, while it runs, and its store, for ever.
    peer_id: String,
    storage_id: String,
    /// Makes tokens for single documents.
    signer: Signer,
    peers: Peers,
    metrics: Arc<Metrics>,
    /// Set when the relay stops.
    stopping: watch::Sender<bool>,
}

/// What a WebSocket was opened for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// y-websocket, with the name of the room.
    Yjs { room: String, token: Option<String> },
    /// Hocuspocus, for any number of documents.
    Hocuspocus,
    /// automerge-repo, for any number of documents.
    Automerge { token: Option<String> },
    /// y-sweet, for one document, with the token that the relay has made for it.
    YSweet { doc: String, token: Option<String> },
}

/// What a session knows of its client.
pub(crate) struct Visit {
    peer: Arc<str>,
    /// As what it is counted.
    connection: Arc<Connection>,
    may_write: bool,
    /// Whether it is told when what it has sent has arrived, as clients of y-sweet ask.
    answers_status: bool,
    stopping: watch::Receiver<bool>,
}

impl Visit {
    /// Waits until the relay stops.
    async fn stopping(&self) {
        // Whoever sends that lives longer than the session.
        _ = self.stopping.clone().wait_for(|stopping| *stopping).await;
    }

    /// The client as it takes a seat, in whose name it writes there, and what hears of news there.
    fn visitor(&self, author: Principal, inbox: &Arc<Inbox>, number: usize) -> Visitor {
        let (peer, connection, inbox) = (self.peer.clone(), self.connection.clone(), inbox.clone());
        Visitor { peer, connection, author, inbox, number }
    }

    fn note_refusal(&self, doc: &DocId, error: &ContributeError) {
        tracing::warn!(peer = &*self.peer, %doc, %error, "an update of a client is refused");
    }
}

impl Endpoint {
    /// What is spoken there.
    pub(crate) const fn protocol(&self) -> Protocol {
        match self {
            Self::Yjs { .. } => Protocol::YWebsocket,
            Self::Hocuspocus => Protocol::Hocuspocus,
            Self::Automerge { .. } => Protocol::AutomergeRepo,
            Self::YSweet { .. } => Protocol::YSweet,
        }
    }

    /// What the target of a request stands for; `None` if it is none of ours.
    pub(crate) fn of(target: &str) -> Option<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let token = parameter(query, "token");
        match path.trim_end_matches('/') {
            "/hocuspocus" => return Some(Self::Hocuspocus),
            "/automerge" => return Some(Self::Automerge { token }),
            _ => {}
        }
        if let Some(doc) = y_sweet::doc_of(path) {
            return Some(Self::YSweet { doc: doc.to_owned(), token });
        }
        let room = path.strip_prefix("/yjs/").filter(|room| !room.is_empty())?;
        Some(Self::Yjs { room: decoded(room), token })
    }
}

/// A part of a path without its percent signs. What is no UTF-8 then stays as it is.
fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8().map_or_else(|_| part.to_owned(), std::borrow::Cow::into_owned)
}

/// A parameter of a query.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    let parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
    parameters.filter(|(key, _)| *key == name).map(|(_, value)| decoded(&value.replace('+', " "))).next()
}

impl Guests {
    pub(crate) fn new(
        rooms: Arc<Rooms>,
        auth: Auth,
        identity: Identity,
        peer_id: String,
        metrics: Arc<Metrics>,
    ) -> Self {
        let Identity { storage_id, key } = identity;
        let (auth, signer, stopping) = (Arc::new(auth), Signer::new(key), watch::Sender::new(false));
        Self { rooms, auth, peer_id, storage_id, signer, peers: Peers::default(), metrics, stopping }
    }

    /// Asks every client to come back later. They have a moment to answer.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Serves a client until one of both ends it. `header` is the token that it has shown in the head of its request.
    pub(crate) async fn serve(&self, endpoint: Endpoint, link: Link, meter: Meter, header: Option<String>) {
        let peer: Arc<str> = link.endpoint().into();
        let connection = self.metrics.connection(endpoint.protocol());
        let (mut line, mut receiver) = Line::new(link, peer.clone(), meter, connection.clone());
        let end = self.serve_as(endpoint, &peer, header, &mut line, &mut receiver).await;
        connection.ends(&end);
        match &end {
            End::Gone => {}
            End::Closed(Close { code, reason }) => {
                tracing::info!(peer = &*peer, code, reason, "a client is sent away")
            }
            End::Misbehaved(reason) => tracing::info!(peer = &*peer, reason, "a client is sent away"),
        }
        Box::pin(line.close(receiver, end)).await;
    }

    /// Each in the memory that it takes, of which a client has as much as its protocol needs.
    fn serve_as<'a>(
        &'a self,
        endpoint: Endpoint,
        peer: &'a Arc<str>,
        header: Option<String>,
        line: &'a mut Line,
        receiver: &'a mut Ear,
    ) -> Pin<Box<dyn Future<Output = End> + Send + 'a>> {
        match endpoint {
            Endpoint::Yjs { room, token } => match self.admit(&room, token.or(header).as_deref()) {
                Ok(admitted) => Box::pin(self.serve_yjs(peer, line, receiver, admitted, false)),
                Err(end) => Box::pin(yjs::deny(line, receiver, end)),
            },
            Endpoint::YSweet { doc, token } => match self.admit_y_sweet(&doc, token.or(header).as_deref()) {
                Ok(admitted) => Box::pin(self.serve_yjs(peer, line, receiver, admitted, true)),
                Err(end) => Box::pin(yjs::deny(line, receiver, end)),
            },
            Endpoint::Hocuspocus => {
                let visit = self.visit(peer, line, false, false);
                Box::pin(hocuspocus::Session::new(self, visit, line).run(receiver))
            }
            Endpoint::Automerge { token } => {
                let visit = self.visit(peer, line, false, false);
                Box::pin(automerge::Session::new(self, visit, token.or(header), line).run(receiver))
            }
        }
    }

    fn visit(&self, peer: &Arc<str>, line: &Line, may_write: bool, answers_status: bool) -> Visit {
        let (peer, connection) = (peer.clone(), line.connection().clone());
        Visit { peer, connection, may_write, answers_status, stopping: self.stopping.subscribe() }
    }

    async fn serve_yjs(
        &self,
        peer: &Arc<str>,
        line: &mut Line,
        receiver: &mut Ear,
        (doc, access): (DocId, Access),
        answers_status: bool,
    ) -> End {
        line.hears_somebody_known();
        let visit = self.visit(peer, line, access.may_write, answers_status);
        let inbox = Arc::new(Inbox::default());
        let visitor = visit.visitor(access.principal, &inbox, 0);
        match self.rooms.enter(&doc, Family::Yjs, access.may_write, visitor).await {
            Ok(seat) => yjs::Session::new(&visit, line, seat).run(&inbox, receiver).await,
            Err(error) => error.into(),
        }
    }

    /// The document of a room, and what somebody may do there who shows this token.
    fn admit(&self, room: &str, token: Option<&str>) -> Result<(DocId, Access), End> {
        let doc = DocId::new(room).map_err(|error| End::closed(FORBIDDEN, format!("the room: {error}")))?;
        let access = self.auth.access(token, &doc)?;
        Ok((doc, access))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yjs(room: &str, token: Option<&str>) -> Option<Endpoint> {
        Some(Endpoint::Yjs { room: room.to_owned(), token: token.map(ToOwned::to_owned) })
    }

    #[test]
    fn a_room_is_the_decoded_path() {
        assert_eq!(Endpoint::of("/yjs/team/plan"), yjs("team/plan", None));
        assert_eq!(
            Endpoint::of("/yjs/team%2Fplan%20%F0%9F%A6%80?token=a%2Bb&x=1"),
            yjs("team/plan 🦀", Some("a+b"))
        );
        assert_eq!(Endpoint::of("/yjs/%ff"), yjs("%ff", None));
        assert_eq!([Endpoint::of("/yjs/"), Endpoint::of("/yjs"), Endpoint::of("/other")], [None, None, None]);
    }

    #[test]
    fn the_other_protocols_have_a_path_each() {
        assert_eq!(Endpoint::of("/hocuspocus?a=b"), Some(Endpoint::Hocuspocus));
        assert_eq!(
            Endpoint::of("/automerge/?token=t"),
            Some(Endpoint::Automerge { token: Some("t".to_owned()) })
        );
    }
}
