//! Legends: which colour, size or symbol means what.

use super::axis::{self, format_of};
use super::cell::Cell;
use super::drawing::{stroke_of, symbol};
use super::encoding::{Kind, Name};
use super::lettering;
use super::mark::Shape;
use super::markup::{Attribute, Markup, number as pixels};
use super::number;
use super::scale::{Colouring, Continuous, Part, Position, Prepared, Scales};
use super::undrawable::Undrawable;
use super::{MAX_LEGEND_ENTRIES, colour};

const LABEL_SIZE: f64 = 10.0;
const TITLE_SIZE: f64 = 11.0;
const ROW: f64 = 13.0;
/// The area of a symbol whose size means nothing.
const SYMBOL: f64 = 100.0;
/// The breadth of a strip of colours.
const STRIP: f64 = 16.0;
const LABEL_LIMIT: f64 = 160.0;

/// A legend, laid out.
#[derive(Debug)]
pub struct Legend {
    title: Option<String>,
    content: Content,
    /// The width of its labels and symbols.
    width: f64,
    /// Its height with the title.
    height: f64,
}

#[derive(Debug)]
enum Content {
    Entries(Vec<Entry>),
    /// Colours from the lower end to the upper one, and what some of them mean.
    Strip {
        colours: Vec<String>,
        labels: Vec<(f64, String)>,
        length: f64,
    },
}

/// One line of a legend.
#[derive(Clone, Debug)]
struct Entry {
    label: String,
    color: Option<String>,
    symbol: String,
    size: f64,
    opacity: f64,
    has_outline: bool,
    is_line: bool,
}

impl Legend {
    /// All legends of a chart, from the top.
    pub fn all(layers: &[Prepared], scales: &Scales, height: f64) -> Result<Vec<Self>, Undrawable> {
        const NAMES: [Name; 4] = [Name::Color, Name::Shape, Name::Size, Name::Opacity];
        let mut legends = Vec::new();
        let mut told: Vec<Name> = Vec::new();
        for name in NAMES {
            let parts = Part::all(layers, name);
            let Some(part) = parts.iter().find(|part| part.channel.legend.is_some()) else { continue };
            if told.contains(&name) {
                continue;
            }
            let same = |other: &&Name| {
                let others = Part::all(layers, **other);
                others.first().is_some_and(|other| {
                    other.channel.source == part.channel.source
                        && other.channel.kind == part.channel.kind
                        && other.channel.legend.is_some()
                })
            };
            let together: Vec<Name> = NAMES.iter().filter(same).copied().collect();
            told.extend(&together);
            legends.extend(Self::new(part, name, &together, scales, height)?);
        }
        Ok(legends)
    }

    fn new(
        part: &Part<'_>,
        name: Name,
        together: &[Name],
        scales: &Scales,
        height: f64,
    ) -> Result<Option<Self>, Undrawable> {
        let request = part.channel.legend.clone().unwrap_or_default();
        let title = part.channel.shown_title(request.title.as_ref());
        let content = match (name, &scales.color) {
            (Name::Color, Some(Colouring::Ramp(scale, ramp))) => {
                let length = height.clamp(40.0, 200.0);
                let count = if length < 100.0 { 3.0 } else { 5.0 };
                let labels = values(part, scale, count)?;
                let labels =
                    labels.into_iter().map(|(value, label)| (scale.fraction(value), label)).collect();
                let turned = scale.range.0 > scale.range.1;
                let colours = (0..=16)
                    .map(|part| f64::from(part) / 16.0)
                    .map(|at| ramp.at(if turned { 1.0 - at } else { at }));
                Content::Strip { colours: colours.collect(), labels, length }
            }
            _ => Content::Entries(entries(part, name, together, scales)?),
        };
        let (width, high) = content.extent();
        if high == 0.0 {
            return Ok(None);
        }
        let title_width = title.as_ref().map_or(0.0, |title| lettering::bold_width(title, TITLE_SIZE));
        let title_height = if title.is_some() { TITLE_SIZE + 6.0 } else { 0.0 };
        Ok(Some(Self { title, content, width: width.max(title_width), height: high + title_height }))
    }

    /// Its width and height.
    pub const fn extent(&self) -> (f64, f64) {
        (self.width, self.height)
    }

    /// Draws it with its upper left corner at a place.
    pub fn draw(&self, number: usize, (x, y): (f64, f64), to: &mut Markup) {
        let place = format!("translate({},{})", pixels(x), pixels(y));
        to.open("g", &[("transform", (&place).into()), ("font-size", LABEL_SIZE.into())]);
        let mut top = 0.0;
        if let Some(title) = &self.title {
            to.text(
                "text",
                &[
                    ("y", (TITLE_SIZE - 2.0).into()),
                    ("font-size", TITLE_SIZE.into()),
                    ("font-weight", "bold".into()),
                ],
                title,
            );
            top += TITLE_SIZE + 6.0;
        }
        match &self.content {
            Content::Entries(entries) => entries.iter().for_each(|entry| {
                let row = entry.row();
                entry.draw(widest(entries), top + row / 2.0, to);
                top += row;
            }),
            Content::Strip { colours, labels, length } => strip(number, colours, labels, (top, *length), to),
        }
        to.close();
    }
}

impl Content {
    fn extent(&self) -> (f64, f64) {
        let label = |label: &str| lettering::width(label, LABEL_SIZE);
        match self {
            Self::Entries(entries) => {
                let labels = entries.iter().map(|entry| label(&entry.label)).fold(0.0, f64::max);
                (widest(entries) + 4.0 + labels, entries.iter().map(Entry::row).sum())
            }
            Self::Strip { labels, length, .. } => {
                (STRIP + 4.0 + labels.iter().map(|(_, text)| label(text)).fold(0.0, f64::max), *length)
            }
        }
    }
}

fn widest(entries: &[Entry]) -> f64 {
    entries.iter().map(|entry| entry.size.sqrt()).fold(10.0, f64::max)
}

/// Round values along a scale, and how they are written.
fn values(part: &Part<'_>, scale: &Continuous, count: f64) -> Result<Vec<(f64, String)>, Undrawable> {
    let request = part.channel.legend.clone().unwrap_or_default();
    let format = format_of(part, request.format.read(scale.is_time)?);
    let (low, high) = scale.domain;
    let found = match &request.values {
        Some(values) => values.iter().filter_map(Cell::ends).map(|(value, _)| value).collect(),
        None if scale.is_time => super::time::ticks(low, high, count),
        None => number::ticks(low, high, count),
    };
    let step = super::scale::step_of(&found);
    let label = |value: f64| match &format {
        Some(format) => format.write(value, step),
        None if scale.is_time => super::time::automatic(value),
        None => number::with_commas(value, number::places(step)),
    };
    Ok(found.into_iter().map(|value| (value, label(value))).collect())
}

fn entries(
    part: &Part<'_>,
    name: Name,
    together: &[Name],
    scales: &Scales,
) -> Result<Vec<Entry>, Undrawable> {
    let request = part.channel.legend.clone().unwrap_or_default();
    let is_time = part.channel.kind == Kind::Temporal || part.channel.unit.is_some();
    let format = format_of(part, request.format.read(is_time)?);
    let words = |value: &Cell| axis::name(value, part, format.as_ref());
    let place = match name {
        Name::Size => scales.size.as_ref(),
        Name::Opacity => scales.opacity.as_ref(),
        _ => None,
    };
    let mut values: Vec<(Cell, String)> = match (name, &scales.color, &scales.shapes, place) {
        (Name::Color, Some(Colouring::Each(each)), _, _) | (Name::Shape, _, Some(each), _) => {
            each.iter().map(|(value, _)| (value.clone(), words(value))).collect()
        }
        (_, _, _, Some(Position::Continuous(scale))) => self::values(part, scale, 5.0)?
            .into_iter()
            .map(|(value, label)| (Cell::number(value), label))
            .collect(),
        (_, _, _, Some(Position::Bands(bands))) => {
            bands.values.iter().map(|value| (value.clone(), words(value))).collect()
        }
        _ => Vec::new(),
    };
    if let Some(chosen) = &request.values {
        values.retain(|(value, _)| chosen.contains(value));
    }
    if name == Name::Size {
        values.retain(|(value, _)| value.ends().is_none_or(|(number, _)| number != 0.0));
    }
    let more = values.len().saturating_sub(MAX_LEGEND_ENTRIES);
    if more > 0 {
        values.truncate(MAX_LEGEND_ENTRIES);
    }
    let mut entries: Vec<Entry> =
        values.iter().map(|(value, label)| entry(part, value, label, together, scales)).collect();
    if let (Some(last), true) = (entries.last().cloned(), more > 0) {
        entries.push(Entry { label: format!("… {more} more"), color: Some("none".to_owned()), ..last });
    }
    Ok(entries)
}

fn entry(part: &Part<'_>, value: &Cell, label: &str, together: &[Name], scales: &Scales) -> Entry {
    let mark = &part.layer.mark;
    let is_symbol = matches!(mark.shape, Shape::Point | Shape::Circle | Shape::Square);
    let is_round = is_symbol || matches!(mark.shape, Shape::Area | Shape::Arc | Shape::Text);
    let fixed = if is_round { "circle" } else { "square" };
    let shape = scales.shapes.as_ref().filter(|_| together.contains(&Name::Shape));
    let shape = shape.and_then(|shapes| shapes.iter().find(|(known, _)| known == value));
    let colour = scales.color.as_ref().filter(|_| together.contains(&Name::Color));
    let number = |name, scale: &Option<Position>| {
        let scale = scale.as_ref().filter(|_| together.contains(&name));
        scale.and_then(|scale| scale.place(value)).map(|(number, _)| number)
    };
    let default = if is_symbol && mark.opacities[0].is_none() { 0.7 } else { 1.0 };
    let is_square = mark.shape == Shape::Square;
    Entry {
        label: lettering::shortened(label, LABEL_SIZE, LABEL_LIMIT),
        color: colour.and_then(|colour| colour.of(value)),
        symbol: shape
            .map_or_else(|| if is_square { "square" } else { fixed }.to_owned(), |(_, name)| name.clone()),
        size: number(Name::Size, &scales.size).filter(|_| is_symbol).unwrap_or(SYMBOL).clamp(0.0, 2_000.0),
        opacity: number(Name::Opacity, &scales.opacity).or(mark.opacities[0]).unwrap_or(default),
        has_outline: stroke_of(mark) && is_symbol,
        is_line: mark.shape == Shape::Line || mark.shape == Shape::Rule,
    }
}

impl Entry {
    fn row(&self) -> f64 {
        ROW.max(self.size.sqrt() + 3.0)
    }

    fn draw(&self, widest: f64, middle: f64, to: &mut Markup) {
        let color = self.color.as_deref().unwrap_or(if self.is_line { "black" } else { colour::DEFAULT });
        if self.is_line {
            let ends: [(&str, Attribute<'_>); 6] = [
                ("x1", 0.0.into()),
                ("x2", widest.into()),
                ("y1", middle.into()),
                ("y2", middle.into()),
                ("stroke", color.into()),
                ("stroke-width", 2.0.into()),
            ];
            to.empty("line", &ends);
        } else if let Some(path) = symbol(&self.symbol, self.size) {
            let place = format!("translate({},{})", pixels(widest / 2.0), pixels(middle));
            let (fill, stroke) = if self.has_outline { ("none", color) } else { (color, "none") };
            to.empty(
                "path",
                &[
                    ("transform", (&place).into()),
                    ("d", (&path).into()),
                    ("fill", fill.into()),
                    ("stroke", stroke.into()),
                    ("stroke-width", 1.5.into()),
                    ("opacity", self.opacity.clamp(0.0, 1.0).into()),
                ],
            );
        }
        to.text(
            "text",
            &[("x", (widest + 4.0).into()), ("y", (middle + 0.32 * LABEL_SIZE).into())],
            &self.label,
        );
    }
}

fn strip(
    number: usize,
    colours: &[String],
    labels: &[(f64, String)],
    (top, length): (f64, f64),
    to: &mut Markup,
) {
    let id = format!("colours-{number}");
    to.open(
        "linearGradient",
        &[
            ("id", (&id).into()),
            ("x1", 0.0.into()),
            ("x2", 0.0.into()),
            ("y1", 1.0.into()),
            ("y2", 0.0.into()),
        ],
    );
    for (at, colour) in colours.iter().enumerate() {
        let offset = at as f64 / (colours.len().max(2) - 1) as f64;
        to.empty("stop", &[("offset", offset.into()), ("stop-color", colour.into())]);
    }
    to.close();
    let fill = format!("url(#{id})");
    to.empty(
        "rect",
        &[("y", top.into()), ("width", STRIP.into()), ("height", length.into()), ("fill", (&fill).into())],
    );
    for (fraction, label) in labels {
        // The first and the last stay beside the strip.
        let y = top + ((1.0 - fraction) * length + 0.32 * LABEL_SIZE).clamp(0.8 * LABEL_SIZE, length);
        to.text("text", &[("x", (STRIP + 4.0).into()), ("y", y.into())], label);
    }
}
