//! Marks that stand alone: bars, symbols, rules, ticks and letters.

use super::{Along, Canvas, Look, axes, words};
use crate::svg::cell::Cell;
use crate::svg::encoding::Name;
use crate::svg::lettering;
use crate::svg::mark::{Breadth, Orient, Shape};
use crate::svg::markup::{Attribute, Markup, number};
use crate::svg::scale::{self, Position, Prepared, STEP};
use crate::svg::undrawable::Undrawable;

/// A bar at a number, across.
const BAR: f64 = 5.0;
/// What is left free between bins.
const BIN_SPACING: f64 = 1.0;
/// The area of a symbol.
const SYMBOL: f64 = 30.0;
/// The length of a tick that has no band.
const TICK: f64 = 15.0;

impl Canvas {
    pub(super) fn bar(
        &self,
        prepared: &Prepared,
        row: &[Cell],
        look: &Look,
        to: &mut Markup,
    ) -> Result<(), Undrawable> {
        let (grows, stands) = axes(prepared.layer.orient);
        let Some(across) = self.across(prepared, row, stands, look)? else { return Ok(()) };
        let is_rect = prepared.layer.mark.shape == Shape::Rect;
        let length = match self.along(prepared, row, grows)? {
            Along::Nowhere => return Ok(()),
            Along::Anywhere => (0.0, self.lengths[grows]),
            Along::At(..) if is_rect => match self.across(prepared, row, grows, look)? {
                Some(extent) => extent,
                None => return Ok(()),
            },
            Along::At(from, to) if from == to => (self.base(grows), to),
            Along::At(from, to) => (from, to),
        };
        let (x, y) = if grows == 1 { (across, length) } else { (length, across) };
        self.reach(prepared, (x.0.min(x.1), y.0.min(y.1)));
        self.reach(prepared, (x.0.max(x.1), y.0.max(y.1)));
        let outline = corners(x, y, grows, prepared.layer.mark.corners);
        let (left, top) = (x.0.min(x.1), y.0.min(y.1));
        let (width, height) = ((x.1 - x.0).abs(), (y.1 - y.0).abs());
        let attributes: Vec<(&str, Attribute<'_>)> = match &outline {
            Some(path) => vec![("d", path.into())],
            None => vec![
                ("x", left.into()),
                ("y", top.into()),
                ("width", width.into()),
                ("height", height.into()),
            ],
        };
        told(to, if outline.is_some() { "path" } else { "rect" }, attributes, look);
        Ok(())
    }

    /// From where to where a bar is across.
    fn across(
        &self,
        prepared: &Prepared,
        row: &[Cell],
        axis: usize,
        look: &Look,
    ) -> Result<Option<(f64, f64)>, Undrawable> {
        let mark = &prepared.layer.mark;
        let along = self.along(prepared, row, axis)?;
        let Some(middle) = along.middle(self.lengths[axis]) else { return Ok(None) };
        let is_band =
            matches!(&self.scales.places[axis], Some(Position::Bands(bands)) if bands.breadth > 0.0);
        let whole = match along {
            Along::Anywhere if mark.shape == Shape::Rect => self.lengths[axis],
            Along::Anywhere => 0.9 * self.lengths[axis],
            Along::At(from, to) if from == to && is_band => 0.0,
            Along::At(from, to) if from == to => BAR,
            Along::At(from, to)
                if is_band || self.scales.offsets[axis].is_some() || mark.shape == Shape::Rect =>
            {
                (to - from).abs()
            }
            Along::At(from, to) => (to - from).abs() - BIN_SPACING,
            Along::Nowhere => return Ok(None),
        };
        let asked = match mark.breadths[axis] {
            Some(Breadth::Pixels(pixels)) => Some(pixels),
            Some(Breadth::Band(part)) => Some(part * whole),
            None => look.size,
        };
        let breadth = asked.unwrap_or(whole).max(0.25);
        Ok(Some((middle - breadth / 2.0, middle + breadth / 2.0)))
    }

    pub(super) fn point(
        &self,
        prepared: &Prepared,
        row: &[Cell],
        look: &Look,
        to: &mut Markup,
    ) -> Result<(), Undrawable> {
        let Some((x, y)) = self.middle(prepared, row)? else { return Ok(()) };
        let size = look.size.unwrap_or(SYMBOL);
        let path = symbol(&look.symbol, size).ok_or_else(|| Undrawable::Unsupported {
            at: prepared.layer.mark.at.clone(),
            what: format!("the symbol {:?}", look.symbol),
        })?;
        let place = format!("translate({},{})", number(x), number(y));
        let half = size.max(0.0).sqrt() / 2.0;
        self.reach(prepared, (x - half, y - half));
        self.reach(prepared, (x + half, y + half));
        let attributes: Vec<(&str, Attribute<'_>)> =
            vec![("transform", (&place).into()), ("d", (&path).into())];
        told(to, "path", attributes, look);
        Ok(())
    }

    fn middle(&self, prepared: &Prepared, row: &[Cell]) -> Result<Option<(f64, f64)>, Undrawable> {
        let x = self.end(prepared, row, 0)?;
        let y = self.end(prepared, row, 1)?;
        Ok(x.zip(y))
    }

    /// The middle of a band or bin, the end of what is stacked.
    fn end(&self, prepared: &Prepared, row: &[Cell], axis: usize) -> Result<Option<f64>, Undrawable> {
        let along = self.along(prepared, row, axis)?;
        let (name, _) = [(Name::X, ()), (Name::Y, ())][axis];
        let is_measure = prepared.layer.shown(name).is_some_and(|(_, channel)| channel.is_measure());
        Ok(match along {
            Along::At(_, to) if is_measure => Some(to),
            along => along.middle(self.lengths[axis]),
        })
    }

    pub(super) fn rule(
        &self,
        prepared: &Prepared,
        row: &[Cell],
        look: &Look,
        to: &mut Markup,
    ) -> Result<(), Undrawable> {
        let mut ends = [(0.0, 0.0); 2];
        for (axis, end) in ends.iter_mut().enumerate() {
            let second = [Name::X2, Name::Y2][axis];
            *end = match self.along(prepared, row, axis)? {
                Along::Nowhere => return Ok(()),
                Along::Anywhere => (0.0, self.lengths[axis]),
                Along::At(from, to) if prepared.layer.channel(second).is_some() => (from, to),
                Along::At(from, to) => (f64::midpoint(from, to), f64::midpoint(from, to)),
            };
        }
        // A rule with both x and y, and without an end, goes across the axis that its mark does not stand on.
        if ends.iter().all(|(from, to)| from == to)
            && prepared.layer.channel(Name::X2).or(prepared.layer.channel(Name::Y2)).is_none()
        {
            let (grows, _) = axes(prepared.layer.orient);
            ends[grows].0 = self.base(grows);
        }
        let [(x1, x2), (y1, y2)] = ends;
        self.reach(prepared, (x1.min(x2), y1.min(y2)));
        self.reach(prepared, (x1.max(x2), y1.max(y2)));
        let attributes: Vec<(&str, Attribute<'_>)> =
            vec![("x1", x1.into()), ("y1", y1.into()), ("x2", x2.into()), ("y2", y2.into())];
        told(to, "line", attributes, look);
        Ok(())
    }

    pub(super) fn tick(
        &self,
        prepared: &Prepared,
        row: &[Cell],
        look: &Look,
        to: &mut Markup,
    ) -> Result<(), Undrawable> {
        let Some((x, y)) = self.middle(prepared, row)? else { return Ok(()) };
        let mark = &prepared.layer.mark;
        let long = if prepared.layer.orient == Orient::Vertical { 1 } else { 0 };
        let band = match &self.scales.places[long] {
            Some(Position::Bands(bands)) if bands.breadth > 0.0 => bands.breadth,
            Some(Position::Bands(_) | Position::Continuous(_)) => TICK,
            None => 0.75 * self.lengths[long].min(STEP),
        };
        let (length, thickness) = (look.size.unwrap_or(band), mark.thickness.unwrap_or(1.0));
        let (width, height) = if long == 1 { (thickness, length) } else { (length, thickness) };
        let attributes: Vec<(&str, Attribute<'_>)> = vec![
            ("x", (x - width / 2.0).into()),
            ("y", (y - height / 2.0).into()),
            ("width", width.max(0.0).into()),
            ("height", height.max(0.0).into()),
        ];
        told(to, "rect", attributes, look);
        Ok(())
    }

    pub(super) fn letters(
        &self,
        prepared: &Prepared,
        row: &[Cell],
        look: &Look,
        to: &mut Markup,
    ) -> Result<(), Undrawable> {
        let place = match prepared.layer.shown(Name::Theta) {
            Some(_) => self.beside_slice(prepared, row),
            None => self.middle(prepared, row)?,
        };
        if let Some(place) = place {
            self.write(prepared, row, look, place, to);
        }
        Ok(())
    }

    /// Writes a row's text at a place.
    fn write(&self, prepared: &Prepared, row: &[Cell], look: &Look, (x, y): (f64, f64), to: &mut Markup) {
        let lettering = &prepared.layer.mark.lettering;
        let channel = prepared.layer.channel(Name::Text);
        let text = match (channel, &lettering.text) {
            (Some((at, channel)), _) if !(channel.shows_field() && row[at].is_null()) => {
                words(prepared, at, row)
            }
            (Some(_), _) | (None, None) => return,
            (None, Some(text)) => text.clone(),
        };
        let size = look.size.or(lettering.size).unwrap_or(11.0);
        let down = match lettering.baseline.as_deref() {
            Some("top") => 0.79,
            Some("bottom") => -0.21,
            Some("alphabetic") => 0.0,
            Some(_) | None => 0.3,
        };
        let (dx, dy) = lettering.offset;
        let mut place = format!("translate({},{})", number(x), number(y));
        if lettering.angle != 0.0 {
            place.push_str(&format!(" rotate({})", number(lettering.angle)));
        }
        let (anchor, before) = match lettering.align.as_deref() {
            Some("left") => ("start", 0.0),
            Some("right") => ("end", 1.0),
            Some(_) | None => ("middle", 0.5),
        };
        if lettering.angle == 0.0 {
            let (width, left) = (lettering::width(&text, size), x + dx);
            self.reach(prepared, (left - before * width, y + dy + (down - 0.8) * size));
            self.reach(prepared, (left + (1.0 - before) * width, y + dy + (down + 0.2) * size));
        }
        let mut attributes: Vec<(&str, Attribute<'_>)> = vec![
            ("transform", (&place).into()),
            ("x", dx.into()),
            ("y", (dy + down * size).into()),
            ("text-anchor", anchor.into()),
            ("font-size", size.into()),
        ];
        attributes.extend(lettering.weight.as_ref().map(|weight| ("font-weight", weight.into())));
        attributes.extend(lettering.style.as_ref().map(|style| ("font-style", style.into())));
        attributes.extend(look.attributes());
        to.text("text", &attributes, &text);
    }
}

/// Draws an element with the attributes of its own and those of its look, and tells of it to who points at it.
pub(super) fn told<'a>(
    to: &mut Markup,
    name: &'static str,
    mut attributes: Vec<(&'a str, Attribute<'a>)>,
    look: &'a Look,
) {
    attributes.extend(look.attributes());
    match &look.tooltip {
        None => to.empty(name, &attributes),
        Some(tooltip) => {
            to.open(name, &attributes);
            to.text("title", &[], tooltip);
            to.close();
        }
    }
}

/// The outline of a bar with round corners; `None` has none.
fn corners(x: (f64, f64), y: (f64, f64), grows: usize, (all, end): (f64, f64)) -> Option<String> {
    let (left, right, top, bottom) = (x.0.min(x.1), x.0.max(x.1), y.0.min(y.1), y.0.max(y.1));
    let most = ((right - left) / 2.0).min(bottom - top).max(0.0);
    let fits = |radius: f64| radius.clamp(0.0, most);
    let (all, end) = (fits(all.max(0.0)).min((bottom - top) / 2.0), fits(end));
    if all == 0.0 && end == 0.0 {
        return None;
    }
    // Clockwise from the upper left.
    let at_end = match grows {
        1 if y.1 <= y.0 => [true, true, false, false],
        1 => [false, false, true, true],
        _ if x.1 >= x.0 => [false, true, true, false],
        _ => [true, false, false, true],
    };
    let [a, b, c, d] = at_end.map(|is_end| if is_end && end > 0.0 { end } else { all });
    let arc =
        |radius: f64, x: f64, y: f64| format!("A{0},{0} 0 0 1 {1},{2}", number(radius), number(x), number(y));
    Some(format!(
        "M{},{}H{}{}V{}{}H{}{}V{}{}Z",
        number(left + a),
        number(top),
        number(right - b),
        arc(b, right, top + b),
        number(bottom - c),
        arc(c, right - c, bottom),
        number(left + d),
        arc(d, left, bottom - d),
        number(top + a),
        arc(a, left + a, top),
    ))
}

/// The outline of a symbol of some area around the origin.
pub fn symbol(name: &str, size: f64) -> Option<String> {
    let name = scale::symbol(name)?;
    let half = size.max(0.0).sqrt() / 2.0;
    let outline = |points: &[(f64, f64)]| {
        let points = points.iter().map(|(x, y)| format!("{},{}", number(x * half), number(y * half)));
        format!("M{}Z", points.collect::<Vec<_>>().join("L"))
    };
    /// How high a triangle is.
    const HIGH: f64 = 0.866;
    const ARM: f64 = 0.4;
    Some(match name {
        "circle" => {
            let r = number(half);
            format!("M{r},0A{r},{r} 0 1 1 -{r},0A{r},{r} 0 1 1 {r},0Z")
        }
        "square" => outline(&[(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]),
        "diamond" => outline(&[(-1.0, 0.0), (0.0, -1.0), (1.0, 0.0), (0.0, 1.0)]),
        "triangle-up" => outline(&[(0.0, -HIGH), (-1.0, HIGH), (1.0, HIGH)]),
        "triangle-down" => outline(&[(0.0, HIGH), (-1.0, -HIGH), (1.0, -HIGH)]),
        "triangle-right" => outline(&[(HIGH, 0.0), (-HIGH, -1.0), (-HIGH, 1.0)]),
        "triangle-left" => outline(&[(-HIGH, 0.0), (HIGH, -1.0), (HIGH, 1.0)]),
        _ => outline(&[
            (-1.0, -ARM),
            (-1.0, ARM),
            (-ARM, ARM),
            (-ARM, 1.0),
            (ARM, 1.0),
            (ARM, ARM),
            (1.0, ARM),
            (1.0, -ARM),
            (ARM, -ARM),
            (ARM, -1.0),
            (-ARM, -1.0),
            (-ARM, -ARM),
        ]),
    })
}
