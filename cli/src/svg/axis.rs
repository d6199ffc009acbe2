//! Axes: what is written and drawn beside the area to read values from.

use super::cell::Cell;
use super::encoding::{AxisRequest, Kind, Name, ValueFormat, as_kind, in_words};
use super::lettering;
use super::markup::{Markup, number as pixels};
use super::number;
use super::scale::{Bands, Continuous, Part, Position, Prepared, Scales, step_of};
use super::time::{self, TimeFormat};
use super::undrawable::Undrawable;

const LABEL_SIZE: f64 = 10.0;
const TITLE_SIZE: f64 = 11.0;
const TICK: f64 = 5.0;
/// Widest label, where nothing says how wide.
const LABEL_LIMIT: f64 = 180.0;
/// Pixels for each tick.
const TICK_SPACE: f64 = 40.0;
/// What is free between labels.
const LABEL_SPACE: f64 = 4.0;

const LINE: &str = "#888";
const GRID: &str = "#ddd";

/// An axis, laid out.
#[derive(Debug)]
pub struct Axis {
    /// 0 for x, which stands below, 1 for y, which stands at the left.
    axis: usize,
    /// The sides of the area.
    lengths: [f64; 2],
    ticks: Vec<f64>,
    labels: Vec<(f64, String)>,
    title: Option<String>,
    angle: f64,
    padding: f64,
    has_grid: bool,
    has_line: bool,
    has_ticks: bool,
    is_flush: bool,
}

impl Axis {
    /// The axis of x, which is 0, or of y; `None` where there is none.
    pub fn new(
        layers: &[Prepared],
        scales: &Scales,
        lengths: [f64; 2],
        axis: usize,
    ) -> Result<Option<Self>, Undrawable> {
        let parts = Part::all(layers, [Name::X, Name::Y][axis]);
        let with_axis = parts.iter().find_map(|part| Some((part, part.channel.axis.as_ref()?)));
        let (Some((part, _)), Some(scale)) = (with_axis, &scales.places[axis]) else { return Ok(None) };
        let request = &merged(&parts);
        let is_discrete = matches!(scale, Position::Bands(_));
        let is_plain = !is_discrete && part.channel.bin.is_none();
        let mut labels = match scale {
            Position::Continuous(scale) => marks(scale, &parts, request, lengths[axis])?,
            Position::Bands(bands) => names(bands, part, request)?,
        };
        let limit = request.label_limit.unwrap_or(LABEL_LIMIT);
        labels.iter_mut().for_each(|(_, label)| *label = lettering::shortened(label, LABEL_SIZE, limit));
        let ticks: Vec<f64> = labels.iter().map(|(place, _)| *place).collect();
        let is_standing =
            axis == 0 && is_discrete && part.channel.is_discrete() && part.channel.unit.is_none();
        let angle = request.label_angle.unwrap_or(if is_standing { -90.0 } else { 0.0 });
        let mut laid_out = Self {
            axis,
            lengths,
            ticks,
            labels,
            title: title(&parts),
            angle: ((angle + 180.0).rem_euclid(360.0)) - 180.0,
            padding: request.label_padding.unwrap_or(2.0),
            has_grid: request.grid.unwrap_or(is_plain),
            has_line: request.domain.unwrap_or(true),
            has_ticks: request.ticks.unwrap_or(true),
            is_flush: axis == 0 && !is_discrete,
        };
        match request.labels {
            Some(false) => laid_out.labels.clear(),
            Some(true) | None if !is_discrete || part.channel.unit.is_some() => laid_out.thin_out(),
            Some(true) | None => {}
        }
        Ok(Some(laid_out))
    }

    /// Leaves every second label out until none touches another.
    fn thin_out(&mut self) {
        while self.labels.len() > 1 && self.touches() {
            let mut keep = [false, true].into_iter().cycle();
            self.labels.retain(|_| !keep.next().unwrap_or(false));
        }
    }

    fn touches(&self) -> bool {
        let near = |pair: &[(f64, String)]| {
            let ((start, end), (other, last)) = (self.extent(&pair[0]), self.extent(&pair[1]));
            start.max(other) < end.min(last)
        };
        self.labels.windows(2).any(near)
    }

    /// From where to where a label is along the axis, with what is free around it.
    fn extent(&self, (place, label): &(f64, String)) -> (f64, f64) {
        let (sine, cosine) = self.angle.to_radians().sin_cos();
        let width = lettering::width(label, LABEL_SIZE);
        let length = match self.axis {
            0 => width * cosine.abs() + LABEL_SIZE * sine.abs() + LABEL_SPACE,
            _ => width * sine.abs() + LABEL_SIZE * cosine.abs(),
        };
        match self.anchor(*place) {
            "start" if self.axis == 0 => (*place, place + length),
            "end" if self.axis == 0 => (place - length, *place),
            _ => (place - length / 2.0, place + length / 2.0),
        }
    }

    /// How far labels reach from the ticks.
    fn depth(&self) -> f64 {
        let widths = self.labels.iter().map(|(_, label)| lettering::width(label, LABEL_SIZE));
        let widest = widths.fold(0.0, f64::max);
        let (sine, cosine) = self.angle.to_radians().sin_cos();
        match self.axis {
            _ if self.labels.is_empty() => 0.0,
            0 => widest * sine.abs() + LABEL_SIZE * cosine.abs(),
            _ => widest * cosine.abs() + LABEL_SIZE * sine.abs(),
        }
    }

    fn label_start(&self) -> f64 {
        self.padding + if self.has_ticks { TICK } else { 0.0 }
    }

    /// How much space it needs beside the area.
    pub fn thickness(&self) -> f64 {
        let title = if self.title.is_some() { TITLE_SIZE + 6.0 } else { 0.0 };
        (self.label_start() + self.depth() + title).max(1.0)
    }

    /// How far the last label reaches beyond the end of the axis.
    pub fn overhang(&self) -> f64 {
        let beyond = |label: &(f64, String)| self.extent(label).1 - LABEL_SPACE - self.lengths[0];
        if self.axis == 0 { self.labels.iter().map(beyond).fold(0.0, f64::max) } else { 0.0 }
    }

    /// Draws lines across the area.
    pub fn draw_grid(&self, to: &mut Markup) {
        if !self.has_grid {
            return;
        }
        to.open("g", &[("stroke", GRID.into()), ("stroke-width", 1.0.into())]);
        for tick in &self.ticks {
            self.line((*tick, *tick), (0.0, self.lengths[1 - self.axis]), to);
        }
        to.close();
    }

    /// A line between two places along the axis and two distances from the far side of the area.
    fn line(&self, along: (f64, f64), across: (f64, f64), to: &mut Markup) {
        let (x, y) = if self.axis == 0 { (along, across) } else { (across, along) };
        to.empty("line", &[("x1", x.0.into()), ("y1", y.0.into()), ("x2", x.1.into()), ("y2", y.1.into())]);
    }

    /// Draws the axis itself.
    pub fn draw(&self, to: &mut Markup) {
        let edge = if self.axis == 0 { self.lengths[1] } else { 0.0 };
        let outwards = if self.axis == 0 { 1.0 } else { -1.0 };
        to.open("g", &[("stroke", LINE.into()), ("stroke-width", 1.0.into())]);
        if self.has_line {
            self.line((0.0, self.lengths[self.axis]), (edge, edge), to);
        }
        if self.has_ticks {
            self.ticks.iter().for_each(|tick| self.line((*tick, *tick), (edge, edge + outwards * TICK), to));
        }
        to.close();
        to.open("g", &[("font-size", LABEL_SIZE.into()), ("fill", "black".into())]);
        for (place, label) in &self.labels {
            self.draw_label(*place, label, to);
        }
        to.close();
        self.draw_title(to);
    }

    fn anchor(&self, place: f64) -> &'static str {
        let is_level = self.angle == 0.0;
        match self.axis {
            0 if is_level && self.is_flush && place < 1.0 => "start",
            0 if is_level && self.is_flush && place > self.lengths[0] - 1.0 => "end",
            0 if is_level => "middle",
            0 if self.angle < 0.0 => "end",
            0 => "start",
            _ if self.angle.abs() == 90.0 => "middle",
            _ => "end",
        }
    }

    fn draw_label(&self, place: f64, label: &str, to: &mut Markup) {
        let start = self.label_start();
        let (x, y) = if self.axis == 0 { (place, self.lengths[1] + start) } else { (-start, place) };
        let mut transform = format!("translate({},{})", pixels(x), pixels(y));
        if self.angle != 0.0 {
            transform.push_str(&format!(" rotate({})", pixels(self.angle)));
        }
        // Below the axis letters hang, beside it they are centred.
        let down = if self.axis == 0 && self.angle == 0.0 { 0.8 } else { 0.32 } * LABEL_SIZE;
        to.text(
            "text",
            &[
                ("transform", (&transform).into()),
                ("y", down.into()),
                ("text-anchor", self.anchor(place).into()),
            ],
            label,
        );
    }

    fn draw_title(&self, to: &mut Markup) {
        let Some(title) = &self.title else { return };
        let (middle, distance) = (self.lengths[self.axis] / 2.0, self.thickness());
        let transform = match self.axis {
            0 => format!("translate({},{})", pixels(middle), pixels(self.lengths[1] + distance - 3.0)),
            _ => {
                format!("translate({},{}) rotate(-90)", pixels(-distance + TITLE_SIZE - 2.0), pixels(middle))
            }
        };
        to.text(
            "text",
            &[
                ("transform", (&transform).into()),
                ("text-anchor", "middle".into()),
                ("font-size", TITLE_SIZE.into()),
                ("font-weight", "bold".into()),
            ],
            title,
        );
    }
}

/// What the layers ask of their axis together: each thing as the first one that asks for it.
fn merged(parts: &[Part<'_>]) -> AxisRequest {
    let mut all = AxisRequest::default();
    for one in parts.iter().filter_map(|part| part.channel.axis.clone()) {
        all = AxisRequest {
            title: all.title.or(one.title),
            grid: all.grid.or(one.grid),
            domain: all.domain.or(one.domain),
            ticks: all.ticks.or(one.ticks),
            labels: all.labels.or(one.labels),
            label_angle: all.label_angle.or(one.label_angle),
            label_padding: all.label_padding.or(one.label_padding),
            label_limit: all.label_limit.or(one.label_limit),
            format: all.format.or(one.format),
            values: all.values.or(one.values),
            tick_count: all.tick_count.or(one.tick_count),
            tick_min_step: all.tick_min_step.or(one.tick_min_step),
        };
    }
    all
}

/// The titles of all layers; where some are given, those alone.
fn title(parts: &[Part<'_>]) -> Option<String> {
    let guide = |part: &Part<'_>| part.channel.axis.as_ref().and_then(|axis| axis.title.clone());
    let is_given = |part: &&Part<'_>| guide(part).is_some() || part.channel.title.is_some();
    let given: Vec<&Part<'_>> = parts.iter().filter(is_given).collect();
    let chosen = if given.is_empty() { parts.iter().collect() } else { given };
    let mut titles: Vec<String> = Vec::new();
    for part in chosen {
        // What goes from one field to another is called after both.
        let end = part.end().filter(|_| guide(part).is_none() && part.channel.title.is_none());
        let title = match end {
            Some(end) => Some(part.channel.plain_title())
                .into_iter()
                .chain([end.shown_title(None)])
                .flatten()
                .collect(),
            None => part.channel.shown_title(guide(part).as_ref()).into_iter().collect::<Vec<_>>(),
        };
        for title in title {
            if !titles.contains(&title) {
                titles.push(title);
            }
        }
    }
    (!titles.is_empty()).then(|| titles.join(", "))
}

/// The format of a channel's values, where one is known.
pub fn format_of(part: &Part<'_>, asked: Option<ValueFormat>) -> Option<ValueFormat> {
    let unit = part.channel.unit.as_ref().map(|unit| ValueFormat::Time(TimeFormat::of_unit(unit)));
    asked.or_else(|| part.channel.format.clone()).or(unit)
}

/// Ticks at round values.
fn marks(
    scale: &Continuous,
    parts: &[Part<'_>],
    request: &AxisRequest,
    length: f64,
) -> Result<Vec<(f64, String)>, Undrawable> {
    let part = &parts[0];
    let (low, high) = (scale.domain.0.min(scale.domain.1), scale.domain.0.max(scale.domain.1));
    let count = request.tick_count.unwrap_or_else(|| (length / TICK_SPACE).ceil());
    let mut values = match &request.values {
        Some(values) => {
            let given = |cell: &Cell| as_kind(cell, part.channel.kind).ends().map(|(number, _)| number);
            values.iter().filter_map(given).filter(|value| (low..=high).contains(value)).collect()
        }
        None if scale.is_time => time::ticks(low, high, count),
        None => number::ticks(low, high, count),
    };
    // No finer than the stretches that are told apart.
    let stretched = parts.iter().find(|part| part.channel.unit.is_some() || part.channel.bin.is_some());
    if let (Some(stretched), None) = (stretched, &request.values) {
        let (edges, shortest) = stretched.stretches();
        if step_of(&values) < shortest * 0.9 && shortest.is_finite() {
            values = edges.into_iter().filter(|edge| (low..=high).contains(edge)).collect();
        }
    }
    if let Some(least) = request.tick_min_step.or_else(|| request.format.is_whole().then_some(1.0)) {
        let mut last = f64::NEG_INFINITY;
        values.retain(|value| {
            let keep = value - last >= least && (least != 1.0 || value.fract() == 0.0);
            last = if keep { *value } else { last };
            keep
        });
    }
    let format = format_of(part, request.format.read(scale.is_time)?);
    let step = step_of(&values);
    let label = |value: f64| match &format {
        Some(format) => format.write(value, step),
        None if scale.is_time => time::automatic(value),
        None => number::with_commas(value, number::places(step)),
    };
    Ok(values.into_iter().map(|value| (scale.place(value), label(value))).collect())
}

/// A tick for every name.
fn names(bands: &Bands, part: &Part<'_>, request: &AxisRequest) -> Result<Vec<(f64, String)>, Undrawable> {
    let is_time = part.channel.kind == Kind::Temporal || part.channel.unit.is_some();
    let format = format_of(part, request.format.read(is_time)?);
    let shown = |value: &&Cell| request.values.as_ref().is_none_or(|values| values.contains(value));
    let label = |value: &Cell| name(value, part, format.as_ref());
    let place = |value: &Cell| bands.place(value).map(|(from, to)| (f64::midpoint(from, to), label(value)));
    Ok(bands.values.iter().filter(shown).filter_map(place).collect())
}

/// A name as it is written: a stretch of time as its unit is, everything else as it is in the data.
pub fn name(value: &Cell, part: &Part<'_>, format: Option<&ValueFormat>) -> String {
    match (format, value) {
        (Some(format), Cell::Number(number)) => format.write(*number, 1.0),
        (Some(format), Cell::Span(from, _)) if part.channel.unit.is_some() => format.write(*from, 1.0),
        _ => in_words(value, part.channel.kind),
    }
}
