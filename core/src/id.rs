//! Names of things: replicas, entries, documents, logs, connections.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// Longest document name, in bytes of UTF-8.
pub const MAX_DOC_ID_BYTES: usize = 512;

/// Longest name of an author, in bytes of UTF-8.
pub const MAX_PRINCIPAL_BYTES: usize = 256;

/// Who wrote an entry: drawn afresh at the first edit after every open of a document, so that a copied or
/// restored store can never use one twice. The CRDT's client or actor id is derived from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId([u8; 16]);

impl ReplicaId {
    /// A replica named by 16 random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes; also the Automerge actor id.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The Yjs client id: the low 53 bits of the first eight bytes, which is the range JavaScript can hold.
    #[must_use]
    pub fn yjs_client(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h]) & ((1 << 53) - 1)
    }
}

/// Names one log; a log rebuilt from nothing gets a new one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch([u8; 16]);

impl Epoch {
    /// A log named by 16 random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

macro_rules! shown_as_uuid {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Uuid::from_bytes(self.0).fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Uuid::try_parse(&text).map(|uuid| Self(uuid.into_bytes())).map_err(serde::de::Error::custom)
            }
        }
    };
}

shown_as_uuid!(ReplicaId);
shown_as_uuid!(Epoch);

/// The idempotence key of an entry. Counters of one replica in one document start at 1 and have no holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntryId {
    /// Who wrote the entry.
    pub replica: ReplicaId,
    /// The how-manieth entry of that replica in that document it is.
    pub counter: u64,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.replica, self.counter)
    }
}

/// A name was too long, empty, or had control characters.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// Empty names name nothing.
    #[error("the name is empty")]
    Empty,
    /// The name exceeds its limit.
    #[error("the name has {bytes} bytes, {limit} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit it exceeds.
        limit: usize,
    },
    /// Control characters break logs and terminals.
    #[error("the name contains a control character")]
    Control,
}

fn check_name(name: &str, limit: usize) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > limit {
        return Err(NameError::TooLong { bytes: name.len(), limit });
    }
    if name.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    Ok(())
}

/// The name of a document, such as `team/board`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DocId(Arc<str>);

impl DocId {
    /// Accepts any UTF-8 up to [`MAX_DOC_ID_BYTES`] without control characters.
    pub fn new(name: &str) -> Result<Self, NameError> {
        check_name(name, MAX_DOC_ID_BYTES)?;
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who is responsible for an entry: the user name a relay authenticated, or that a client claims where
/// nobody authenticates. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Principal(Arc<str>);

impl Principal {
    /// Accepts any UTF-8 up to [`MAX_PRINCIPAL_BYTES`] without control characters.
    pub fn new(name: &str) -> Result<Self, NameError> {
        check_name(name, MAX_PRINCIPAL_BYTES)?;
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! shown_as_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(&name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().into()
            }
        }
    };
}

shown_as_text!(DocId);
shown_as_text!(Principal);

/// One link to one peer, numbered by the driver; never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// One write, numbered by the replica in the order of commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

static NOTHING: Have = Have(BTreeMap::new());

/// Which entries a log contains: per replica, the highest counter. Dense counters make that exact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Have(BTreeMap<ReplicaId, u64>);

impl Have {
    /// Nothing.
    pub const NONE: &'static Self = &NOTHING;

    /// The highest counter held of `replica`; zero if none.
    #[must_use]
    pub fn counter(&self, replica: &ReplicaId) -> u64 {
        self.0.get(replica).copied().unwrap_or(0)
    }

    /// Whether the entry is held.
    #[must_use]
    pub fn covers(&self, id: &EntryId) -> bool {
        id.counter <= self.counter(&id.replica)
    }

    /// Whether everything in `other` is held here too.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        other.0.iter().all(|(replica, counter)| self.counter(replica) >= *counter)
    }

    /// What is held both here and in `other`.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        let both = |(replica, counter): (&ReplicaId, &u64)| {
            let counter = self.counter(replica).min(*counter);
            (counter > 0).then_some((*replica, counter))
        };
        Self(other.0.iter().filter_map(both).collect())
    }

    /// Another replica that would write as the same Yjs client.
    #[must_use]
    pub fn same_yjs_client(&self, replica: &ReplicaId) -> Option<ReplicaId> {
        self.yjs_writers(replica.yjs_client()).find(|other| other != replica)
    }

    /// The replicas that write as a Yjs client. Those lie together: the client is made of the first bytes of the id.
    pub fn yjs_writers(&self, client: u64) -> impl Iterator<Item = ReplicaId> + '_ {
        const CERTAIN_BYTES: usize = 6;
        let (mut first, mut last) = ([0; 16], [u8::MAX; 16]);
        for bound in [&mut first, &mut last] {
            bound[..CERTAIN_BYTES].copy_from_slice(&client.to_le_bytes()[..CERTAIN_BYTES]);
        }
        let near = self.0.range(ReplicaId(first)..=ReplicaId(last)).map(|(near, _)| *near);
        near.filter(move |near| near.yjs_client() == client)
    }

    /// Notes that the entry, and so every earlier one of its replica, is held.
    pub fn insert(&mut self, id: EntryId) {
        let counter = self.0.entry(id.replica).or_default();
        *counter = (*counter).max(id.counter);
    }

    /// Forgets the entries of `replica` from `counter` on: they were refused.
    pub fn truncate(&mut self, replica: &ReplicaId, counter: u64) {
        if self.counter(replica) < counter {
            return;
        }
        match counter {
            0 | 1 => self.0.remove(replica),
            _ => self.0.insert(*replica, counter - 1),
        };
    }

    /// Notes everything `other` holds.
    pub fn merge(&mut self, other: &Self) {
        for (replica, counter) in &other.0 {
            self.insert(EntryId { replica: *replica, counter: *counter });
        }
    }

    /// Replicas and their highest counters, in order of replica.
    pub fn iter(&self) -> impl Iterator<Item = EntryId> + '_ {
        self.0.iter().map(|(replica, counter)| EntryId { replica: *replica, counter: *counter })
    }

    /// How many replicas have written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<EntryId> for Have {
    fn from_iter<I: IntoIterator<Item = EntryId>>(ids: I) -> Self {
        let mut have = Self::default();
        ids.into_iter().for_each(|id| have.insert(id));
        have
    }
}
