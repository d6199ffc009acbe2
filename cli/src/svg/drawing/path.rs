//! Marks that go through many rows: lines and areas.

use std::collections::BTreeMap;

use super::shapes::told;
use super::{Along, Canvas, Look, axes};
use crate::svg::cell::Cell;
use crate::svg::encoding::Name;
use crate::svg::mark::{Interpolation, Invalid, Shape};
use crate::svg::markup::{Attribute, Markup, number};
use crate::svg::scale::Prepared;
use crate::svg::undrawable::Undrawable;

/// A point of a line: along the axis that it runs on, and from the base to the value.
type Point = (f64, f64, f64);

/// As much of a point as the data has.
type Place = (Option<f64>, Option<(f64, f64)>);

impl Canvas {
    pub(super) fn paths(&self, prepared: &Prepared, to: &mut Markup) -> Result<(), Undrawable> {
        let (grows, runs) = axes(prepared.layer.orient);
        for rows in series(prepared) {
            let look = Look::of(prepared, rows[0], &self.scales)?;
            let mut points = Vec::new();
            for row in rows {
                points.push(self.place(prepared, row, (runs, grows))?);
            }
            // A fixed order is that of the data.
            if prepared.layer.channel(Name::Order).is_none() {
                points.sort_by(|one, other| run(one).total_cmp(&run(other)));
            }
            for (along, value) in points.iter().filter_map(|(along, value)| along.zip(*value)) {
                let place = |value: f64| if grows == 1 { (along, value) } else { (value, along) };
                self.reach(prepared, place(value.1));
            }
            let path = outline(&pieces(&points, prepared.layer.mark.invalid), prepared, grows == 1);
            if !path.is_empty() {
                let attributes: Vec<(&str, Attribute<'_>)> = vec![("d", (&path).into())];
                told(to, "path", attributes, &look);
            }
        }
        Ok(())
    }

    /// Where a row is; what is nowhere on the axis that values grow along still has its place on the other one.
    fn place(
        &self,
        prepared: &Prepared,
        row: &[Cell],
        (runs, grows): (usize, usize),
    ) -> Result<Place, Undrawable> {
        let along = self.along(prepared, row, runs)?.middle(self.lengths[runs]);
        let value = match self.along(prepared, row, grows)? {
            Along::Nowhere => None,
            Along::Anywhere => Some((self.lengths[grows] / 2.0, self.lengths[grows] / 2.0)),
            Along::At(from, to) if prepared.layer.mark.shape == Shape::Line && self.is_band(grows) => {
                Some((f64::midpoint(from, to), f64::midpoint(from, to)))
            }
            Along::At(from, to) if from == to && !is_span(prepared, row, grows) => {
                Some((self.base(grows), to))
            }
            Along::At(from, to) => Some((from, to)),
        };
        Ok((along, value))
    }

    fn is_band(&self, axis: usize) -> bool {
        matches!(&self.scales.places[axis], Some(crate::svg::scale::Position::Bands(_)))
    }
}

fn is_span(prepared: &Prepared, row: &[Cell], axis: usize) -> bool {
    let shown = prepared.layer.shown([Name::X, Name::Y][axis]);
    shown.is_some_and(|(at, _)| matches!(row[at], Cell::Span(..)))
}

fn run(point: &Place) -> f64 {
    point.0.unwrap_or(f64::NEG_INFINITY)
}

/// The rows of each line: those that are alike in everything that is seen of a whole line.
fn series(prepared: &Prepared) -> Vec<Vec<&Vec<Cell>>> {
    let tells = |name| matches!(name, Name::Color | Name::Detail | Name::Opacity | Name::Size | Name::Shape);
    let channels = prepared.layer.channels.iter().enumerate();
    let apart = channels
        .filter(|(_, channel)| tells(channel.name) && channel.shows_field() && channel.aggregate.is_none());
    let apart: Vec<usize> = apart.map(|(at, _)| at).collect();
    let mut groups: BTreeMap<Vec<&Cell>, usize> = BTreeMap::new();
    let mut series: Vec<Vec<&Vec<Cell>>> = Vec::new();
    for row in super::in_order(prepared) {
        let group = *groups.entry(apart.iter().map(|at| &row[*at]).collect()).or_insert(series.len());
        if group == series.len() {
            series.push(Vec::new());
        }
        series[group].push(row);
    }
    series
}

/// Runs of points between those that have no place.
fn pieces(points: &[Place], invalid: Invalid) -> Vec<Vec<Point>> {
    let mut pieces = vec![Vec::new()];
    for point in points {
        match (point, invalid) {
            ((Some(at), Some((from, to))), _) => {
                pieces.last_mut().expect("there is one").push((*at, *from, *to))
            }
            (_, Invalid::Break | Invalid::Show) => pieces.push(Vec::new()),
            (_, Invalid::Filter) => {}
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

fn outline(pieces: &[Vec<Point>], prepared: &Prepared, stands: bool) -> String {
    let mark = &prepared.layer.mark;
    let mut path = String::new();
    for piece in pieces {
        let upper: Vec<(f64, f64)> = piece.iter().map(|(at, _, value)| (*at, *value)).collect();
        path.push('M');
        curve(&upper, mark.interpolation, stands, &mut path);
        if mark.shape == Shape::Area {
            let lower: Vec<(f64, f64)> = piece.iter().rev().map(|(at, base, _)| (*at, *base)).collect();
            path.push('L');
            curve(&lower, backwards(mark.interpolation), stands, &mut path);
            path.push('Z');
        } else if mark.interpolation == Interpolation::LinearClosed {
            path.push('Z');
        }
    }
    path
}

/// A step before a point is one after it, on the way back.
const fn backwards(interpolation: Interpolation) -> Interpolation {
    match interpolation {
        Interpolation::StepBefore => Interpolation::StepAfter,
        Interpolation::StepAfter => Interpolation::StepBefore,
        other => other,
    }
}

/// Adds a line through points, from the first of them on.
fn curve(points: &[(f64, f64)], interpolation: Interpolation, stands: bool, path: &mut String) {
    let written = |(along, value): (f64, f64)| {
        let (x, y) = if stands { (along, value) } else { (value, along) };
        format!("{},{}", number(x), number(y))
    };
    path.push_str(&written(points[0]));
    let slopes = if interpolation == Interpolation::Monotone { slopes(points) } else { Vec::new() };
    for (at, pair) in points.windows(2).enumerate() {
        let ((from, before), (to, after)) = (pair[0], pair[1]);
        let middle = f64::midpoint(from, to);
        let corners = match interpolation {
            Interpolation::Linear | Interpolation::LinearClosed => vec![],
            Interpolation::Step => vec![(middle, before), (middle, after)],
            Interpolation::StepBefore => vec![(from, after)],
            Interpolation::StepAfter => vec![(to, before)],
            Interpolation::Monotone => {
                let third = (to - from) / 3.0;
                let (first, second) = (
                    (from + third, before + third * slopes[at]),
                    (to - third, after - third * slopes[at + 1]),
                );
                path.push_str(&format!("C{} {} {}", written(first), written(second), written((to, after))));
                continue;
            }
        };
        for corner in corners.into_iter().chain([(to, after)]) {
            path.push('L');
            path.push_str(&written(corner));
        }
    }
}

/// Slopes at points, such that a curve with them never goes beyond its points: as d3 has them, after Steffen.
fn slopes(points: &[(f64, f64)]) -> Vec<f64> {
    let secant = |pair: &[(f64, f64)]| match pair[1].0 - pair[0].0 {
        0.0 => 0.0,
        width => (pair[1].1 - pair[0].1) / width,
    };
    let secants: Vec<f64> = points.windows(2).map(secant).collect();
    let inner = points.windows(3).zip(secants.windows(2)).map(|(three, pair)| {
        let (left, right) = (three[1].0 - three[0].0, three[2].0 - three[1].0);
        let mean =
            if left + right == 0.0 { 0.0 } else { (pair[0] * right + pair[1] * left) / (left + right) };
        if pair[0] * pair[1] <= 0.0 {
            return 0.0;
        }
        2.0 * pair[0].signum() * pair[0].abs().min(pair[1].abs()).min(mean.abs() / 2.0)
    });
    let mut slopes: Vec<f64> = std::iter::once(0.0).chain(inner).chain([0.0]).collect();
    if let (Some(first), Some(last), 3..) = (secants.first(), secants.last(), points.len()) {
        slopes[0] = f64::midpoint(3.0 * first, -slopes[1]);
        let end = slopes.len() - 1;
        slopes[end] = f64::midpoint(3.0 * last, -slopes[end - 1]);
    } else if let Some(only) = secants.first() {
        slopes.fill(*only);
    }
    slopes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_breaks_where_nothing_is() {
        let at = |x: f64| (Some(x), Some((0.0, x)));
        let points = [at(1.0), (Some(2.0), None), at(3.0), at(4.0)];
        assert_eq!(
            pieces(&points, Invalid::Break),
            [vec![(1.0, 0.0, 1.0)], vec![(3.0, 0.0, 3.0), (4.0, 0.0, 4.0)]]
        );
        assert_eq!(pieces(&points, Invalid::Filter).len(), 1);
    }

    #[test]
    fn a_monotone_curve_is_flat_at_its_peaks() {
        let slopes = slopes(&[(0.0, 0.0), (1.0, 5.0), (2.0, 1.0), (3.0, 0.0)]);
        assert_eq!(slopes[1], 0.0);
        assert!(slopes.iter().all(|slope| slope.is_finite()));
        let mut path = String::new();
        curve(&[(0.0, 1.0), (2.0, 3.0)], Interpolation::Step, true, &mut path);
        assert_eq!(path, "0,1L1,1L1,3L2,3");
    }
}
