//! Scales: from values of the data to places, colours, sizes and symbols. Layers share them.

mod domain;

use std::collections::BTreeMap;

use super::cell::Cell;
use super::colour::{self, Ramp, Rgb};
use super::encoding::{Channel, Kind, Name, Range, ScaleKind, ScaleRequest, Source};
use super::mark::Shape;
use super::table::Table;
use super::undrawable::Undrawable;
use super::view::{Layer, Side};
use super::{MAX_SIDE_PIXELS, number};

pub use domain::{Part, continuous, discrete, is_discrete, request};

/// A side with a continuous scale, where nothing says how long it is.
const CONTINUOUS_SIDE: f64 = 300.0;

/// What each value of a discrete scale gets, where nothing says how much.
pub const STEP: f64 = 20.0;

/// A layer and its prepared data.
#[derive(Debug)]
pub struct Prepared {
    /// What is drawn.
    pub layer: Layer,
    /// Its data.
    pub table: Table,
}

/// In proportion from one range to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Continuous {
    /// The values at the ends.
    pub domain: (f64, f64),
    /// Where they are.
    pub range: (f64, f64),
    /// Whether what is outside stands at the ends.
    pub clamp: bool,
    /// Whether they are times.
    pub is_time: bool,
}

impl Continuous {
    /// How far a value is on the way from one end to the other.
    pub fn fraction(&self, value: f64) -> f64 {
        /// Farther away nothing is seen.
        const FARTHEST: f64 = 1e4;
        let (from, to) = self.domain;
        let fraction = if from == to { 0.5 } else { (value - from) / (to - from) };
        if self.clamp { fraction.clamp(0.0, 1.0) } else { fraction.clamp(-FARTHEST, FARTHEST) }
    }

    /// Where a value is.
    pub fn place(&self, value: f64) -> f64 {
        self.range.0 + self.fraction(value) * (self.range.1 - self.range.0)
    }

    /// Where what begins at zero begins: at the lower end, if there is no zero.
    pub fn base(&self) -> f64 {
        let (low, high) = (self.domain.0.min(self.domain.1), self.domain.0.max(self.domain.1));
        if low <= 0.0 && high >= 0.0 && !self.is_time { self.place(0.0) } else { self.range.0 }
    }
}

/// Bands or points in a row, one a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Bands {
    /// The values, as they stand.
    pub values: Vec<Cell>,
    index: BTreeMap<Cell, usize>,
    start: f64,
    /// From the start of one to the start of the next.
    pub step: f64,
    /// Of each; nothing for points.
    pub breadth: f64,
}

impl Bands {
    /// Where a value's band begins and ends.
    pub fn place(&self, value: &Cell) -> Option<(f64, f64)> {
        let start = self.start + self.step * *self.index.get(value)? as f64;
        Some((start, start + self.breadth))
    }
}

/// A scale of places.
#[derive(Clone, Debug, PartialEq)]
pub enum Position {
    /// For numbers and times.
    Continuous(Continuous),
    /// For names.
    Bands(Bands),
}

impl Position {
    /// From where to where a value is.
    pub fn place(&self, cell: &Cell) -> Option<(f64, f64)> {
        match self {
            Self::Continuous(scale) => cell.ends().map(|(from, to)| (scale.place(from), scale.place(to))),
            Self::Bands(bands) => bands.place(cell),
        }
    }
}

/// A scale of colours.
#[derive(Clone, Debug, PartialEq)]
pub enum Colouring {
    /// One a name.
    Each(Vec<(Cell, String)>),
    /// From one to another.
    Ramp(Continuous, Ramp),
}

impl Colouring {
    /// The colour of a value.
    pub fn of(&self, cell: &Cell) -> Option<String> {
        match self {
            Self::Each(colours) => {
                colours.iter().find(|(value, _)| value == cell).map(|(_, colour)| colour.clone())
            }
            Self::Ramp(scale, ramp) => cell.ends().map(|(number, _)| ramp.at(scale.fraction(number))),
        }
    }
}

/// Everything that values are placed on.
#[derive(Debug, Default)]
pub struct Scales {
    /// Along x and y.
    pub places: [Option<Position>; 2],
    /// Within bands of x and y.
    pub offsets: [Option<Bands>; 2],
    /// How much of a circle.
    pub theta: Option<Continuous>,
    /// The colours.
    pub color: Option<Colouring>,
    /// The sizes of symbols, strokes and letters.
    pub size: Option<Position>,
    /// How opaque things are.
    pub opacity: Option<Position>,
    /// The names of symbols.
    pub shapes: Option<Vec<(Cell, String)>>,
}

const AXES: [(Name, Name); 2] = [(Name::X, Name::XOffset), (Name::Y, Name::YOffset)];

impl Scales {
    /// The scales of some layers, and how large the drawing area is with them.
    pub fn new(layers: &[Prepared], sides: [Option<Side>; 2]) -> Result<(Self, [f64; 2]), Undrawable> {
        let (mut scales, mut lengths) = (Self::default(), [STEP; 2]);
        for (axis, (name, offset)) in AXES.into_iter().enumerate() {
            let within = Part::all(layers, offset);
            let within = if within.is_empty() { None } else { Some(discrete_offset(&within)?) };
            let parts = Part::all(layers, name);
            let (place, length) = position(&parts, axis, sides[axis], within.as_deref(), layers)?;
            let breadth = match &place {
                Some(Position::Bands(bands)) => bands.breadth,
                Some(Position::Continuous(_)) if within.is_some() => {
                    return Err(parts[0].unsupported("an offset along numbers or times"));
                }
                Some(Position::Continuous(_)) | None => length,
            };
            scales.offsets[axis] =
                within.map(|values| Part::all(layers, offset)[0].bands(values, breadth)).transpose()?;
            (scales.places[axis], lengths[axis]) = (place, length);
        }
        scales.theta = theta(&Part::all(layers, Name::Theta))?;
        scales.color = colouring(&Part::all(layers, Name::Color))?;
        let step = scales.least_step(layers, sides);
        scales.size = numbers(&Part::all(layers, Name::Size), |shape| size_range(shape, step))?;
        scales.opacity = numbers(&Part::all(layers, Name::Opacity), |_| (0.3, 0.8))?;
        scales.shapes = shapes(&Part::all(layers, Name::Shape))?;
        Ok((scales, lengths))
    }

    /// How far apart symbols may be at least: as far as steps or bins, of x or of y, are.
    fn least_step(&self, layers: &[Prepared], sides: [Option<Side>; 2]) -> f64 {
        let of_axis = |axis: usize| {
            let parts = Part::all(layers, AXES[axis].0);
            let binned = parts.iter().find(|part| part.channel.bin.is_some()).map(|part| part.stretches().1);
            match (binned, &self.places[axis], sides[axis]) {
                (Some(bin), Some(Position::Continuous(scale)), _) if bin.is_finite() => {
                    (scale.place(bin) - scale.place(0.0)).abs()
                }
                (_, _, Some(Side::Step(step, _))) => step,
                _ => STEP,
            }
        };
        of_axis(0).min(of_axis(1))
    }
}

fn discrete_offset(parts: &[Part<'_>]) -> Result<Vec<Cell>, Undrawable> {
    if !is_discrete(parts)? {
        return Err(parts[0].unsupported("an offset by numbers or times"));
    }
    discrete(parts)
}

/// The scale of a side, and its length.
fn position(
    parts: &[Part<'_>],
    axis: usize,
    side: Option<Side>,
    within: Option<&[Cell]>,
    layers: &[Prepared],
) -> Result<(Option<Position>, f64), Undrawable> {
    let is_pie = layers.iter().any(|prepared| prepared.layer.mark.shape == Shape::Arc);
    let Some(first) = parts.first() else {
        let length = match side {
            Some(Side::Pixels(pixels)) => pixels,
            Some(Side::Step(step, _)) => step,
            None if is_pie => CONTINUOUS_SIDE,
            None => STEP,
        };
        return Ok((None, length));
    };
    if is_discrete(parts)? {
        let (bands, length) = bands(parts, side, within)?;
        return Ok((Some(Position::Bands(bands)), length));
    }
    let length = match side {
        Some(Side::Pixels(pixels)) => pixels,
        Some(Side::Step(..)) => return Err(first.unsupported("a step along numbers or times")),
        None => CONTINUOUS_SIDE,
    };
    if request(parts)?.range.is_some() {
        return Err(first.unsupported("a range of places"));
    }
    let range = if axis == 0 { (0.0, length) } else { (length, 0.0) };
    Ok((Some(Position::Continuous(continuous(parts, range)?)), length))
}

/// How much of a step is between bands, and how much of one is before the first and after the last.
fn paddings(parts: &[Part<'_>], request: &ScaleRequest, is_band: bool, is_nested: bool) -> (f64, f64) {
    let [all, inner, outer] =
        request.paddings.map(|padding| padding.map(|padding| padding.clamp(0.0, 100.0)));
    let by_mark = match parts[0].layer.mark.shape {
        Shape::Bar => 0.1,
        Shape::Tick => 0.25,
        _ => 0.0,
    };
    match is_band {
        false => (1.0, outer.or(all).unwrap_or(0.5)),
        true => {
            let inner = inner.or(all).unwrap_or(if is_nested { 0.2 } else { by_mark }).min(1.0);
            (inner, outer.or(all).unwrap_or(if is_nested { 0.2 } else { inner / 2.0 }))
        }
    }
}

fn bands(
    parts: &[Part<'_>],
    side: Option<Side>,
    within: Option<&[Cell]>,
) -> Result<(Bands, f64), Undrawable> {
    let request = request(parts)?;
    let fits_band = |part: &Part<'_>| {
        matches!(part.layer.mark.shape, Shape::Bar | Shape::Rect | Shape::Rule | Shape::Tick)
    };
    let is_band = match request.kind {
        Some(ScaleKind::Band) => true,
        Some(ScaleKind::Point) => false,
        Some(kind) => return Err(parts[0].unsupported(format!("a {kind:?} scale of places for names"))),
        None => within.is_some() || parts.iter().any(fits_band),
    };
    let values = discrete(parts)?;
    let (inner, outer) = paddings(parts, &request, is_band, within.is_some());
    let spaces =
        (values.len() as f64 - inner + 2.0 * outer).max(if values.is_empty() { 0.0 } else { f64::EPSILON });
    let side = side.unwrap_or(Side::Step(STEP, true));
    let length = match (side, within) {
        (Side::Pixels(pixels), _) => pixels,
        (Side::Step(step, true), Some(within)) => {
            step * within.len() as f64 / (1.0 - inner).max(0.01) * spaces
        }
        (Side::Step(step, _), _) => step * spaces,
    };
    if length > MAX_SIDE_PIXELS as f64 {
        return Err(Undrawable::TooMuch { what: "pixels on a side", limit: MAX_SIDE_PIXELS });
    }
    let length = length.max(1.0);
    if request.range.is_some() {
        return Err(parts[0].unsupported("a range of places"));
    }
    Ok((lay_out(values, length, (inner, outer), request.reverse == Some(true)), length))
}

fn lay_out(mut values: Vec<Cell>, length: f64, (inner, outer): (f64, f64), reverse: bool) -> Bands {
    if reverse {
        values.reverse();
    }
    // As d3 has it: where one value has no space of its own, it gets all of it.
    let step = length / (values.len() as f64 - inner + 2.0 * outer).max(1.0);
    let start = (length - step * (values.len() as f64 - inner)) / 2.0;
    let index = values.iter().cloned().zip(0..).collect();
    Bands { values, index, start, step, breadth: step * (1.0 - inner) }
}

impl Part<'_> {
    /// Bands within a band.
    fn bands(&self, values: Vec<Cell>, length: f64) -> Result<Bands, Undrawable> {
        let request = self.channel.scale.clone().unwrap_or_default();
        if request.range.is_some() || request.reverse.is_some() {
            return Err(self.unsupported("a range or a direction of an offset"));
        }
        let [all, inner, outer] = request.paddings;
        let (inner, outer) = (inner.or(all).unwrap_or(0.0), outer.or(all).unwrap_or(0.0));
        Ok(lay_out(values, length, (inner.clamp(0.0, 1.0), outer.clamp(0.0, 100.0)), false))
    }
}

fn theta(parts: &[Part<'_>]) -> Result<Option<Continuous>, Undrawable> {
    let Some(first) = parts.first() else { return Ok(None) };
    if is_discrete(parts)? {
        return Err(first.unsupported("a circle of names"));
    }
    let range = match request(parts)?.range {
        None => (0.0, std::f64::consts::TAU),
        Some(Range::Numbers(range)) if range.len() == 2 => {
            (range[0].clamp(-100.0, 100.0), range[1].clamp(-100.0, 100.0))
        }
        Some(Range::Numbers(_) | Range::Names(_)) => return Err(first.unsupported("that range of angles")),
    };
    continuous(parts, range).map(Some)
}

fn colouring(parts: &[Part<'_>]) -> Result<Option<Colouring>, Undrawable> {
    let Some(first) = parts.first() else { return Ok(None) };
    let request = request(parts)?;
    let unknown = |scheme: &String| first.unsupported(format!("the colour scheme {scheme:?}"));
    if is_discrete(parts)? {
        let values = discrete(parts)?;
        let colours = match (&request.range, &request.scheme) {
            (Some(Range::Names(names)), _) => domain::colours(names, &first.channel.at)?,
            (Some(Range::Numbers(_)), _) => return Err(first.unsupported("colours that are numbers")),
            (None, Some(scheme)) => colour::palette(scheme)
                .or_else(|| Ramp::named(scheme).map(|ramp| ramp.parts(values.len())))
                .ok_or_else(|| unknown(scheme))?,
            (None, None) if first.channel.kind == Kind::Ordinal => {
                Ramp::named("blues").expect("it is known").parts(values.len())
            }
            (None, None) => colour::palette("tableau10").expect("it is known"),
        };
        let each = values.into_iter().zip(directed(colours, request.reverse).into_iter().cycle());
        return Ok(Some(Colouring::Each(each.collect())));
    }
    let default = if first.layer.mark.shape == Shape::Rect { "yellowgreenblue" } else { "blues" };
    let ramp = match (&request.range, &request.scheme) {
        (Some(Range::Names(names)), _) => {
            let mixable =
                |name: &String| Rgb::parse(name).ok_or_else(|| first.unsupported(format!("mixing {name:?}")));
            Ramp::new(names.iter().map(mixable).collect::<Result<_, _>>()?)
        }
        (Some(Range::Numbers(_)), _) => return Err(first.unsupported("colours that are numbers")),
        (None, Some(scheme)) => Ramp::named(scheme).ok_or_else(|| unknown(scheme))?,
        (None, None) => Ramp::named(default).expect("it is known"),
    };
    let reverse = request.reverse == Some(true);
    Ok(Some(Colouring::Ramp(continuous(parts, if reverse { (1.0, 0.0) } else { (0.0, 1.0) })?, ramp)))
}

fn directed<T>(mut values: Vec<T>, reverse: Option<bool>) -> Vec<T> {
    if reverse == Some(true) {
        values.reverse();
    }
    values
}

/// From the smallest to the largest size of a mark.
fn size_range(shape: Shape, step: f64) -> (f64, f64) {
    match shape {
        Shape::Line | Shape::Rule => (1.0, 4.0),
        Shape::Text => (8.0, 40.0),
        Shape::Bar | Shape::Tick => (2.0, (step - 1.0).max(2.0)),
        _ => (9.0, (0.95 * step) * (0.95 * step)),
    }
}

/// A scale of numbers that are no places.
fn numbers(parts: &[Part<'_>], range: impl Fn(Shape) -> (f64, f64)) -> Result<Option<Position>, Undrawable> {
    let Some(first) = parts.first() else { return Ok(None) };
    let request = request(parts)?;
    let (mut low, high) = match request.range {
        None => range(first.layer.mark.shape),
        Some(Range::Numbers(range)) if range.len() == 2 => (range[0], range[1]),
        Some(Range::Numbers(_) | Range::Names(_)) => return Err(first.unsupported("that range of sizes")),
    };
    if is_discrete(parts)? {
        let values = discrete(parts)?;
        let step = (high - low) / (values.len() as f64 - 1.0).max(1.0);
        let index = values.iter().cloned().zip(0..).collect();
        return Ok(Some(Position::Bands(Bands { values, index, start: low, step, breadth: 0.0 })));
    }
    // Where zero is part of the domain, nothing has no size.
    if request.zero != Some(false)
        && first.channel.name == Name::Size
        && first
            .channel
            .scale
            .as_ref()
            .is_some_and(|scale| scale.range.is_none() && scale.domain.whole.is_none())
    {
        low = 0.0;
    }
    continuous(parts, (low, high)).map(Position::Continuous).map(Some)
}

const SYMBOLS: [&str; 8] = [
    "circle",
    "square",
    "triangle-up",
    "cross",
    "diamond",
    "triangle-right",
    "triangle-down",
    "triangle-left",
];

fn shapes(parts: &[Part<'_>]) -> Result<Option<Vec<(Cell, String)>>, Undrawable> {
    let Some(first) = parts.first() else { return Ok(None) };
    if !is_discrete(parts)? {
        return Err(first.unsupported("symbols for numbers or times"));
    }
    let names = match request(parts)?.range {
        Some(Range::Names(names)) => names,
        Some(Range::Numbers(_)) => return Err(first.unsupported("symbols that are numbers")),
        None => SYMBOLS.map(str::to_owned).to_vec(),
    };
    if let Some(unknown) = names.iter().find(|name| !SYMBOLS.contains(&name.as_str())) {
        return Err(first.unsupported(format!("the symbol {unknown:?}")));
    }
    Ok(Some(discrete(parts)?.into_iter().zip(names.into_iter().cycle()).collect()))
}

/// A symbol that is drawn.
pub fn symbol(name: &str) -> Option<&'static str> {
    SYMBOLS.into_iter().find(|known| *known == name)
}

/// Whether a channel places values on a scale.
pub fn is_scaled(channel: &Channel) -> bool {
    channel.scale.is_some() && !matches!(channel.source, Source::Value(_))
}

/// A value as it is drawn where no scale is asked for.
pub fn unscaled(cell: &Cell) -> f64 {
    cell.ends().map_or(0.0, |(number, _)| number)
}

/// Distances between neighbours, for their format.
pub fn step_of(values: &[f64]) -> f64 {
    let steps = values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).filter(|step| *step > 0.0);
    let least = steps.fold(f64::INFINITY, f64::min);
    if least.is_finite() {
        least
    } else {
        values.first().map_or(1.0, |only| {
            10f64.powi(
                -i32::try_from(number::plain(*only).split_once('.').map_or(0, |(_, places)| places.len()))
                    .unwrap_or(0),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_outside_of_a_tiny_domain_has_a_place() {
        let scale = Continuous { domain: (0.0, 1e-300), range: (0.0, 300.0), clamp: false, is_time: false };
        assert!(scale.place(1e300).is_finite());
        let flat = Continuous { domain: (3.0, 3.0), ..scale };
        assert_eq!(flat.place(3.0), 150.0);
    }

    #[test]
    fn bands_are_as_broad_as_their_paddings_leave_them() {
        let values = (0..3).map(|value| Cell::number(f64::from(value))).collect();
        let bands = lay_out(values, 60.0, (0.1, 0.05), false);
        assert_eq!((bands.step, bands.breadth), (20.0, 18.0));
        assert_eq!(bands.place(&Cell::number(2.0)), Some((41.0, 59.0)));
        assert_eq!(bands.place(&Cell::Null), None);
    }
}
