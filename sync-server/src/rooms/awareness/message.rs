//! The awareness message of Yjs clients: of any number of clients their ids, clocks and states.

use serde::de::IgnoredAny;
use syncline_core::protocol::lib0::{Malformed, Reader, write_number, write_text};

use super::{MAX_CLIENTS, MAX_STATE_BYTES, NONE};

/// What a message says of one client.
pub(super) struct Claim {
    pub client: u64,
    pub clock: u64,
    pub state: Option<Box<str>>,
}

/// Reads a message.
pub(super) fn read(update: &[u8]) -> Result<Vec<Claim>, Malformed> {
    let mut reader = Reader::new(update);
    let mut claims = Vec::new();
    for _ in 0..reader.number()? {
        if claims.len() >= MAX_CLIENTS {
            return Err(Malformed("it tells of too many clients"));
        }
        let (client, clock, state) = (reader.number()?, reader.number()?, reader.text()?);
        if clock > u64::from(u32::MAX / 2) {
            return Err(Malformed("the clock of a client is too large"));
        }
        if state.len() > MAX_STATE_BYTES {
            return Err(Malformed("the state of a client is too large"));
        }
        // Clients would fail on what is no JSON, all of them.
        if serde_json::from_str::<IgnoredAny>(state).is_err() {
            return Err(Malformed("the state of a client is not JSON"));
        }
        claims.push(Claim { client, clock, state: (state != NONE).then(|| state.into()) });
    }
    reader.finish()?;
    Ok(claims)
}

/// Writes clients, their clocks and states as a message.
pub(super) fn write<'a>(states: impl ExactSizeIterator<Item = (u64, u64, &'a str)>) -> Vec<u8> {
    let mut out = Vec::new();
    write_number(states.len() as u64, &mut out);
    for (client, clock, state) in states {
        write_number(client, &mut out);
        write_number(clock, &mut out);
        write_text(state, &mut out);
    }
    out
}
