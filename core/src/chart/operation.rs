//! What can be done to a chart, on a document and on plain data.

use std::collections::BTreeMap;

use super::record::{
    ELEMENTS_KEY, PARENT, PLACE, POSITION, PROPERTIES, VALUE, element_path, write_element, write_position,
};
use super::{Chart, Content, Element, ElementId, Position};
use crate::crdt::Crdt;
use crate::fractional_index::FractionalIndex;
use crate::model;
use crate::operation::{EditError, MAX_OPERATIONS, Operation};
use crate::path::Path;
use crate::schema::{put, set};
use crate::value::{NodeKind, Value};

/// Most elements that are taken out of the document with one removal.
const MAX_REMOVED: usize = MAX_OPERATIONS / 2;

/// One change of a chart.
#[derive(Clone, Debug, PartialEq)]
pub enum ChartOperation {
    /// An element comes, or comes instead of the one that has this name.
    Add {
        /// Its name.
        id: ElementId,
        /// All of it.
        element: Box<Element>,
    },
    /// An element goes, and with it everything that is part of it.
    Remove {
        /// Its name.
        id: ElementId,
    },
    /// A property gets a value or goes.
    Update {
        /// Of which element.
        id: ElementId,
        /// Which property, or what inside of it. Properties on the way there are made. The root is the value of an element
        /// that has one value instead of properties.
        path: Path,
        /// Its value; `None` to take it away.
        value: Option<Value>,
    },
    /// An element goes to another place among its kind, such as a layer ahead of another layer.
    Move {
        /// Which.
        id: ElementId,
        /// Where; see [`Place`](super::Place).
        place: Option<FractionalIndex>,
    },
    /// An element goes to a point on the canvas, or to where it is drawn unless told.
    Position {
        /// Which.
        id: ElementId,
        /// Where.
        position: Option<Position>,
    },
}

impl ChartOperation {
    /// Which element it is about.
    #[must_use]
    pub const fn id(&self) -> &ElementId {
        match self {
            Self::Add { id, .. }
            | Self::Remove { id }
            | Self::Update { id, .. }
            | Self::Move { id, .. }
            | Self::Position { id, .. } => id,
        }
    }

    /// The chart itself has properties and nothing else.
    fn check(&self) -> Result<(), EditError> {
        match self {
            Self::Update { path, .. } if path.is_root() && self.id().is_chart() => Err(EditError::IsRoot),
            Self::Update { .. } => Ok(()),
            Self::Add { id, .. }
            | Self::Remove { id }
            | Self::Move { id, .. }
            | Self::Position { id, .. } => {
                if id.is_chart() {
                    Err(EditError::IsRoot)
                } else {
                    Ok(())
                }
            }
        }
    }

    pub(super) fn lower(&self, document: &dyn Crdt) -> Result<Vec<Operation>, EditError> {
        self.check()?;
        let id = self.id();
        let path = element_path(id);
        let expected = matches!(self, Self::Add { .. }) || id.is_chart();
        if !expected && document.kind(&path) != Some(NodeKind::Map) {
            return Err(EditError::NotFound { path: path.to_string() });
        }
        Ok(match self {
            Self::Add { element, .. } => vec![put(path, write_element(element))],
            // Parts of what is gone are gone, so those for which one edit has no room may stay behind.
            Self::Remove { id } => {
                with_parts(id, &parents(document)).iter().take(MAX_REMOVED).map(remove).collect()
            }
            Self::Update { path: property, value, .. } => {
                update(document, &content(document, id), property, value)?
            }
            Self::Move { place, .. } => {
                set(document, path.child(PLACE), place.as_ref().map(|place| place.as_str().into()))
            }
            Self::Position { position, .. } => {
                set(document, path.child(POSITION), position.map(write_position))
            }
        })
    }

    pub(super) fn apply(&self, chart: &mut Chart) -> Result<(), EditError> {
        self.check()?;
        if let Self::Add { id, element } = self {
            chart.elements.insert(id.clone(), (**element).clone());
            return Ok(());
        }
        if let (Self::Update { path, value, .. }, true) = (self, self.id().is_chart()) {
            return apply_update(&mut chart.properties, path, value.as_ref());
        }
        let missing = || EditError::NotFound { path: element_path(self.id()).to_string() };
        let element = chart.elements.get_mut(self.id()).ok_or_else(missing)?;
        match self {
            Self::Add { .. } => {}
            Self::Remove { id } => {
                let parents = chart.elements.iter().map(|(id, element)| (id.clone(), element.parent.clone()));
                let gone = with_parts(id, &parents.collect());
                chart.elements.retain(|id, _| !gone.contains(id));
            }
            Self::Update { path, value, .. } => match (&mut element.content, value) {
                (Content::Properties(properties), value) => apply_update(properties, path, value.as_ref())?,
                (Content::Value(content), Some(value)) if path.is_root() => *content = value.clone(),
                (Content::Value(content), value) => {
                    let mut whole = BTreeMap::from([(VALUE.to_owned(), content.clone())]);
                    apply_update(&mut whole, &joined(&Path::root().child(VALUE), path), value.as_ref())?;
                    *content = whole.remove(VALUE).ok_or(EditError::IsRoot)?;
                }
            },
            Self::Move { place, .. } => element.place.clone_from(place),
            Self::Position { position, .. } => element.position = *position,
        }
        Ok(())
    }
}

fn remove(id: &ElementId) -> Operation {
    Operation::Remove { path: element_path(id) }
}

/// What every element of a document says it is part of, those that are part of nothing included.
pub(super) fn parents(document: &dyn Crdt) -> BTreeMap<ElementId, ElementId> {
    let elements = Path::root().child(ELEMENTS_KEY);
    let ids = document.keys(&elements).unwrap_or_default();
    let parent = |id: &str| match document.value(&elements.child(id).child(PARENT)) {
        Some(Value::String(parent) | Value::Text(parent)) => ElementId(parent),
        Some(_) | None => ElementId::chart(),
    };
    ids.into_iter().map(|id| (ElementId(id.clone()), parent(&id))).collect()
}

/// An element and everything inside of it, the element first.
fn with_parts(id: &ElementId, parents: &BTreeMap<ElementId, ElementId>) -> Vec<ElementId> {
    let mut parts: BTreeMap<&ElementId, Vec<&ElementId>> = BTreeMap::new();
    parents.iter().for_each(|(part, parent)| parts.entry(parent).or_default().push(part));
    let mut found = vec![id.clone()];
    let mut next = 0;
    while let Some(whole) = found.get(next).cloned() {
        found.extend(parts.remove(&whole).unwrap_or_default().into_iter().cloned());
        next += 1;
    }
    found
}

/// Where a document has what an element says.
fn content(document: &dyn Crdt, id: &ElementId) -> Path {
    let element = element_path(id);
    let value = element.child(VALUE);
    match (id.is_chart(), document.kind(&value)) {
        (true, _) => element,
        (false, Some(_)) if document.kind(&element.child(PROPERTIES)).is_none() => value,
        (false, _) => element.child(PROPERTIES),
    }
}

fn joined(base: &Path, path: &Path) -> Path {
    base.tokens().iter().chain(path.tokens()).cloned().collect()
}

/// Sets what is at a path inside of some content, with the maps that are missing on the way.
fn update(
    document: &dyn Crdt,
    content: &Path,
    path: &Path,
    value: &Option<Value>,
) -> Result<Vec<Operation>, EditError> {
    let Some(value) = value else {
        let path = joined(content, path);
        // Somebody else may have taken it away; an element's one value stays.
        return if path == *content { Err(EditError::IsRoot) } else { Ok(set(document, path, None)) };
    };
    if path.is_root() && content.tokens().last().is_none_or(|last| last != VALUE) {
        return Err(EditError::IsRoot);
    }
    let (at, value) = missing_maps(content, path, value, |path| document.kind(path).is_some());
    Ok(vec![put(at, value)])
}

/// The first path on the way that is missing, and what to put there.
fn missing_maps(
    content: &Path,
    path: &Path,
    value: &Value,
    is_there: impl Fn(&Path) -> bool,
) -> (Path, Value) {
    let tokens = path.tokens();
    let prefix = |len: usize| joined(content, &tokens[..len].iter().cloned().collect());
    let last = tokens.len();
    let first_missing = (1..last).find(|len| !is_there(&prefix(*len))).unwrap_or(last);
    let wrapped = tokens[first_missing..].iter().rev();
    let value = wrapped.fold(value.clone(), |value, key| Value::Map([(key.clone(), value)].into()));
    (prefix(first_missing), value)
}

/// As [`update`], on plain data.
fn apply_update(
    content: &mut BTreeMap<String, Value>,
    path: &Path,
    value: Option<&Value>,
) -> Result<(), EditError> {
    let mut whole = Value::Map(std::mem::take(content));
    let there = |path: &Path| find(&whole, path).is_some();
    let done = match value {
        _ if path.is_root() => Err(EditError::IsRoot),
        None if there(path) => model::perform(&mut whole, &Operation::Remove { path: path.clone() }),
        None => Ok(()),
        Some(value) => {
            let (path, value) = missing_maps(&Path::root(), path, value, there);
            model::perform(&mut whole, &put(path, value))
        }
    };
    if let Value::Map(changed) = whole {
        *content = changed;
    }
    done
}

fn find<'a>(value: &'a Value, path: &Path) -> Option<&'a Value> {
    path.tokens().iter().try_fold(value, |value, token| match value {
        Value::Map(map) => map.get(token),
        Value::List(list) => list.get(token.parse::<usize>().ok()?),
        _ => None,
    })
}
