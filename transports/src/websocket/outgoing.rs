//! A frame on its way out, in pieces.
//!
//! The library copies what it sends into a buffer of the link, and a relay may send the same megabytes to hundreds of links at
//! once. So a large frame leaves as fragments of one message (RFC 6455, section 5.4), the next one when the last has left;
//! until then the links share its bytes.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame as Fragment,
        coding::{Data, OpCode},
    },
};

use super::FRAGMENT_BYTES;
use crate::Frame;

/// What of a frame has not been handed over yet.
pub(super) struct Outgoing {
    rest: Bytes,
    kind: Data,
}

impl Outgoing {
    /// The first piece of a frame, and what is left for later.
    pub(super) fn begin(frame: Frame) -> (Message, Option<Self>) {
        if frame.len() <= FRAGMENT_BYTES {
            let whole = match frame {
                Frame::Binary(bytes) => Message::Binary(bytes),
                Frame::Text(text) => Message::Text(text),
            };
            return (whole, None);
        }
        let kind = match &frame {
            Frame::Binary(_) => Data::Binary,
            Frame::Text(_) => Data::Text,
        };
        Self { rest: frame.into_bytes(), kind }.next()
    }

    /// The next piece, and what is left after that.
    pub(super) fn next(mut self) -> (Message, Option<Self>) {
        let piece = self.rest.split_to(self.rest.len().min(FRAGMENT_BYTES));
        let last = self.rest.is_empty();
        let kind = std::mem::replace(&mut self.kind, Data::Continue);
        let message = Message::Frame(Fragment::message(piece, OpCode::Data(kind), last));
        (message, (!last).then_some(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_frame_leaves_as_fragments_of_one_message() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(2 * FRAGMENT_BYTES + 1).collect();
        let (first, rest) = Outgoing::begin(Frame::binary(bytes.clone()));
        let mut pieces = vec![first];
        let mut rest = rest;
        while let Some(outgoing) = rest.take() {
            let (piece, left) = outgoing.next();
            pieces.push(piece);
            rest = left;
        }
        let seen: Vec<_> = pieces
            .iter()
            .map(|piece| match piece {
                Message::Frame(frame) => (frame.header().opcode, frame.header().is_final),
                other => panic!("{other:?} is no fragment"),
            })
            .collect();
        let continued = OpCode::Data(Data::Continue);
        assert_eq!(seen, [(OpCode::Data(Data::Binary), false), (continued, false), (continued, true)]);
        let together: Vec<u8> = pieces.into_iter().flat_map(Message::into_data).collect();
        assert_eq!(together, bytes);
    }

    #[test]
    fn a_small_frame_leaves_as_it_is() {
        let (whole, rest) = Outgoing::begin(Frame::text("x"));
        assert_eq!(whole, Message::text("x"));
        assert!(rest.is_none());
    }
}
