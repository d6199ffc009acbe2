//! A chart as a picture: from a Vega-Lite specification to SVG.
//!
//! Simple charts are drawn - bars, lines, areas, points, pies, and layers of them - as Vega-Lite draws them, by its
//! rules for types, scales, stacking and guides. Whatever else a specification asks for is an error that names it, as a
//! picture that leaves something out would be a wrong one: specifications are read strictly, key by key, and a key that
//! nobody asks for is refused. The same specification always gives the same bytes.
//!
//! ```text
//! node       reads JSON strictly           view       layers, size and title
//! data       rows and fields               mark       what is drawn for each row
//! table      bins, aggregates, stacks      encoding   what is drawn how
//! scale      values to places and colours  orient     which way marks grow
//! axis, legend, drawing                    markup     well-formed SVG
//! ```

mod axis;
mod cell;
mod colour;
mod data;
mod drawing;
mod encoding;
mod legend;
mod lettering;
mod mark;
mod markup;
mod node;
mod number;
mod orient;
mod scale;
mod stack;
mod table;
mod time;
mod undrawable;
mod view;

#[cfg(test)]
mod specifications;

use serde_json::Value as Json;

use axis::Axis;
use drawing::Canvas;
use encoding::Name;
use legend::Legend;
use markup::Markup;
use scale::{Prepared, Scales};
use view::View;

pub use undrawable::Undrawable;

/// Most rows of data in a chart: more are no simple chart, and no picture of them is looked at.
pub const MAX_ROWS: usize = 50_000;
/// Most names on one scale, each of which is written beside it.
pub const MAX_NAMES: usize = 1_000;
/// Longest side of the drawing area.
pub const MAX_SIDE_PIXELS: usize = 20_000;
/// Most layers of a chart.
pub const MAX_LAYERS: usize = 100;
/// Most lines of a legend; how many more there would be is its last one.
pub const MAX_LEGEND_ENTRIES: usize = 30;

/// What is free around everything.
const PADDING: f64 = 8.0;
/// What is free between the area and the legends.
const LEGEND_GAP: f64 = 18.0;
const TITLE_SIZE: f64 = 13.0;
const SUBTITLE_SIZE: f64 = 11.0;

/// Draws a Vega-Lite specification.
pub fn draw(specification: &Json) -> Result<String, Undrawable> {
    let view = View::read(specification)?;
    let mut layers = Vec::new();
    for layer in view.layers.clone() {
        let table = table::prepare(&layer)?;
        layers.push(Prepared { layer, table });
    }
    let (scales, lengths) = Scales::new(&layers, view.sides)?;
    let axes = [Axis::new(&layers, &scales, lengths, 0)?, Axis::new(&layers, &scales, lengths, 1)?];
    let legends = Legend::all(&layers, &scales, lengths[1])?;
    Picture { view, layers, axes, legends, canvas: Canvas::new(lengths, scales) }.write()
}

/// Everything that is drawn, laid out.
struct Picture {
    view: View,
    layers: Vec<Prepared>,
    axes: [Option<Axis>; 2],
    legends: Vec<Legend>,
    canvas: Canvas,
}

impl Picture {
    fn write(&self) -> Result<String, Undrawable> {
        let [width, height] = self.canvas.lengths;
        let mut area = Markup::default();
        self.draw_area(&mut area)?;
        let [leftwards, rightwards, upwards, downwards] = self.canvas.beyond.get();
        let thickness = |axis: &Option<Axis>| axis.as_ref().map_or(0.0, Axis::thickness);
        let left = PADDING + thickness(&self.axes[1]).max(leftwards);
        let bottom = PADDING + thickness(&self.axes[0]).max(downwards);
        let top = PADDING + self.title_height() + upwards;
        let widest = self.legends.iter().map(|legend| legend.extent().0).fold(0.0, f64::max);
        let overhang = self.axes[0].as_ref().map_or(0.0, Axis::overhang).max(rightwards);
        let beside = if self.legends.is_empty() { overhang } else { overhang.max(LEGEND_GAP + widest) };
        let legend_height: f64 = self.legends.iter().map(|legend| legend.extent().1 + PADDING).sum();
        let title_width =
            self.view.title.as_ref().map_or(0.0, |(title, _)| lettering::bold_width(title, TITLE_SIZE));
        let whole = (
            (left + width + beside + PADDING).max(title_width + 2.0 * PADDING).ceil(),
            (top + height + bottom).max(top + legend_height).ceil(),
        );
        let mut to = Markup::default();
        begin(whole, &self.view.background, &mut to);
        let place = format!("translate({},{})", markup::number(left), markup::number(top));
        to.open("g", &[("transform", (&place).into())]);
        self.draw_title(title_middle(left, width, title_width), &mut to);
        to.append(area);
        let mut below = 0.0;
        for (number, legend) in self.legends.iter().enumerate() {
            legend.draw(number, (width + LEGEND_GAP, below), &mut to);
            below += legend.extent().1 + PADDING;
        }
        to.close();
        to.close();
        Ok(to.finish())
    }

    fn title_height(&self) -> f64 {
        match &self.view.title {
            None => 0.0,
            Some((_, None)) => TITLE_SIZE + 8.0,
            Some((_, Some(_))) => TITLE_SIZE + SUBTITLE_SIZE + 11.0,
        }
    }

    fn draw_title(&self, middle: f64, to: &mut Markup) {
        let Some((title, subtitle)) = &self.view.title else { return };
        let top = TITLE_SIZE - self.title_height() - self.canvas.beyond.get()[2];
        let place = |y: f64| [("x", middle.into()), ("y", y.into()), ("text-anchor", "middle".into())];
        let [x, y, anchor] = place(top);
        to.text(
            "text",
            &[x, y, anchor, ("font-size", TITLE_SIZE.into()), ("font-weight", "bold".into())],
            title,
        );
        if let Some(subtitle) = subtitle {
            let [x, y, anchor] = place(top + SUBTITLE_SIZE + 3.0);
            to.text("text", &[x, y, anchor, ("font-size", SUBTITLE_SIZE.into())], subtitle);
        }
    }

    /// Grid and axes stand behind the marks.
    fn draw_area(&self, to: &mut Markup) -> Result<(), Undrawable> {
        let [width, height] = self.canvas.lengths;
        to.open("clipPath", &[("id", "area".into())]);
        to.empty("rect", &[("width", width.into()), ("height", height.into())]);
        to.close();
        let is_placed = |prepared: &Prepared| {
            [Name::X, Name::Y].iter().any(|name| prepared.layer.channel(*name).is_some())
        };
        let is_framed = self.layers.iter().any(is_placed);
        if let (Some(frame), true) = (&self.view.frame, is_framed) {
            to.empty(
                "rect",
                &[
                    ("width", width.into()),
                    ("height", height.into()),
                    ("fill", "none".into()),
                    ("stroke", frame.into()),
                ],
            );
        }
        self.axes.iter().flatten().for_each(|axis| axis.draw_grid(to));
        self.axes.iter().flatten().for_each(|axis| axis.draw(to));
        self.canvas.draw(&self.layers, to)
    }
}

/// The middle of the area, or farther right where a longer title would begin outside of the picture.
fn title_middle(left: f64, width: f64, title: f64) -> f64 {
    (width / 2.0).max(title / 2.0 + PADDING - left)
}

fn begin((width, height): (f64, f64), background: &str, to: &mut Markup) {
    let view_box = format!("0 0 {} {}", markup::number(width), markup::number(height));
    to.open(
        "svg",
        &[
            ("xmlns", "http://www.w3.org/2000/svg".into()),
            ("width", width.into()),
            ("height", height.into()),
            ("viewBox", (&view_box).into()),
            ("font-family", "Helvetica, Arial, sans-serif".into()),
        ],
    );
    to.empty("rect", &[("width", width.into()), ("height", height.into()), ("fill", background.into())]);
}
