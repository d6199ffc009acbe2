//! What changed between two states of a chart.

use std::collections::BTreeMap;

use super::{Chart, ChartOperation, Content, Element, ElementId, MAX_ELEMENT_DEPTH};
use crate::path::Path;
use crate::value::Value;

/// Elements that come, parents ahead of their parts; then what happens to those that stay; then those that go, without
/// the parts that go with them.
pub(super) fn changes(before: &Chart, after: &Chart) -> Vec<ChartOperation> {
    let mut operations = Vec::new();
    let new =
        |id: &ElementId, element: &Element| before.elements.get(id).is_none_or(|old| replaced(old, element));
    let mut come: Vec<_> = after.elements.iter().filter(|(id, element)| new(id, element)).collect();
    come.sort_by_key(|(id, _)| depth(after, id));
    operations.extend(
        come.into_iter()
            .map(|(id, element)| ChartOperation::Add { id: id.clone(), element: Box::new(element.clone()) }),
    );
    properties(&mut operations, &ElementId::chart(), &Path::root(), &before.properties, &after.properties);
    for (id, element) in &after.elements {
        if let Some(old) = before.elements.get(id).filter(|old| !replaced(old, element)) {
            element_changes(&mut operations, id, old, element);
        }
    }
    let is_gone = |id: &ElementId| before.elements.contains_key(id) && !after.elements.contains_key(id);
    let gone = before.elements.iter().filter(|(id, element)| is_gone(id) && !is_gone(&element.parent));
    operations.extend(gone.map(|(id, _)| ChartOperation::Remove { id: id.clone() }));
    operations
}

/// Whether it is another element under the same name.
fn replaced(old: &Element, new: &Element) -> bool {
    let properties = |element: &Element| matches!(element.content, Content::Properties(_));
    (&old.kind, &old.parent, &old.name, old.shorthand) != (&new.kind, &new.parent, &new.name, new.shorthand)
        || properties(old) != properties(new)
}

fn depth(chart: &Chart, id: &ElementId) -> usize {
    let parent = |id: &&ElementId| chart.elements.get(*id).map(|element| &element.parent);
    std::iter::successors(Some(id), parent).take(MAX_ELEMENT_DEPTH).count()
}

fn element_changes(operations: &mut Vec<ChartOperation>, id: &ElementId, old: &Element, new: &Element) {
    if old.place != new.place {
        operations.push(ChartOperation::Move { id: id.clone(), place: new.place.clone() });
    }
    if old.position != new.position {
        operations.push(ChartOperation::Position { id: id.clone(), position: new.position });
    }
    match (&old.content, &new.content) {
        (Content::Properties(old), Content::Properties(new)) => {
            properties(operations, id, &Path::root(), old, new);
        }
        (_, Content::Value(value)) if old.content != new.content => {
            operations.push(update(id, Path::root(), Some(value)));
        }
        (_, Content::Value(_) | Content::Properties(_)) => {}
    }
}

type Properties = BTreeMap<String, Value>;

/// Where both have a map, what changed in it; elsewhere the new value as a whole.
fn properties(
    operations: &mut Vec<ChartOperation>,
    id: &ElementId,
    at: &Path,
    old: &Properties,
    new: &Properties,
) {
    for (key, value) in new {
        match (old.get(key), value) {
            (Some(before), after) if before == after => {}
            (Some(Value::Map(before)), Value::Map(after)) => {
                properties(operations, id, &at.child(key), before, after);
            }
            _ => operations.push(update(id, at.child(key), Some(value))),
        }
    }
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    operations.extend(gone.map(|key| update(id, at.child(key), None)));
}

fn update(id: &ElementId, path: Path, value: Option<&Value>) -> ChartOperation {
    ChartOperation::Update { id: id.clone(), path, value: value.cloned() }
}
