//! What a scale has to place: the values of all channels that share it, and what they ask for.

use std::collections::{BTreeMap, BTreeSet};

use super::{Continuous, Prepared};
use crate::svg::cell::Cell;
use crate::svg::encoding::{Channel, Kind, Name, Nice, ScaleKind, ScaleRequest, Sort, as_kind};
use crate::svg::mark::{Orient, Shape};
use crate::svg::table::{self, Table};
use crate::svg::undrawable::Undrawable;
use crate::svg::view::Layer;
use crate::svg::{MAX_NAMES, number};

pub use crate::svg::encoding::colours;

/// What one layer has on a scale.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// The layer.
    pub layer: &'a Layer,
    /// The channel.
    pub channel: &'a Channel,
    column: usize,
    table: &'a Table,
}

impl<'a> Part<'a> {
    /// All layers' channels of one name that show something of the data on a scale.
    pub fn all(layers: &'a [Prepared], name: Name) -> Vec<Self> {
        let part = |prepared: &'a Prepared| {
            let (column, channel) = prepared.layer.shown(name)?;
            let part = Part { layer: &prepared.layer, channel, column, table: &prepared.table };
            channel.scale.is_some().then_some(part)
        };
        layers.iter().filter_map(part).collect()
    }

    /// The channel with the ends of what begins here.
    pub fn end(&self) -> Option<&'a Channel> {
        let name = match self.channel.name {
            Name::X => Name::X2,
            Name::Y => Name::Y2,
            _ => return None,
        };
        self.layer.shown(name).map(|(_, channel)| channel)
    }

    /// Complains of something that the channel means.
    pub fn unsupported(&self, what: impl Into<String>) -> Undrawable {
        Undrawable::Unsupported { at: self.channel.at.clone(), what: what.into() }
    }

    /// Where its stretches begin and end, in order, and how long the shortest is.
    pub fn stretches(&self) -> (Vec<f64>, f64) {
        let ends = self.cells().filter_map(Cell::ends).filter(|(from, to)| from < to);
        let shortest = ends.clone().map(|(from, to)| to - from).fold(f64::INFINITY, f64::min);
        let mut edges: Vec<f64> = ends.flat_map(|(from, to)| [from, to]).collect();
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        (edges, shortest)
    }

    fn cells(&self) -> impl Iterator<Item = &'a Cell> + Clone {
        let column = self.column;
        self.table.iter().map(move |row| &row[column])
    }
}

/// What the channels ask of their scale together.
pub fn request(parts: &[Part<'_>]) -> Result<ScaleRequest, Undrawable> {
    let mut all = ScaleRequest::default();
    for part in parts {
        let one = part.channel.scale.clone().unwrap_or_default();
        let mut agree = true;
        agree &= merge(&mut all.kind, one.kind);
        agree &= merge(&mut all.range, one.range);
        agree &= merge(&mut all.scheme, one.scheme);
        agree &= merge(&mut all.nice, one.nice);
        agree &= merge(&mut all.zero, one.zero);
        agree &= merge(&mut all.reverse, one.reverse);
        agree &= merge(&mut all.clamp, one.clamp);
        agree &= merge(&mut all.domain.min, one.domain.min);
        agree &= merge(&mut all.domain.max, one.domain.max);
        for (padding, other) in all.paddings.iter_mut().zip(one.paddings) {
            agree &= merge(padding, other);
        }
        all.domain.whole = all.domain.whole.or(one.domain.whole);
        if !agree {
            return Err(part.unsupported("a scale of which layers ask different things"));
        }
    }
    Ok(all)
}

/// Takes what the other one asks for; whether they agree.
fn merge<T: PartialEq>(one: &mut Option<T>, other: Option<T>) -> bool {
    match (one.as_ref(), other) {
        (_, None) => true,
        (None, other) => {
            *one = other;
            true
        }
        (Some(one), Some(other)) => *one == other,
    }
}

/// Whether the values are names; layers of both sorts share no scale.
pub fn is_discrete(parts: &[Part<'_>]) -> Result<bool, Undrawable> {
    let discrete = |part: &Part<'_>| match part.channel.scale.as_ref().and_then(|scale| scale.kind) {
        Some(ScaleKind::Band | ScaleKind::Point | ScaleKind::Ordinal) => true,
        Some(ScaleKind::Linear | ScaleKind::Time) => false,
        None => part.channel.is_discrete(),
    };
    let all: BTreeSet<bool> = parts.iter().map(discrete).collect();
    let kinds: BTreeSet<bool> = parts.iter().map(|part| part.channel.kind == Kind::Temporal).collect();
    if let (2, Some(part)) = (all.len().max(kinds.len()), parts.last()) {
        return Err(part.unsupported("one scale for values of different types"));
    }
    Ok(all.contains(&true))
}

/// The scale of numbers or times.
pub fn continuous(parts: &[Part<'_>], range: (f64, f64)) -> Result<Continuous, Undrawable> {
    let request = request(parts)?;
    let first = &parts[0];
    let is_time = first.channel.kind == Kind::Temporal;
    let given = |cell: &Cell| as_kind(cell, first.channel.kind).ends().map(|(number, _)| number);
    let (mut low, mut high, mut turned) = (f64::INFINITY, f64::NEG_INFINITY, false);
    for part in parts {
        let whole = part.channel.scale.as_ref().and_then(|scale| scale.domain.whole.as_ref());
        let ends: Vec<f64> = match whole {
            Some(whole) if whole.len() == 2 => whole.iter().filter_map(given).collect(),
            Some(_) => return Err(part.unsupported("a domain of numbers that has not two ends")),
            None => part.cells().filter_map(Cell::ends).flat_map(|(from, to)| [from, to]).collect(),
        };
        turned |= whole.is_some() && ends.first() > ends.last();
        low = ends.iter().copied().fold(low, f64::min);
        high = ends.iter().copied().fold(high, f64::max);
    }
    if low > high {
        (low, high) = if is_time { (0.0, 1.0) } else { (0.0, 0.0) };
    }
    if !is_time && request.zero.unwrap_or_else(|| zero_by_default(first)) {
        (low, high) = (low.min(0.0), high.max(0.0));
    }
    let ends = (&request.domain.min, &request.domain.max);
    low = ends.0.as_ref().and_then(given).unwrap_or(low);
    high = ends.1.as_ref().and_then(given).unwrap_or(high);
    let (low, high) = padded((low, high), padding(first, &request), (range.1 - range.0).abs());
    let (low, high) = match nice(first, &request, is_time) {
        Nice::Count(count) => number::nice(low, high, count),
        Nice::No => (low, high),
    };
    if !(high - low).is_finite() {
        return Err(first.unsupported("numbers as large as these"));
    }
    let domain = if turned { (high, low) } else { (low, high) };
    let descends = first.channel.sort == Some(Sort::Descending);
    // A scale of colours has been turned already, where that was asked for.
    let reverse = match first.channel.name {
        Name::Color => descends && request.reverse.is_none(),
        _ => request.reverse.unwrap_or(descends),
    };
    let range = if reverse { (range.1, range.0) } else { range };
    Ok(Continuous { domain, range, clamp: request.clamp == Some(true), is_time })
}

/// Whether zero is part of a domain that nothing is said of.
fn zero_by_default(part: &Part<'_>) -> bool {
    let Part { layer, channel, .. } = part;
    if let Some(whole) = channel.scale.as_ref().and_then(|scale| scale.domain.whole.as_ref()) {
        let numbers: Vec<f64> = whole.iter().filter_map(Cell::ends).map(|(number, _)| number).collect();
        return numbers.first().is_some_and(|first| *first <= 0.0)
            && numbers.last().is_some_and(|last| *last >= 0.0);
    }
    match (channel.name, layer.mark.shape) {
        (Name::Size | Name::Theta, _) => true,
        (Name::X, Shape::Bar | Shape::Area | Shape::Line) if layer.orient == Orient::Vertical => false,
        (Name::Y, Shape::Bar | Shape::Area | Shape::Line) if layer.orient == Orient::Horizontal => false,
        (Name::X | Name::Y, _) => channel.bin.is_none(),
        _ => false,
    }
}

/// Places have round ends, where nothing says which.
fn nice(part: &Part<'_>, request: &ScaleRequest, is_time: bool) -> Nice {
    let domain = &request.domain;
    let is_given = domain.whole.is_some() || domain.min.is_some() || domain.max.is_some();
    let is_place = matches!(part.channel.name, Name::X | Name::Y);
    let default = is_place && !is_given && part.channel.bin.is_none();
    match request.nice {
        _ if is_time => Nice::No,
        Some(nice) => nice,
        None if default => Nice::Count(10.0),
        None => Nice::No,
    }
}

/// Pixels before the first and after the last value, for bars that stand at numbers.
fn padding(part: &Part<'_>, request: &ScaleRequest) -> f64 {
    const BAR: f64 = 5.0;
    let along = match part.layer.orient {
        Orient::Vertical => Name::X,
        Orient::Horizontal => Name::Y,
    };
    let is_bar = part.layer.mark.shape == Shape::Bar && part.channel.name == along;
    let is_plain = part.channel.bin.is_none() && part.channel.unit.is_none();
    request.paddings[0].unwrap_or(if is_bar && is_plain { BAR } else { 0.0 }).clamp(0.0, 1_000.0)
}

fn padded((low, high): (f64, f64), padding: f64, length: f64) -> (f64, f64) {
    let inside = length - 2.0 * padding;
    if padding == 0.0 || inside <= 0.0 || low == high {
        return (low, high);
    }
    let more = (high - low) * (length / inside - 1.0) / 2.0;
    (low - more, high + more)
}

/// The names in their order.
pub fn discrete(parts: &[Part<'_>]) -> Result<Vec<Cell>, Undrawable> {
    let mut values: Vec<Cell> = Vec::new();
    let given = parts.iter().find_map(|part| part.channel.scale.as_ref()?.domain.whole.as_ref());
    match given {
        Some(given) => values.clone_from(given),
        None => values.extend(parts.iter().flat_map(Part::cells).cloned()),
    }
    let mut seen = BTreeSet::new();
    values.retain(|value| seen.insert(value.clone()));
    if values.len() > MAX_NAMES {
        return Err(Undrawable::TooMuch { what: "names on one scale", limit: MAX_NAMES });
    }
    if given.is_none() {
        let sorted = parts.iter().find(|part| part.channel.sort.is_some()).unwrap_or(&parts[0]);
        arrange(&mut values, sorted)?;
    }
    Ok(values)
}

fn arrange(values: &mut [Cell], part: &Part<'_>) -> Result<(), Undrawable> {
    match &part.channel.sort {
        None | Some(Sort::Ascending) => values.sort(),
        Some(Sort::Descending) => values.sort_by(|one, other| other.cmp(one)),
        Some(Sort::Data) => {}
        Some(Sort::Listed(listed)) => {
            values
                .sort_by_key(|value| listed.iter().position(|other| other == value).unwrap_or(listed.len()));
        }
        Some(Sort::By { key, aggregate, descending }) => {
            let keys = table::sort_keys(part.layer, part.channel, key, *aggregate)?;
            by_keys(values, &keys, *descending);
        }
    }
    Ok(())
}

fn by_keys(values: &mut [Cell], keys: &BTreeMap<Cell, Cell>, descending: bool) {
    values.sort_by(|one, other| {
        let order = keys.get(one).cmp(&keys.get(other));
        if descending { order.reverse() } else { order }
    });
}
