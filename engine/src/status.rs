//! What an application can show of the engine's state.

use std::fmt;

use syncline_core::event::StoreFault;
use syncline_core::time::Time;

/// The state of an engine, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// One for each transport the engine was given, in that order.
    pub connections: Vec<Connection>,
    /// Edits in open documents that no relay has acknowledged.
    pub pending: u64,
    /// Their size in bytes.
    pub pending_bytes: u64,
    /// When anything was last heard from a peer.
    pub last_contact: Option<Time>,
    /// What is wrong with the store; edits are refused while something is.
    pub store: Option<StoreFault>,
}

impl Status {
    /// Whether any relay is connected.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connections.iter().any(Connection::is_connected)
    }

    /// Why no relay can be reached until somebody mends something, if that is so: the address, a setting or the other
    /// side. The engine tries again all the same, as others may mend it too.
    #[must_use]
    pub fn hopeless(&self) -> Option<&str> {
        let permanent = |connection: &Connection| match connection {
            Connection::Offline { permanent, .. } => *permanent,
            Connection::Idle { .. } | Connection::Connecting { .. } | Connection::Connected { .. } => false,
        };
        self.connections
            .first()
            .filter(|_| self.connections.iter().all(permanent))
            .and_then(Connection::error)
    }
}

/// What it means that an edit is saved at a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// The server has the edit in its document, which may be in memory alone: that is all that servers of others tell. If it
    /// loses the edit, it gets it again from whoever connects to it next and has it.
    Applied,
    /// The edit is in the relay's store, as durable as that is.
    Durable,
}

/// The state of one dialled connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// No document is open that a server of others takes, and to such a server there are connections for documents only.
    Idle {
        /// Where it would lead.
        endpoint: String,
    },
    /// An attempt is under way.
    Connecting {
        /// Where to.
        endpoint: String,
    },
    /// The peer has greeted us.
    Connected {
        /// Where; a hybrid transport names the one in use.
        endpoint: String,
        /// What is promised of edits that are saved there.
        promise: Promise,
    },
    /// There will be another attempt.
    Offline {
        /// Where to.
        endpoint: String,
        /// Why the last one failed, and where.
        error: String,
        /// Whether trying again can hardly help: somebody has to mend the address, a setting or the other side.
        permanent: bool,
        /// Milliseconds from the failure to the next attempt.
        retry_in: u64,
    },
}

impl Connection {
    /// Whether the peer has greeted us.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        matches!(self, Self::Connected { .. })
    }

    /// Whether none is wanted at the moment.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        matches!(self, Self::Idle { .. })
    }

    /// Why the last attempt failed, if it did.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Offline { error, .. } => Some(error),
            Self::Idle { .. } | Self::Connecting { .. } | Self::Connected { .. } => None,
        }
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting { endpoint } => write!(f, "connecting to {endpoint}"),
            Self::Idle { endpoint } => write!(f, "no document is open for {endpoint}"),
            Self::Connected { endpoint, promise: Promise::Durable } => write!(f, "connected to {endpoint}"),
            Self::Connected { endpoint, promise: Promise::Applied } => {
                write!(
                    f,
                    "connected to {endpoint}, which applies edits and does not say when they are durable"
                )
            }
            Self::Offline { error, .. } => write!(f, "offline ({error})"),
        }
    }
}
