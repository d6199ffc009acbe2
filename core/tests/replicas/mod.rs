//! Replicas as tests drive them by hand, who speak to them as peers of one text.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "no test needs all of it")]

pub mod world;

use syncline_core::event::{Input, Output};
use syncline_core::id::{ConnectionId, DocId, Principal};
use syncline_core::operation::Operation;
use syncline_core::path::Path;
use syncline_core::replica::{Config, Policy, Replica};
use syncline_core::time::Time;
use syncline_core::wire::{Codec, Compression, Encoding, Frame, Hello, Message, OLDEST_VERSION, VERSION};

/// How a replica is made that speaks binary without compression.
pub fn config(seed: u64, policy: Policy) -> Config {
    let (agent, principal) = ("test".to_owned(), Principal::new("ada").unwrap());
    Config { agent, principal, encoding: Encoding::Binary, compression: Vec::new(), seed, policy }
}

/// The text.
pub fn doc() -> DocId {
    DocId::new("notes").unwrap()
}

/// Writes at the beginning of the text.
pub fn written(text: &str) -> Operation {
    let path = Path::root().child(syncline_core::entry::Kind::TEXT_KEY);
    Operation::Splice { path, at: 0, delete: 0, insert: text.to_owned() }
}

/// The first words of a peer.
pub fn hello(relay: bool) -> Message {
    let (oldest, newest, agent) = (OLDEST_VERSION, VERSION, "peer".to_owned());
    Message::Hello(Hello { oldest, newest, agent, relay, acks: !relay, compression: Vec::new() })
}

/// Messages as a peer sends them.
pub fn frame(messages: &[Message]) -> Frame {
    let codec = Codec { encoding: Encoding::Binary, compression: Compression::None };
    codec.frame(&messages.iter().map(|message| codec.encode(message)).collect::<Vec<_>>())
}

/// Does what a replica asks for, over a disk that is done at once and links that take everything; what it sends is
/// returned.
pub fn settle(replica: &mut Replica, now: Time) -> Vec<(ConnectionId, Frame)> {
    let mut sent = Vec::new();
    loop {
        let frames = perform(replica, now);
        if frames.is_empty() {
            return sent;
        }
        for (connection, _) in &frames {
            replica.handle(now, Input::Writable { connection: *connection });
        }
        sent.extend(frames);
    }
}

/// The same, over links that take one frame each.
pub fn perform(replica: &mut Replica, now: Time) -> Vec<(ConnectionId, Frame)> {
    let mut sent = Vec::new();
    while let Some(output) = replica.poll() {
        match output {
            Output::Write { id, .. } => replica.handle(now, Input::Written { write: id }),
            Output::Load { doc } => replica.handle(now, Input::Loaded { doc, result: Ok(None) }),
            Output::Merge(merge) => replica.handle(now, Input::Merged(merge.run())),
            Output::Send { connection, frame, .. } => sent.push((connection, frame)),
            Output::Close { reason, .. } => panic!("a link was closed: {reason}"),
            Output::Event(_) => {}
        }
    }
    sent
}
