//! Keeping connections to a server up, as long as there are documents for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_core::id::{DocId, Principal, ReplicaId};
use syncline_core::replica::Server;
use syncline_core::wire::ErrorCode;
use syncline_transports::{Link, Transport, WebSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::address::{OtherServer, Protocol};
use super::automerge_repo::AutomergeRepo;
use super::docket::{Docket, News};
use super::hocuspocus::Hocuspocus;
use super::line::{Contact, Line};
use super::session::{Party, Session};
use super::shown::{Shown, Sign};
use super::y_websocket::YWebsocket;
use super::{MAX_MESSAGE_BYTES, Registered};
use crate::dial::{Dialing, Lost, Redial};
use crate::node::Node;
use crate::observers::{Complaint, Observers, Slot};
use crate::status::Connection;

/// Most connections to one server that are being dialled at the same time.
pub const MAX_DIALING: usize = 32;

/// What a message has besides the largest update: names and numbers.
const ENVELOPE_BYTES: usize = 4 << 10;

/// The author of what comes from a server whose address is too long for one.
const NAMELESS: &str = "server";

/// Whoever keeps the connections to one server up.
struct Keeper {
    node: Node,
    observers: Arc<Observers>,
    server: OtherServer,
    /// What comes from the server is appended under this id, on all connections of this engine's life.
    guest: ReplicaId,
    author: Principal,
    dialing: Dialing,
    shown: Arc<Shown>,
    dials: Semaphore,
}

/// Dials until dropped, and tells how it goes.
pub(crate) async fn keep_connected(
    node: Node,
    observers: Arc<Observers>,
    registered: Arc<Registered>,
    dialing: Dialing,
    slot: Slot,
) {
    let server = registered.server.clone();
    let endpoint = server.endpoint();
    let guest = node.with(|replica, _| replica.new_guest());
    let nameless = || Principal::new(NAMELESS).expect("a word is a name");
    let author = Principal::new(&endpoint).unwrap_or_else(|_| nameless());
    let shown = Shown::new(slot, endpoint);
    let dials = Semaphore::new(MAX_DIALING);
    let keeper = Arc::new(Keeper { node, observers, server, guest, author, dialing, shown, dials });
    let docket = &registered.docket;
    match keeper.server.protocol {
        Protocol::YWebsocket => keeper.keep_rooms(docket).await,
        Protocol::Hocuspocus => keeper.keep_one(docket, &|party| Box::new(keeper.hocuspocus(party))).await,
        Protocol::AutomergeRepo => keeper.keep_one(docket, &|party| Box::new(automerge_repo(party))).await,
    }
}

/// Makes the session of a connection.
type Opens<'a> = &'a (dyn Fn(Party) -> Box<dyn Session> + Send + Sync);

fn automerge_repo(party: Party) -> AutomergeRepo {
    let peer = format!("syncline-{}-{}", party.guest.replica, party.server.connection.0);
    AutomergeRepo::new(party, peer)
}

impl Keeper {
    fn hocuspocus(&self, party: Party) -> Hocuspocus {
        Hocuspocus::new(party, self.server.token.clone())
    }

    /// Keeps a connection for each document.
    async fn keep_rooms(self: &Arc<Self>, docket: &Docket) {
        let mut rooms: BTreeMap<DocId, (Arc<Docket>, JoinSet<()>)> = BTreeMap::new();
        docket.begin();
        loop {
            for news in docket.news().await {
                match news {
                    News::Open(doc) => {
                        let (docket, _) = rooms.entry(doc.clone()).or_insert_with(|| self.room(&doc));
                        docket.open(&doc);
                    }
                    // With the room its task is dropped, and with that the connection.
                    News::Closed(doc) => drop(rooms.remove(&doc)),
                }
            }
        }
    }

    fn room(self: &Arc<Self>, doc: &DocId) -> (Arc<Docket>, JoinSet<()>) {
        let (docket, mut task) = (Arc::new(Docket::default()), JoinSet::new());
        let (keeper, of_room, doc) = (self.clone(), docket.clone(), doc.clone());
        task.spawn(async move {
            let opens = |party| -> Box<dyn Session> { Box::new(YWebsocket::new(doc.clone(), party)) };
            keeper.keep(keeper.server.room_url(&doc), &of_room, &opens).await;
        });
        (docket, task)
    }

    /// Keeps one connection for all documents.
    async fn keep_one(&self, docket: &Docket, opens: Opens<'_>) {
        self.keep(self.server.url(), docket, opens).await;
    }

    /// Keeps a connection up while any of its documents is open.
    async fn keep(&self, url: String, docket: &Docket, opens: Opens<'_>) {
        let transport = WebSocket::new(url).without_subprotocol();
        let transport = transport.max_frame_bytes(MAX_MESSAGE_BYTES + ENVELOPE_BYTES);
        let endpoint = || self.server.endpoint();
        let mut redial = Redial::new(&self.dialing);
        let sign = self.shown.sign(self.node.new_connection().0);
        loop {
            docket.any_open(|| sign.clear()).await;
            sign.set(Connection::Connecting { endpoint: endpoint() });
            let lost = match self.dial(&transport).await {
                Ok(link) => self.talk(link, docket, &sign, opens, &mut redial).await,
                Err(lost) => lost,
            };
            let _told = lost.permanent.then(|| self.complain(docket, &lost));
            redial.wait(endpoint(), lost, |connection| sign.set(connection)).await;
        }
    }

    async fn dial(&self, transport: &WebSocket) -> Result<Link, Lost> {
        // The semaphore is never closed.
        let _turn = self.dials.acquire().await;
        Ok(transport.connect().await?)
    }

    async fn talk(
        &self,
        link: Link,
        docket: &Docket,
        sign: &Sign,
        opens: Opens<'_>,
        redial: &mut Redial,
    ) -> Lost {
        let contact = self.contact();
        let server = Server::at(&self.server.endpoint(), contact.connection);
        let session = opens(Party::new(server, self.guest, self.author.clone()));
        let line = Line::new(session, &contact, docket, sign, self.server.endpoint());
        let (lost, was_good) = line.run(link).await;
        if was_good {
            redial.reset();
        }
        lost
    }

    /// That documents can have no connection, for good, is told to those who wait for them, until the next attempt.
    fn complain(&self, docket: &Docket, lost: &Lost) -> Contact<'_> {
        let contact = self.contact();
        let complaint = Complaint::new(contact.connection, ErrorCode::NotFound, &lost.error);
        docket.all_open().iter().for_each(|doc| self.observers.on_complaint(doc, complaint.clone()));
        contact
    }

    fn contact(&self) -> Contact<'_> {
        Contact::begin(&self.node, &self.observers, self.node.new_connection())
    }
}
