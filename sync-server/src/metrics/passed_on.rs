//! What a room has passed on to many connections at once: counted by the beat, not by the connection.

use std::sync::Arc;
use std::time::Instant;

use syncline::transports::Batch;

use super::connections::Counter;
use super::{Metrics, Protocol};
use crate::rooms::Piece;

/// What one beat of a room has passed on.
pub(crate) struct PassedOn<'a> {
    pieces: &'a [Arc<Piece>],
    by_protocol: [Share; Protocol::ALL.len()],
}

/// What of it those got who speak one protocol.
#[derive(Default)]
struct Share {
    messages: u64,
    bytes: u64,
    updates: u64,
    /// How many connections got each piece; none while nobody got anything.
    receivers: Vec<u64>,
}

impl<'a> PassedOn<'a> {
    /// A beat with these pieces, before anybody was given them.
    pub(crate) fn new(pieces: &'a [Arc<Piece>]) -> Self {
        Self { pieces, by_protocol: Default::default() }
    }

    /// A connection was given a batch with these of the pieces; what else is in it tells who is present.
    pub(crate) fn add(&mut self, protocol: Protocol, batch: &Batch, gets: impl Fn(&Piece) -> bool) {
        let share = &mut self.by_protocol[protocol as usize];
        share.messages += batch.frames().len() as u64;
        share.bytes += batch.bytes() as u64;
        share.receivers.resize(self.pieces.len(), 0);
        for (piece, receivers) in self.pieces.iter().zip(&mut share.receivers) {
            let number = u64::from(gets(piece));
            share.updates += number;
            *receivers += number;
        }
    }
}

impl Metrics {
    /// A beat is over.
    pub(crate) fn note_passed_on(&self, passed_on: &PassedOn<'_>) {
        let shares = Protocol::ALL.into_iter().zip(&passed_on.by_protocol);
        let mut now = None;
        for (protocol, share) in shares.filter(|(_, share)| share.messages > 0) {
            let spoken = self.spoken(protocol);
            let now = *now.get_or_insert_with(Instant::now);
            for (piece, receivers) in passed_on.pieces.iter().zip(&share.receivers).filter(|(_, n)| **n > 0) {
                spoken.sent.observe_time(now.saturating_duration_since(piece.came), *receivers);
            }
            // Whoever reads that they were sent finds that they were timed.
            let count = |counter, number| spoken.connections.passed_on.add_among(counter, number);
            count(Counter::MessagesOut, share.messages);
            count(Counter::BytesOut, share.bytes);
            count(Counter::UpdatesOut, share.updates);
            count(Counter::PresenceOut, share.messages - share.updates);
        }
    }
}

#[cfg(test)]
mod tests {
    use syncline_core::id::ReplicaId;

    use super::*;

    #[test]
    fn each_connection_counts_with_what_it_got() {
        let piece = |offset| {
            Arc::new(Piece::new(offset, ReplicaId::new([1; 16]), vec![0; 10].into(), Instant::now()))
        };
        let (pieces, metrics) = ([piece(1), piece(2)], Metrics::new());
        let batch = |frames: usize| Batch::new(vec![vec![0; 12].into(); frames]);
        let mut passed_on = PassedOn::new(&pieces);
        passed_on.add(Protocol::YWebsocket, &batch(3), |_| true);
        passed_on.add(Protocol::YWebsocket, &batch(1), |piece| piece.offset == 2);
        passed_on.add(Protocol::Hocuspocus, &batch(1), |_| false);
        metrics.note_passed_on(&passed_on);
        let counted = |protocol| {
            let sum = metrics.spoken(protocol).connections.sum();
            let counters =
                [Counter::MessagesOut, Counter::BytesOut, Counter::UpdatesOut, Counter::PresenceOut];
            let timed = metrics.spoken(protocol).sent.distribution().counts.iter().sum::<u64>();
            (counters.map(|counter| sum.get(counter)), timed)
        };
        assert_eq!(counted(Protocol::YWebsocket), ([4, 48, 3, 1], 3));
        assert_eq!(counted(Protocol::Hocuspocus), ([1, 12, 0, 1], 0));
        assert_eq!(counted(Protocol::YSweet), ([0; 4], 0));
    }
}
