//! What clients say to everybody who is in a room at the moment, and to nobody else: it is not stored. Who is too slow to
//! hear it has missed it.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::SeatId;

/// Most announcements that wait for the slowest seat.
pub(crate) const MAX_ANNOUNCEMENTS: usize = 256;

/// Most bytes of them.
pub(crate) const MAX_ANNOUNCEMENTS_BYTES: usize = 1 << 20;

/// Most authors whose announcements are told from their repetitions.
pub(crate) const MAX_AUTHORS: usize = 1_000;

/// Those made last in a room.
#[derive(Debug, Default)]
pub(crate) struct Announcements {
    /// The number of the last one of each author, and how many had been heard when it was.
    counts: BTreeMap<String, (u64, u64)>,
    heard: u64,
    last: VecDeque<(SeatId, Bytes)>,
    bytes: usize,
    /// How many there were in all.
    made: u64,
}

impl Announcements {
    /// Whether an author's announcement of this number, or a later one, has been made. Numbers rise.
    pub(crate) fn has_heard(&self, author: &str, number: u64) -> bool {
        self.counts.get(author).is_some_and(|(last, _)| *last >= number)
    }

    /// Takes note of an author's announcement; whether it is new.
    pub(crate) fn is_new(&mut self, author: &str, number: u64) -> bool {
        if self.has_heard(author, number) {
            return false;
        }
        if self.counts.len() >= MAX_AUTHORS && !self.counts.contains_key(author) {
            self.forget_oldest();
        }
        self.heard += 1;
        self.counts.insert(author.to_owned(), (number, self.heard));
        true
    }

    /// Forgets the author who has said nothing for longest.
    fn forget_oldest(&mut self) {
        let oldest = self.counts.iter().min_by_key(|(_, (_, heard))| *heard);
        if let Some(author) = oldest.map(|(author, _)| author.clone()) {
            self.counts.remove(&author);
        }
    }

    pub(crate) fn make(&mut self, seat: SeatId, message: Bytes) {
        self.made += 1;
        self.bytes += message.len();
        self.last.push_back((seat, message));
        while self.last.len() > MAX_ANNOUNCEMENTS || self.bytes > MAX_ANNOUNCEMENTS_BYTES {
            let Some((_, oldest)) = self.last.pop_front() else { return };
            self.bytes -= oldest.len();
        }
    }

    /// How many there were.
    pub(crate) const fn made(&self) -> u64 {
        self.made
    }

    /// Those behind the first so many, as far as they are left, made by other seats.
    pub(crate) fn since(&self, heard: u64, seat: SeatId) -> Vec<Bytes> {
        let new = usize::try_from(self.made - heard).unwrap_or(usize::MAX);
        let skip = self.last.len().saturating_sub(new);
        let others = self.last.iter().skip(skip).filter(|(from, _)| *from != seat);
        others.map(|(_, message)| message.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_is_not_new() {
        let mut announcements = Announcements::default();
        let new = [("ada", 1), ("ada", 1), ("bob", 1), ("ada", 3), ("ada", 2)];
        assert_eq!(
            new.map(|(author, number)| announcements.is_new(author, number)),
            [true, false, true, true, false]
        );
    }

    #[test]
    fn others_hear_what_was_announced_since_they_came_as_far_as_it_is_left() {
        let mut announcements = Announcements::default();
        let (ada, bob) = (SeatId(1), SeatId(2));
        announcements.make(ada, Bytes::from_static(b"before"));
        let came = announcements.made();
        announcements.make(ada, Bytes::from_static(b"a"));
        announcements.make(bob, Bytes::from_static(b"b"));
        assert_eq!(announcements.since(came, bob), ["a"]);
        assert_eq!(announcements.since(came, ada), ["b"]);
        (0..2 * MAX_ANNOUNCEMENTS).for_each(|_| announcements.make(ada, Bytes::from_static(b"x")));
        assert_eq!(announcements.since(came, bob).len(), MAX_ANNOUNCEMENTS);
        announcements.make(ada, vec![0; MAX_ANNOUNCEMENTS_BYTES + 1].into());
        assert!(announcements.since(came, bob).is_empty());
    }
}
