//! Charts as Vega-Lite specifications.
//!
//! What people edit becomes elements: marks, encodings, layers and other views, parameters, transforms, data and its
//! points. Everything else stays a property of the element that it stands in, whatever it is, so a specification that
//! goes in comes out again with an equal value. Where an element stands is its kind:
//!
//! | form | kinds | as JSON |
//! |---|---|---|
//! | single | `mark`, `data`, `spec` | `"mark": …` |
//! | named | `encoding`, `datasets` | `"encoding": {"x": …}` |
//! | listed | `layer`, `concat`, `hconcat`, `vconcat`, `params`, `transform`, `values` | `"layer": […, …]` |
//!
//! The points of a dataset that is a bare list are its `values`. Positions on the canvas, of which Vega-Lite knows
//! nothing, stand in its `usermeta`, which it leaves alone, by the pointer to the element.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use super::edit::part_id;
use super::{Chart, Content, Element, ElementId, MAX_ELEMENT_DEPTH, Position};
use crate::fractional_index::FractionalIndex;
use crate::import::{self, ImportError, sort, text};
use crate::path::Path;
use crate::value::Value;

/// Most elements of an imported chart. A data point is one.
pub const MAX_IMPORTED_ELEMENTS: usize = 200_000;

const MARK: &str = "mark";
const TYPE: &str = "type";
const DATASETS: &str = "datasets";
pub(super) const VALUES: &str = "values";
const USERMETA: &str = "usermeta";
const OURS: &str = "syncline";
const POSITIONS: &str = "positions";
const POSITIONS_POINTER: &str = "/syncline/positions";

/// How elements of a kind stand in their parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Single,
    Named,
    Listed,
}

/// Kinds that later programs have are named if they have names, and listed otherwise.
pub(super) fn form(kind: &str, has_name: bool) -> Form {
    match kind {
        MARK | "data" | "spec" => Form::Single,
        "encoding" | DATASETS => Form::Named,
        _ if has_name => Form::Named,
        _ => Form::Listed,
    }
}

/// Whether elements of a kind stand somewhere in a specification.
pub(super) fn is_kind(kind: &str) -> bool {
    kind == VALUES || PARTS_OF_VIEWS.contains(&kind)
}

/// Whether an element of a kind may be a bare list, whose points are its parts.
pub(super) fn is_dataset(kind: &str) -> bool {
    kind == DATASETS
}

/// The keys of a view that hold elements.
const PARTS_OF_VIEWS: [&str; 11] = [
    MARK,
    "data",
    "spec",
    "encoding",
    DATASETS,
    "layer",
    "concat",
    "hconcat",
    "vconcat",
    "params",
    "transform",
];

/// Which keys of an element hold elements again.
fn parts_of(kind: &str) -> &'static [&'static str] {
    match kind {
        "layer" | "concat" | "hconcat" | "vconcat" | "spec" => &PARTS_OF_VIEWS,
        "data" => &[VALUES],
        _ => &[],
    }
}

/// Whether a JSON object is meant to be a Vega-Lite specification.
#[must_use]
pub fn looks_like_vega_lite(object: &Map<String, Json>) -> bool {
    match object.get("$schema") {
        Some(Json::String(schema)) => schema.contains("/vega-lite/"),
        Some(_) => false,
        None => ["mark", "layer", "concat", "hconcat", "vconcat", "spec"]
            .iter()
            .any(|key| object.contains_key(*key)),
    }
}

impl Chart {
    /// Reads a specification. The same one always gives the same elements under the same names.
    pub fn from_vega_lite(bytes: &[u8]) -> Result<Self, ImportError> {
        let mut object = match import::json(text(bytes)?, 1)? {
            Json::Object(object) => object,
            other => {
                return Err(ImportError::whole(format!(
                    "a Vega-Lite specification is an object, not {}",
                    sort(&other)
                )));
            }
        };
        if !looks_like_vega_lite(&object) {
            let reason = "this is no Vega-Lite specification: its \"$schema\" names another one, or it has none and \
                          no mark, layer or other view either";
            return Err(ImportError::whole(reason));
        }
        let mut usermeta = object.remove(USERMETA);
        let mut reader = Reader { elements: BTreeMap::new(), pointers: BTreeMap::new() };
        let mut properties = reader.object(object, &ElementId::chart(), &PARTS_OF_VIEWS, &Path::root())?;
        usermeta = usermeta.and_then(|usermeta| reader.positions(usermeta));
        if let Some(usermeta) = usermeta {
            properties.insert(USERMETA.to_owned(), value(&usermeta, &Path::root().child(USERMETA))?);
        }
        Ok(Self { properties, elements: reader.elements })
    }

    /// The specification. Positions are left out where `usermeta`, or the part of it that is ours, holds something else.
    #[must_use]
    pub fn to_vega_lite(&self) -> Json {
        let mut writer = Writer { parts: self.by_parent(), positions: Map::new() };
        let mut whole = object_of(&self.properties);
        writer.fill(&mut whole, &ElementId::chart(), &Path::root());
        if !writer.positions.is_empty() {
            let ours = whole.entry(USERMETA).or_insert_with(|| json!({})).as_object_mut();
            let ours = ours.and_then(|ours| ours.entry(OURS).or_insert_with(|| json!({})).as_object_mut());
            let ours =
                ours.and_then(|ours| ours.entry(POSITIONS).or_insert_with(|| json!({})).as_object_mut());
            ours.into_iter().for_each(|ours| ours.extend(std::mem::take(&mut writer.positions)));
        }
        Json::Object(whole)
    }
}

/// Takes a specification apart.
struct Reader {
    elements: BTreeMap<ElementId, Element>,
    /// Which element stood where.
    pointers: BTreeMap<String, ElementId>,
}

impl Reader {
    /// Gives elements the positions that an export of ours left. What is left of `usermeta` without them is a property, and
    /// so is anything in it that is no position of an element.
    fn positions(&mut self, mut usermeta: Json) -> Option<Json> {
        let positions = usermeta.pointer_mut(POSITIONS_POINTER).and_then(Json::as_object_mut);
        let Some(positions) = positions.filter(|positions| !positions.is_empty()) else {
            return Some(usermeta);
        };
        positions.retain(|pointer, point| {
            let element = self.pointers.get(pointer).and_then(|id| self.elements.get_mut(id));
            let placed =
                element.zip(position(point)).map(|(element, position)| element.position = Some(position));
            placed.is_none()
        });
        for (parent, key) in [("/syncline", POSITIONS), ("", OURS)] {
            let parent = usermeta.pointer_mut(parent).and_then(Json::as_object_mut);
            parent.filter(|parent| parent.get(key) == Some(&json!({}))).and_then(|parent| parent.remove(key));
        }
        Some(usermeta).filter(|usermeta| *usermeta != json!({}))
    }

    /// Makes elements of what stands under `parts`; the rest are the properties.
    fn object(
        &mut self,
        object: Map<String, Json>,
        parent: &ElementId,
        parts: &[&str],
        at: &Path,
    ) -> Result<BTreeMap<String, Value>, ImportError> {
        let mut properties = BTreeMap::new();
        for (key, json) in object {
            let here = at.child(&key);
            match json {
                Json::Object(named) if parts.contains(&key.as_str()) && form(&key, false) == Form::Named => {
                    self.named(&key, named, parent, &here, &mut properties)?;
                }
                Json::Array(listed) if parts.contains(&key.as_str()) && is_list_of_parts(&key, &listed) => {
                    self.listed(&key, listed, parent, &here)?;
                }
                json if parts.contains(&key.as_str()) && form(&key, false) == Form::Single => {
                    self.part(part_id(parent, &key), empty(parent, &key), json, &here)?;
                }
                json => drop(properties.insert(key, value(&json, &here)?)),
            }
        }
        Ok(properties)
    }

    /// An object without parts is a property, as there would be nothing to tell that it is there.
    fn named(
        &mut self,
        kind: &str,
        named: Map<String, Json>,
        parent: &ElementId,
        at: &Path,
        properties: &mut BTreeMap<String, Value>,
    ) -> Result<(), ImportError> {
        if named.is_empty() {
            properties.insert(kind.to_owned(), Value::Map(BTreeMap::new()));
        }
        for (name, json) in named {
            let element = Element { name: Some(name.clone()), ..empty(parent, kind) };
            self.part(part_id(parent, &name), element, json, &at.child(&name))?;
        }
        Ok(())
    }

    fn listed(
        &mut self,
        kind: &str,
        listed: Vec<Json>,
        parent: &ElementId,
        at: &Path,
    ) -> Result<(), ImportError> {
        for ((index, json), place) in listed.into_iter().enumerate().zip(FractionalIndex::sequence()) {
            let id = part_id(parent, &format!("{kind}-{}", index + 1));
            let element = Element { place: Some(place), ..empty(parent, kind) };
            self.part(id, element, json, &at.child(index))?;
        }
        Ok(())
    }

    /// Makes an element, and others of its parts. What it says is not in it yet.
    fn part(
        &mut self,
        id: ElementId,
        mut element: Element,
        json: Json,
        at: &Path,
    ) -> Result<(), ImportError> {
        if self.elements.len() >= MAX_IMPORTED_ELEMENTS {
            let reason = format!("the chart has more than {MAX_IMPORTED_ELEMENTS} elements");
            return Err(ImportError::whole(reason));
        }
        let parent = |id: &ElementId| self.elements.get(id).map(|element| element.parent.clone());
        if std::iter::successors(Some(element.parent.clone()), parent).count() > MAX_ELEMENT_DEPTH {
            let reason = format!("elements are nested deeper than {MAX_ELEMENT_DEPTH} levels, at {at}");
            return Err(ImportError::whole(reason));
        }
        let id = self.unused(id);
        self.pointers.insert(at.to_string(), id.clone());
        // Takes the name before its parts could.
        self.elements.insert(id.clone(), element.clone());
        element.content = match json {
            Json::String(mark) if element.kind == MARK => {
                element.shorthand = true;
                Content::Properties([(TYPE.to_owned(), mark.into())].into())
            }
            Json::Object(object) => {
                Content::Properties(self.object(object, &id, parts_of(&element.kind), at)?)
            }
            Json::Array(points) if element.kind == DATASETS && !points.is_empty() => {
                self.listed(VALUES, points, &id, at)?;
                Content::Value(Value::List(Vec::new()))
            }
            json => Content::Value(value(&json, at)?),
        };
        self.elements.insert(id, element);
        Ok(())
    }

    /// A channel may be called as a mark is; the name that is taken gets another ending.
    fn unused(&self, id: ElementId) -> ElementId {
        let ids = (2..).map(|number| ElementId(format!("{id}~{number}")));
        let mut ids = std::iter::once(id.clone()).chain(ids);
        ids.find(|id| !id.is_chart() && !self.elements.contains_key(id)).expect("numbers do not end")
    }
}

/// A point as exports of ours write it, and nothing beside it.
fn position(point: &Json) -> Option<Position> {
    let number = |axis| point.get(axis)?.as_f64();
    let (x, y) = (number("x")?, number("y")?);
    (point.as_object()?.len() == 2).then_some(Position { x, y })
}

fn empty(parent: &ElementId, kind: &str) -> Element {
    Element::new(parent.clone(), kind, BTreeMap::new())
}

/// An element and its parts, of what it says as JSON.
pub(super) fn parts(
    id: ElementId,
    element: Element,
    json: Json,
) -> Result<BTreeMap<ElementId, Element>, ImportError> {
    let mut reader = Reader { elements: BTreeMap::new(), pointers: BTreeMap::new() };
    reader.part(id, element, json, &Path::root())?;
    Ok(reader.elements)
}

/// A list of views must hold views; data points are whatever they are. An empty list is a property.
fn is_list_of_parts(kind: &str, listed: &[Json]) -> bool {
    form(kind, false) == Form::Listed
        && !listed.is_empty()
        && (kind == VALUES || listed.iter().all(Json::is_object))
}

fn value(json: &Json, at: &Path) -> Result<Value, ImportError> {
    import::value(json, &at.to_string(), None)
}

fn object_of(properties: &BTreeMap<String, Value>) -> Map<String, Json> {
    properties.iter().map(|(key, value)| (key.clone(), value.to_json())).collect()
}

/// Puts a specification together.
struct Writer<'a> {
    /// What is not written yet; every element is written once.
    parts: BTreeMap<&'a ElementId, Vec<(&'a ElementId, &'a Element)>>,
    positions: Map<String, Json>,
}

impl Writer<'_> {
    /// Adds the parts of an element to its properties. Where several are of a kind and name that can be there only once,
    /// the first stands.
    fn fill(&mut self, object: &mut Map<String, Json>, id: &ElementId, at: &Path) {
        let mut single = BTreeSet::new();
        for (part, element) in self.parts.remove(id).unwrap_or_default() {
            let here = at.child(&element.kind);
            match (form(&element.kind, element.name.is_some()), &element.name) {
                (Form::Single, _) | (Form::Named, None) => {
                    if single.insert(&element.kind) {
                        let json = self.element(part, element, &here);
                        object.insert(element.kind.clone(), json);
                    }
                }
                (Form::Named, Some(name)) => {
                    let json = self.element(part, element, &here.child(name));
                    if let Json::Object(named) = container(object, &element.kind, json!({})) {
                        named.entry(name.clone()).or_insert(json);
                    }
                }
                (Form::Listed, _) => {
                    let index = container(object, &element.kind, json!([])).as_array().map_or(0, Vec::len);
                    let json = self.element(part, element, &here.child(index));
                    if let Json::Array(listed) = container(object, &element.kind, json!([])) {
                        listed.push(json);
                    }
                }
            }
        }
    }

    fn element(&mut self, id: &ElementId, element: &Element, at: &Path) -> Json {
        if let Some(Position { x, y }) = element.position {
            self.positions.insert(at.to_string(), json!({ "x": x, "y": y }));
        }
        match &element.content {
            Content::Properties(properties) => {
                let mut object = object_of(properties);
                self.fill(&mut object, id, at);
                match object.get(TYPE) {
                    Some(Json::String(mark)) if element.shorthand && object.len() == 1 => {
                        mark.as_str().into()
                    }
                    Some(_) | None => Json::Object(object),
                }
            }
            Content::Value(Value::List(list)) if element.kind == DATASETS => {
                let points = self.parts.remove(id).unwrap_or_default().into_iter();
                let points = points.filter(|(_, point)| point.kind == VALUES).enumerate();
                let points = points.map(|(index, (id, point))| self.element(id, point, &at.child(index)));
                list.iter().map(Value::to_json).chain(points.collect::<Vec<_>>()).collect()
            }
            Content::Value(value) => value.to_json(),
        }
    }
}

/// What holds the parts of a kind. Where it held nothing, or something without parts, it is new.
fn container<'a>(object: &'a mut Map<String, Json>, kind: &str, empty: Json) -> &'a mut Json {
    let json = object.entry(kind).or_insert_with(|| empty.clone());
    if std::mem::discriminant(json) != std::mem::discriminant(&empty) {
        *json = empty;
    }
    json
}
