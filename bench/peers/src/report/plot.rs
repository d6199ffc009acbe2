//! Plots as SVG, written by hand: lines over cases, and bars.

use std::fmt::Write;

use crate::side::Side;

/// Where lines are drawn, in a picture of this size.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 36.0;

/// How high a bar is with the space below it, and where it begins and ends.
const BAR: f64 = 24.0;
const BAR_LEFT: f64 = 150.0;
const BAR_RIGHT: f64 = 90.0;

/// How far names of lines stay from each other.
const NAME_DISTANCE: f64 = 14.0;

/// Values of sides in several cases.
pub struct Lines {
    pub cases: Vec<String>,
    pub series: Vec<(Side, Vec<Option<f64>>)>,
    pub unit: &'static str,
}

/// A logarithmic scale over whole decades.
struct Scale {
    first: i32,
    last: i32,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.filter(|value| *value > 0.0).collect();
        let decade = |value: &f64| value.log10();
        let first = values.iter().map(decade).min_by(f64::total_cmp)?.floor();
        let last = values.iter().map(decade).max_by(f64::total_cmp)?.ceil();
        #[expect(clippy::cast_possible_truncation, reason = "logarithms are small")]
        Some(Self { first: first as i32, last: (last as i32).max(first as i32 + 1) })
    }

    /// Where a value lies, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        (value.log10() - f64::from(self.first)) / f64::from(self.last - self.first)
    }

    fn marks(&self) -> impl Iterator<Item = f64> {
        (self.first..=self.last).map(|decade| 10f64.powi(decade))
    }
}

/// The colour of a side: ours are blue, the floor is grey.
pub const fn colour(side: Side) -> &'static str {
    match side {
        Side::Floor => "#8a8f98",
        Side::Relay => "#0b5cd5",
        Side::RelayYjs => "#2e8bff",
        Side::RelayHocuspocus => "#12b5cb",
        Side::RelayYSweet => "#6a5cff",
        Side::RelayAutomerge => "#7fb2ff",
        Side::YWebsocket => "#e8710a",
        Side::Hocuspocus => "#d93025",
        Side::YSweet => "#c026a3",
        Side::Automerge => "#b08900",
    }
}

/// A number without digits that say nothing.
pub fn short(value: f64) -> String {
    match value.abs() {
        1e6.. => format!("{:.2}M", value / 1e6),
        1e3.. => format!("{:.1}k", value / 1e3),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        0.1.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Lines on a logarithmic scale; nothing if there is nothing to draw.
pub fn lines(plot: &Lines) -> Option<String> {
    let scale = Scale::of(plot.series.iter().flat_map(|(_, values)| values.iter().flatten().copied()))?;
    let steps = (plot.cases.len().max(2) - 1) as f64;
    let x = |at: usize| LEFT + (WIDTH - LEFT - RIGHT) * at as f64 / steps;
    let y = |value: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * scale.place(value);
    let mut svg = begun(HEIGHT);
    for mark in scale.marks() {
        let (at, end) = (y(mark), WIDTH - RIGHT);
        _ = write!(svg, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{at:.1}\" y2=\"{at:.1}\" />");
        _ = write!(
            svg,
            "<text class=\"end\" x=\"{}\" y=\"{:.1}\">{} {}</text>",
            LEFT - 6.0,
            at + 4.0,
            axis(mark),
            plot.unit
        );
    }
    for (at, case) in plot.cases.iter().enumerate() {
        _ = write!(svg, "<text class=\"middle\" x=\"{:.1}\" y=\"{}\">{case}</text>", x(at), HEIGHT - 12.0);
    }
    let mut names = Vec::new();
    for (side, values) in &plot.series {
        let points: Vec<(f64, f64)> = values
            .iter()
            .enumerate()
            .filter_map(|(at, value)| Some((x(at), y((*value).filter(|value| *value > 0.0)?))))
            .collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let colour = colour(*side);
        _ = write!(svg, "<polyline stroke=\"{colour}\" points=\"{}\" />", path.join(" "));
        for (x, y) in &points {
            _ = write!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\" />");
        }
        names.extend(points.last().map(|(_, y)| (*y, *side)));
    }
    for (at, side) in apart(names) {
        let colour = colour(side);
        _ = write!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" fill=\"{colour}\">{side}</text>",
            WIDTH - RIGHT + 10.0,
            at + 4.0
        );
    }
    Some(svg + "</svg>")
}

/// Bars from zero on; nothing if there are none.
pub fn bars(values: &[(Side, f64)], unit: &str) -> Option<String> {
    let most = values.iter().map(|(_, value)| *value).max_by(f64::total_cmp).filter(|most| *most > 0.0)?;
    let mut svg = begun(BAR * values.len() as f64 + 4.0);
    for (at, (side, value)) in values.iter().enumerate() {
        let (y, width) = (BAR * at as f64 + 2.0, (WIDTH - BAR_LEFT - BAR_RIGHT) * value.max(0.0) / most);
        let (colour, middle) = (colour(*side), y + BAR / 2.0 + 2.0);
        _ = write!(svg, "<text class=\"end\" x=\"{}\" y=\"{middle}\">{side}</text>", BAR_LEFT - 8.0);
        _ = write!(
            svg,
            "<rect x=\"{BAR_LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" rx=\"3\" fill=\"{colour}\" />",
            BAR - 6.0
        );
        let at = BAR_LEFT + width + 6.0;
        _ = write!(svg, "<text x=\"{at:.1}\" y=\"{middle}\">{} {unit}</text>", short(*value));
    }
    Some(svg + "</svg>")
}

fn begun(height: f64) -> String {
    format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">")
}

/// A mark of the scale, which is a power of ten.
fn axis(mark: f64) -> String {
    if mark >= 1.0 { format!("{mark:.0}") } else { format!("{mark}") }
}

/// Names so far from each other that they can be read, in the order of where they belong.
fn apart(mut names: Vec<(f64, Side)>) -> Vec<(f64, Side)> {
    names.sort_by(|one, other| one.0.total_cmp(&other.0));
    for at in 1..names.len() {
        names[at].0 = names[at].0.max(names[at - 1].0 + NAME_DISTANCE);
    }
    // Whoever was pushed out of the picture pushes back.
    let mut lowest = HEIGHT - BOTTOM;
    for name in names.iter_mut().rev() {
        name.0 = name.0.min(lowest);
        lowest = name.0 - NAME_DISTANCE;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_holds_all_values() {
        let scale = Scale::of([0.0, 0.7, 35.0].into_iter()).expect("there are values");
        assert_eq!(scale.marks().collect::<Vec<_>>(), [0.1, 1.0, 10.0, 100.0]);
        assert!(scale.place(0.1).abs() < 1e-9 && (scale.place(100.0) - 1.0).abs() < 1e-9);
        assert!(Scale::of([0.0].into_iter()).is_none());
    }

    #[test]
    fn names_can_be_read() {
        let placed = apart(vec![
            (263.0, Side::YSweet),
            (100.0, Side::Floor),
            (101.0, Side::Relay),
            (262.0, Side::Hocuspocus),
        ]);
        let places: Vec<f64> = placed.iter().map(|(place, _)| *place).collect();
        assert_eq!(places, [100.0, 114.0, 250.0, 264.0]);
    }

    #[test]
    fn the_longest_bar_is_of_the_most() {
        let svg = bars(&[(Side::Floor, 2.0), (Side::Relay, 4.0)], "KiB").expect("there are bars");
        assert!(svg.contains("width=\"200.0\"") && svg.contains("width=\"400.0\""), "{svg}");
    }
}
