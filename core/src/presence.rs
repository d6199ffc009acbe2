//! Who is present in a document: what people show each other while they are there. Nothing of it is stored.
//!
//! A *session* is somebody at one place: a window, a tab, a terminal. It says of itself what it likes, within limits, says it
//! again every [`HEARTBEAT`], and is gone when its link ends or when nothing was heard of it for [`TIMEOUT`]. Who somebody is, a
//! relay decides that has asked.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::id::Principal;
use crate::path::Path;
use crate::time::Time;

/// How often a session says that it is still there, in milliseconds.
pub const HEARTBEAT: u64 = 30_000;

/// After how long without a word it is taken to be gone, in milliseconds.
pub const TIMEOUT: u64 = 60_000;

/// Least time between two messages about who is present, to one peer, in milliseconds.
pub const PRESENCE_TICK: u64 = 50;

/// The same for each four of those who have the document open, where they are many: who moves is told to all of them.
pub const PRESENCE_TICK_OF_FOUR: u64 = 1;

/// Where there are so many they are told in turns, so that whatever else they are sent waits for few of them: how far these are
/// apart, in milliseconds.
pub const PRESENCE_TURN: u64 = 16;

/// Most sessions that are present in a document.
pub const MAX_SESSIONS: usize = 10_000;

/// Most sessions in one document that one link may speak for.
pub const MAX_SESSIONS_OF_A_LINK: usize = 64;

/// Longest display name and colour, in bytes of UTF-8.
pub const MAX_DISPLAY_BYTES: usize = 256;

/// Longest anchor in a text, in bytes.
pub const MAX_ANCHOR_BYTES: usize = 256;

/// Most bytes of metadata, as JSON.
pub const MAX_METADATA_BYTES: usize = 4 << 10;

/// Names a session, for as long as it lasts. Drawn at random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 16]);

/// What a session shows of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Who it is.
    pub user: Principal,
    /// What to call them.
    pub name: String,
    /// The colour that they are shown in, as CSS has it; nothing for any.
    pub color: String,
    /// Whether they are at it.
    pub status: Status,
    /// Where they are in a text.
    pub selection: Option<Selection>,
    /// When they last did something, by their clock.
    pub active: Time,
    /// Anything else that the application wants to show.
    pub metadata: Metadata,
}

/// Whether somebody who is present is at it. Who is offline is not present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// They are.
    #[default]
    Online,
    /// They have done nothing for a while, or look at something else.
    Away,
}

/// A stretch of a text, or a place in it, that stays where it is while others write: both ends hold on to characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// The text.
    pub path: Path,
    /// Where it was begun.
    pub anchor: Anchor,
    /// Where the cursor is; the same place if nothing is selected.
    pub head: Anchor,
}

/// A place in a text, in the form in which other programs of the document's family write it: a relative position of Yjs as
/// JSON, or a cursor of Automerge. See [`Crdt::anchor`](crate::crdt::Crdt::anchor).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Anchor(pub String);

/// A JSON object of at most [`MAX_METADATA_BYTES`].
#[derive(Clone, Debug, Eq)]
pub struct Metadata {
    object: Map<String, Json>,
    /// The same as text: it is written once, and told to many.
    text: Box<str>,
}

/// What is new about a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Which.
    pub session: SessionId,
    /// What it shows now; `None` if it is gone. Shared, as many are told of it.
    pub presence: Option<Arc<Presence>>,
}

impl SessionId {
    /// A session named by 16 random bytes.
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

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for SessionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Uuid::try_parse(&text).map(|uuid| Self(uuid.into_bytes())).map_err(serde::de::Error::custom)
    }
}

impl Sighting {
    /// Roughly how much memory it takes, in bytes.
    pub(crate) fn cost(&self) -> usize {
        size_of::<Self>() + self.presence.as_ref().map_or(0, |presence| presence.len())
    }
}

impl Presence {
    /// Bytes of the words in it.
    fn len(&self) -> usize {
        let selection = |selection: &Selection| {
            selection.path.to_string().len() + selection.anchor.0.len() + selection.head.0.len()
        };
        let selection = self.selection.as_ref().map_or(0, selection);
        let words = self.user.as_str().len() + self.name.len() + self.color.len();
        words + selection + self.metadata.text().len()
    }

    /// Somebody who is there and shows no more than who it is.
    #[must_use]
    pub fn of(user: Principal) -> Self {
        Self {
            name: user.as_str().to_owned(),
            user,
            color: String::new(),
            status: Status::Online,
            selection: None,
            active: Time(0),
            metadata: Metadata::default(),
        }
    }

    /// What is too large about it, and the limit.
    #[must_use]
    pub fn excess(&self) -> Option<(&'static str, usize)> {
        let anchors = self.selection.iter().flat_map(|selection| [&selection.anchor, &selection.head]);
        let anchor = anchors.map(|anchor| anchor.0.len()).max().unwrap_or_default();
        let sizes = [
            ("a display name", self.name.len(), MAX_DISPLAY_BYTES),
            ("a colour", self.color.len(), MAX_DISPLAY_BYTES),
            ("an anchor in a text", anchor, MAX_ANCHOR_BYTES),
            ("the metadata of a session", self.metadata.text().len(), MAX_METADATA_BYTES),
        ];
        sizes.into_iter().find(|(_, size, limit)| size > limit).map(|(what, _, limit)| (what, limit))
    }
}

impl Metadata {
    /// The object of a JSON value; `None` if it is none, or too large.
    #[must_use]
    pub fn new(json: Json) -> Option<Self> {
        let Json::Object(object) = json else { return None };
        Some(Self::of(object)).filter(|metadata| metadata.text.len() <= MAX_METADATA_BYTES)
    }

    fn of(object: Map<String, Json>) -> Self {
        // A map with texts for keys is always JSON.
        let text = serde_json::to_string(&object).unwrap_or_default().into_boxed_str();
        Self { object, text }
    }

    /// The object.
    #[must_use]
    pub const fn object(&self) -> &Map<String, Json> {
        &self.object
    }

    /// The object as text, without white space.
    #[must_use]
    pub const fn text(&self) -> &str {
        &self.text
    }
}

/// An object without anything in it.
impl Default for Metadata {
    fn default() -> Self {
        Self::of(Map::default())
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        // The order of names means nothing.
        self.object == other.object
    }
}

impl fmt::Display for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Metadata {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.object.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Map::deserialize(deserializer)?;
        let too_large = || serde::de::Error::custom("the metadata of a session is too large");
        Self::new(Json::Object(object)).ok_or_else(too_large)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_too_large_is_named() {
        let ada = Presence::of(Principal::new("ada").unwrap());
        assert_eq!((ada.name.as_str(), ada.excess()), ("ada", None));
        let long = "x".repeat(MAX_DISPLAY_BYTES + 1);
        let named = Presence { name: long.clone(), ..ada.clone() };
        assert_eq!(named.excess(), Some(("a display name", MAX_DISPLAY_BYTES)));
        let anchor = Anchor("x".repeat(MAX_ANCHOR_BYTES + 1));
        let selection = Selection { path: Path::root(), anchor: anchor.clone(), head: anchor };
        let selecting = Presence { selection: Some(selection), ..ada };
        assert_eq!(selecting.excess(), Some(("an anchor in a text", MAX_ANCHOR_BYTES)));
        assert!(Metadata::new(json!({"a": "x".repeat(MAX_METADATA_BYTES)})).is_none());
        assert!(Metadata::new(json!([])).is_none());
        assert_eq!(Metadata::new(json!({"a": 1})).unwrap().text(), r#"{"a":1}"#);
    }
}
