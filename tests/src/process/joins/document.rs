//! The document that is joined: a board of cards, as it comes about, by the hand of one author.

use syncline_core::random::Random;
use yrs::types::ToJson;
use yrs::updates::decoder::Decode;
use yrs::{Any, Doc, Map, MapPrelim, ReadTxn, StateVector, Text, TextPrelim, Transact, Update};

/// Where the cards are.
const CARDS: &str = "cards";

/// Cards that are added by one edit.
const CARDS_AN_EDIT: usize = 20;

/// What is written last in a document that is [marked](Written::mark).
pub const MARK: &str = "here it ends";

/// After how many edits the document's size is looked at.
const EDITS_AT_ONCE: usize = 16;

/// Words of a card's text, and of its title.
const WORDS: [&str; 12] =
    ["draw", "the", "second", "axis", "again", "after", "review", "with", "fewer", "labels", "and", "totals"];
const TITLE_WORDS: usize = 4;
const TEXT_WORDS: usize = 20;

/// The document, and the updates that it was made by.
pub struct Written {
    doc: Doc,
    /// In the order in which they were made.
    pub updates: Vec<Vec<u8>>,
}

impl Written {
    /// A document of about so many bytes, by an author of this client id in Yjs.
    pub fn new(client: u64, bytes: usize) -> Self {
        let mut random = Random::new(7);
        let mut written = Self { doc: Doc::with_client_id(client), updates: Vec::new() };
        while written.size() < bytes as u64 {
            for _ in 0..EDITS_AT_ONCE {
                let update = written.edit(&mut random);
                written.updates.push(update);
            }
        }
        written
    }

    /// Writes down where it ends, by which it is known that all of it has come.
    pub fn mark(&mut self) {
        let cards = self.doc.get_or_insert_map(CARDS);
        let mut txn = self.doc.transact_mut();
        cards.insert(&mut txn, "mark", MARK);
        self.updates.push(txn.encode_update_v1());
    }

    /// Adds some cards, and moves one of those that were there.
    fn edit(&mut self, random: &mut Random) -> Vec<u8> {
        let cards = self.doc.get_or_insert_map(CARDS);
        let mut txn = self.doc.transact_mut();
        let before = cards.len(&txn);
        for number in 0..CARDS_AN_EDIT {
            let fields = [("title", words(random, TITLE_WORDS)), ("status", "open".to_owned())];
            let card = cards.insert(&mut txn, key(before as usize + number), MapPrelim::from(fields));
            let text = card.insert(&mut txn, "text", TextPrelim::new(""));
            (0..TEXT_WORDS).for_each(|_| text.push(&mut txn, &format!("{} ", words(random, 1))));
        }
        let moved = key(random.index(before as usize + 1));
        if let Some(yrs::Out::YMap(card)) = cards.get(&txn, &moved) {
            card.insert(&mut txn, "status", "done");
        }
        txn.encode_update_v1()
    }

    /// How large it is as one update, in bytes.
    pub fn size(&self) -> u64 {
        self.doc.transact().encode_state_as_update_v1(&StateVector::default()).len() as u64
    }

    /// Whether these updates make the same document of nothing.
    pub fn is_told_by(&self, updates: &[Vec<u8>]) -> bool {
        let told = Doc::new();
        let cards = told.get_or_insert_map(CARDS);
        let mut txn = told.transact_mut();
        let applied = updates
            .iter()
            .all(|update| Update::decode_v1(update).is_ok_and(|update| txn.apply_update(update).is_ok()));
        applied && cards.to_json(&txn) == self.cards()
    }

    fn cards(&self) -> Any {
        self.doc.get_or_insert_map(CARDS).to_json(&self.doc.transact())
    }
}

fn key(number: usize) -> String {
    format!("card-{number}")
}

fn words(random: &mut Random, count: usize) -> String {
    let words: Vec<&str> = (0..count).map(|_| WORDS[random.index(WORDS.len())]).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_updates_tell_it_and_fewer_do_not() {
        let mut written = Written::new(3, 10_000);
        written.mark();
        assert!(written.size() >= 10_000);
        assert!(written.is_told_by(&written.updates));
        let fewer = &written.updates[..written.updates.len() - 1];
        assert!(!written.is_told_by(fewer));
    }
}
