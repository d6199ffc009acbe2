//! Random work on charts.

use std::collections::BTreeMap;

use crate::chart::{Chart, ChartOperation, Content, Element, ElementId, Position};
use crate::fractional_index::{FractionalIndex, Spot};
use crate::path::Path;
use crate::random::Random;
use crate::scripts::{TEXTS, free_place};
use crate::value::Value;

const CHANNELS: [&str; 5] = ["x", "y", "color", "tooltip", "größe/~"];
const LISTED: [&str; 4] = ["layer", "params", "transform", "values"];
const PROPERTIES: [&str; 6] = ["title", "width", "a/b~c", "axis", "type", "ключ"];

/// Most elements before more go than come.
const CROWD: usize = 60;

/// One operation that the chart takes.
pub fn chart_operation(random: &mut Random, chart: &Chart) -> ChartOperation {
    let ids: Vec<&ElementId> = chart.elements.keys().collect();
    let Some(id) = ids.get(random.index(ids.len())).map(|id| (*id).clone()) else {
        return add(random, chart, ElementId::chart());
    };
    match random.below(20) {
        0..2 if ids.len() < CROWD || random.chance(0.3) => add(random, chart, ElementId::chart()),
        2..4 if ids.len() < CROWD || random.chance(0.3) => add(random, chart, id),
        0 if ids.len() > 3 => ChartOperation::Remove { id },
        0..8 => match chart.elements.get(&id) {
            Some(element) if element.place.is_some() => {
                let place = Some(place(random, chart, &element.parent, &element.kind));
                ChartOperation::Move { id, place }
            }
            Some(_) | None => position(random, id),
        },
        8 => position(random, id),
        9 => update(random, ElementId::chart(), &chart.properties),
        _ => match chart.elements.get(&id).map(|element| &element.content) {
            Some(Content::Properties(properties)) => update(random, id, properties),
            Some(Content::Value(_)) | None => {
                ChartOperation::Update { id, path: Path::root(), value: Some(value(random)) }
            }
        },
    }
}

fn add(random: &mut Random, chart: &Chart, parent: ElementId) -> ChartOperation {
    let named = random.chance(0.3);
    let kind = if named { "encoding" } else { LISTED[random.index(LISTED.len())] };
    let channel = CHANNELS[random.index(CHANNELS.len())];
    let id = match named {
        true => ElementId(format!("{parent}.{channel}")),
        false => ElementId(format!("{kind}-{:x}", random.next_u64())),
    };
    let mut element = Element::new(parent.clone(), kind, BTreeMap::new());
    element.content = match random.chance(0.2) {
        true => Content::Value(value(random)),
        false => Content::Properties([(property(random), value(random))].into()),
    };
    if named {
        element.name = Some(channel.to_owned());
    } else {
        element.place = Some(place(random, chart, &parent, kind));
    }
    ChartOperation::Add { id, element: Box::new(element) }
}

fn place(random: &mut Random, chart: &Chart, parent: &ElementId, kind: &str) -> FractionalIndex {
    let places: Vec<&FractionalIndex> =
        chart.parts(parent, kind).into_iter().filter_map(|(_, part)| part.place.as_ref()).collect();
    let spot = match places.get(random.index(places.len())).copied() {
        Some(next) if random.chance(0.7) => Spot::Before(next),
        Some(_) | None => Spot::Last,
    };
    free_place(random, &places, spot)
}

fn position(random: &mut Random, id: ElementId) -> ChartOperation {
    let axis = |random: &mut Random| random.below(800) as f64 / 2.0;
    let position = random.chance(0.8).then(|| Position { x: axis(random), y: axis(random) });
    ChartOperation::Position { id, position }
}

/// A property, or something inside of one that is a map or missing.
fn update(random: &mut Random, id: ElementId, properties: &BTreeMap<String, Value>) -> ChartOperation {
    let name = property(random);
    let opens = matches!(properties.get(&name), None | Some(Value::Map(_)));
    let mut path = Path::root().child(&name);
    if opens && random.chance(0.5) {
        path = path.child(property(random));
    }
    ChartOperation::Update { id, path, value: random.chance(0.8).then(|| value(random)) }
}

fn property(random: &mut Random) -> String {
    PROPERTIES[random.index(PROPERTIES.len())].to_owned()
}

fn value(random: &mut Random) -> Value {
    match random.below(6) {
        0 => Value::Null,
        1 => Value::Bool(random.chance(0.5)),
        2 => Value::Int(random.below(1000) as i64 - 500),
        3 => Value::List(vec![TEXTS[random.index(TEXTS.len())].into(), Value::number(0.5)]),
        4 => Value::Map([(property(random), TEXTS[random.index(TEXTS.len())].into())].into()),
        _ => TEXTS[random.index(TEXTS.len())].into(),
    }
}
