//! What is drawn for each row: the marks and their properties.

use serde_json::{Map, Value as Json};

use super::colour;
use super::node::{Node, Object};
use super::undrawable::Undrawable;

/// The kinds of marks that are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// From a base to a value.
    Bar,
    /// A rectangle of a matrix.
    Rect,
    /// Through the values.
    Line,
    /// Between a line and a base.
    Area,
    /// A symbol's outline.
    Point,
    /// A filled circle.
    Circle,
    /// A filled square.
    Square,
    /// A short stroke.
    Tick,
    /// A line across, or from one place to another.
    Rule,
    /// Letters.
    Text,
    /// A slice of a pie.
    Arc,
}

const SHAPES: [(&str, Shape); 11] = [
    ("bar", Shape::Bar),
    ("rect", Shape::Rect),
    ("line", Shape::Line),
    ("area", Shape::Area),
    ("point", Shape::Point),
    ("circle", Shape::Circle),
    ("square", Shape::Square),
    ("tick", Shape::Tick),
    ("rule", Shape::Rule),
    ("text", Shape::Text),
    ("arc", Shape::Arc),
];

/// How a line goes from one point to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// Straight.
    Linear,
    /// Straight, and back to the beginning.
    LinearClosed,
    /// In curves that never pass the points.
    Monotone,
    /// In steps, half way between the points.
    Step,
    /// In steps, before each point.
    StepBefore,
    /// In steps, after each point.
    StepAfter,
}

/// What becomes of rows that have nothing to be drawn at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// Lines end before them.
    Break,
    /// As if they were not there.
    Filter,
    /// Drawn as zero.
    Show,
}

/// Which way bars grow and lines run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orient {
    /// Bars stand.
    Vertical,
    /// Bars lie.
    Horizontal,
}

/// How large a mark is across.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Breadth {
    /// In pixels.
    Pixels(f64),
    /// As a part of the band.
    Band(f64),
}

/// A mark and its properties; those that are `None` are left to their defaults.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Its kind.
    pub shape: Shape,
    /// Where it stands.
    pub at: String,
    /// The colour of whatever it has a colour in.
    pub color: Option<String>,
    /// The inner colour.
    pub fill: Option<String>,
    /// The colour of the outline.
    pub stroke: Option<String>,
    /// Whether the colour is the inner one.
    pub filled: Option<bool>,
    /// Of the whole mark, its inside, its outline.
    pub opacities: [Option<f64>; 3],
    /// The width of the outline.
    pub stroke_width: Option<f64>,
    /// The lengths of dashes and gaps.
    pub dash: Option<String>,
    /// How strokes end, and how they are joined.
    pub ends: [Option<String>; 2],
    /// The area of a symbol, the breadth of a bar.
    pub size: Option<f64>,
    /// The breadth of a bar along x and y.
    pub breadths: [Option<Breadth>; 2],
    /// The thickness of a tick.
    pub thickness: Option<f64>,
    /// The name of the symbol.
    pub symbol: Option<String>,
    /// How lines run.
    pub interpolation: Interpolation,
    /// Which way it is meant to grow.
    pub orient: Option<Orient>,
    /// The radius of a bar's corners, and of those at its end alone.
    pub corners: (f64, f64),
    /// The radii of arcs, inner and outer, and the distance of their labels.
    pub radii: [Option<f64>; 3],
    /// The angle between arcs.
    pub pad_angle: f64,
    /// Whether nothing is drawn outside of the axes.
    pub clip: bool,
    /// Whether every row tells its values.
    pub tooltip: bool,
    /// What becomes of rows without values.
    pub invalid: Invalid,
    /// How letters look.
    pub lettering: Lettering,
    /// The points on a line.
    pub overlaid_point: Option<Json>,
    /// The line on an area.
    pub overlaid_line: Option<Json>,
}

/// How letters look.
#[derive(Clone, Debug, Default)]
pub struct Lettering {
    /// What is written, where no channel says it.
    pub text: Option<String>,
    /// To which side of its place: `left`, `center` or `right`.
    pub align: Option<String>,
    /// How high: `top`, `middle`, `bottom` or `alphabetic`.
    pub baseline: Option<String>,
    /// How far from its place.
    pub offset: (f64, f64),
    /// By how many degrees it is turned.
    pub angle: f64,
    /// In pixels.
    pub size: Option<f64>,
    /// `bold`, or a number.
    pub weight: Option<String>,
    /// `italic`.
    pub style: Option<String>,
}

const INTERPOLATIONS: [(&str, Interpolation); 6] = [
    ("linear", Interpolation::Linear),
    ("linear-closed", Interpolation::LinearClosed),
    ("monotone", Interpolation::Monotone),
    ("step", Interpolation::Step),
    ("step-before", Interpolation::StepBefore),
    ("step-after", Interpolation::StepAfter),
];

const ORIENTS: [(&str, Orient); 2] = [("vertical", Orient::Vertical), ("horizontal", Orient::Horizontal)];

const INVALIDS: [(&str, Invalid); 5] = [
    ("filter", Invalid::Filter),
    ("break-paths-show-path-domains", Invalid::Break),
    ("break-paths-filter-domains", Invalid::Break),
    ("break-paths-show-domains", Invalid::Break),
    ("show", Invalid::Show),
];

/// A mark's definition with the defaults that the configuration has for it, all as one object.
pub fn with_defaults(node: &Node<'_>, config: Option<&Json>) -> Result<Json, Undrawable> {
    let given = match node.json {
        Json::Object(object) => object.clone(),
        _ => Map::from_iter([("type".to_owned(), node.string()?.into())]),
    };
    let name = given.get("type").and_then(Json::as_str).unwrap_or_default().to_owned();
    let of = |key: &str| config.and_then(|config| config.get(key)).and_then(Json::as_object).cloned();
    let mut merged = of("mark").unwrap_or_default();
    merged.extend(of(&name).unwrap_or_default());
    merged.extend(given);
    Ok(Json::Object(merged))
}

impl Mark {
    /// Reads a definition.
    pub fn read(node: &Node<'_>) -> Result<Self, Undrawable> {
        let mut mark = node.object()?;
        let shape = mark.take("type").ok_or_else(|| node.malformed("a mark needs a type"))?;
        let shape = shape.one_of("mark", &SHAPES)?;
        let colour = |mark: &mut Object<'_>, key| mark.some(key).map(|node| paint(&node)).transpose();
        let read = Self {
            shape,
            at: node.at.clone(),
            color: colour(&mut mark, "color")?,
            fill: colour(&mut mark, "fill")?,
            stroke: colour(&mut mark, "stroke")?,
            filled: mark.boolean("filled")?,
            opacities: [mark.number("opacity")?, mark.number("fillOpacity")?, mark.number("strokeOpacity")?],
            stroke_width: mark.number("strokeWidth")?,
            dash: mark.some("strokeDash").map(|dash| dashes(&dash)).transpose()?,
            ends: [one(&mut mark, "strokeCap", &CAPS)?, one(&mut mark, "strokeJoin", &JOINS)?],
            size: mark.number("size")?,
            breadths: [breadth(&mut mark, "width")?, breadth(&mut mark, "height")?],
            thickness: mark.number("thickness")?,
            symbol: mark.string("shape")?,
            interpolation: chosen(&mut mark, "interpolate", &INTERPOLATIONS, Interpolation::Linear)?,
            orient: mark.some("orient").map(|node| node.one_of("orientation", &ORIENTS)).transpose()?,
            corners: (
                mark.number("cornerRadius")?.unwrap_or(0.0),
                mark.number("cornerRadiusEnd")?.unwrap_or(0.0),
            ),
            radii: [mark.number("innerRadius")?, mark.number("outerRadius")?, mark.number("radius")?],
            pad_angle: mark.number("padAngle")?.unwrap_or(0.0),
            clip: mark.boolean("clip")?.unwrap_or(false),
            tooltip: mark
                .take("tooltip")
                .is_some_and(|node| !matches!(node.json, Json::Null | Json::Bool(false))),
            invalid: invalid(&mut mark)?,
            lettering: Lettering::read(&mut mark)?,
            overlaid_point: overlay(&mut mark, "point"),
            overlaid_line: overlay(&mut mark, "line"),
        };
        mark.pass_over(&["cursor", "aria", "description", "ariaRole", "ariaRoleDescription"]);
        read.fits(node)?;
        mark.finish("a mark")?;
        Ok(read)
    }
}

impl Mark {
    /// Some properties are drawn of some marks alone.
    fn fits(&self, node: &Node<'_>) -> Result<(), Undrawable> {
        let is_box = matches!(self.shape, Shape::Bar | Shape::Rect);
        let is_small = matches!(self.shape, Shape::Line | Shape::Area | Shape::Rule | Shape::Text);
        let lacks = [
            (self.corners != (0.0, 0.0) && !is_box && !is_small, "round corners of this mark"),
            (self.breadths != [None; 2] && !is_box, "a width or height of this mark"),
            (self.radii[2].is_some() && self.shape != Shape::Text, "a radius of this mark"),
            (self.lettering.angle != 0.0 && !matches!(self.shape, Shape::Text), "an angle of this mark"),
        ];
        let lacking = lacks.into_iter().find(|(lacks, _)| *lacks);
        lacking.map_or(Ok(()), |(_, what)| Err(node.unsupported(what)))
    }
}

const CAPS: [&str; 3] = ["butt", "round", "square"];
const JOINS: [&str; 3] = ["miter", "round", "bevel"];

/// A colour, or the word for none.
pub fn paint(node: &Node<'_>) -> Result<String, Undrawable> {
    match node.json.as_str() {
        Some("" | "transparent") => Ok("none".to_owned()),
        Some(_) | None => colour::read(node),
    }
}

/// Dashes as SVG writes them.
pub fn dashes(node: &Node<'_>) -> Result<String, Undrawable> {
    let lengths = node.numbers()?.into_iter().map(|length| super::markup::number(length.max(0.0)));
    Ok(lengths.collect::<Vec<_>>().join(" "))
}

fn one(
    mark: &mut Object<'_>,
    key: &'static str,
    known: &[&'static str],
) -> Result<Option<String>, Undrawable> {
    let known: Vec<_> = known.iter().map(|name| (*name, *name)).collect();
    Ok(mark.some(key).map(|node| node.one_of(key, &known)).transpose()?.map(str::to_owned))
}

fn chosen<T: Copy>(
    mark: &mut Object<'_>,
    key: &'static str,
    known: &[(&str, T)],
    otherwise: T,
) -> Result<T, Undrawable> {
    Ok(mark.some(key).map(|node| node.one_of(key, known)).transpose()?.unwrap_or(otherwise))
}

fn breadth(mark: &mut Object<'_>, key: &'static str) -> Result<Option<Breadth>, Undrawable> {
    let Some(node) = mark.some(key) else { return Ok(None) };
    if node.json.get("band").is_none() {
        return Ok(Some(Breadth::Pixels(node.number()?)));
    }
    let mut band = node.object()?;
    let part = band.number("band")?.unwrap_or(1.0);
    band.finish("a band")?;
    Ok(Some(Breadth::Band(part)))
}

fn invalid(mark: &mut Object<'_>) -> Result<Invalid, Undrawable> {
    match mark.take("invalid") {
        None => Ok(Invalid::Break),
        Some(node) if node.json.is_null() => Ok(Invalid::Show),
        Some(node) => node.one_of("handling of invalid values", &INVALIDS),
    }
}

/// A mark on top of another, as an object; `true` is one with its defaults.
fn overlay(mark: &mut Object<'_>, key: &'static str) -> Option<Json> {
    match mark.take(key)?.json {
        Json::Null | Json::Bool(false) => None,
        Json::Bool(true) => Some(Json::Object(Map::new())),
        other => Some(other.clone()),
    }
}

impl Lettering {
    fn read(mark: &mut Object<'_>) -> Result<Self, Undrawable> {
        Ok(Self {
            text: mark.some("text").map(|text| text.text()).transpose()?,
            align: one(mark, "align", &["left", "center", "right"])?,
            baseline: one(mark, "baseline", &["top", "middle", "bottom", "alphabetic"])?,
            offset: (mark.number("dx")?.unwrap_or(0.0), mark.number("dy")?.unwrap_or(0.0)),
            angle: mark.number("angle")?.unwrap_or(0.0),
            size: mark.number("fontSize")?,
            weight: mark.some("fontWeight").map(|weight| font_weight(&weight)).transpose()?,
            style: one(mark, "fontStyle", &["normal", "italic", "oblique"])?,
        })
    }
}

fn font_weight(node: &Node<'_>) -> Result<String, Undrawable> {
    if node.json.is_number() {
        return Ok(node.number()?.to_string());
    }
    const WEIGHTS: [(&str, &str); 4] =
        [("normal", "normal"), ("bold", "bold"), ("lighter", "lighter"), ("bolder", "bolder")];
    node.one_of("font weight", &WEIGHTS).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(json: Json) -> Result<Mark, Undrawable> {
        let merged =
            with_defaults(&Node::root(&json), Some(&json!({"bar": {"color": "red", "opacity": 1}})))?;
        Mark::read(&Node::root(&merged))
    }

    #[test]
    fn a_mark_has_the_configured_defaults_that_it_does_not_override() {
        let mark = read(json!({"type": "bar", "opacity": 0.5})).expect("it is a bar");
        assert_eq!((mark.color.as_deref(), mark.opacities[0]), (Some("red"), Some(0.5)));
        assert_eq!(read(json!("point")).expect("it is a point").color, None);
    }

    #[test]
    fn what_is_not_drawn_is_named() {
        for (json, what) in [
            (json!("geoshape"), "the mark \"geoshape\""),
            (json!({"type": "line", "interpolate": "basis"}), "the interpolate \"basis\""),
            (json!({"type": "bar", "style": "x"}), "\"style\" of a mark"),
            (json!({"type": "bar", "color": {"gradient": "linear"}}), "a gradient"),
            (json!({"type": "text", "angle": {"expr": "angle"}}), "the expression \"angle\""),
        ] {
            let error = read(json).expect_err("it is not drawn");
            assert!(error.to_string().starts_with(what), "{error}");
        }
    }
}
