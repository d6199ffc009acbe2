//! Slices of pies and rings, and what is written around them.

use std::f64::consts::TAU;

use super::shapes::told;
use super::{Canvas, Look};
use crate::svg::cell::Cell;
use crate::svg::encoding::Name;
use crate::svg::markup::{Attribute, Markup, number};
use crate::svg::scale::Prepared;
use crate::svg::undrawable::Undrawable;

impl Canvas {
    /// Draws a layer's slices around the middle.
    pub(super) fn arcs(&self, prepared: &Prepared, to: &mut Markup) -> Result<(), Undrawable> {
        let mark = &prepared.layer.mark;
        for name in [Name::X, Name::Y] {
            if let Some((_, channel)) = prepared.layer.channel(name) {
                let what = "slices that are not in the middle".to_owned();
                return Err(Undrawable::Unsupported { at: channel.at.clone(), what });
            }
        }
        let [width, height] = self.lengths;
        let (inner, outer, _) = (mark.radii[0], mark.radii[1], mark.radii[2]);
        let radii =
            (inner.unwrap_or(0.0).max(0.0), outer.unwrap_or_else(|| width.min(height) / 2.0).max(0.0));
        let place = format!("translate({},{})", number(width / 2.0), number(height / 2.0));
        to.open("g", &[("transform", (&place).into())]);
        for row in &prepared.table {
            let look = Look::of(prepared, row, &self.scales)?;
            let Some((from, end)) = self.angles(prepared, row) else { continue };
            let gap = mark.pad_angle.clamp(0.0, (end - from).abs()) / 2.0;
            let path = slice(radii, (from + gap, end - gap));
            let attributes: Vec<(&str, Attribute<'_>)> = vec![("d", (&path).into())];
            told(to, "path", attributes, &look);
        }
        to.close();
        Ok(())
    }

    /// From which angle to which a slice goes: all around, where nothing says it.
    fn angles(&self, prepared: &Prepared, row: &[Cell]) -> Option<(f64, f64)> {
        match (prepared.layer.shown(Name::Theta), &self.scales.theta) {
            (Some((at, _)), Some(scale)) => match row[at] {
                Cell::Number(number) => Some((scale.range.0, scale.place(number))),
                Cell::Span(from, to) => Some((scale.place(from), scale.place(to))),
                Cell::Null | Cell::Boolean(_) | Cell::Text(_) => None,
            },
            _ => Some((0.0, TAU)),
        }
    }

    /// Where a text at a slice is written, if it is at one.
    pub(super) fn beside_slice(&self, prepared: &Prepared, row: &[Cell]) -> Option<(f64, f64)> {
        let (from, to) = self.angles(prepared, row)?;
        let radius = prepared.layer.mark.radii[2].unwrap_or(0.0);
        let (x, y) = at(radius, f64::midpoint(from, to));
        Some((self.lengths[0] / 2.0 + x, self.lengths[1] / 2.0 + y))
    }
}

/// A point at an angle, clockwise from the top.
fn at(radius: f64, angle: f64) -> (f64, f64) {
    (radius * angle.sin(), -radius * angle.cos())
}

/// A slice's outline.
fn slice((inner, outer): (f64, f64), (from, to): (f64, f64)) -> String {
    let (inner, outer) = (inner.min(outer), inner.max(outer));
    let point = |radius: f64, angle: f64| {
        let (x, y) = at(radius, angle);
        format!("{},{}", number(x), number(y))
    };
    // An arc from a point to itself would be none, so a whole circle is drawn as halves.
    let whole = (to - from).abs() >= TAU - 1e-9;
    let to = if whole { from + TAU * (to - from).signum() } else { to };
    let arc = |radius: f64, from: f64, to: f64| {
        let middle = f64::midpoint(from, to);
        let sweep = u8::from(to > from);
        let half = |to| format!("A{0},{0} 0 0 {sweep} {1}", number(radius), point(radius, to));
        half(middle) + &half(to)
    };
    let outside = format!("M{}{}", point(outer, from), arc(outer, from, to));
    match (inner > 0.0, whole) {
        (true, true) => format!("{outside}M{}{}Z", point(inner, to), arc(inner, to, from)),
        (true, false) => format!("{outside}L{}{}Z", point(inner, to), arc(inner, to, from)),
        (false, true) => format!("{outside}Z"),
        (false, false) => format!("{outside}L0,0Z"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_goes_from_the_top_to_the_right() {
        assert_eq!(
            slice((0.0, 10.0), (0.0, TAU / 4.0)),
            "M0,-10A10,10 0 0 1 7.071,-7.071A10,10 0 0 1 10,0L0,0Z"
        );
        assert!(slice((5.0, 10.0), (0.0, TAU)).contains('M'));
    }
}
