//! The relay as a whole: its store, its socket, and going away in good order.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use syncline::node::{Node, Rhythm};
use syncline::storage::{self, StorageError};
use syncline::transports::Link;
use syncline::transports::websocket::{self, SUBPROTOCOL, WebSocketSettings};
use syncline::{Compression, DocId, Durability, Encoding, Family, Principal, Spec, SqliteStorage};
use syncline_core::event::{DocumentError, Event, Side, StoreFault};
use syncline_core::replica::{Config, Policy};
use syncline_core::visitor::Visitor;
use syncline_core::wire::MAX_FRAME_BYTES;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::auth::{Auth, AuthError};
use crate::guests::{Endpoint, Guests, MAX_MESSAGE_BYTES};
use crate::head::{self, Wants};
use crate::http;
use crate::identity::{Identity, IdentityError};
use crate::intake::{Intake, Meter, Metered};
use crate::listing::Listings;
use crate::metrics::{Metrics, Protocol, Reason};
use crate::rooms::{Metronome, Room, Rooms};

/// Most connections at once, whatever the open-file limit allows.
pub const MAX_CONNECTIONS: usize = 100_000;

/// Files that are not connections: the store and its companions, standard streams, the listener.
const FILES_FOR_OURSELVES: u64 = 64;

/// How long clients are asked to stay away when the relay goes, in milliseconds: a restart takes about that.
pub const RETRY_AFTER: u64 = 500;

/// How long a stopping relay waits for its goodbyes to leave.
const GOODBYE_TIME: Duration = Duration::from_secs(2);

/// Most connections that wait to be accepted, if the system allows as many. Whose has no room tries again a second later.
pub const ACCEPT_BACKLOG: u32 = 4_096;

/// How long nobody is accepted after that failed, as where no file is to be had for one more.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long edits wait for others to be committed with, where they come one after the other. Others hear of them before that.
pub const COMMIT_TICK: Duration = Duration::from_millis(20);

/// How long what replicas send waits for more to be passed on with, where it comes one after the other.
pub const INPUT_TICK: Duration = Duration::from_micros(500);

/// When a relay does what.
const RHYTHM: Rhythm = Rhythm { edits: COMMIT_TICK, inputs: INPUT_TICK, commits: COMMIT_TICK };

/// The name of the store in the data folder.
const STORE_FILE: &str = "relay.db";

/// How to run a relay.
#[derive(Debug)]
pub struct Settings {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The folder of the store, made if it is not there.
    pub data: PathBuf,
    /// What an acknowledged edit survives.
    pub durability: Durability,
    /// How much memory documents may take, in bytes, roughly.
    pub loaded_bytes: usize,
    /// Who may do what.
    pub auth: Auth,
}

/// The relay cannot run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RelayError {
    /// Somebody else listens there, or nobody may.
    #[error("cannot listen on {address}: {error}; stop what listens there, or choose another --listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// The data folder cannot be made.
    #[error("cannot make the folder {}: {error}; choose another --data", .folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The operating system gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
    /// The operating system gives no threads.
    #[error("no threads: {0}")]
    Threads(io::Error),
    /// What makes this relay this one cannot be kept.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The store cannot be asked what it holds.
    #[error("the store cannot be read: {0}")]
    List(String),
    /// The store could not take everything before the relay stopped.
    #[error("not everything that came was written, and nobody was told that it was: {0}")]
    Unwritten(StoreFault),
    /// There is something wrong with who may do what.
    #[error(transparent)]
    Auth(#[from] AuthError),
}

/// A running relay.
pub struct Relay {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

/// What every connection of a relay needs.
pub(crate) struct Shared {
    pub node: Node,
    pub guests: Guests,
    /// Where the relay listens.
    pub address: SocketAddr,
    pub durability: Durability,
    pub data: PathBuf,
    /// Entries taken in since the start.
    pub updates: Arc<AtomicU64>,
    /// What is counted of everything else.
    pub metrics: Arc<Metrics>,
    /// How much memory documents may take.
    pub loaded_bytes: usize,
    /// What the page shows of the store.
    pub listings: Listings,
    connections: Arc<Semaphore>,
    /// How many there may be.
    connections_limit: usize,
    /// Where clients of other protocols send large messages.
    pub intake: Intake,
}

impl Shared {
    /// How many sockets are in use, and how many may be.
    pub(crate) fn sockets(&self) -> (usize, usize) {
        // The next one has its place before it is there.
        let taken = self.connections_limit - self.connections.available_permits();
        (taken.saturating_sub(1), self.connections_limit)
    }
}

impl Relay {
    /// Opens the store and starts to listen.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(settings: Settings) -> Result<Self, RelayError> {
        if settings.auth.is_open() && !settings.listen.ip().is_loopback() {
            return Err(AuthError::Open { address: settings.listen }.into());
        }
        let folder = settings.data.clone();
        make_private(&folder).map_err(|error| RelayError::Folder { folder, error })?;
        let options = storage::Options { durability: settings.durability, ..storage::Options::default() };
        let store = SqliteStorage::open(settings.data.join(STORE_FILE), options)?;
        let cannot = |error| RelayError::Listen { address: settings.listen, error };
        let listener = listen(settings.listen).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let updates = Arc::new(AtomicU64::new(0));
        let counted = updates.clone();
        let metrics = Metrics::new();
        let measured = metrics.clone();
        let rooms = Arc::new(OnceLock::<Arc<Rooms>>::new());
        let told = rooms.clone();
        let node = Node::start_with(
            Box::new(store),
            config(settings.loaded_bytes)?,
            RHYTHM,
            Box::new(move |_, event| {
                if let Some(rooms) = told.get() {
                    tell_rooms(rooms, &event);
                }
                measured.on_event(&event);
                on_event(&counted, &event);
            }),
        )?;
        let metronome = Metronome::start(threads()).map_err(RelayError::Threads)?;
        let rooms = rooms.get_or_init(|| Rooms::new(node.clone(), metronome, metrics.clone())).clone();
        let stored = node.list().await.map_err(|fault| RelayError::List(fault.to_string()))?;
        metrics.note_stored(stored.len());
        rooms.name(stored.into_iter().map(|summary| summary.doc));
        let identity = Identity::of(&settings.data)?;
        let peer_id = format!("syncline-{:016x}", random()?);
        let connections_limit = allowed_connections();
        let shared = Arc::new(Shared {
            node,
            address,
            guests: Guests::new(rooms, settings.auth, identity, peer_id, metrics.clone()),
            durability: settings.durability,
            data: settings.data,
            updates,
            metrics,
            loaded_bytes: settings.loaded_bytes,
            listings: Listings::default(),
            connections: Arc::new(Semaphore::new(connections_limit)),
            connections_limit,
            intake: Intake::default(),
        });
        let accepting = tokio::spawn(accept_all(shared.clone(), listener));
        Ok(Self { shared, address, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks every client to come back, and stops once everything accepted is written, or cannot be.
    pub async fn shutdown(self) -> Result<(), RelayError> {
        self.accepting.abort();
        self.shared.guests.stop();
        self.shared.node.with(|replica, _| replica.goodbye(RETRY_AFTER));
        // Clients that have heard go by themselves or are closed now; nothing is lost either way.
        let _late = tokio::time::timeout(GOODBYE_TIME, self.shared.node.drained()).await;
        self.shared.node.close().await;
        let fault = self.shared.node.look(|replica| replica.fault().cloned());
        fault.map_or(Ok(()), |fault| Err(RelayError::Unwritten(fault)))
    }
}

/// How many threads sessions are spread over, and rooms: one for every two processors, as what they share goes from one to the
/// other more dearly than it is done.
#[must_use]
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(2))
}

fn random() -> Result<u64, RelayError> {
    getrandom::u64().map_err(|error| RelayError::Random(error.to_string()))
}

fn config(loaded_bytes: usize) -> Result<Config, RelayError> {
    Ok(Config {
        agent: concat!("sync-server/", env!("CARGO_PKG_VERSION")).to_owned(),
        principal: Principal::new("relay").expect("this is a name"),
        encoding: Encoding::Binary,
        compression: vec![Compression::Gzip, Compression::Brotli],
        seed: random()?,
        policy: Policy { serves, loaded_bytes, ..Policy::relay() },
    })
}

/// Documents of the family that simulations are made of have no place in the world.
fn serves(_: &DocId, spec: Spec) -> Result<(), String> {
    match spec.family {
        Family::Yjs | Family::Automerge => Ok(()),
        Family::Toy => Err(format!("this relay has no {} documents", spec.family)),
    }
}

/// Rooms hear what concerns their documents.
fn tell_rooms(rooms: &Rooms, event: &Event) {
    match event {
        Event::Created { doc } => rooms.name([doc.clone()].into_iter()),
        Event::Hosted { doc } => rooms.tell(doc, Room::open),
        Event::Built { doc } => rooms.tell(doc, Room::on_built),
        Event::Changed { doc, .. } => {
            rooms.arrived(doc);
            rooms.tell(doc, Room::on_changed);
        }
        Event::Present { doc } => rooms.tell(doc, Room::on_present),
        Event::Durable { doc, offset } => rooms.tell(doc, |room| room.on_durable(*offset)),
        Event::Failed { doc, error } => rooms.fail(doc, error),
        Event::Store { fault: Some(fault) } => rooms.fail_all(fault),
        _ => {}
    }
}

fn on_event(updates: &AtomicU64, event: &Event) {
    match event {
        Event::Changed { entries, .. } => {
            updates.fetch_add(*entries as u64, Ordering::Relaxed);
        }
        // What clients can bring about at will is not worth a line to an operator who has not asked for it.
        Event::Failed { doc, error: error @ DocumentError::NotFound { .. } } => {
            tracing::debug!(%doc, %error, "a client asks for what is not there");
        }
        Event::Failed { doc, error } => tracing::error!(%doc, %error, "a document cannot be served"),
        Event::Quarantined { doc, id, reason } => tracing::warn!(%doc, %id, reason, "an entry is skipped"),
        Event::Peer { connection, peer: Some(peer) } => {
            tracing::info!(connection = connection.0, agent = peer.agent, "connected");
        }
        Event::Peer { connection, peer: None } => tracing::info!(connection = connection.0, "gone"),
        Event::PeerError { connection, doc, code, message } => {
            tracing::debug!(connection = connection.0, ?doc, ?code, message, "a client reports an error");
        }
        Event::GaveUp { connection, code, reason } => {
            tracing::debug!(connection = connection.0, ?code, reason, "a client is given up");
        }
        Event::Store { fault: Some(fault) } => tracing::error!(%fault, "the store cannot be written"),
        Event::Store { fault: None } => tracing::info!("the store can be written again"),
        // Behind a skipped one; all of them are voided when the log is compacted.
        Event::Waiting { doc, id } => tracing::debug!(%doc, %id, "an entry waits for what it builds on"),
        Event::Opened { .. }
        | Event::Created { .. }
        | Event::Hosted { .. }
        | Event::Built { .. }
        | Event::Present { .. }
        | Event::Durable { .. }
        | Event::Saved { .. }
        | Event::WaitedEnough { .. }
        | Event::Refused { .. }
        | Event::InSync { .. }
        | Event::Described { .. }
        | Event::Compacted { .. }
        | Event::Goodbye { .. } => {}
    }
}

/// Raises the open-file limit as far as it goes and leaves some files for ourselves.
fn allowed_connections() -> usize {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024);
    usize::try_from(files.saturating_sub(FILES_FOR_OURSELVES))
        .unwrap_or(MAX_CONNECTIONS)
        .clamp(1, MAX_CONNECTIONS)
}

/// Listens at an address, also if connections are left there of a relay that was there before.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(ACCEPT_BACKLOG)
}

async fn accept_all(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        // Waiting here leaves further clients in the system's queue until somebody goes.
        let Ok(permit) = shared.connections.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let shared = shared.clone();
                tokio::spawn(async move {
                    if let Some(client) = greet(&shared, stream, peer).await {
                        serve(shared, client, permit);
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Who is to be served.
enum Client {
    /// Somebody who asks by HTTP, and what was read of that.
    Http(TcpStream, Vec<u8>),
    Replica(Link, Option<Visitor>),
    /// With the token that the head of the request shows.
    Guest(Endpoint, Link, Meter, Option<String>),
}

/// Each client gets a task of its own, which takes the memory that it needs and not what it took to find out who it is.
fn serve(shared: Arc<Shared>, client: Client, permit: OwnedSemaphorePermit) {
    match client {
        Client::Http(stream, read) => tokio::spawn(async move {
            http::serve(shared, stream, read).await;
            drop(permit);
        }),
        Client::Replica(link, visitor) => {
            let attached = match visitor {
                Some(visitor) => shared.node.attach_visitor(link, visitor),
                None => shared.node.attach(link, Side::Accepted),
            };
            tokio::spawn(async move {
                // The sender is dropped, never used: the error is the news.
                let _ended = attached.ended.await;
                drop(permit);
            })
        }
        Client::Guest(endpoint, link, meter, token) => tokio::spawn(async move {
            shared.guests.serve(endpoint, link, meter, token).await;
            drop(permit);
        }),
    };
}

/// Hears what a client wants, and opens its WebSocket. Nobody if it is not let in.
async fn greet(shared: &Shared, mut stream: TcpStream, peer: SocketAddr) -> Option<Client> {
    // Only a delay is at stake.
    let _slower = stream.set_nodelay(true);
    let head = match head::read(&mut stream).await {
        Ok(head) => head,
        Err(error) => {
            tracing::debug!(%peer, %error, "dropped");
            head::reject(&mut stream, &error).await;
            return None;
        }
    };
    match head.wants {
        Wants::Http => Some(Client::Http(stream, head.bytes)),
        Wants::WebSocket { target, upgrade, length } => {
            let leftover = head.bytes.get(length..).unwrap_or_default().to_vec();
            drop(head.bytes);
            let endpoint = Endpoint::of(&target);
            if let Some(reason) = shared.guests.auth.keeps_page_out(upgrade.origin.as_deref()) {
                tracing::info!(%peer, reason, "a page is turned away");
                let protocol = endpoint.as_ref().map_or(Protocol::Syncline, Endpoint::protocol);
                shared.metrics.note_closed(protocol, Reason::Forbidden);
                head::forbid(&mut stream, &reason).await;
                return None;
            }
            let visitor = match (&endpoint, shared.guests.auth.visitor(upgrade.token.as_deref())) {
                (None, Err(denied)) => {
                    tracing::info!(%peer, reason = %denied, "a client is not let in");
                    shared.metrics.note_closed(Protocol::Syncline, Reason::Unauthorized);
                    head::refuse(&mut stream, &denied.to_string()).await;
                    return None;
                }
                (None, Ok(visitor)) => visitor,
                // Guests have other ways to show a token.
                (Some(_), _) => None,
            };
            let subprotocol = match &endpoint {
                None => upgrade.subprotocols.iter().find(|offered| *offered == SUBPROTOCOL),
                // Clients give up that offer some and are answered with none.
                Some(_) => upgrade.subprotocols.first(),
            };
            head::accept_upgrade(&mut stream, &upgrade.key, subprotocol.map(String::as_str)).await.ok()?;
            let settings = WebSocketSettings::default();
            Some(match endpoint {
                None => {
                    let settings = settings.max_frame_bytes(MAX_FRAME_BYTES);
                    Client::Replica(
                        websocket::accept(stream, leftover, peer.to_string(), settings).await,
                        visitor,
                    )
                }
                Some(endpoint) => {
                    let (settings, meter) = (settings.max_frame_bytes(MAX_MESSAGE_BYTES), Meter::default());
                    let stream = Metered::new(stream, shared.intake.clone(), meter.clone());
                    let link = websocket::accept(stream, leftover, peer.to_string(), settings).await;
                    Client::Guest(endpoint, link, meter, upgrade.token)
                }
            })
        }
    }
}

/// Makes a folder, unless it is there, for nobody else to read: whoever reads the store needs no token.
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    /// Where there is no room for one more, the system lets it wait and try again a second later.
    #[tokio::test]
    async fn a_crowd_has_room_in_front_of_the_door() {
        const CROWD: usize = 400;
        let allowed = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        assert!(allowed.trim().parse::<usize>().unwrap() > CROWD, "this system lets no such crowd wait");
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut crowd = Vec::new();
        for _ in 0..CROWD {
            crowd.push(TcpStream::connect(address).await.unwrap());
        }
        assert_eq!(crowd.len(), CROWD);
    }
}
