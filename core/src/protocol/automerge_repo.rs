//! The messages of automerge-repo: one CBOR map (RFC 8949) a frame, with texts for keys.
//!
//! Clients in JavaScript write numbers as they like, `undefined` for what is not there, and whatever else a later version may
//! add; all of that is read. `metadata` is what the protocol's description says and `peerMetadata` what clients send.

mod presence;

use minicbor::data::Type;
use minicbor::decode::{Decoder, Error};
use minicbor::encode::Encoder;

pub use presence::Presence;

use super::lib0::Malformed;
use crate::crdt::automerge::DocumentId;

/// Longest name of a peer, a session or a storage.
pub const MAX_PEER_NAME_BYTES: usize = 256;

/// Most names in one list of a message.
pub const MAX_NAMES: usize = 1_000;

/// The only version of the protocol there is.
pub const VERSION: &str = "1";

/// What a client says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message<'a> {
    /// The type of the message.
    pub kind: &'a str,
    /// The peer that says it.
    pub sender: &'a str,
    /// What it is about.
    pub document: Option<DocumentId>,
    /// A sync message of Automerge, or what an application says.
    pub data: Option<&'a [u8]>,
    /// What is wrong, if it tells of an error.
    pub error: Option<&'a str>,
    /// Which time of the author's life it is from, if it is ephemeral.
    pub session: Option<&'a str>,
    /// The how-manieth of that time it is.
    pub count: Option<u64>,
    /// The store of the client, if it keeps anything.
    pub storage: Option<&'a str>,
    /// Versions of the protocol that it speaks; those who do not say speak the first.
    pub versions: Option<Vec<&'a str>>,
    /// Stores whose heads it wants to be told of.
    pub add: Vec<&'a str>,
    /// Those it no longer wants to be told of.
    pub remove: Vec<&'a str>,
    /// The heads of a document in several stores.
    pub heads: Vec<StorageHeads<'a>>,
}

/// Up to where a store holds a document, and since when.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StorageHeads<'a> {
    /// Which store.
    pub storage: &'a str,
    /// The hashes of the heads, in base 58 with a checksum.
    pub heads: Vec<&'a str>,
    /// Milliseconds since 1970.
    pub timestamp: u64,
}

impl<'a> Message<'a> {
    /// Reads a message that fills a frame.
    pub fn read(frame: &'a [u8]) -> Result<Self, Malformed> {
        let mut decoder = Decoder::new(frame);
        let message =
            Self::decode(&mut decoder).map_err(|_| Malformed("it is not a CBOR map of this protocol"))?;
        if decoder.position() != frame.len() {
            return Err(Malformed("something follows its end"));
        }
        if message.names().any(|name| name.len() > MAX_PEER_NAME_BYTES) {
            return Err(Malformed("a name is too long"));
        }
        Ok(message)
    }

    fn names(&self) -> impl Iterator<Item = &&'a str> {
        let lists = self.add.iter().chain(&self.remove).chain(self.heads.iter().map(|heads| &heads.storage));
        [&self.kind, &self.sender].into_iter().chain(&self.session).chain(&self.storage).chain(lists)
    }

    fn decode(decoder: &mut Decoder<'a>) -> Result<Self, Error> {
        let mut message = Self::default();
        each(decoder, |decoder, key| {
            match key {
                "type" => message.kind = decoder.str()?,
                "senderId" => message.sender = decoder.str()?,
                "documentId" => message.document = document(decoder)?,
                "data" => message.data = optional(decoder, Decoder::bytes)?,
                "message" => message.error = optional(decoder, Decoder::str)?,
                "sessionId" => message.session = optional(decoder, Decoder::str)?,
                "count" => message.count = optional(decoder, number)?,
                "supportedProtocolVersions" => message.versions = optional(decoder, texts)?,
                "peerMetadata" | "metadata" => each(decoder, |decoder, key| match key {
                    "storageId" => {
                        message.storage = optional(decoder, Decoder::str)?;
                        Ok(())
                    }
                    _ => decoder.skip(),
                })?,
                "add" => message.add = optional(decoder, texts)?.unwrap_or_default(),
                "remove" => message.remove = optional(decoder, texts)?.unwrap_or_default(),
                "newHeads" => each(decoder, |decoder, storage| {
                    at_most(message.heads.len())?;
                    let mut heads = StorageHeads { storage, ..StorageHeads::default() };
                    each(decoder, |decoder, key| {
                        match key {
                            "heads" => heads.heads = texts(decoder)?,
                            "timestamp" => heads.timestamp = number(decoder)?,
                            _ => decoder.skip()?,
                        }
                        Ok(())
                    })?;
                    message.heads.push(heads);
                    Ok(())
                })?,
                _ => decoder.skip()?,
            }
            Ok(())
        })?;
        Ok(message)
    }
}

/// Goes through a map whose keys are texts.
fn each<'a>(
    decoder: &mut Decoder<'a>,
    mut entry: impl FnMut(&mut Decoder<'a>, &'a str) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut left = decoder.map()?;
    loop {
        match &mut left {
            Some(0) => return Ok(()),
            Some(left) => *left -= 1,
            None if decoder.datatype()? == Type::Break => return decoder.skip(),
            None => {}
        }
        let key = decoder.str()?;
        entry(decoder, key)?;
    }
}

fn texts<'a>(decoder: &mut Decoder<'a>) -> Result<Vec<&'a str>, Error> {
    let mut texts = Vec::new();
    let mut left = decoder.array()?;
    loop {
        match &mut left {
            Some(0) => return Ok(texts),
            Some(left) => *left -= 1,
            None if decoder.datatype()? == Type::Break => {
                decoder.skip()?;
                return Ok(texts);
            }
            None => {}
        }
        at_most(texts.len())?;
        texts.push(decoder.str()?);
    }
}

fn at_most(names: usize) -> Result<(), Error> {
    if names < MAX_NAMES { Ok(()) } else { Err(Error::message("too many names")) }
}

fn optional<'a, T>(
    decoder: &mut Decoder<'a>,
    read: impl FnOnce(&mut Decoder<'a>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    match decoder.datatype()? {
        Type::Null | Type::Undefined => decoder.skip().map(|()| None),
        _ => read(decoder).map(Some),
    }
}

/// A whole number, in whatever form.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
fn number(decoder: &mut Decoder<'_>) -> Result<u64, Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = match decoder.datatype()? {
        Type::F32 => f64::from(decoder.f32()?),
        Type::F64 => decoder.f64()?,
        _ => return decoder.u64(),
    };
    if (0.0..EXACT).contains(&float) { Ok(float as u64) } else { Err(Error::message("not a whole number")) }
}

fn document(decoder: &mut Decoder<'_>) -> Result<Option<DocumentId>, Error> {
    let unknown = || Error::message("not the id of a document");
    match decoder.datatype()? {
        Type::Null | Type::Undefined => decoder.skip().map(|()| None),
        Type::Bytes => decoder.bytes()?.try_into().map(|id| Some(DocumentId(id))).map_err(|_| unknown()),
        _ => decoder.str()?.parse().map(Some).map_err(|_| unknown()),
    }
}

/// A message, written field by field.
pub struct Writer(Encoder<Vec<u8>>);

impl Writer {
    /// Begins a message of so many fields, of which the first two are written here.
    pub fn new(fields: u64, kind: &str, sender: &str) -> Self {
        let mut writer = Self(Encoder::new(Vec::new()));
        writer.map(fields);
        writer.text("type", kind).text("senderId", sender)
    }

    /// Goes on with a message of which all but the last fields are written.
    pub fn behind(begun: &[u8]) -> Self {
        Self(Encoder::new(begun.to_vec()))
    }

    /// Adds a field.
    pub fn text(mut self, key: &str, value: &str) -> Self {
        self.write(|out| out.str(key)?.str(value).map(drop));
        self
    }

    /// Adds a field.
    pub fn bytes(mut self, key: &str, value: &[u8]) -> Self {
        self.write(|out| out.str(key)?.bytes(value).map(drop));
        self
    }

    /// Adds a field.
    pub fn number(mut self, key: &str, value: u64) -> Self {
        self.write(|out| out.str(key)?.u64(value).map(drop));
        self
    }

    /// The first message of a client that keeps nothing in a store of its own that others could ask about.
    pub fn join(sender: &str) -> Vec<u8> {
        let mut writer = Self::new(4, "join", sender);
        writer.write(|out| {
            out.str("peerMetadata")?.map(1)?.str("isEphemeral")?.bool(true)?;
            out.str("supportedProtocolVersions")?.array(1)?.str(VERSION).map(drop)
        });
        writer.done()
    }

    /// Adds what the sender is: one that keeps what it is told, in the store of this name.
    pub fn metadata(mut self, storage: &str) -> Self {
        self.write(|out| {
            out.str("peerMetadata")?.map(2)?;
            out.str("storageId")?.str(storage)?;
            out.str("isEphemeral")?.bool(false).map(drop)
        });
        self
    }

    /// Adds the heads of a document in several stores.
    pub fn heads(mut self, heads: &[StorageHeads<'_>]) -> Self {
        self.write(|out| {
            out.str("newHeads")?.map(heads.len() as u64)?;
            for of_storage in heads {
                out.str(of_storage.storage)?.map(2)?.str("heads")?.array(of_storage.heads.len() as u64)?;
                for head in &of_storage.heads {
                    out.str(head)?;
                }
                out.str("timestamp")?.u64(of_storage.timestamp)?;
            }
            Ok(())
        });
        self
    }

    /// The message.
    pub fn done(self) -> Vec<u8> {
        self.0.into_writer()
    }

    fn map(&mut self, fields: u64) {
        self.write(|out| out.map(fields).map(drop));
    }

    fn write(
        &mut self,
        write: impl FnOnce(
            &mut Encoder<Vec<u8>>,
        ) -> Result<(), minicbor::encode::Error<core::convert::Infallible>>,
    ) {
        write(&mut self.0).expect("a vector takes everything");
    }
}

/// An ephemeral message but for whom it is for; [`addressed`] makes one of it. So it is made once for all who get it.
#[must_use]
pub fn ephemeral(sender: &str, document: DocumentId, session: &str, count: u64, data: &[u8]) -> Vec<u8> {
    let writer = Writer::new(7, "ephemeral", sender).text("documentId", &document.to_string());
    writer.text("sessionId", session).number("count", count).bytes("data", data).done()
}

/// Such a message to one peer.
#[must_use]
pub fn addressed(message: &[u8], peer: &str) -> Vec<u8> {
    Writer::behind(message).text("targetId", peer).done()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    const ID: &str = "4NMNnkMhL8jXrdJ9jamS58PAVdXu";

    fn encoded(write: impl FnOnce(&mut Encoder<Vec<u8>>)) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        write(&mut encoder);
        encoder.into_writer()
    }

    #[test]
    fn what_javascript_writes_is_read() {
        let frame = encoded(|out| {
            out.begin_map().unwrap().str("type").unwrap().str("join").unwrap();
            out.str("senderId").unwrap().str("ann").unwrap();
            out.str("peerMetadata").unwrap().map(2).unwrap();
            out.str("storageId")
                .unwrap()
                .undefined()
                .unwrap()
                .str("isEphemeral")
                .unwrap()
                .bool(true)
                .unwrap();
            out.str("supportedProtocolVersions").unwrap().array(1).unwrap().str("1").unwrap();
            out.str("later").unwrap().array(1).unwrap().map(0).unwrap().end().unwrap();
        });
        let join = Message::read(&frame).unwrap();
        assert_eq!((join.kind, join.sender, join.storage), ("join", "ann", None));
        assert_eq!(join.versions, Some(vec!["1"]));
        let frame = encoded(|out| {
            out.map(5).unwrap().str("type").unwrap().str("ephemeral").unwrap();
            out.str("documentId").unwrap().str(ID).unwrap().str("count").unwrap().f64(7.0).unwrap();
            out.str("sessionId").unwrap().str("s").unwrap().str("data").unwrap().bytes(&[1]).unwrap();
        });
        let ephemeral = Message::read(&frame).unwrap();
        assert_eq!(
            (ephemeral.count, ephemeral.session, ephemeral.data),
            (Some(7), Some("s"), Some(&[1][..]))
        );
        assert_eq!(ephemeral.document, Some(ID.parse().unwrap()));
    }

    #[test]
    fn what_is_written_is_read() {
        let heads = [StorageHeads { storage: "s", heads: vec!["h", "i"], timestamp: 9 }];
        let frame = Writer::new(5, "remote-heads-changed", "relay")
            .text("targetId", "ann")
            .text("documentId", ID)
            .heads(&heads)
            .done();
        let read = Message::read(&frame).unwrap();
        assert_eq!((read.kind, read.sender, &read.heads[..]), ("remote-heads-changed", "relay", &heads[..]));
        let join = Writer::join("ann");
        let read = Message::read(&join).unwrap();
        assert_eq!((read.kind, read.sender, read.versions), ("join", "ann", Some(vec![VERSION])));
        let error = Writer::new(3, "error", "server").text("message", "no").done();
        assert_eq!(Message::read(&error).unwrap().error, Some("no"));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let long = Writer::new(2, "join", &"x".repeat(MAX_PEER_NAME_BYTES + 1)).done();
        let many = encoded(|out| {
            out.map(1).unwrap().str("add").unwrap().array(MAX_NAMES as u64 + 1).unwrap();
            for _ in 0..=MAX_NAMES {
                out.str("s").unwrap();
            }
        });
        let bad_id = Writer::new(3, "sync", "ann").text("documentId", "nonsense").done();
        let nested = [0x81; 100_000];
        for frame in [&b""[..], b"\x01", b"\xa1", b"\xbf\x01", &[0xa0, 0xa0], &nested, &long, &many, &bad_id]
        {
            assert!(Message::read(frame).is_err(), "{:?}", &frame[..frame.len().min(20)]);
        }
    }
}
