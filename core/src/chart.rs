//! A chart: elements that are edited one by one, and that together are a Vega-Lite specification.
//!
//! ```text
//! /schema/version            1
//! /chart/NAME                the properties of the chart itself
//! /elements/ID               one map an element, put there whole when the element is made
//!     kind                   what it is: mark, encoding, layer, params, data, values, …
//!     parent                 the element that it is part of; missing for parts of the chart itself
//!     name                   which one of its kind, such as the channel of an encoding
//!     place                  where it stands among its kind: z-order of layers, order of data points
//!     position               { x, y } on the canvas, where somebody put it there
//!     shorthand              true if it was written as its `type` alone, as in "mark": "bar"
//!     properties | value     what it says: properties by name, or one value of another sort
//! ```
//!
//! A kind is the key under which the element stands in its parent's JSON, so kinds that this program does not know
//! come out of it as they went in.
//!
//! What becomes of concurrent edits, in both CRDT families (`core/tests/schemas/chart_outcomes.rs` shows each):
//!
//! - Different properties of one element, or different parts of a property that is there: both. The same property, or one
//!   that both make: one of the two values, the same one everywhere.
//! - Remove and anything else: the element is removed, and with it all that is part of it or is made part of it
//!   at the same time.
//! - Move and move: the element is there once, at one of the two places. Elements that others move keep theirs.
//! - Two elements that can be there only once, such as two encodings of one channel: what one of the two
//!   says, with the parts of both.

mod difference;
mod edit;
mod operation;
mod record;
mod vega_lite;

use std::collections::BTreeMap;
use std::fmt;

use crate::crdt::Crdt;
use crate::entry::Kind;
use crate::fractional_index::FractionalIndex;
use crate::operation::{EditError, Operation};
use crate::schema::Schema;
use crate::value::Value;

pub use edit::Place;
pub use operation::ChartOperation;
pub use vega_lite::{MAX_IMPORTED_ELEMENTS, looks_like_vega_lite};

/// Deepest nesting of elements. What lies deeper, which no editor makes, is no part of the chart.
pub const MAX_ELEMENT_DEPTH: usize = 32;

/// The name of an element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementId(pub String);

impl ElementId {
    /// The chart itself, which has properties and is not removed or moved.
    #[must_use]
    pub fn chart() -> Self {
        Self("chart".to_owned())
    }

    /// Whether this is the chart itself.
    #[must_use]
    pub fn is_chart(&self) -> bool {
        *self == Self::chart()
    }
}

impl fmt::Display for ElementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for ElementId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

/// A chart as plain data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// Properties of the chart itself, such as its width.
    pub properties: BTreeMap<String, Value>,
    /// Everything it is made of.
    pub elements: BTreeMap<ElementId, Element>,
}

/// A part of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// What it is: the key under which it stands in Vega-Lite.
    pub kind: String,
    /// What it is part of.
    pub parent: ElementId,
    /// Which one of its kind it is, where they have names.
    pub name: Option<String>,
    /// Where it stands among its kind, where they have an order; later ones are drawn above earlier ones.
    pub place: Option<FractionalIndex>,
    /// Where on the canvas somebody put it.
    pub position: Option<Position>,
    /// Whether it is written as its `type` alone while it has no other property.
    pub shorthand: bool,
    /// What it says.
    pub content: Content,
}

impl Element {
    /// An element with these properties and nothing else.
    #[must_use]
    pub fn new(parent: ElementId, kind: &str, properties: BTreeMap<String, Value>) -> Self {
        Self {
            kind: kind.to_owned(),
            parent,
            name: None,
            place: None,
            position: None,
            shorthand: false,
            content: Content::Properties(properties),
        }
    }
}

/// What an element says.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Properties by name.
    Properties(BTreeMap<String, Value>),
    /// Something else than an object: a number among the data, a list of channels.
    Value(Value),
}

/// A point on the canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// To the right.
    pub x: f64,
    /// Down.
    pub y: f64,
}

impl Chart {
    /// What each element is made of: parts of which there can be only one first, then the others kind by kind, each in its
    /// order.
    #[must_use]
    pub fn parts_of_all(&self) -> BTreeMap<&ElementId, Vec<(&ElementId, &Element)>> {
        let mut all = self.by_parent();
        all.values_mut().for_each(|parts| parts.sort_by_key(|(_, part)| (part.place.is_some(), &part.kind)));
        all
    }

    /// What each element is made of, in the order of the places.
    fn by_parent(&self) -> BTreeMap<&ElementId, Vec<(&ElementId, &Element)>> {
        let mut all: BTreeMap<&ElementId, Vec<(&ElementId, &Element)>> = BTreeMap::new();
        for (id, element) in &self.elements {
            all.entry(&element.parent).or_default().push((id, element));
        }
        all.values_mut().for_each(|parts| *parts = in_order(std::mem::take(parts)));
        all
    }

    /// The parts of an element that are of one kind, in their order.
    #[must_use]
    pub fn parts(&self, of: &ElementId, kind: &str) -> Vec<(&ElementId, &Element)> {
        let parts = self.elements.iter().filter(|(_, part)| part.parent == *of && part.kind == kind);
        in_order(parts.collect())
    }

    /// On which level an element of this chart, or of which a part of this chart is the parent, lies; the first is one.
    fn depth(&self, element: &Element) -> usize {
        let parent = |id: &&ElementId| self.elements.get(*id).map(|element| &element.parent);
        std::iter::successors(Some(&element.parent), parent).count()
    }
}

/// Elements in the order of their places; those that have none come last, and names decide between equals.
fn in_order<'a>(mut elements: Vec<(&'a ElementId, &'a Element)>) -> Vec<(&'a ElementId, &'a Element)> {
    elements.sort_by_key(|(id, element)| (element.place.is_none(), &element.place, *id));
    elements
}

impl Schema for Chart {
    const KIND: Kind = Kind::Chart;
    const VERSION: i64 = 1;
    type Operation = ChartOperation;

    fn subject(operation: &ChartOperation) -> String {
        format!("element {:?}", operation.id().0)
    }

    fn read(document: &Value) -> Self {
        record::read_chart(document)
    }

    fn lower(operation: &ChartOperation, document: &dyn Crdt) -> Result<Vec<Operation>, EditError> {
        operation.lower(document)
    }

    fn apply(&mut self, operation: &ChartOperation) -> Result<(), EditError> {
        operation.apply(self)
    }

    fn changes(&self, later: &Self) -> Vec<ChartOperation> {
        difference::changes(self, later)
    }
}
