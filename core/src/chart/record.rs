//! How elements lie in the value tree.

use std::collections::BTreeMap;

use super::{Chart, Content, Element, ElementId, MAX_ELEMENT_DEPTH, Position};
use crate::fractional_index::FractionalIndex;
use crate::path::Path;
use crate::schema::{take, take_words};
use crate::value::Value;

pub(super) const CHART_KEY: &str = "chart";
pub(super) const ELEMENTS_KEY: &str = "elements";

const KIND: &str = "kind";
pub(super) const PARENT: &str = "parent";
const NAME: &str = "name";
pub(super) const PLACE: &str = "place";
pub(super) const POSITION: &str = "position";
const SHORTHAND: &str = "shorthand";
pub(super) const PROPERTIES: &str = "properties";
pub(super) const VALUE: &str = "value";

type Fields = BTreeMap<String, Value>;

/// Where an element is; for the chart itself, where its properties are.
pub(super) fn element_path(id: &ElementId) -> Path {
    if id.is_chart() { Path::root().child(CHART_KEY) } else { Path::from_iter([ELEMENTS_KEY, &id.0]) }
}

/// Reads the chart and the elements that are part of it, one within the other. What belongs to something that is gone is
/// gone with it.
pub(super) fn read_chart(document: &Value) -> Chart {
    let Value::Map(root) = document else { return Chart::default() };
    let map = |key| match root.get(key) {
        Some(Value::Map(map)) => map.clone(),
        _ => Fields::new(),
    };
    let mut found: BTreeMap<ElementId, Vec<(ElementId, Element)>> = BTreeMap::new();
    for (id, value) in map(ELEMENTS_KEY) {
        if let Some(element) = read_element(value) {
            found.entry(element.parent.clone()).or_default().push((ElementId(id), element));
        }
    }
    let mut elements = BTreeMap::new();
    let mut parents = vec![ElementId::chart()];
    for _ in 0..MAX_ELEMENT_DEPTH {
        let parts: Vec<_> = parents.iter().filter_map(|parent| found.remove(parent)).flatten().collect();
        parents = parts.iter().map(|(id, _)| id.clone()).collect();
        elements.extend(parts);
    }
    elements.remove(&ElementId::chart());
    Chart { properties: map(CHART_KEY), elements }
}

fn read_element(value: Value) -> Option<Element> {
    let Value::Map(mut fields) = value else { return None };
    let content = match take!(fields, PROPERTIES, Map) {
        Some(properties) => Content::Properties(properties),
        None => Content::Value(fields.remove(VALUE)?),
    };
    Some(Element {
        kind: take_words(&mut fields, KIND)?,
        parent: take_words(&mut fields, PARENT).map_or_else(ElementId::chart, ElementId),
        name: take_words(&mut fields, NAME),
        place: take_words(&mut fields, PLACE).as_deref().and_then(FractionalIndex::parse),
        position: take!(fields, POSITION, Map).and_then(|position| read_position(&position)),
        shorthand: take!(fields, SHORTHAND, Bool).unwrap_or_default(),
        content,
    })
}

fn read_position(position: &Fields) -> Option<Position> {
    let number = |key| match position.get(key)? {
        #[expect(clippy::cast_precision_loss, reason = "no canvas is that large")]
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    };
    Some(Position { x: number("x")?, y: number("y")? })
}

pub(super) fn write_element(element: &Element) -> Value {
    let (key, content) = match &element.content {
        Content::Properties(properties) => (PROPERTIES, Value::Map(properties.clone())),
        Content::Value(value) => (VALUE, value.clone()),
    };
    let parent = Some(&element.parent).filter(|parent| !parent.is_chart());
    let fields = [
        (KIND, Some(element.kind.as_str().into())),
        (PARENT, parent.map(|parent| parent.0.as_str().into())),
        (NAME, element.name.as_deref().map(Value::from)),
        (PLACE, element.place.as_ref().map(|place| place.as_str().into())),
        (POSITION, element.position.map(write_position)),
        (SHORTHAND, element.shorthand.then_some(Value::Bool(true))),
        (key, Some(content)),
    ];
    Value::Map(fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
}

/// A position is put there as a whole, so that the x of one is never mixed with the y of another.
pub(super) fn write_position(position: Position) -> Value {
    let axes = [("x", position.x), ("y", position.y)];
    Value::Map(axes.map(|(axis, number)| (axis.to_owned(), Value::number(number))).into())
}
