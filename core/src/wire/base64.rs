//! Bytes as base64 text (RFC 4648, section 4, with padding): how JSON carries them.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serializer, de};

/// For `#[serde(with = "…")]` on a field of bytes.
pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

/// For `#[serde(with = "…")]` on a field of bytes.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = <Cow<'de, str>>::deserialize(deserializer)?;
    STANDARD.decode(text.as_bytes()).map(Bytes::from).map_err(de::Error::custom)
}
