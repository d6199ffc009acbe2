//! From messages to frames and back.
//!
//! A message is encoded once ([`Encoded`]) however many peers it is for; a frame is assembled of encoded
//! messages. Decoding needs no settings: a frame says of itself what it is.
//!
//! ```
//! use syncline_core::wire::{Codec, Message};
//!
//! let codec = Codec::default();
//! let ping = Message::Ping { token: 7 };
//! let frame = codec.frame(&[codec.encode(&ping)]);
//! assert_eq!(Codec::decode(&frame), Ok(vec![ping]));
//! ```

use bytes::Bytes;

use super::compress::{self, Compressor};
use super::error::check_version;
use super::layout::Reader;
use super::limits::{EntryBudget, at_most};
use super::{Compression, Encoding, Frame, MAX_FRAME_BYTES, MAX_FRAME_MESSAGES, Message, WireError};
use super::{binary, json};

/// The newest version of the binary frame.
pub const FRAME_VERSION: u8 = 1;

/// Smaller frames are sent as they are: compressed alone they hardly shrink.
pub const MIN_COMPRESSED_BYTES: usize = 256;

/// The first byte of a binary frame; no JSON and no UTF-8 text begins with it.
const MAGIC: u8 = 0xF5;

/// What stands in front of the payload of a binary frame: magic, version, flags.
const HEADER_BYTES: usize = 3;

/// The flags that tell the compression.
const COMPRESSION_FLAGS: u8 = 0b11;

/// The flag of a payload that is JSON.
const JSON_FLAG: u8 = 0x10;

/// How one side of a link sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Codec {
    /// The encoding of messages: the one in which the peer spoke first.
    pub encoding: Encoding,
    /// The compression of frames: the first that the peer offered and this side knows.
    pub compression: Compression,
}

/// A message in one of the encodings. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded(Bytes);

impl Encoded {
    /// What the message adds to a frame, in bytes before compression.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no encoded message is empty")]
    pub const fn len(&self) -> usize {
        self.0.len()
    }
}

impl Codec {
    /// Encodes a message for frames of this codec's encoding.
    #[must_use]
    pub fn encode(&self, message: &Message) -> Encoded {
        let bytes = match self.encoding {
            Encoding::Binary => binary::to_envelope(message),
            Encoding::Json => json::to_object(message),
        };
        Encoded(bytes.into())
    }

    /// Makes a frame of messages that were encoded by a codec of the same encoding. The caller keeps them within
    /// [`MAX_FRAME_BYTES`] and [`MAX_FRAME_MESSAGES`], beyond which the peer refuses the frame. Who makes many frames
    /// has a [`Packer`].
    #[must_use]
    pub fn frame(&self, messages: &[Encoded]) -> Frame {
        Packer::default().frame(*self, messages)
    }

    /// The parts that make up the messages of a frame.
    fn payload<'a>(&self, messages: &'a [Encoded]) -> Vec<&'a [u8]> {
        let messages = messages.iter().map(|message| message.0.as_ref());
        match self.encoding {
            Encoding::Binary => messages.collect(),
            Encoding::Json => {
                let mut parts: Vec<&[u8]> = messages.flat_map(|message| [b",", message]).collect();
                // The first comma becomes the bracket; an empty array has none.
                parts.splice(..parts.len().min(1), [b"[".as_slice()]);
                parts.push(b"]");
                parts
            }
        }
    }

    /// The messages of a frame, whatever its encoding and compression; those that this version does not know are
    /// left out. Every message is within the limits, and every byte was accounted for.
    pub fn decode(frame: &Frame) -> Result<Vec<Message>, WireError> {
        at_most("a frame", frame.bytes.len(), MAX_FRAME_BYTES)?;
        match Header::read(&frame.bytes)? {
            None => decode_json(&frame.bytes),
            Some(header) => header.decode(frame.bytes.slice(HEADER_BYTES..)),
        }
    }

    /// The encoding of a peer's frame, to be answered in the same. It is told from the first bytes; the frame
    /// need not be well-formed.
    #[must_use]
    pub fn detect(frame: &Frame) -> Encoding {
        match frame.bytes.as_ref() {
            [MAGIC, _, flags, ..] if flags & JSON_FLAG == 0 => Encoding::Binary,
            [MAGIC, _, _, ..] => Encoding::Json,
            _ if frame.text => Encoding::Json,
            bytes if starts_as_json(bytes) => Encoding::Json,
            _ => Encoding::Binary,
        }
    }
}

/// Makes frames, one after the other, in the same working memory.
#[derive(Default)]
pub struct Packer {
    compressor: Compressor,
}

impl Packer {
    /// As [`Codec::frame`].
    pub fn frame(&mut self, codec: Codec, messages: &[Encoded]) -> Frame {
        let payload = codec.payload(messages);
        if let Some(compressed) = self.compressed(codec.compression, &payload) {
            let flags = flag_of(codec.encoding) | flag_of_compression(codec.compression);
            return binary_frame(flags, &[&compressed]);
        }
        match codec.encoding {
            Encoding::Binary => binary_frame(flag_of(codec.encoding), &payload),
            Encoding::Json => Frame { bytes: payload.concat().into(), text: true },
        }
    }

    fn compressed(&mut self, compression: Compression, payload: &[&[u8]]) -> Option<Vec<u8>> {
        let size: usize = payload.iter().map(|part| part.len()).sum();
        if size < MIN_COMPRESSED_BYTES {
            return None;
        }
        self.compressor.compress(payload, compression).filter(|compressed| compressed.len() < size)
    }
}

fn starts_as_json(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii_start().first(), Some(b'[' | b'{'))
}

fn flag_of(encoding: Encoding) -> u8 {
    match encoding {
        Encoding::Binary => 0,
        Encoding::Json => JSON_FLAG,
    }
}

const fn flag_of_compression(compression: Compression) -> u8 {
    match compression {
        Compression::None => 0,
        Compression::Gzip => 1,
        Compression::Brotli => 2,
    }
}

fn binary_frame(flags: u8, payload: &[&[u8]]) -> Frame {
    let header = [MAGIC, FRAME_VERSION, flags];
    let bytes = [&[header.as_slice()], payload].concat().concat();
    Frame { bytes: bytes.into(), text: false }
}

/// What the header of a binary frame says of its payload.
struct Header {
    encoding: Encoding,
    compression: Compression,
}

impl Header {
    /// `None` if the frame is JSON text.
    fn read(frame: &[u8]) -> Result<Option<Self>, WireError> {
        match *frame {
            [MAGIC, version, flags, ..] => {
                check_version(version, FRAME_VERSION)?;
                Self::of_flags(flags).map(Some)
            }
            _ if starts_as_json(frame) => Ok(None),
            [] => Err(WireError::malformed("an empty frame")),
            [first, ..] => {
                Err(WireError::malformed(format_args!("no frame begins with the byte {first:#04x}")))
            }
        }
    }

    fn of_flags(flags: u8) -> Result<Self, WireError> {
        let compressions = [Compression::None, Compression::Gzip, Compression::Brotli];
        let found =
            |compression: &Compression| flag_of_compression(*compression) == flags & COMPRESSION_FLAGS;
        let compression = compressions.into_iter().find(found);
        match (compression, flags & !COMPRESSION_FLAGS) {
            (Some(compression), 0) => Ok(Self { encoding: Encoding::Binary, compression }),
            (Some(compression), JSON_FLAG) => Ok(Self { encoding: Encoding::Json, compression }),
            _ => Err(WireError::malformed(format_args!("unknown flags {flags:#04x}"))),
        }
    }

    fn decode(self, payload: Bytes) -> Result<Vec<Message>, WireError> {
        let payload = match self.compression {
            Compression::None => payload,
            Compression::Gzip => compress::gunzip(&payload)?.into(),
            Compression::Brotli => compress::unbrotli(&payload)?.into(),
        };
        match self.encoding {
            Encoding::Binary => decode_binary(payload),
            Encoding::Json => decode_json(&payload),
        }
    }
}

fn decode_binary(payload: Bytes) -> Result<Vec<Message>, WireError> {
    let mut input = Reader::new(payload);
    let mut messages = Checked::default();
    let mut envelopes = 0;
    while input.remaining() > 0 {
        envelopes += 1;
        at_most("the number of messages in a frame", envelopes, MAX_FRAME_MESSAGES)?;
        messages.add(binary::read_envelope(&mut input)?)?;
    }
    Ok(messages.messages)
}

fn decode_json(text: &[u8]) -> Result<Vec<Message>, WireError> {
    let objects = json::objects(text)?;
    at_most("the number of messages in a frame", objects.len(), MAX_FRAME_MESSAGES)?;
    let mut messages = Checked::default();
    objects.into_iter().try_for_each(|object| messages.add(json::from_object(object)?))?;
    Ok(messages.messages)
}

/// The known and valid messages of a frame.
#[derive(Default)]
struct Checked {
    messages: Vec<Message>,
    budget: EntryBudget,
}

impl Checked {
    fn add(&mut self, message: Option<Message>) -> Result<(), WireError> {
        if let Some(message) = message {
            message.check(&mut self.budget)?;
            self.messages.push(message);
        }
        Ok(())
    }
}
