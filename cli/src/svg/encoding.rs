//! What is drawn how: the channels of a view, each with a field, a value, and what it asks of scales and guides.

mod request;
mod sort;
mod summary;

use serde_json::{Map, Value as Json};

use super::cell::Cell;
use super::data::{Field, moment};
use super::node::{Node, Object};
use super::time::TimeUnit;
use super::undrawable::Undrawable;

pub use request::{
    AxisRequest, LegendRequest, Nice, Range, ScaleKind, ScaleRequest, ValueFormat, colours, in_words,
};
pub use sort::{Sort, SortKey};
pub use summary::{Aggregate, Bin};

/// The channels that are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// From left to right.
    X,
    /// From bottom to top.
    Y,
    /// Where what begins at x ends.
    X2,
    /// Where what begins at y ends.
    Y2,
    /// Within a band of x.
    XOffset,
    /// Within a band of y.
    YOffset,
    /// How much of a circle.
    Theta,
    /// The colour.
    Color,
    /// The area of a symbol.
    Size,
    /// How opaque.
    Opacity,
    /// The symbol.
    Shape,
    /// The letters.
    Text,
    /// What is told of a mark.
    Tooltip,
    /// The order of points on a line, of what is stacked, and of marks.
    Order,
    /// What tells marks apart without being seen.
    Detail,
}

const NAMES: [(&str, Name); 15] = [
    ("x", Name::X),
    ("y", Name::Y),
    ("x2", Name::X2),
    ("y2", Name::Y2),
    ("xOffset", Name::XOffset),
    ("yOffset", Name::YOffset),
    ("theta", Name::Theta),
    ("color", Name::Color),
    ("size", Name::Size),
    ("opacity", Name::Opacity),
    ("shape", Name::Shape),
    ("text", Name::Text),
    ("tooltip", Name::Tooltip),
    ("order", Name::Order),
    ("detail", Name::Detail),
];

/// What sort of thing a channel shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers.
    Quantitative,
    /// Names without an order.
    Nominal,
    /// Names with an order.
    Ordinal,
    /// Times.
    Temporal,
}

const KINDS: [(&str, Kind); 4] = [
    ("quantitative", Kind::Quantitative),
    ("nominal", Kind::Nominal),
    ("ordinal", Kind::Ordinal),
    ("temporal", Kind::Temporal),
];

/// How values are stacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stacking {
    /// Not.
    None,
    /// From zero, what is negative below it.
    Zero,
    /// To the whole.
    Normalize,
    /// Around the middle.
    Center,
}

/// Where a channel's values come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A field of the data.
    Field(Field),
    /// The number of rows.
    Count,
    /// One value of the data's sort, the same for every row.
    Datum(Cell),
    /// What is drawn itself, not a value of the data.
    Value(Json),
}

/// A channel.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Which one.
    pub name: Name,
    /// Where it stands.
    pub at: String,
    /// Where its values come from.
    pub source: Source,
    /// What sort they are of.
    pub kind: Kind,
    /// How rows become one.
    pub aggregate: Option<Aggregate>,
    /// How numbers are put into bins.
    pub bin: Option<Bin>,
    /// Which parts of times are told apart.
    pub unit: Option<TimeUnit>,
    /// Its title, where one is given; `Some(None)` is none at all.
    pub title: Option<Option<String>>,
    /// How its values are written.
    pub format: Option<ValueFormat>,
    /// The order of its values.
    pub sort: Option<Sort>,
    /// How its values are stacked, where that is said.
    pub stack: Option<Stacking>,
    /// Where in a band marks stand.
    pub band_position: f64,
    /// What it asks of its scale; `None` draws values as they are.
    pub scale: Option<ScaleRequest>,
    /// What it asks of its axis; `None` has none.
    pub axis: Option<AxisRequest>,
    /// What it asks of its legend; `None` has none.
    pub legend: Option<LegendRequest>,
}

/// Reads the channels of a view.
pub fn read(node: &Node<'_>) -> Result<Vec<Channel>, Undrawable> {
    let mut channels = Vec::new();
    for (key, definition) in node.object()?.rest() {
        let Some((_, name)) = NAMES.iter().find(|(known, _)| known == key) else {
            return Err(definition.unsupported(format!("the channel {key:?}")));
        };
        match (definition.json, name) {
            (Json::Null, _) => {}
            (Json::Array(_), Name::Tooltip | Name::Detail | Name::Order) => {
                for part in definition.list()? {
                    channels.push(Channel::read(*name, &part)?);
                }
            }
            _ => channels.push(Channel::read(*name, &definition)?),
        }
    }
    infer_second_kinds(&mut channels);
    Ok(channels)
}

/// `x2` and `y2` are of the sort of what they end.
fn infer_second_kinds(channels: &mut [Channel]) {
    for (first, second) in [(Name::X, Name::X2), (Name::Y, Name::Y2)] {
        let kind = channels.iter().find(|channel| channel.name == first).map(|channel| channel.kind);
        let second = channels.iter_mut().find(|channel| channel.name == second);
        if let (Some(kind), Some(second)) = (kind, second) {
            second.kind = kind;
        }
    }
}

/// The channels of a view that is part of another: its own, and the other's where it has none.
pub fn inherit(parent: &Map<String, Json>, child: &Map<String, Json>) -> Map<String, Json> {
    let mut merged = parent.clone();
    for (channel, own) in child {
        let shows_data =
            |json: &Json| ["field", "datum", "aggregate"].iter().any(|key| json.get(key).is_some());
        match (merged.get_mut(channel).and_then(Json::as_object_mut), own) {
            (Some(above), Json::Object(below)) if shows_data(own) => above.extend(below.clone()),
            _ => drop(merged.insert(channel.clone(), own.clone())),
        }
    }
    merged
}

impl Channel {
    fn read(name: Name, node: &Node<'_>) -> Result<Self, Undrawable> {
        let mut channel = node.object()?;
        if let Some(condition) = channel.take("condition") {
            return Err(condition.unsupported("a condition"));
        }
        let aggregate = channel.some("aggregate").map(|node| summary::aggregate(&node)).transpose()?;
        let bin = channel.some("bin").map(|node| summary::bin(&node)).transpose()?.flatten();
        let unit = channel.some("timeUnit").map(|node| time_unit(&node)).transpose()?;
        let sort = channel.take("sort").map(|node| sort::read(&node)).transpose()?;
        let scale = request::optional(&mut channel, "scale", ScaleRequest::read)?;
        let axis = request::optional(&mut channel, "axis", AxisRequest::read)?;
        let legend = request::optional(&mut channel, "legend", LegendRequest::read)?;
        let (source, shown) = source(&mut channel, aggregate)?;
        let kind = match channel.some("type") {
            Some(node) => node.one_of("type", &KINDS)?,
            None => shown.unwrap_or_else(|| {
                let scaled = scale.as_ref().and_then(|scale| scale.kind);
                inferred(name, &sort, unit.is_some(), bin.is_some() || aggregate.is_some(), scaled)
            }),
        };
        let read = Self {
            name,
            at: node.at.clone(),
            source,
            kind,
            aggregate,
            bin,
            unit,
            title: channel.take("title").map(|node| request::title(&node)).transpose()?,
            format: ValueFormat::read(&mut channel, kind)?,
            sort,
            stack: channel.take("stack").map(|node| stacking(&node)).transpose()?,
            band_position: channel.number("bandPosition")?.unwrap_or(0.5),
            scale,
            axis,
            legend,
        };
        channel.finish("a channel")?;
        Ok(read)
    }

    /// Whether it shows something of the data.
    pub const fn shows_data(&self) -> bool {
        !matches!(self.source, Source::Value(_))
    }

    /// Whether it shows a field, not the same for every row.
    pub const fn shows_field(&self) -> bool {
        matches!(self.source, Source::Field(_) | Source::Count)
    }

    /// Whether its values are measured, not put into bins.
    pub fn is_measure(&self) -> bool {
        self.shows_data() && self.kind == Kind::Quantitative && self.bin.is_none()
    }

    /// Whether its values are names, however they are written.
    pub fn is_discrete(&self) -> bool {
        matches!(self.kind, Kind::Nominal | Kind::Ordinal)
    }

    /// What it is called beside an axis or a legend.
    pub fn shown_title(&self, guide: Option<&Option<String>>) -> Option<String> {
        match guide.or(self.title.as_ref()) {
            Some(title) => title.clone().filter(|title| !title.is_empty()),
            None => self.default_title(),
        }
    }

    /// The field's name, whatever is made of it.
    pub fn plain_title(&self) -> Option<String> {
        match &self.source {
            Source::Field(field) => Some(field.title()),
            Source::Count | Source::Datum(_) | Source::Value(_) => self.default_title(),
        }
    }

    fn default_title(&self) -> Option<String> {
        let field = match &self.source {
            Source::Count => return Some("Count of Records".to_owned()),
            Source::Field(field) => field.title(),
            Source::Datum(_) | Source::Value(_) => return None,
        };
        let title = match (self.aggregate, &self.bin, &self.unit) {
            (Some(aggregate), _, _) => format!("{} of {field}", aggregate.title()),
            (None, Some(_), _) => format!("{field} (binned)"),
            (None, None, Some(unit)) => format!("{field} ({})", unit.title()),
            (None, None, None) => field,
        };
        Some(title)
    }
}

/// Where values come from, and of what sort they are where that can be seen.
fn source(
    channel: &mut Object<'_>,
    aggregate: Option<Aggregate>,
) -> Result<(Source, Option<Kind>), Undrawable> {
    let (field, datum, value) = (channel.some("field"), channel.take("datum"), channel.take("value"));
    if let Some(value) = value {
        if value.json.get("expr").is_some() {
            return Err(value.unsupported(format!("the expression {}", value.json)));
        }
        return Ok((Source::Value(value.json.clone()), Some(Kind::Nominal)));
    }
    if let Some(datum) = datum {
        return datum_source(&datum);
    }
    match (field, aggregate) {
        (_, Some(Aggregate::Count)) => Ok((Source::Count, Some(Kind::Quantitative))),
        (Some(field), _) => Ok((Source::Field(Field::parse(field.string()?)), None)),
        (None, _) => Err(channel.node.malformed("a channel needs a field, a datum or a value")),
    }
}

fn datum_source(datum: &Node<'_>) -> Result<(Source, Option<Kind>), Undrawable> {
    let cell = request::datum(datum)?;
    let kind = match (datum.json, &cell) {
        (Json::Object(_), _) => Kind::Temporal,
        (_, Cell::Number(_)) => Kind::Quantitative,
        _ => Kind::Nominal,
    };
    Ok((Source::Datum(cell), Some(kind)))
}

/// What Vega-Lite takes a channel for that does not say its type.
fn inferred(
    name: Name,
    sort: &Option<Sort>,
    has_unit: bool,
    is_number: bool,
    scale: Option<ScaleKind>,
) -> Kind {
    match (name, sort, scale) {
        (Name::Shape, _, _) => Kind::Nominal,
        (Name::Order, _, _) | (_, Some(Sort::Listed(_)), _) => Kind::Ordinal,
        _ if has_unit => Kind::Temporal,
        _ if is_number => Kind::Quantitative,
        (_, _, Some(ScaleKind::Linear)) => Kind::Quantitative,
        (_, _, Some(ScaleKind::Time)) => Kind::Temporal,
        _ => Kind::Nominal,
    }
}

fn time_unit(node: &Node<'_>) -> Result<TimeUnit, Undrawable> {
    let name = match node.json {
        Json::Object(_) => {
            let mut unit = node.object()?;
            let name = unit.take("unit").ok_or_else(|| node.unsupported("a time unit of steps"))?;
            unit.finish("a time unit")?;
            name
        }
        _ => node.clone(),
    };
    let unit = TimeUnit::parse(name.string()?);
    unit.ok_or_else(|| node.unsupported(format!("the time unit {}", node.json)))
}

fn stacking(node: &Node<'_>) -> Result<Stacking, Undrawable> {
    match node.json {
        Json::Null | Json::Bool(false) => Ok(Stacking::None),
        Json::Bool(true) => Ok(Stacking::Zero),
        _ => node.one_of(
            "stacking",
            &[("zero", Stacking::Zero), ("normalize", Stacking::Normalize), ("center", Stacking::Center)],
        ),
    }
}

/// A value as a time, where its channel shows times.
pub fn as_kind(cell: &Cell, kind: Kind) -> Cell {
    match kind {
        Kind::Temporal => moment(cell),
        Kind::Quantitative => cell.quantity(),
        Kind::Nominal | Kind::Ordinal => cell.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn only(json: Json) -> Result<Channel, Undrawable> {
        read(&Node::root(&json)).map(|mut channels| channels.remove(0))
    }

    #[test]
    fn types_are_inferred_as_vega_lite_does() {
        for (json, kind) in [
            (json!({"x": {"field": "a"}}), Kind::Nominal),
            (json!({"x": {"aggregate": "count"}}), Kind::Quantitative),
            (json!({"x": {"field": "a", "bin": true}}), Kind::Quantitative),
            (json!({"x": {"field": "a", "timeUnit": "year"}}), Kind::Temporal),
            (json!({"x": {"field": "a", "sort": ["b"]}}), Kind::Ordinal),
            (json!({"x": {"datum": 3}}), Kind::Quantitative),
            (json!({"x": {"datum": {"year": 2000}}}), Kind::Temporal),
            (json!({"x": {"field": "a", "scale": {"type": "linear"}}}), Kind::Quantitative),
        ] {
            assert_eq!(only(json.clone()).map(|channel| channel.kind), Ok(kind), "{json}");
        }
    }

    #[test]
    fn what_is_not_drawn_is_named() {
        for (json, what) in [
            (json!({"row": {"field": "a"}}), "the channel \"row\""),
            (json!({"color": {"condition": {"param": "a", "value": "red"}}}), "a condition"),
            (json!({"x": {"aggregate": "stderr", "field": "a"}}), "the aggregate \"stderr\""),
            (json!({"x": {"field": "a", "timeUnit": "yearweek"}}), "the time unit \"yearweek\""),
            (json!({"x": {"field": "a", "impute": {"value": 0}}}), "\"impute\" of a channel"),
            (json!({"x": {"field": "a", "scale": {"type": "log"}}}), "the scale \"log\""),
            (json!({"y": {"field": "a", "stack": "wiggle"}}), "the stacking \"wiggle\""),
        ] {
            let error = only(json).expect_err("it is not drawn");
            assert!(error.to_string().starts_with(what), "{error}");
        }
    }

    #[test]
    fn a_part_of_a_view_adds_to_what_it_inherits() {
        let object = |json: Json| json.as_object().cloned().unwrap_or_default();
        let parent = object(json!({"x": {"type": "quantitative", "title": "t"}, "y": {"field": "b"}}));
        let child = object(json!({"x": {"field": "a"}, "y": {"value": 3}}));
        let merged = Json::Object(inherit(&parent, &child));
        assert_eq!(
            merged,
            json!({"x": {"type": "quantitative", "title": "t", "field": "a"}, "y": {"value": 3}})
        );
    }
}
