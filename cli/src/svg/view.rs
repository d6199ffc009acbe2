//! A specification as one view: layers over each other, each with data, a mark and channels.

use std::rc::Rc;

use serde_json::{Map, Value as Json, json};

use super::colour;
use super::data::{self, Rows};
use super::encoding::{self, Channel, Name, Stacking};
use super::mark::{self, Mark, Shape};
use super::node::{Node, Object};
use super::undrawable::Undrawable;
use super::{MAX_LAYERS, MAX_SIDE_PIXELS, orient};

/// A side of the drawing area.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Side {
    /// So many pixels.
    Pixels(f64),
    /// So many for every value of a discrete scale; whether for those of an offset within it.
    Step(f64, bool),
}

/// One mark for every row, or one through all of them.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The data.
    pub rows: Rows,
    /// What is drawn.
    pub mark: Mark,
    /// How.
    pub channels: Vec<Channel>,
    /// Which way it grows.
    pub orient: mark::Orient,
}

impl Layer {
    /// A channel, and which one it is.
    pub fn channel(&self, name: Name) -> Option<(usize, &Channel)> {
        self.channels.iter().enumerate().find(|(_, channel)| channel.name == name)
    }

    /// The channels that show something of the data.
    pub fn shown(&self, name: Name) -> Option<(usize, &Channel)> {
        self.channel(name).filter(|(_, channel)| channel.shows_data())
    }
}

/// The whole chart.
#[derive(Debug)]
pub struct View {
    /// What is written above it, in one or two lines.
    pub title: Option<(String, Option<String>)>,
    /// Its width and height, where they are given.
    pub sides: [Option<Side>; 2],
    /// The colour behind everything.
    pub background: String,
    /// The colour of the frame.
    pub frame: Option<String>,
    /// What is drawn, the lowest first.
    pub layers: Vec<Layer>,
}

/// What a part of a view has from those that it is part of.
#[derive(Clone)]
struct Inherited<'a> {
    rows: Rows,
    channels: Map<String, Json>,
    datasets: Option<Node<'a>>,
    config: Option<&'a Json>,
}

/// What changes nothing in a picture that stands still.
const UNSEEN: [&str; 4] = ["$schema", "description", "name", "usermeta"];

/// Views of several charts, which are not drawn.
const COMPOSITIONS: [&str; 6] = ["facet", "concat", "hconcat", "vconcat", "repeat", "projection"];

impl View {
    /// Reads a specification.
    pub fn read(spec: &Json) -> Result<Self, Undrawable> {
        let mut chart = Node::root(spec).object()?;
        chart.pass_over(&UNSEEN);
        params(&mut chart)?;
        let config = chart.some("config");
        let config_object = config.as_ref().map(Node::object).transpose()?;
        let configured = config_object.map(configuration).transpose()?.unwrap_or_default();
        let background = chart.some("background").map(|node| mark::paint(&node)).transpose()?;
        let frame = chart.some("view").map(|view| frame(&view)).transpose()?.flatten();
        let above = Inherited {
            rows: Rc::new(vec![json!({})]),
            channels: Map::new(),
            datasets: chart.some("datasets"),
            config: config.as_ref().map(|config| config.json),
        };
        if let Some(autosize) = chart.some("autosize") {
            autosize
                .one_of("autosize", &[("pad", ())])
                .map_err(|_| autosize.unsupported(format!("autosize {}", autosize.json)))?;
        }
        let mut view = Self {
            title: None,
            sides: [None, None],
            background: background.or(configured.background).unwrap_or_else(|| "white".to_owned()),
            frame: frame.or(configured.frame).unwrap_or_else(|| Some("#ddd".to_owned())),
            layers: Vec::new(),
        };
        view.add(chart, above)?;
        Ok(view)
    }

    /// Adds a view and those in it.
    fn add<'a>(&mut self, mut object: Object<'a>, mut above: Inherited<'a>) -> Result<(), Undrawable> {
        for key in COMPOSITIONS {
            if let Some(composition) = object.some(key) {
                return Err(composition.unsupported(format!("a {key}")));
            }
        }
        if let Some(data) = object.take("data") {
            above.rows = data::read(&data, above.datasets.as_ref())?;
        }
        transforms(&mut object)?;
        self.describe(&mut object)?;
        if let Some(encoding) = object.some("encoding") {
            let own =
                encoding.json.as_object().ok_or_else(|| encoding.malformed("an object is wanted here"))?;
            above.channels = encoding::inherit(&above.channels, own);
        }
        let (mark, layers, at) = (object.take("mark"), object.take("layer"), object.node.at.clone());
        if let Some(resolve) = object.some("resolve") {
            return Err(resolve.unsupported("scales or guides that layers do not share"));
        }
        let node = object.node.clone();
        object.finish("a view")?;
        match (mark, layers) {
            (Some(mark), None) => self.unit(&mark, &at, &above),
            (None, Some(layers)) => layers.list()?.iter().try_for_each(|layer| {
                let mut object = layer.object()?;
                object.pass_over(&UNSEEN);
                params(&mut object)?;
                self.add(object, above.clone())
            }),
            (Some(_), Some(_)) | (None, None) => Err(node.malformed("a view has either a mark or layers")),
        }
    }

    /// Reads the title and the size of a view; those of a layer count where the chart has none.
    fn describe(&mut self, object: &mut Object<'_>) -> Result<(), Undrawable> {
        let title = object.some("title").map(|node| title(&node)).transpose()?;
        self.title = self.title.take().or(title);
        for (at, key) in ["width", "height"].into_iter().enumerate() {
            let side = object.some(key).map(|node| side(&node)).transpose()?;
            self.sides[at] = self.sides[at].or(side);
        }
        Ok(())
    }

    /// Adds one mark, and what is laid over it.
    fn unit(&mut self, node: &Node<'_>, at: &str, above: &Inherited<'_>) -> Result<(), Undrawable> {
        let merged = mark::with_defaults(node, above.config)?;
        let channels = Json::Object(above.channels.clone());
        let channels = encoding::read(&Node { json: &channels, at: format!("{at}/encoding") })?;
        let mut mark = Mark::read(&Node { json: &merged, at: node.at.clone() })?;
        let overlays = overlays(&mark);
        if mark.shape == Shape::Area && !overlays.is_empty() && mark.opacities[0].is_none() {
            mark.opacities[0] = Some(0.7);
        }
        let orient = orient::of(&mark, &channels);
        let layer = Layer { rows: Rc::clone(&above.rows), mark, channels, orient };
        let stacked = orient::stacked(&layer);
        self.layers.push(layer.clone());
        for json in overlays {
            let mut over = layer.clone();
            over.mark = Mark::read(&Node { json: &json, at: node.at.clone() })?;
            over.mark.interpolation = layer.mark.interpolation;
            over.mark.color = over.mark.color.or_else(|| layer.mark.color.clone());
            if let Some((name, stacking)) = stacked {
                over.channels
                    .iter_mut()
                    .filter(|channel| channel.name == name)
                    .for_each(|channel| channel.stack = Some(stacking));
            }
            self.layers.push(over);
        }
        if self.layers.len() > MAX_LAYERS {
            return Err(Undrawable::TooMuch { what: "layers", limit: MAX_LAYERS });
        }
        Ok(())
    }
}

/// The definitions of marks that are laid over a line or an area.
fn overlays(mark: &Mark) -> Vec<Json> {
    let line = mark.overlaid_line.as_ref().filter(|_| mark.shape == Shape::Area);
    let point = mark.overlaid_point.as_ref().filter(|_| matches!(mark.shape, Shape::Area | Shape::Line));
    let over = |name: &str, defaults: Json, given: &Json| {
        let mut merged = defaults;
        if let (Some(merged), Some(given)) = (merged.as_object_mut(), given.as_object()) {
            merged.extend(given.clone());
            merged.insert("type".to_owned(), name.into());
        }
        merged
    };
    let line = line.map(|given| over("line", json!({}), given));
    let point = point.map(|given| match given {
        Json::String(transparent) if transparent == "transparent" => json!({"type": "point", "opacity": 0}),
        given => over("point", json!({"filled": true, "opacity": 1}), given),
    });
    line.into_iter().chain(point).collect()
}

/// Parameters change nothing by themselves, and whatever refers to one is refused. A brush that is there from the
/// beginning would be seen.
fn params(object: &mut Object<'_>) -> Result<(), Undrawable> {
    let Some(params) = object.some("params") else { return Ok(()) };
    for param in params.list()? {
        if param.json.get("select").is_some() && param.json.get("value").is_some() {
            return Err(param.unsupported("a selection that is made from the beginning"));
        }
    }
    Ok(())
}

fn transforms(object: &mut Object<'_>) -> Result<(), Undrawable> {
    let Some(transforms) = object.some("transform") else { return Ok(()) };
    match transforms.list()?.first() {
        None => Ok(()),
        Some(transform) => {
            const SORTS: [&str; 18] = [
                "calculate",
                "filter",
                "window",
                "joinaggregate",
                "aggregate",
                "stack",
                "fold",
                "flatten",
                "bin",
                "timeUnit",
                "impute",
                "lookup",
                "sample",
                "density",
                "regression",
                "loess",
                "quantile",
                "pivot",
            ];
            let sort = SORTS.iter().find(|sort| transform.json.get(sort).is_some());
            Err(transform
                .unsupported(sort.map_or("a transform".to_owned(), |sort| format!("the transform {sort:?}"))))
        }
    }
}

fn title(node: &Node<'_>) -> Result<(String, Option<String>), Undrawable> {
    if !node.json.is_object() {
        return Ok((node.text()?, None));
    }
    let mut title = node.object()?;
    let text = title.some("text").map(|text| text.text()).transpose()?.unwrap_or_default();
    let subtitle = title.some("subtitle").map(|text| text.text()).transpose()?;
    title.finish("a title")?;
    Ok((text, subtitle))
}

fn side(node: &Node<'_>) -> Result<Side, Undrawable> {
    if node.json.is_string() {
        return Err(node.unsupported(format!("the size {}", node.json)));
    }
    if !node.json.is_object() {
        return pixels(node).map(Side::Pixels);
    }
    let mut side = node.object()?;
    let step = side.take("step").ok_or_else(|| node.malformed("a number or a step is wanted here"))?;
    let position =
        side.some("for").map(|node| node.one_of("step for", &[("position", true), ("offset", false)]));
    let read = Side::Step(pixels(&step)?, !position.transpose()?.unwrap_or(false));
    side.finish("a size")?;
    Ok(read)
}

fn pixels(node: &Node<'_>) -> Result<f64, Undrawable> {
    let pixels = node.number()?;
    if pixels > MAX_SIDE_PIXELS as f64 {
        return Err(Undrawable::TooMuch { what: "pixels on a side", limit: MAX_SIDE_PIXELS });
    }
    Ok(pixels.max(1.0))
}

/// The frame's colour; `Some(None)` is none.
fn frame(node: &Node<'_>) -> Result<Option<Option<String>>, Undrawable> {
    let mut view = node.object()?;
    let stroke = view.take("stroke").map(|node| match node.json.as_str() {
        None if node.json.is_null() => Ok(None),
        Some("" | "transparent") => Ok(None),
        Some(_) | None => colour::read(&node).map(Some),
    });
    let stroke = stroke.transpose()?;
    view.finish("a view")?;
    Ok(stroke)
}

#[derive(Default)]
struct Configuration {
    background: Option<String>,
    frame: Option<Option<String>>,
}

/// Reads the configuration, of which the defaults of marks are read with each mark.
fn configuration(mut config: Object<'_>) -> Result<Configuration, Undrawable> {
    config.pass_over(&[
        "mark", "bar", "rect", "line", "area", "point", "circle", "square", "tick", "rule", "text", "arc",
    ]);
    let read = Configuration {
        background: config.some("background").map(|node| mark::paint(&node)).transpose()?,
        frame: config.some("view").map(|view| frame(&view)).transpose()?.flatten(),
    };
    config.finish("the configuration")?;
    Ok(read)
}

/// How the channel of a layer that is stacked is.
pub type Stacked = Option<(Name, Stacking)>;
