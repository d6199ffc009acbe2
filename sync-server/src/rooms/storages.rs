//! Up to where clients of automerge-repo hold a document in stores of their own, which they tell each other through the
//! relay.

use std::collections::{BTreeMap, BTreeSet};

/// Most stores of which that is remembered, for each document.
pub(crate) const MAX_STORAGES: usize = 256;

/// Most heads of a document in one of them.
pub(crate) const MAX_HEADS: usize = 64;

/// What a store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holding {
    /// Which store.
    pub storage: String,
    /// The hashes of the heads, in base 58 with a checksum.
    pub heads: Vec<String>,
    /// Since when, in milliseconds since 1970.
    pub timestamp: u64,
}

/// All that is known of a document, in the order in which it became known.
#[derive(Debug, Default)]
pub(crate) struct Storages {
    known: BTreeMap<String, Known>,
    version: u64,
}

#[derive(Debug)]
struct Known {
    holding: Holding,
    /// Whether the store's own client has said it, at this relay.
    first_hand: bool,
    version: u64,
}

impl Storages {
    /// Takes in what a store's own client says; true if it is news. Who is told passes over what is no later than what he
    /// knows, so its time is later.
    pub fn note(&mut self, mut holding: Holding) -> bool {
        if let Some(known) = self.known.get(&holding.storage) {
            holding.timestamp = holding.timestamp.max(known.holding.timestamp.saturating_add(1));
        }
        self.put(holding, true)
    }

    /// Takes in what somebody else says of a store; true if it is news. He is not believed if its own client has spoken here.
    pub fn note_hearsay(&mut self, holding: Holding) -> bool {
        let known = self.known.get(&holding.storage);
        let knows_better =
            known.is_some_and(|known| known.first_hand || known.holding.timestamp >= holding.timestamp);
        !knows_better && self.put(holding, false)
    }

    fn put(&mut self, holding: Holding, first_hand: bool) -> bool {
        let is_full = self.known.len() >= MAX_STORAGES && !self.known.contains_key(&holding.storage);
        if is_full || holding.heads.len() > MAX_HEADS {
            return false;
        }
        self.version += 1;
        let known = Known { first_hand, version: self.version, holding };
        self.known.insert(known.holding.storage.clone(), known);
        true
    }

    /// What has become known of some stores since a version, and the version now.
    pub fn since(&self, version: u64, wanted: &BTreeSet<String>) -> (Vec<Holding>, u64) {
        let known = wanted.iter().filter_map(|storage| self.known.get(storage));
        let new = known.filter(|known| known.version > version);
        (new.map(|known| known.holding.clone()).collect(), self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(storage: &str, head: &str, timestamp: u64) -> Holding {
        Holding { storage: storage.to_owned(), heads: vec![head.to_owned()], timestamp }
    }

    fn wanted(storages: &[&str]) -> BTreeSet<String> {
        storages.iter().map(|storage| (*storage).to_owned()).collect()
    }

    #[test]
    fn what_is_wanted_is_told_once() {
        let mut storages = Storages::default();
        assert!(storages.note(holding("a", "1", 5)) && storages.note(holding("b", "2", 5)));
        let (news, version) = storages.since(0, &wanted(&["a", "c"]));
        assert_eq!(news, [holding("a", "1", 5)]);
        assert_eq!(storages.since(version, &wanted(&["a", "b"])).0, []);
        assert!(storages.note(holding("a", "3", 5)));
        assert_eq!(storages.since(version, &wanted(&["a", "b"])).0, [holding("a", "3", 6)]);
    }

    #[test]
    fn the_past_and_hearsay_are_passed_over() {
        let mut storages = Storages::default();
        assert!(storages.note_hearsay(holding("a", "1", 5)));
        assert!(!storages.note_hearsay(holding("a", "0", 5)), "that is no later");
        assert!(storages.note(holding("a", "2", 4)), "its own client knows better");
        assert!(!storages.note_hearsay(holding("a", "3", 9)), "nobody else does");
        let (news, _) = storages.since(0, &wanted(&["a"]));
        assert_eq!(news, [holding("a", "2", 6)]);
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut storages = Storages::default();
        let noted = (0..=MAX_STORAGES).filter(|n| storages.note(holding(&n.to_string(), "1", 1)));
        assert_eq!(noted.count(), MAX_STORAGES);
        let heads = vec![String::new(); MAX_HEADS + 1];
        assert!(!storages.note(Holding { heads, ..holding("0", "", 2) }));
    }
}
