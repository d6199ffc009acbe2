//! What channels ask of scales, axes and legends.

use serde_json::Value as Json;

use super::Kind;
use crate::svg::cell::Cell;
use crate::svg::colour;
use crate::svg::node::{Node, Object};
use crate::svg::number::{self, NumberFormat};
use crate::svg::time::{self, TimeFormat};
use crate::svg::undrawable::Undrawable;

/// How a scale places values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaleKind {
    /// In proportion.
    Linear,
    /// Times, in proportion.
    Time,
    /// Each in a band of its own.
    Band,
    /// Each at a point of its own.
    Point,
    /// Each with a colour or symbol of its own.
    Ordinal,
}

const SCALE_KINDS: [(&str, ScaleKind); 6] = [
    ("linear", ScaleKind::Linear),
    ("time", ScaleKind::Time),
    ("utc", ScaleKind::Time),
    ("band", ScaleKind::Band),
    ("point", ScaleKind::Point),
    ("ordinal", ScaleKind::Ordinal),
];

/// How a domain is widened to round numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Nice {
    /// Not.
    No,
    /// To about as many ticks.
    Count(f64),
}

/// What values are drawn as.
#[derive(Clone, Debug, PartialEq)]
pub enum Range {
    /// Numbers: pixels, areas, parts of a whole.
    Numbers(Vec<f64>),
    /// Colours or names of symbols.
    Names(Vec<String>),
}

/// The values of a scale, as far as they are given: the whole domain, its least and its greatest value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Domain {
    /// Its two ends, or all that is in it.
    pub whole: Option<Vec<Cell>>,
    /// Its least value.
    pub min: Option<Cell>,
    /// Its greatest value.
    pub max: Option<Cell>,
}

/// What is asked of a scale.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScaleRequest {
    /// How it places values.
    pub kind: Option<ScaleKind>,
    /// What it places.
    pub domain: Domain,
    /// As what.
    pub range: Option<Range>,
    /// The palette's name.
    pub scheme: Option<String>,
    /// Whether the domain is widened to round numbers.
    pub nice: Option<Nice>,
    /// Whether zero is part of the domain.
    pub zero: Option<bool>,
    /// Whether it runs the other way.
    pub reverse: Option<bool>,
    /// Whether values outside of the domain stand at its ends.
    pub clamp: Option<bool>,
    /// Within bands and around them, or pixels around a continuous domain: all, inner, outer.
    pub paddings: [Option<f64>; 3],
}

impl ScaleRequest {
    pub(super) fn read(scale: &mut Object<'_>) -> Result<Self, Undrawable> {
        let request = Self {
            kind: scale.some("type").map(|node| node.one_of("scale", &SCALE_KINDS)).transpose()?,
            domain: Domain {
                whole: scale.some("domain").map(|node| domain(&node)).transpose()?,
                min: scale.some("domainMin").map(|node| datum(&node)).transpose()?,
                max: scale.some("domainMax").map(|node| datum(&node)).transpose()?,
            },
            range: scale.some("range").map(|node| range(&node)).transpose()?,
            scheme: scale.string("scheme")?,
            nice: scale.some("nice").map(|node| nice(&node)).transpose()?,
            zero: scale.boolean("zero")?,
            reverse: scale.boolean("reverse")?,
            clamp: scale.boolean("clamp")?,
            paddings: [
                scale.number("padding")?,
                scale.number("paddingInner")?,
                scale.number("paddingOuter")?,
            ],
        };
        Ok(request)
    }
}

fn domain(node: &Node<'_>) -> Result<Vec<Cell>, Undrawable> {
    if !node.json.is_array() {
        return Err(node.unsupported(format!("the domain {}", node.json)));
    }
    node.list()?.iter().map(datum).collect()
}

fn range(node: &Node<'_>) -> Result<Range, Undrawable> {
    match node.json {
        Json::Array(list) if list.iter().all(Json::is_number) => Ok(Range::Numbers(node.numbers()?)),
        Json::Array(_) => {
            let names: Result<Vec<&str>, Undrawable> = node.list()?.iter().map(Node::string).collect();
            Ok(Range::Names(names?.into_iter().map(str::to_owned).collect()))
        }
        _ => Err(node.unsupported(format!("the range {}", node.json))),
    }
}

fn nice(node: &Node<'_>) -> Result<Nice, Undrawable> {
    match node.json {
        Json::Bool(true) => Ok(Nice::Count(10.0)),
        Json::Bool(false) => Ok(Nice::No),
        Json::Number(_) => Ok(Nice::Count(node.number()?.clamp(1.0, 1_000.0))),
        _ => Err(node.unsupported(format!("the rounding of domains {}", node.json))),
    }
}

/// A value as it could stand in the data; a time may be given by its parts.
pub fn datum(node: &Node<'_>) -> Result<Cell, Undrawable> {
    match node.json {
        Json::Object(object) if object.contains_key("expr") || object.contains_key("signal") => {
            Err(node.unsupported(format!("the expression {}", node.json)))
        }
        Json::Object(_) => date_time(node),
        other => Ok(Cell::from_json(other)),
    }
}

/// Reads a time that is given by its parts, as `{"year": 2012, "month": 1}`.
fn date_time(node: &Node<'_>) -> Result<Cell, Undrawable> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let mut parts = node.object()?;
    let month = match parts.take("month") {
        Some(node) if node.json.is_string() => {
            let name = node.string()?.to_ascii_lowercase();
            let found = MONTHS.iter().position(|month| name.starts_with(month));
            found.ok_or_else(|| node.malformed("a month is wanted here"))? as f64 + 1.0
        }
        Some(node) => node.number()?,
        None => 1.0,
    };
    let mut part = |key, otherwise| parts.number(key).map(|number| number.unwrap_or(otherwise));
    let (year, date) = (part("year", 2012.0)?, part("date", 1.0)?);
    let clock =
        [part("hours", 0.0)?, part("minutes", 0.0)?, part("seconds", 0.0)?, part("milliseconds", 0.0)?];
    parts.pass_over(&["utc"]);
    parts.finish("a time")?;
    Ok(Cell::number(time::from_parts([year, month, date], clock)))
}

/// A title; `null` is none.
pub fn title(node: &Node<'_>) -> Result<Option<String>, Undrawable> {
    if node.json.is_null() { Ok(None) } else { node.text().map(Some) }
}

/// Reads a request that may be missing, which asks for nothing in particular, or `null`, which asks for nothing at all.
pub(super) fn optional<T: Default>(
    channel: &mut Object<'_>,
    key: &'static str,
    read: impl FnOnce(&mut Object<'_>) -> Result<T, Undrawable>,
) -> Result<Option<T>, Undrawable> {
    match channel.take(key) {
        None => Ok(Some(T::default())),
        Some(node) if node.json.is_null() => Ok(None),
        Some(node) => {
            let mut object = node.object()?;
            let request = read(&mut object)?;
            object.finish(key)?;
            Ok(Some(request))
        }
    }
}

/// How values are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueFormat {
    /// As numbers.
    Number(NumberFormat),
    /// As times.
    Time(TimeFormat),
}

impl ValueFormat {
    /// Reads `format`, which means another thing for times than for everything else.
    pub(super) fn read(object: &mut Object<'_>, kind: Kind) -> Result<Option<Self>, Undrawable> {
        object.some("format").map(|node| Self::of(&node, kind == Kind::Temporal)).transpose()
    }

    fn of(node: &Node<'_>, is_time: bool) -> Result<Self, Undrawable> {
        let format = node.string()?;
        let read = match is_time {
            true => TimeFormat::parse(format).map(Self::Time),
            false => NumberFormat::parse(format).map(Self::Number),
        };
        read.ok_or_else(|| node.unsupported(format!("the format {format:?}")))
    }

    /// Writes a value; `step` is how far apart those beside it are.
    pub fn write(&self, value: f64, step: f64) -> String {
        match self {
            Self::Number(format) => format.write(value, step),
            Self::Time(format) => format.write(value),
        }
    }
}

/// A format that is read once it is known what it is for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawFormat(Option<(Json, String)>);

impl RawFormat {
    fn take(object: &mut Object<'_>) -> Self {
        Self(object.some("format").map(|node| (node.json.clone(), node.at)))
    }

    /// Whether it asks for whole numbers, between which no others are told apart.
    pub fn is_whole(&self) -> bool {
        self.0.as_ref().is_some_and(|(json, _)| json == "d")
    }

    /// This one, or else the other one.
    pub fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0))
    }

    /// Reads it.
    pub fn read(&self, is_time: bool) -> Result<Option<ValueFormat>, Undrawable> {
        let node = self.0.as_ref().map(|(json, at)| Node { json, at: at.clone() });
        node.map(|node| ValueFormat::of(&node, is_time)).transpose()
    }
}

/// What is asked of an axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AxisRequest {
    /// Its title, where one is given; `Some(None)` is none at all.
    pub title: Option<Option<String>>,
    /// Lines across the chart.
    pub grid: Option<bool>,
    /// The line along the axis.
    pub domain: Option<bool>,
    /// The strokes at values.
    pub ticks: Option<bool>,
    /// The values.
    pub labels: Option<bool>,
    /// By how many degrees they are turned.
    pub label_angle: Option<f64>,
    /// How far they are from the ticks.
    pub label_padding: Option<f64>,
    /// How wide they may be.
    pub label_limit: Option<f64>,
    /// How they are written.
    pub format: RawFormat,
    /// Which ones there are.
    pub values: Option<Vec<Cell>>,
    /// About how many.
    pub tick_count: Option<f64>,
    /// How far apart they are at least.
    pub tick_min_step: Option<f64>,
}

impl AxisRequest {
    pub(super) fn read(axis: &mut Object<'_>) -> Result<Self, Undrawable> {
        let request = Self {
            title: axis.take("title").map(|node| title(&node)).transpose()?,
            grid: axis.boolean("grid")?,
            domain: axis.boolean("domain")?,
            ticks: axis.boolean("ticks")?,
            labels: axis.boolean("labels")?,
            label_angle: axis.number("labelAngle")?,
            label_padding: axis.number("labelPadding")?.map(|padding| padding.clamp(-100.0, 100.0)),
            label_limit: axis.number("labelLimit")?.filter(|limit| *limit > 0.0),
            format: RawFormat::take(axis),
            values: axis.some("values").map(|node| domain(&node)).transpose()?,
            tick_count: axis.number("tickCount")?.map(|count| count.clamp(1.0, 1_000.0)),
            tick_min_step: axis.number("tickMinStep")?,
        };
        Ok(request)
    }
}

/// What is asked of a legend.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LegendRequest {
    /// Its title, where one is given; `Some(None)` is none at all.
    pub title: Option<Option<String>>,
    /// How its values are written.
    pub format: RawFormat,
    /// Which ones there are.
    pub values: Option<Vec<Cell>>,
}

impl LegendRequest {
    pub(super) fn read(legend: &mut Object<'_>) -> Result<Self, Undrawable> {
        if let Some(orient) = legend.some("orient") {
            orient.one_of("legend at", &[("right", ())])?;
        }
        let request = Self {
            title: legend.take("title").map(|node| title(&node)).transpose()?,
            format: RawFormat::take(legend),
            values: legend.some("values").map(|node| domain(&node)).transpose()?,
        };
        Ok(request)
    }
}

/// A value in words, where nothing says how.
pub fn in_words(cell: &Cell, kind: Kind) -> String {
    match (cell, kind) {
        (Cell::Null, _) => "null".to_owned(),
        (Cell::Boolean(boolean), _) => boolean.to_string(),
        (Cell::Number(time), Kind::Temporal) => {
            TimeFormat::parse("%b %d, %Y").expect("it is a format").write(*time)
        }
        (Cell::Number(number), _) => number::plain(*number),
        (Cell::Text(text), _) => text.clone(),
        (Cell::Span(from, to), Kind::Temporal) => {
            format!("{} – {}", time::automatic(*from), time::automatic(*to))
        }
        (Cell::Span(from, to), _) => format!("{} – {}", number::plain(*from), number::plain(*to)),
    }
}

/// Colours of a range, each of which must be one.
pub fn colours(range: &[String], at: &str) -> Result<Vec<String>, Undrawable> {
    let bad = range.iter().find(|name| !colour::is_colour(name));
    match bad {
        Some(name) => {
            Err(Undrawable::Malformed { at: at.to_owned(), reason: format!("{name:?} is no colour") })
        }
        None => Ok(range.to_vec()),
    }
}
