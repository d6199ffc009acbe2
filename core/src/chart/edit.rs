//! Edits of a chart as an application makes them: with names and places found for what is new.

use std::collections::BTreeSet;

use super::operation::parents;
use super::record::element_path;
use super::vega_lite::{self, Form, VALUES, form, is_dataset, is_kind};
use super::{Chart, ChartOperation, Content, Element, ElementId, MAX_ELEMENT_DEPTH, Position};
use crate::fractional_index::{CROWDED, FractionalIndex, Spot};
use crate::operation::EditError;
use crate::path::Path;
use crate::schema::Edit;
use crate::value::Value;

/// Where among its kind an element goes. Ahead of all others a layer is below them, behind all others above them.
pub type Place<'a> = Spot<&'a ElementId>;

impl Edit<'_, '_, Chart> {
    /// Adds an element as Vega-Lite writes it, with its parts: a layer with its mark, its encodings and its data. Goes
    /// behind others of its kind where they have an order; returns its name. A kind of which there can be only one, or one
    /// of each name, is named after that: a second one is refused.
    pub fn add(
        &mut self,
        parent: &ElementId,
        kind: &str,
        name: Option<&str>,
        content: &Value,
    ) -> Result<ElementId, EditError> {
        if !is_kind(kind) {
            let reason = format!("{kind:?} is no kind of element; what it would be is a property to update");
            return Err(EditError::Unsupported { reason });
        }
        let mut chart = self.state();
        let form = form(kind, name.is_some());
        let has_room = has_room(&chart, parent, kind)?;
        let taken = chart.parts(parent, kind).iter().any(|(_, part)| match form {
            Form::Single => true,
            Form::Named => part.name.as_deref() == name,
            Form::Listed => false,
        });
        if taken || !has_room {
            return Err(EditError::Exists { path: element_path(parent).child(kind).to_string() });
        }
        if (form == Form::Named) != name.is_some() {
            let needs = if form == Form::Named { "needs" } else { "has no" };
            return Err(EditError::Unsupported { reason: format!("what is of kind {kind:?} {needs} name") });
        }
        let listed = form == Form::Listed;
        let id = match name {
            _ if listed => ElementId(format!("{kind}-{}", self.editor().fresh_name())),
            name => part_id(parent, name.unwrap_or(kind)),
        };
        let id = self.unclaimed(id);
        let mut element = Element::new(parent.clone(), kind, Default::default());
        element.name = name.map(str::to_owned);
        if listed {
            element.place = Some(self.place(&chart, &id, &element, Place::Last)?);
        }
        let parts = vega_lite::parts(id.clone(), element, content.to_json());
        let parts = parts.map_err(|error| EditError::Unsupported { reason: error.reason })?;
        chart.elements.extend(parts.clone());
        if parts.values().any(|part| chart.depth(part) > MAX_ELEMENT_DEPTH) {
            return Err(EditError::Limit { what: "the nesting of elements", limit: MAX_ELEMENT_DEPTH });
        }
        for (id, element) in parts {
            self.perform(&ChartOperation::Add { id, element: Box::new(element) })?;
        }
        Ok(id)
    }

    /// The name, or another one like it where it is taken, or where something is still part of an earlier element of that
    /// name: what somebody added to that while it was removed must not come back with the new one.
    fn unclaimed(&self, id: ElementId) -> ElementId {
        let parents = parents(self.document());
        let claimed: BTreeSet<&ElementId> =
            parents.iter().flat_map(|(part, parent)| [part, parent]).collect();
        let others = (2..).map(|number| ElementId(format!("{id}~{number}")));
        let mut ids = std::iter::once(id.clone()).chain(others);
        ids.find(|id| !id.is_chart() && !claimed.contains(id)).expect("numbers do not end")
    }

    /// Takes an element out, with everything that is part of it.
    pub fn remove(&mut self, id: &ElementId) -> Result<(), EditError> {
        self.perform(&ChartOperation::Remove { id: id.clone() })
    }

    /// Gives a property of an element, or something inside of one, a value; without one, takes it away. What is an element of
    /// its own, such as the mark of a layer, is no property.
    pub fn update(&mut self, id: &ElementId, path: Path, value: Option<Value>) -> Result<(), EditError> {
        if let Some(kind) = path.tokens().first().filter(|kind| is_kind(kind) && value.is_some())
            && let Some((part, _)) = self.state().parts(id, kind).first()
        {
            let reason = format!("{kind:?} is the element {:?}: update that", part.0);
            return Err(EditError::Unsupported { reason });
        }
        self.perform(&ChartOperation::Update { id: id.clone(), path, value })
    }

    /// Moves an element among its kind: a layer in front of another, a data point behind another.
    pub fn move_to(&mut self, id: &ElementId, place: Place<'_>) -> Result<(), EditError> {
        let chart = self.state();
        let element = chart.elements.get(id).ok_or_else(|| not_found(id))?;
        let place = Some(self.place(&chart, id, element, place)?);
        self.perform(&ChartOperation::Move { id: id.clone(), place })
    }

    /// Puts an element at a point of the canvas, or back to where it is drawn unless told.
    pub fn position(&mut self, id: &ElementId, position: Option<Position>) -> Result<(), EditError> {
        self.perform(&ChartOperation::Position { id: id.clone(), position })
    }

    fn place(
        &mut self,
        chart: &Chart,
        id: &ElementId,
        element: &Element,
        place: Place<'_>,
    ) -> Result<FractionalIndex, EditError> {
        let siblings = chart.parts(&element.parent, &element.kind);
        let others = siblings.into_iter().filter(|(other, _)| *other != id);
        let neighbour = |wanted: &ElementId| {
            let found = others.clone().find(|(other, _)| *other == wanted);
            found.map(|(_, other)| other.place.as_ref()).ok_or_else(|| not_found(wanted))
        };
        let spot = place.among_places(neighbour)?;
        let taken = others.clone().filter_map(|(_, other)| other.place.as_ref());
        FractionalIndex::at(taken, spot, self.editor().fresh_number()).ok_or(CROWDED)
    }
}

/// Whether parts of a kind would be the only thing under that name: behind data that are one text they would be lost.
fn has_room(chart: &Chart, parent: &ElementId, kind: &str) -> Result<bool, EditError> {
    let properties = match chart.elements.get(parent).map(|element| (&element.content, &element.kind)) {
        None if parent.is_chart() => &chart.properties,
        None => return Err(not_found(parent)),
        Some((Content::Properties(properties), _)) => properties,
        Some((Content::Value(Value::List(_)), of)) if is_dataset(of) && kind == VALUES => return Ok(true),
        Some((Content::Value(_), _)) => {
            let reason = format!("the element {:?} is one value, it has no parts", parent.0);
            return Err(EditError::Unsupported { reason });
        }
    };
    Ok(properties.get(kind).is_none_or(Value::is_empty_container))
}

/// How a part is named of which its parent has only one.
pub(super) fn part_id(parent: &ElementId, name: &str) -> ElementId {
    if parent.is_chart() { name.into() } else { ElementId(format!("{parent}.{name}")) }
}

fn not_found(id: &ElementId) -> EditError {
    EditError::NotFound { path: element_path(id).to_string() }
}
