//! What sorts of content an update brings: what is known of a document's values may outlive it, or not.

use super::block::Content;

/// What sorts of content an admitted update brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Brought {
    pub text: bool,
    /// Characters beyond U+FFFF.
    pub astral: bool,
    pub values: bool,
    /// Shared types, embedded objects and whatever else takes one place.
    pub objects: bool,
    /// Documents inside of the document.
    pub documents: bool,
}

impl Brought {
    /// Takes in what another update brings as well.
    pub(super) const fn join(&mut self, other: Self) {
        self.text |= other.text;
        self.astral |= other.astral;
        self.values |= other.values;
        self.objects |= other.objects;
        self.documents |= other.documents;
    }

    /// Takes note of one block's content.
    pub(super) fn note(&mut self, content: Content) {
        match content {
            Content::Text { astral } => {
                self.text = true;
                self.astral |= astral;
            }
            Content::Values => self.values = true,
            Content::Type | Content::Object => self.objects = true,
            Content::Document => (self.objects, self.documents) = (true, true),
            Content::Collected | Content::Deleted | Content::Format => {}
        }
    }
}
