//! Servers that are no replicas, where documents are kept as well.
//!
//! Such a server keeps no log, and nobody can ask it which entries it holds. The driver, who speaks its protocol, finds out
//! in the terms of the document's family and says up to where in the log the server has *applied* everything. That is
//! remembered like the acknowledgement of a relay, under a name that stands for the server, but it promises less: what was
//! applied need not be on any disk.

use uuid::Uuid;

use super::context::Context;
use super::live::Live;
use super::{Document, Replica};
use crate::entry::{Cursor, Digest};
use crate::event::{Event, PeerCursor};
use crate::id::{ConnectionId, DocId, Epoch};
use crate::time::Time;

/// What the names of servers are derived within. It must never change.
const NAMESPACE: Uuid = Uuid::from_u128(0x1f0a_6b52_77c4_4b0e_8d51_2a9c_40e7_93d6);

/// A server that is no replica, on a link to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// The link, by which events name it.
    pub connection: ConnectionId,
    /// What stands for the log that it does not have.
    pub epoch: Epoch,
}

impl Server {
    /// The server at an address. The same address is the same server after every start.
    #[must_use]
    pub fn at(address: &str, connection: ConnectionId) -> Self {
        Self { connection, epoch: Epoch::new(Uuid::new_v5(&NAMESPACE, address.as_bytes()).into_bytes()) }
    }
}

/// A server that has told all that it holds of a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub epoch: Epoch,
    /// Whether the application was told that both hold the same.
    pub announced: bool,
}

impl Replica {
    /// A server has applied a document's log up to `offset`. The application is told by [`Event::Saved`].
    pub fn applied(&mut self, now: Time, doc: &DocId, server: Server, offset: u64) {
        self.for_server(now, doc, |live, context| live.on_applied(context, server, offset));
    }

    /// A server has told all that it holds of a document. The application is told by [`Event::InSync`] as soon as the server has
    /// applied all of the log as well.
    pub fn heard_out(&mut self, now: Time, doc: &DocId, server: Server) {
        self.for_server(now, doc, |live, context| live.on_heard_out(context, server));
    }

    /// The link to a server has ended.
    pub fn server_left(&mut self, connection: ConnectionId) {
        for live in self.documents.values_mut().filter_map(Document::live_mut) {
            live.servers.remove(&connection);
        }
    }

    fn for_server(&mut self, now: Time, doc: &DocId, note: impl FnOnce(&mut Live, &mut Context)) {
        self.context.set_clock(now);
        if let Some(live) = self.documents.get_mut(doc).and_then(Document::live_mut) {
            note(live, &mut self.context);
        }
        self.deliver();
    }
}

impl Live {
    fn on_applied(&mut self, context: &mut Context, server: Server, offset: u64) {
        let Server { connection, epoch } = server;
        let offset = offset.min(self.log.head());
        if offset > self.held_by(epoch) {
            self.note_cursor(context, cursor(epoch, offset));
            if self.pending.on_relay(offset) {
                self.made_in_vain = 0;
                self.tell_progress(context);
            }
        }
        self.announce_level(context, connection);
    }

    fn on_heard_out(&mut self, context: &mut Context, server: Server) {
        let standing = Standing { epoch: server.epoch, announced: false };
        self.servers.entry(server.connection).or_insert(standing);
        self.announce_level(context, server.connection);
    }

    /// Up to where a server has applied the log.
    fn held_by(&self, server: Epoch) -> u64 {
        self.known.get(&server).map_or(0, |cursor| cursor.covered)
    }

    /// Whether this replica and a server hold the same, as far as both know.
    pub(super) fn is_level_with(&self, connection: ConnectionId) -> bool {
        let standing = self.servers.get(&connection);
        standing.is_some_and(|standing| self.held_by(standing.epoch) >= self.log.head())
    }

    fn announce_level(&mut self, context: &mut Context, connection: ConnectionId) {
        let level = self.is_level_with(connection);
        let Some(standing) = self.servers.get_mut(&connection) else { return };
        if level && !standing.announced {
            context.tell(Event::InSync { connection, doc: self.doc.clone() });
        }
        standing.announced = level;
    }
}

/// What is remembered of a server. Of its log there is nothing to remember, as it has none.
fn cursor(epoch: Epoch, offset: u64) -> PeerCursor {
    let theirs = Cursor { epoch, offset: 0, digest: Digest::default() };
    PeerCursor { theirs, relay: true, acked: offset, covered: offset }
}
