//! A frame on its way out, in pieces.
//!
//! The library copies what it sends into a buffer of the link, and a relay may send the same megabytes to hundreds of links at
//! once. So a large frame leaves as fragments of one message (RFC 6455, section 5.4), the next one when the last has left; until
//! then the links share its bytes. Pongs and goodbyes leave between them. A server's leave past the library, without any copy;
//! a client's are smaller, as they are masked in a copy.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame as Fragment, FrameHeader,
        coding::{Data, OpCode},
    },
};

use super::{FRAGMENT_BYTES, PASSED_BYTES, WHOLE_FRAME_BYTES};
use crate::Frame;

/// What a frame's header takes at most, without a mask.
const HEADER_BYTES: usize = 10;

/// What of a frame has not been handed over yet.
pub(super) struct Outgoing {
    /// What comes in front of the rest.
    head: Bytes,
    rest: Bytes,
    kind: Data,
}

impl Outgoing {
    /// The first piece of a frame, and what is left for later.
    pub(super) fn begin(frame: Frame) -> (Message, Option<Self>) {
        if frame.len() <= WHOLE_FRAME_BYTES {
            let whole = match frame {
                Frame::Binary(bytes) => Message::Binary(bytes),
                Frame::Text(text) => Message::Text(text),
            };
            return (whole, None);
        }
        Self::whole(frame).next()
    }

    /// A frame of which nothing has been handed over.
    pub(super) fn whole(frame: Frame) -> Self {
        let kind = match &frame {
            Frame::Binary(_) => Data::Binary,
            Frame::Text(_) => Data::Text,
        };
        Self { head: Bytes::new(), rest: frame.into_bytes(), kind }
    }

    /// The same for a binary frame in two parts, of which the second one may be shared by many links.
    pub(super) const fn parts(head: Bytes, rest: Bytes) -> Self {
        Self { head, rest, kind: Data::Binary }
    }

    /// As [`Outgoing::begin`] for a binary frame in two parts. It is sent in pieces as soon as it is larger than one.
    pub(super) fn begin_parts(head: Bytes, mut body: Bytes) -> (Message, Option<Self>) {
        let room = FRAGMENT_BYTES.saturating_sub(head.len());
        let begun = [head, body.split_to(room.min(body.len()))].concat();
        if body.is_empty() {
            return (Message::binary(begun), None);
        }
        let first = Fragment::message(begun, OpCode::Data(Data::Binary), false);
        (Message::Frame(first), Some(Self { head: Bytes::new(), rest: body, kind: Data::Continue }))
    }

    /// The next piece, and what is left after that.
    pub(super) fn next(mut self) -> (Message, Option<Self>) {
        let (piece, opcode, last) = self.cut(FRAGMENT_BYTES);
        let message = Message::Frame(Fragment::message(piece, opcode, last));
        (message, (!last).then_some(self))
    }

    /// The next piece as a server sends it past the library: what comes in front of it, and it; and what is left after that.
    pub(super) fn next_passed(mut self) -> (Bytes, Bytes, Option<Self>) {
        let (piece, opcode, is_final) = self.cut(PASSED_BYTES);
        let head = std::mem::take(&mut self.head);
        let header = FrameHeader { opcode, is_final, ..FrameHeader::default() };
        let mut begun = Vec::with_capacity(HEADER_BYTES + head.len());
        header
            .format((head.len() + piece.len()) as u64, &mut begun)
            .expect("a vector takes all that is written");
        begun.extend_from_slice(&head);
        (begun.into(), piece, (!is_final).then_some(self))
    }

    /// Takes up to so many bytes: they, how their fragment is marked, and whether it is the last one.
    fn cut(&mut self, most: usize) -> (Bytes, OpCode, bool) {
        let piece = self.rest.split_to(self.rest.len().min(most));
        let kind = std::mem::replace(&mut self.kind, Data::Continue);
        (piece, OpCode::Data(kind), self.rest.is_empty())
    }
}

/// Binary frames as a server sends them, one behind the other.
pub(super) fn encoded(frames: &[Bytes]) -> Bytes {
    let fragments =
        frames.iter().map(|frame| Fragment::message(frame.clone(), OpCode::Data(Data::Binary), true));
    let mut encoded = Vec::with_capacity(frames.iter().map(|frame| frame.len() + HEADER_BYTES).sum());
    for fragment in fragments {
        fragment.format(&mut encoded).expect("a vector takes all that is written");
    }
    encoded.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    #[test]
    fn a_large_frame_leaves_as_fragments_of_one_message() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(WHOLE_FRAME_BYTES + 1).collect();
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
        assert_eq!(seen.len(), WHOLE_FRAME_BYTES / FRAGMENT_BYTES + 1);
        assert_eq!((seen[0], seen[1]), ((OpCode::Data(Data::Binary), false), (continued, false)));
        assert_eq!(seen.iter().filter(|(_, last)| *last).count(), 1);
        assert_eq!(seen.last(), Some(&(continued, true)));
        let together: Vec<u8> = pieces.into_iter().flat_map(Message::into_data).collect();
        assert_eq!(together, bytes);
    }

    #[test]
    fn a_frame_in_two_parts_is_one_message_and_shares_the_second() {
        let body = Bytes::from(vec![7; WHOLE_FRAME_BYTES]);
        let (first, rest) = Outgoing::begin_parts(Bytes::from_static(b"head"), body.clone());
        let first = first.into_data();
        assert_eq!((first.len(), &first[..5]), (FRAGMENT_BYTES, &b"head\x07"[..]));
        let (second, rest) = rest.unwrap().next();
        assert_eq!(second.into_data().as_ptr(), body[FRAGMENT_BYTES - 4..].as_ptr(), "the same memory");
        assert!(rest.is_some());
        let (whole, rest) = Outgoing::begin_parts(Bytes::from_static(b"a"), Bytes::from_static(b"b"));
        assert_eq!((whole, rest.is_none()), (Message::binary("ab"), true));
    }

    #[test]
    fn what_a_server_passes_is_what_the_library_would_send() {
        for len in [0, 1, 125, 126, 65_535, 65_536, WHOLE_FRAME_BYTES + 1, PASSED_BYTES] {
            let body = Bytes::from(vec![7; len]);
            let whole = encoded(std::slice::from_ref(&body));
            let (header, piece, rest) = Outgoing::whole(Frame::Binary(body.clone())).next_passed();
            assert_eq!(([header, piece].concat(), rest.is_none()), (whole.to_vec(), true));
            let (head, rest) = (body.slice(..len / 3), body.slice(len / 3..));
            let (header, piece, rest) = Outgoing::parts(head, rest).next_passed();
            assert_eq!(([header, piece].concat(), rest.is_none()), (whole.to_vec(), true));
        }
        assert_eq!(&Outgoing::whole(Frame::text("four")).next_passed().0[..], &[0x81, 4]);
    }

    #[test]
    fn what_is_larger_is_passed_in_pieces_without_a_copy() {
        let body = Bytes::from(vec![7; 2 * PASSED_BYTES + 1]);
        let mut outgoing = Some(Outgoing::parts(Bytes::from_static(b"head"), body.clone()));
        let mut seen = Vec::new();
        while let Some(left) = outgoing.take() {
            let (header, piece, rest) = left.next_passed();
            let at = seen.iter().map(|(_, len)| len).sum::<usize>();
            assert_eq!(piece.as_ptr(), body[at..].as_ptr(), "the same memory");
            seen.push((header[0], piece.len()));
            outgoing = rest;
        }
        // Binary and not the last, continued, and continued and the last.
        assert_eq!(seen, [(0x02, PASSED_BYTES), (0x00, PASSED_BYTES), (0x80, 1)]);
    }

    #[test]
    fn a_small_frame_leaves_as_it_is() {
        let (whole, rest) = Outgoing::begin(Frame::text("x"));
        assert_eq!(whole, Message::text("x"));
        assert!(rest.is_none());
    }
}
