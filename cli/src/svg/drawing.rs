//! Marks: what a layer's rows look like on its scales.

mod arc;
mod look;
mod path;
mod shapes;

use serde_json::Value as Json;

use super::cell::Cell;
use super::encoding::{Kind, Name, Sort, Source, in_words};
use super::mark::{Orient, Shape};
use super::markup::Markup;
use super::number;
use super::scale::{Prepared, Scales};
use super::undrawable::Undrawable;

pub use look::{Look, stroke_of};
pub use shapes::symbol;

/// The area that marks are drawn in, and the scales that place them.
#[derive(Debug)]
pub struct Canvas {
    /// Its width and height.
    pub lengths: [f64; 2],
    /// Its scales.
    pub scales: Scales,
    /// How far marks reach beyond it: to the left, to the right, upwards and downwards.
    pub beyond: std::cell::Cell<[f64; 4]>,
}

/// Where a row is along x or y.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Along {
    /// Nothing says where.
    Anywhere,
    /// From here to there, which may be the same.
    At(f64, f64),
    /// The data has nothing there that could be drawn.
    Nowhere,
}

impl Along {
    /// The middle of it.
    const fn middle(self, length: f64) -> Option<f64> {
        match self {
            Self::Anywhere => Some(length / 2.0),
            Self::At(from, to) => Some(f64::midpoint(from, to)),
            Self::Nowhere => None,
        }
    }
}

impl Canvas {
    /// A canvas of some size, with nothing on it.
    pub fn new(lengths: [f64; 2], scales: Scales) -> Self {
        Self { lengths, scales, beyond: std::cell::Cell::default() }
    }

    /// Notes that a mark reaches to a place, unless it is cut off at the sides.
    fn reach(&self, prepared: &Prepared, (x, y): (f64, f64)) {
        /// No picture gets larger for what lies farther away.
        const FARTHEST: f64 = 1_000.0;
        if !prepared.layer.mark.clip {
            let here = [-x, x - self.lengths[0], -y, y - self.lengths[1]];
            let mut beyond = self.beyond.get();
            beyond.iter_mut().zip(here).for_each(|(most, here)| *most = most.max(here.min(FARTHEST)));
            self.beyond.set(beyond);
        }
    }

    /// Draws all layers, the first one lowest.
    pub fn draw(&self, layers: &[Prepared], to: &mut Markup) -> Result<(), Undrawable> {
        for prepared in layers {
            match prepared.layer.mark.clip {
                true => to.open("g", &[("clip-path", "url(#area)".into())]),
                false => to.open("g", &[]),
            }
            match prepared.layer.mark.shape {
                Shape::Line | Shape::Area => self.paths(prepared, to)?,
                Shape::Arc => self.arcs(prepared, to)?,
                _ => self.rows(prepared, to)?,
            }
            to.close();
        }
        Ok(())
    }

    fn rows(&self, prepared: &Prepared, to: &mut Markup) -> Result<(), Undrawable> {
        for row in in_order(prepared) {
            let look = Look::of(prepared, row, &self.scales)?;
            match prepared.layer.mark.shape {
                Shape::Bar | Shape::Rect => self.bar(prepared, row, &look, to)?,
                Shape::Rule => self.rule(prepared, row, &look, to)?,
                Shape::Tick => self.tick(prepared, row, &look, to)?,
                Shape::Text => self.letters(prepared, row, &look, to)?,
                _ => self.point(prepared, row, &look, to)?,
            }
        }
        Ok(())
    }

    /// Where a row is along an axis: 0 is x, 1 is y.
    fn along(&self, prepared: &Prepared, row: &[Cell], axis: usize) -> Result<Along, Undrawable> {
        const NAMES: [(Name, Name); 2] = [(Name::X, Name::XOffset), (Name::Y, Name::YOffset)];
        let (name, offset) = NAMES[axis];
        let Some((column, channel)) = prepared.layer.channel(name) else {
            return self.offset(prepared, row, (axis, offset), Along::Anywhere);
        };
        let place = match (&channel.source, &self.scales.places[axis]) {
            (Source::Value(value), _) => match value {
                Json::Number(number) => number.as_f64().unwrap_or_default(),
                Json::String(side) if side == ["width", "height"][axis] => self.lengths[axis],
                other => {
                    let reason = format!("{other} is no number of pixels");
                    return Err(Undrawable::Malformed { at: channel.at.clone(), reason });
                }
            },
            (_, Some(scale)) => {
                let Some((from, to)) = scale.place(&row[column]) else { return Ok(Along::Nowhere) };
                let middle = channel.band_position != 0.5;
                if middle && matches!(prepared.layer.mark.shape, Shape::Bar | Shape::Rect) {
                    let what = "a bar that does not stand in the middle of its band".to_owned();
                    return Err(Undrawable::Unsupported { at: channel.at.clone(), what });
                }
                let at = from + (to - from) * channel.band_position;
                let (from, to) = if middle { (at, at) } else { (from, to) };
                return self.offset(prepared, row, (axis, offset), Along::At(from, to));
            }
            (_, None) => {
                let what = "places without a scale".to_owned();
                return Err(Undrawable::Unsupported { at: channel.at.clone(), what });
            }
        };
        self.offset(prepared, row, (axis, offset), Along::At(place, place))
    }

    /// Moves within a band, or by some pixels.
    fn offset(
        &self,
        prepared: &Prepared,
        row: &[Cell],
        (axis, name): (usize, Name),
        along: Along,
    ) -> Result<Along, Undrawable> {
        let Some((column, channel)) = prepared.layer.channel(name) else { return Ok(along) };
        let start = match along {
            Along::At(from, to) => from.min(to),
            Along::Anywhere => 0.0,
            Along::Nowhere => return Ok(along),
        };
        match (&channel.source, &self.scales.offsets[axis], along) {
            (Source::Value(Json::Number(pixels)), _, Along::At(from, to)) => {
                let pixels = pixels.as_f64().unwrap_or_default();
                Ok(Along::At(from + pixels, to + pixels))
            }
            (Source::Field(_) | Source::Datum(_), Some(bands), _) => Ok(bands
                .place(&row[column])
                .map_or(Along::Nowhere, |(from, to)| Along::At(start + from, start + to))),
            _ => Err(Undrawable::Unsupported { at: channel.at.clone(), what: "such an offset".to_owned() }),
        }
    }

    /// Where what grows from a base begins, along an axis.
    fn base(&self, axis: usize) -> f64 {
        match &self.scales.places[axis] {
            Some(super::scale::Position::Continuous(scale)) => scale.base(),
            Some(super::scale::Position::Bands(_)) | None if axis == 0 => 0.0,
            Some(super::scale::Position::Bands(_)) | None => self.lengths[axis],
        }
    }
}

/// The axis that a mark grows along, and the one that it stands on.
const fn axes(orient: Orient) -> (usize, usize) {
    match orient {
        Orient::Vertical => (1, 0),
        Orient::Horizontal => (0, 1),
    }
}

/// The rows, in the order of the order channel where there is one.
fn in_order(prepared: &Prepared) -> Vec<&Vec<Cell>> {
    let mut rows: Vec<&Vec<Cell>> = prepared.table.iter().collect();
    if let Some((column, channel)) =
        prepared.layer.channel(Name::Order).filter(|(_, channel)| channel.shows_field())
    {
        rows.sort_by(|one, other| one[column].cmp(&other[column]));
        if channel.sort == Some(Sort::Descending) {
            rows.reverse();
        }
    }
    rows
}

/// What a channel shows of a row, in words.
fn words(prepared: &Prepared, at: usize, row: &[Cell]) -> String {
    let channel = &prepared.layer.channels[at];
    let cell = match (&channel.source, &row[at]) {
        (Source::Value(value), _) => Cell::from_json(value),
        // A stretch of time is told by its beginning, what is stacked by its size.
        (_, Cell::Span(from, _)) if channel.kind == Kind::Temporal => Cell::number(*from),
        (_, Cell::Span(from, to)) if channel.bin.is_none() => Cell::number(to - from),
        (_, cell) => cell.clone(),
    };
    match (&channel.format, &channel.unit, &cell) {
        (Some(format), _, Cell::Number(number)) => format.write(*number, 1.0),
        (None, Some(unit), Cell::Number(time)) => super::time::TimeFormat::of_unit(unit).write(*time),
        (None, None, Cell::Number(sum)) if channel.kind != Kind::Temporal => {
            number::plain((sum * 1e9).round() / 1e9)
        }
        _ => in_words(&cell, channel.kind),
    }
}

/// What is told of a row to who points at it.
fn tooltip(prepared: &Prepared, row: &[Cell]) -> Option<String> {
    let channels = prepared.layer.channels.iter().enumerate();
    let told: Vec<usize> =
        channels.clone().filter(|(_, channel)| channel.name == Name::Tooltip).map(|(at, _)| at).collect();
    let line = |at: usize| {
        let title = prepared.layer.channels[at].shown_title(None).unwrap_or_default();
        format!("{title}: {}", words(prepared, at, row))
    };
    match told.as_slice() {
        [] if prepared.layer.mark.tooltip => {
            let shown = channels.filter(|(_, channel)| channel.shows_field());
            let lines: Vec<String> = shown.map(|(at, _)| line(at)).collect();
            (!lines.is_empty()).then(|| lines.join("\n"))
        }
        [] => None,
        [only] => Some(words(prepared, *only, row)),
        several => Some(several.iter().map(|at| line(*at)).collect::<Vec<_>>().join("\n")),
    }
}
