//! What is shown of a server that may have a connection for each document: the best of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::observers::Slot;
use crate::status::Connection;

/// The place of a server in the status.
pub(super) struct Shown {
    slot: Slot,
    endpoint: String,
    connections: Mutex<BTreeMap<u64, Connection>>,
}

/// One connection of the server, as long as somebody keeps it up.
pub(super) struct Sign {
    shown: Arc<Shown>,
    number: u64,
}

impl Shown {
    pub fn new(slot: Slot, endpoint: String) -> Arc<Self> {
        Arc::new(Self { slot, endpoint, connections: Mutex::default() })
    }

    /// A place for one more connection, under a number of its own.
    pub fn sign(self: &Arc<Self>, number: u64) -> Sign {
        Sign { shown: self.clone(), number }
    }

    fn update(&self, change: impl FnOnce(&mut BTreeMap<u64, Connection>)) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut connections);
        let idle = || Connection::Idle { endpoint: self.endpoint.clone() };
        self.slot.set(best(connections.values()).cloned().unwrap_or_else(idle));
    }
}

impl Sign {
    pub fn set(&self, connection: Connection) {
        self.shown.update(|connections| _ = connections.insert(self.number, connection));
    }

    /// There is no connection, and none is wanted.
    pub fn clear(&self) {
        self.shown.update(|connections| _ = connections.remove(&self.number));
    }
}

impl Drop for Sign {
    fn drop(&mut self) {
        self.clear();
    }
}

/// One that is up, or is about to be; otherwise one that is not, and rather one that may come up by itself.
fn best<'a>(connections: impl Iterator<Item = &'a Connection>) -> Option<&'a Connection> {
    connections.min_by_key(|connection| match connection {
        Connection::Connected { .. } => 0,
        Connection::Connecting { .. } => 1,
        Connection::Offline { permanent: false, .. } => 2,
        Connection::Offline { permanent: true, .. } => 3,
        Connection::Idle { .. } => 4,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observers::Observers;
    use crate::status::Promise;

    #[test]
    fn the_best_connection_is_shown_and_none_as_that() {
        let endpoint = || "yjs+ws://h".to_owned();
        let observers = Arc::new(Observers::new(true, Vec::new()));
        let slot = observers.connection_slot(Connection::Idle { endpoint: endpoint() });
        let shown = Shown::new(slot, endpoint());
        let now = || observers.status.borrow().connections[0].clone();
        let (one, other) = (shown.sign(1), shown.sign(2));
        let offline = Connection::Offline {
            endpoint: endpoint(),
            error: "no".to_owned(),
            permanent: true,
            retry_in: 1,
        };
        one.set(offline.clone());
        assert_eq!(now(), offline);
        let up = Connection::Connected { endpoint: endpoint(), promise: Promise::Applied };
        other.set(up.clone());
        assert_eq!(now(), up);
        drop(other);
        assert_eq!(now(), offline);
        one.clear();
        assert_eq!(now(), Connection::Idle { endpoint: endpoint() });
    }
}
