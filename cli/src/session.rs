//! One command's engine: opened over the store, closed before the command ends.

use std::io::Write;

use syncline::transports::{Hybrid, Transport, WebSocket};
use syncline::{
    Builder, Connection, Document, Engine, OpenError, OtherServer, SqliteStorage, Status, storage,
};
use syncline_core::event::DocumentError;
use syncline_core::wire::MAX_FRAME_BYTES;

use crate::args::Global;
use crate::failure::Failure;

/// Longest wait between attempts to reach a relay, in milliseconds: somebody sits in front of the terminal.
const LONGEST_WAIT: u64 = 1_000;

/// Opens the store alone; one that is not there is an error, so that a mistyped name is not taken for an empty
/// store.
pub fn existing_store(global: &Global) -> Result<SqliteStorage, Failure> {
    // What cannot be looked at is for the store to explain.
    match global.store.try_exists() {
        Ok(false) => Err(Failure::NoStore(global.store.clone())),
        Ok(true) | Err(_) => open_store(global),
    }
}

/// Opens the store alone, making it if it is not there.
pub fn open_store(global: &Global) -> Result<SqliteStorage, Failure> {
    let options = storage::Options { durability: global.durability(), ..storage::Options::default() };
    Ok(SqliteStorage::open(&global.store, options)?)
}

/// An engine that connects to nobody.
pub fn offline(global: &Global, store: SqliteStorage) -> Result<Engine, Failure> {
    // Some later command may have a relay, so what none has acknowledged is kept apart.
    let builder = Engine::builder(store).keeps_unacknowledged(true);
    Ok(builder.user(&global.user).open()?)
}

/// An engine connected to the relays of the command line, or to the server, if there are any.
pub fn online(global: &Global, store: SqliteStorage) -> Result<Engine, Failure> {
    if global.relay.is_empty() {
        return offline(global, store);
    }
    match server(global)? {
        Some(server) => Ok(builder(global, store).server(server).open()?),
        None => with_transport(global, store, relays(global)?),
    }
}

/// An engine over this store and transport.
pub fn with_transport(
    global: &Global,
    store: SqliteStorage,
    transport: impl Transport + 'static,
) -> Result<Engine, Failure> {
    Ok(builder(global, store).relay(transport).open()?)
}

fn builder(global: &Global, store: SqliteStorage) -> Builder {
    let builder = Engine::builder(store).user(&global.user).encoding(global.encoding());
    builder.compression(global.compression()).longest_wait(LONGEST_WAIT)
}

/// The server of others that is named instead of a relay, if one is.
pub fn server(global: &Global) -> Result<Option<OtherServer>, Failure> {
    match &global.relay[..] {
        [only] if OtherServer::is_meant_by(only) => {
            let server: OtherServer = only.parse()?;
            Ok(Some(global.token.iter().fold(server, OtherServer::token)))
        }
        several if several.iter().any(|address| OtherServer::is_meant_by(address)) => {
            Err(Failure::SeveralServers)
        }
        _ => Ok(None),
    }
}

/// The relays in order of preference.
pub fn relays(global: &Global) -> Result<Box<dyn Transport>, Failure> {
    if server(global)?.is_some() {
        return Err(Failure::NoServer);
    }
    let mut relays = global.relay.iter().map(|url| -> Box<dyn Transport> {
        let relay = WebSocket::new(url.as_str()).max_frame_bytes(MAX_FRAME_BYTES);
        Box::new(global.token.iter().fold(relay, WebSocket::token))
    });
    Ok(match (relays.next(), relays.len()) {
        (Some(only), 0) => only,
        (first, _) => Box::new(Hybrid::new(first.into_iter().chain(relays).collect())),
    })
}

/// Opens a document of the store.
pub async fn document(engine: &Engine, name: &str) -> Result<Document, Failure> {
    match engine.existing(name).await {
        Err(OpenError::Document(DocumentError::NotFound { .. })) => Err(Failure::NoDocument(name.to_owned())),
        opened => Ok(opened?),
    }
}

/// Whether the store has a document, in whatever state.
pub async fn is_stored(engine: &Engine, name: &str) -> Result<bool, Failure> {
    Ok(engine.list().await?.iter().any(|summary| summary.doc.as_str() == name))
}

/// Waits for a relay, telling how it goes; one that cannot be reached as things are is an error, not a wait. For a server that
/// takes none of the open documents nobody waits.
pub async fn connected(engine: &Engine, tell: impl Fn(&Status)) -> Result<(), Failure> {
    let mut status = engine.watch_status();
    loop {
        let now = status.borrow_and_update().clone();
        if now.is_connected() || now.connections.iter().all(Connection::is_idle) {
            return Ok(());
        }
        if let Some(error) = now.hopeless() {
            return Err(Failure::Unreachable(error.to_owned()));
        }
        tell(&now);
        status.changed().await.map_err(|_| OpenError::Closed)?;
    }
}

/// Says on standard error what is no failure and should be known; where that cannot be, it is not.
pub fn warn(said: &str) {
    drop(writeln!(std::io::stderr(), "syncline: {said}"));
}

/// The state of the connections in words.
pub fn connections(status: &Status) -> String {
    status.connections.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Waits for work that relies on the store; a store that cannot be written is an error, not a wait.
pub async fn unless_full<T>(
    engine: &Engine,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut status = engine.watch_status();
    let fault = async {
        let told = status.wait_for(|status| status.store.is_some()).await;
        told.ok().and_then(|status| status.store.clone())
    };
    tokio::select! {
        biased;
        done = work => done,
        Some(fault) = fault => Err(Failure::Unwritten(fault)),
    }
}

/// Closes the engine; that the store could not take everything is an error.
pub async fn close(engine: &Engine) -> Result<(), Failure> {
    engine.close().await;
    engine.status().store.map_or(Ok(()), |fault| Err(Failure::Unwritten(fault)))
}
