//! Colours, strokes and sizes of one row.

use serde_json::Value as Json;

use crate::svg::cell::Cell;
use crate::svg::colour;
use crate::svg::encoding::{Channel, Name, Source};
use crate::svg::mark::{Invalid, Mark, Shape};
use crate::svg::markup::Attribute;
use crate::svg::scale::{self, Position, Prepared, Scales};
use crate::svg::undrawable::Undrawable;

/// How a row is drawn.
#[derive(Clone, Debug)]
pub struct Look {
    /// The inside.
    pub fill: String,
    /// The outline.
    pub stroke: String,
    stroke_width: f64,
    opacities: [f64; 3],
    dash: Option<String>,
    ends: [Option<String>; 2],
    /// The area of a symbol, where a channel or the mark says it.
    pub size: Option<f64>,
    /// The symbol.
    pub symbol: String,
    /// What is told of it.
    pub tooltip: Option<String>,
}

/// Whether a mark is drawn with strokes, not filled.
pub const fn stroke_of(mark: &Mark) -> bool {
    match mark.shape {
        Shape::Line | Shape::Rule => true,
        Shape::Point => !matches!(mark.filled, Some(true)),
        Shape::Bar
        | Shape::Rect
        | Shape::Area
        | Shape::Circle
        | Shape::Square
        | Shape::Tick
        | Shape::Text
        | Shape::Arc => {
            matches!(mark.filled, Some(false))
        }
    }
}

impl Look {
    /// How a row of a layer is drawn.
    pub fn of(prepared: &Prepared, row: &[Cell], scales: &Scales) -> Result<Self, Undrawable> {
        let (layer, mark) = (&prepared.layer, &prepared.layer.mark);
        let default = if matches!(mark.shape, Shape::Rule | Shape::Text) { "black" } else { colour::DEFAULT };
        let color = match layer.channel(Name::Color) {
            Some((at, channel)) => Some(color(channel, shown(&row[at], mark), scales)?),
            None => mark.color.clone(),
        };
        let color = color.unwrap_or_else(|| default.to_owned());
        let (strokes, none) = (stroke_of(mark), || "none".to_owned());
        let fill = mark.fill.clone().unwrap_or_else(|| if strokes { none() } else { color.clone() });
        let stroke = mark.stroke.clone().unwrap_or_else(|| if strokes { color } else { none() });
        let symbol = match (layer.channel(Name::Shape), &scales.shapes) {
            (Some((_, Channel { source: Source::Value(value), .. })), _) => value.as_str().map(str::to_owned),
            (Some((at, _)), Some(shapes)) => {
                shapes.iter().find(|(value, _)| *value == row[at]).map(|(_, name)| name.clone())
            }
            _ => mark.symbol.clone(),
        };
        let width = number(prepared, row, Name::Size, scales.size.as_ref())?;
        let wide = matches!(mark.shape, Shape::Line | Shape::Rule).then_some(width).flatten();
        Ok(Self {
            fill,
            stroke,
            stroke_width: wide.or(mark.stroke_width).unwrap_or(stroke_width(mark)).max(0.0),
            opacities: opacities(prepared, row, scales)?,
            dash: mark.dash.clone(),
            ends: mark.ends.clone(),
            size: width.or(mark.size).map(|size| size.max(0.0)),
            symbol: symbol
                .unwrap_or_else(|| if mark.shape == Shape::Square { "square" } else { "circle" }.to_owned()),
            tooltip: super::tooltip(prepared, row),
        })
    }

    /// Its attributes.
    pub fn attributes(&self) -> Vec<(&'static str, Attribute<'_>)> {
        let mut attributes: Vec<(&str, Attribute<'_>)> = vec![("fill", (&self.fill).into())];
        if self.stroke != "none" {
            attributes
                .extend([("stroke", (&self.stroke).into()), ("stroke-width", self.stroke_width.into())]);
            let [cap, join] = &self.ends;
            for (key, value) in
                [("stroke-dasharray", &self.dash), ("stroke-linecap", cap), ("stroke-linejoin", join)]
            {
                attributes.extend(value.as_ref().map(|value| (key, value.into())));
            }
        }
        for (key, opacity) in ["opacity", "fill-opacity", "stroke-opacity"].into_iter().zip(self.opacities) {
            if opacity < 1.0 {
                attributes.push((key, opacity.max(0.0).into()));
            }
        }
        attributes
    }
}

const fn stroke_width(mark: &Mark) -> f64 {
    match mark.shape {
        Shape::Line | Shape::Point | Shape::Area => 2.0,
        _ => 1.0,
    }
}

fn opacities(prepared: &Prepared, row: &[Cell], scales: &Scales) -> Result<[f64; 3], Undrawable> {
    let mark = &prepared.layer.mark;
    let aggregated = prepared.layer.channels.iter().any(|channel| channel.aggregate.is_some());
    let shows_through = matches!(mark.shape, Shape::Point | Shape::Circle | Shape::Square | Shape::Tick);
    let default = if shows_through && !aggregated { 0.7 } else { 1.0 };
    let opacity = number(prepared, row, Name::Opacity, scales.opacity.as_ref())?;
    let [whole, fill, stroke] = mark.opacities;
    Ok([opacity.or(whole).unwrap_or(default), fill.unwrap_or(1.0), stroke.unwrap_or(1.0)])
}

/// A value; nothing is shown as zero where everything is to be shown.
fn shown<'a>(cell: &'a Cell, mark: &Mark) -> &'a Cell {
    const ZERO: &Cell = &Cell::Number(0.0);
    if cell.is_null() && mark.invalid == Invalid::Show { ZERO } else { cell }
}

/// A colour by its scale, or as it is.
fn color(channel: &Channel, cell: &Cell, scales: &Scales) -> Result<String, Undrawable> {
    /// Of what is not on the scale.
    const UNKNOWN: &str = "none";
    let malformed = |reason: String| Undrawable::Malformed { at: channel.at.clone(), reason };
    let named = |name: &str| match name {
        "" | "transparent" => Ok("none".to_owned()),
        name if colour::is_colour(name) => Ok(name.to_owned()),
        name => Err(malformed(format!("{name:?} is no colour"))),
    };
    match (&channel.source, cell, &scales.color) {
        (Source::Value(Json::String(name)), _, _) => named(name),
        (Source::Value(Json::Null), _, _) => Ok("none".to_owned()),
        (Source::Value(other), _, _) => Err(malformed(format!("{other} is no colour"))),
        (_, Cell::Text(name), _) if !scale::is_scaled(channel) => named(name),
        (_, _, Some(scale)) if scale::is_scaled(channel) => {
            Ok(scale.of(cell).unwrap_or_else(|| UNKNOWN.to_owned()))
        }
        _ => Ok(UNKNOWN.to_owned()),
    }
}

/// A number by its scale, or as it is.
fn number(
    prepared: &Prepared,
    row: &[Cell],
    name: Name,
    scale: Option<&Position>,
) -> Result<Option<f64>, Undrawable> {
    let Some((at, channel)) = prepared.layer.channel(name) else { return Ok(None) };
    match (&channel.source, scale) {
        (Source::Value(value), _) => {
            let malformed =
                || Undrawable::Malformed { at: channel.at.clone(), reason: format!("{value} is no number") };
            value.as_f64().map(Some).ok_or_else(malformed)
        }
        (_, Some(scale)) if scale::is_scaled(channel) => {
            Ok(Some(scale.place(&row[at]).map_or(0.0, |(number, _)| number)))
        }
        _ => Ok(Some(scale::unscaled(&row[at]))),
    }
}
