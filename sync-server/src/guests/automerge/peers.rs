//! The peers that are connected.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Who is connected, by the name of the peer: a peer that comes again takes the place of its old connection.
#[derive(Default)]
pub(in crate::guests) struct Peers(Mutex<HashMap<String, Arc<Notify>>>);

impl Peers {
    /// A peer has come. What is returned is notified when it comes again; its last connection is notified now.
    pub(super) fn join(&self, peer: &str) -> Arc<Notify> {
        let here = Arc::new(Notify::new());
        let before =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(peer.to_owned(), here.clone());
        if let Some(before) = before {
            before.notify_one();
        }
        here
    }

    /// A peer is gone; if it has come again, that connection stays.
    pub(super) fn leave(&self, peer: &str, here: &Arc<Notify>) {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.get(peer).is_some_and(|there| Arc::ptr_eq(there, here)) {
            peers.remove(peer);
        }
    }
}
