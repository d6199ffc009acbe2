//! Clients of other protocols: y-websocket, Hocuspocus, y-sweet and automerge-repo, as they are.
//!
//! ```text
//! socket ──► head ──► Endpoint ──► session of a protocol ──► seats in rooms ──► replica
//! ```
//!
//! One file a protocol. Each turns messages into what a [`Seat`](crate::rooms::Seat) does, and back.

pub(crate) mod lib0;
mod line;
pub(crate) mod protocol;
mod yjs;

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use syncline::transports::Link;
use syncline::{DocId, Family};
use syncline_core::replica::ContributeError;
use tokio::sync::watch;

use crate::auth::{Access, Auth};
use crate::rooms::{Inbox, Rooms};
use line::{End, FORBIDDEN, Line, UNAUTHORIZED};

/// Largest message of a client: those of Yjs send whole documents at once.
pub(crate) const MAX_MESSAGE_BYTES: usize = 32 << 20;

/// What the sessions of guests share.
pub(crate) struct Guests {
    pub rooms: Arc<Rooms>,
    pub auth: Arc<Auth>,
    /// Set when the relay stops.
    stopping: watch::Sender<bool>,
}

/// What a WebSocket was opened for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// y-websocket, with the name of the room.
    Yjs { room: String, token: Option<String> },
}

/// What a session knows of its client.
pub(crate) struct Visit {
    peer: String,
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

    fn note_refusal(&self, doc: &DocId, error: &ContributeError) {
        tracing::warn!(peer = self.peer, %doc, %error, "an update of a client is refused");
    }
}

impl Endpoint {
    /// What the target of a request stands for; `None` if it is none of ours.
    pub(crate) fn of(target: &str) -> Option<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let token = parameter(query, "token");
        let room = path.strip_prefix("/yjs/").filter(|room| !room.is_empty())?;
        Some(Self::Yjs { room: decoded(room), token })
    }
}

/// A part of a path without its percent signs. What is no UTF-8 then stays as it is.
fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8().map_or_else(|_| part.to_owned(), |decoded| decoded.into_owned())
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
    parameters.filter(|(key, _)| *key == name).map(|(_, value)| decoded(&value.replace('+', " "))).next()
}

impl Guests {
    pub(crate) fn new(rooms: Arc<Rooms>, auth: Arc<Auth>) -> Self {
        Self { rooms, auth, stopping: watch::Sender::new(false) }
    }

    /// Asks every client to come back later. They have a moment to answer.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Serves a client until one of both ends it.
    pub(crate) async fn serve(&self, endpoint: Endpoint, link: Link, header: Option<String>) {
        let peer = link.endpoint().to_owned();
        let (line, receiver) = Line::new(link);
        match endpoint {
            Endpoint::Yjs { room, token } => {
                self.serve_yjs(peer, line, receiver, &room, token.or(header).as_deref(), false).await;
            }
        }
    }

    async fn serve_yjs(
        &self,
        peer: String,
        mut line: Line,
        mut receiver: syncline::transports::LinkReceiver,
        room: &str,
        token: Option<&str>,
        answers_status: bool,
    ) {
        let end = match self.admit(room, token) {
            Err(end) => end,
            Ok((doc, access)) => {
                let visit = Visit {
                    peer: peer.clone(),
                    may_write: access.may_write,
                    answers_status,
                    stopping: self.stopping.subscribe(),
                };
                let inbox = Arc::new(Inbox::default());
                let seated = self.rooms.enter(&doc, Family::Yjs, access.principal, inbox.clone(), 0).await;
                match seated {
                    Ok(seat) => yjs::Session::new(&visit, &mut line, seat).run(&inbox, &mut receiver).await,
                    Err(error) => error.into(),
                }
            }
        };
        if let End::Closed(close) = &end {
            tracing::info!(
                peer,
                room,
                code = close.code,
                reason = close.reason.as_str(),
                "a client is sent away"
            );
        }
        line.close(receiver, end).await;
    }

    /// The document of a room, and what somebody may do there who shows this token.
    fn admit(&self, room: &str, token: Option<&str>) -> Result<(DocId, Access), End> {
        let doc = DocId::new(room).map_err(|error| End::closed(FORBIDDEN, format!("the room: {error}")))?;
        let access = self.auth.access(token, &doc).map_err(|denied| {
            let code = if token.is_some() { FORBIDDEN } else { UNAUTHORIZED };
            End::closed(code, denied.to_string())
        })?;
        Ok((doc, access))
    }
}
