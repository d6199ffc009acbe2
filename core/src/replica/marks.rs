//! Documents of a link that something is to be done about.

use std::collections::BTreeSet;

use crate::id::DocId;

/// A set of documents: first the one that was marked first, then the others in the order of their names. Most often it is one, which
/// takes no memory of its own.
#[derive(Default)]
pub(super) struct Marks {
    first: Option<DocId>,
    others: BTreeSet<DocId>,
}

impl Marks {
    pub fn insert(&mut self, doc: DocId) {
        match &self.first {
            None => self.first = Some(doc),
            Some(first) if *first == doc => {}
            Some(_) => _ = self.others.insert(doc),
        }
    }

    /// The document, if it is one.
    pub fn only(&self) -> Option<&DocId> {
        self.first.as_ref().filter(|_| self.others.is_empty())
    }

    pub fn iter(&self) -> impl Iterator<Item = &DocId> {
        self.first.iter().chain(&self.others)
    }
}

impl IntoIterator for Marks {
    type Item = DocId;
    type IntoIter =
        std::iter::Chain<std::option::IntoIter<DocId>, std::collections::btree_set::IntoIter<DocId>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc(name: &str) -> DocId {
        DocId::new(name).expect("a name")
    }

    #[test]
    fn each_document_is_there_once() {
        let mut marks = Marks::default();
        assert!(marks.only().is_none());
        for name in ["b", "b", "a", "c", "a", "b"] {
            marks.insert(doc(name));
            assert_eq!(marks.only().is_some(), marks.iter().count() == 1);
        }
        assert_eq!(marks.into_iter().collect::<Vec<_>>(), ["b", "a", "c"].map(doc));
    }
}
