//! Whole specifications: real ones, random ones, and what becomes of hostile texts and numbers.

#[path = "../../../core/tests/real_data/mod.rs"]
mod real_data;

use std::collections::BTreeMap;

use quickcheck::{Arbitrary, Gen, QuickCheck};
use serde_json::{Map, Value as Json, json};
use syncline_core::chart::Chart;

use super::{MAX_LAYERS, MAX_LEGEND_ENTRIES, MAX_NAMES, MAX_ROWS, MAX_SIDE_PIXELS, Undrawable, draw};

/// Draws it, and looks at the picture as a reader of XML does.
#[track_caller]
fn drawn(specification: &Json) -> String {
    let picture = draw(specification).unwrap_or_else(|error| panic!("{error}: {specification}"));
    check(&picture);
    picture
}

#[track_caller]
fn check(picture: &str) {
    let document = roxmltree::Document::parse(picture).unwrap_or_else(|error| panic!("{error}: {picture}"));
    for node in document.descendants() {
        for attribute in node.attributes() {
            let value = attribute.value();
            assert!(!value.contains("NaN") && !value.contains("inf"), "{}={value:?}", attribute.name());
        }
    }
}

/// How many elements of a name a picture has.
fn count(picture: &str, element: &str) -> usize {
    picture.matches(&format!("<{element} ")).count()
}

fn texts(picture: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(picture).expect("it is well-formed");
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts.map(|node| node.text().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_real_specification_is_drawn_or_says_what_is_not() {
    let Some(folder) = real_data::real_data("charts") else { return };
    let out = std::env::var_os("SYNCLINE_DRAWN").map(std::path::PathBuf::from);
    let (mut pictures, mut reasons) = (0, BTreeMap::<String, Vec<String>>::new());
    for file in std::fs::read_dir(folder).expect("it is a folder") {
        let path = file.expect("it can be read").path();
        let bytes = std::fs::read(&path).expect("it can be read");
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let chart = Chart::from_vega_lite(&bytes).expect("it is a specification");
        match draw(&chart.to_vega_lite()) {
            Ok(picture) => {
                check(&picture);
                pictures += 1;
                if let Some(out) = &out {
                    std::fs::write(out.join(name.replace(".vl.json", ".svg")), &picture)
                        .expect("it can be written");
                }
            }
            Err(error) => reasons.entry(error.to_string()).or_default().push(name),
        }
    }
    println!("{pictures} drawn");
    reasons.iter().for_each(|(reason, names)| println!("{}: {reason}", names.join(" ")));
    assert!(pictures >= 40, "{pictures}");
}

/// Bars of some values.
fn bars(values: &Json) -> Json {
    json!({"data": {"values": values}, "mark": "bar", "encoding": {
        "x": {"field": "a", "type": "nominal"}, "y": {"field": "b", "type": "quantitative"}, "color": {"field": "c"}}})
}

#[test]
fn a_bar_for_every_row_an_axis_on_two_sides_and_a_legend() {
    let values =
        json!([{"a": "x", "b": 1, "c": "p"}, {"a": "x", "b": 2, "c": "q"}, {"a": "y", "b": -4, "c": "p"}]);
    let picture = drawn(&bars(&values));
    // The background, the frame, and what is cut off, beside the bars.
    assert_eq!(count(&picture, "rect"), 3 + 3);
    let texts = texts(&picture);
    for text in ["x", "y", "a", "b", "c", "p", "q", "\u{2212}4", "3"] {
        assert!(texts.iter().any(|written| written == text), "{text}: {texts:?}");
    }
    assert_eq!(picture, draw(&bars(&values)).expect("it is drawn again"));
}

#[test]
fn texts_of_any_script_are_kept_and_controls_replaced() {
    let names = ["漢字", "👩‍👩‍👧", "عربي", "</text><script>", "a&b\"'", "nul\u{0}bell\u{7}", "\u{ffff}"];
    let values: Vec<Json> = names.iter().map(|name| json!({"a": name, "b": 1, "c": name})).collect();
    let mut specification = bars(&values.into());
    specification["title"] = json!("]]> <!-- \u{1b}[31m");
    let texts = texts(&drawn(&specification));
    for name in &names[..5] {
        assert!(texts.iter().any(|text| text == name), "{name}: {texts:?}");
    }
    assert!(texts.iter().any(|text| text == "nul\u{fffd}bell\u{fffd}"), "{texts:?}");
}

#[test]
fn nulls_missing_fields_and_absurd_numbers_are_no_coordinates() {
    let values = json!([{}, {"a": null, "b": null}, {"b": "x"}, {"b": 1e308}, {"b": -1e308}, {"b": 5e-324}, {"b": [1]}, {"b": {}}, 3, null, "s"]);
    for mark in ["bar", "line", "area", "point", "tick", "rule", "text", "arc", "rect", "square"] {
        for kind in ["quantitative", "nominal", "ordinal", "temporal"] {
            let encoding = json!({"x": {"field": "b", "type": kind}, "y": {"field": "b", "type": "quantitative"},
                "color": {"field": "b", "type": kind}, "size": {"field": "b", "type": "quantitative"}});
            let specification = json!({"data": {"values": values}, "mark": mark, "encoding": encoding});
            if let Ok(picture) = draw(&specification) {
                check(&picture);
            }
            let encoding = json!({"theta": {"field": "b", "type": "quantitative"}, "color": {"field": "b"}});
            drawn(
                &json!({"data": {"values": [{"b": 1}, {"b": null}, {"b": -1}, {}]}, "mark": "arc", "encoding": encoding}),
            );
        }
    }
}

#[test]
fn no_data_is_an_empty_chart() {
    for mark in ["bar", "line", "area", "point", "tick", "rule", "text"] {
        let mut specification = bars(&json!([]));
        specification["mark"] = mark.into();
        drawn(&specification);
    }
}

/// What is said of a chart that is not drawn.
fn refusal(specification: &Json) -> String {
    draw(specification).expect_err("it is not drawn").to_string()
}

#[test]
fn what_changes_the_picture_and_is_not_drawn_is_named() {
    for (key, value, said) in [
        ("mark", json!("boxplot"), "the mark \"boxplot\""),
        ("data", json!({"url": "cars.json"}), "data from elsewhere, \"cars.json\""),
        ("data", json!({"name": "other"}), "the data \"other\", which is not in the chart"),
        ("transform", json!([{"filter": "datum.b > 1"}]), "the transform \"filter\""),
        ("projection", json!({"type": "mercator"}), "a projection"),
        ("facet", json!({"field": "c"}), "a facet"),
        ("hconcat", json!([]), "a hconcat"),
        ("config", json!({"axis": {"grid": false}}), "\"axis\" of the configuration"),
        ("padding", json!(50), "\"padding\" of a view"),
        ("width", json!("container"), "the size \"container\""),
        ("mark", json!({"type": "arc", "cornerRadius": 4}), "round corners of this mark"),
        ("mark", json!({"type": "point", "angle": 45}), "an angle of this mark"),
        ("unheard", json!(1), "\"unheard\" of a view"),
    ] {
        let mut specification = bars(&json!([{"a": 1, "b": 2}]));
        specification[key] = value;
        let error = refusal(&specification);
        assert!(error.starts_with(said) && error.contains(&format!("at \"/{key}")), "{error}");
    }
}

#[test]
fn a_chart_at_its_limits_is_drawn_and_one_beyond_is_not() {
    let layers = |count: usize| json!({"layer": vec![json!({"mark": "point", "encoding": {}}); count]});
    drawn(&layers(MAX_LAYERS));
    assert_eq!(draw(&layers(MAX_LAYERS + 1)), Err(Undrawable::TooMuch { what: "layers", limit: MAX_LAYERS }));
    let names = |count: usize| bars(&(0..count).map(|name| json!({"a": name, "b": 1})).collect());
    let mut narrow = names(MAX_NAMES);
    narrow["width"] = json!({"step": MAX_SIDE_PIXELS as f64 / MAX_NAMES as f64});
    drawn(&narrow);
    assert!(matches!(draw(&names(MAX_NAMES + 1)), Err(Undrawable::TooMuch { limit: MAX_NAMES, .. })));
    narrow["width"] = json!({"step": 25});
    assert!(matches!(draw(&narrow), Err(Undrawable::TooMuch { limit: MAX_SIDE_PIXELS, .. })));
    let points: Json = (0..MAX_ROWS).map(|at| json!({"b": at})).collect();
    let encoding = json!({"y": {"field": "b", "type": "quantitative"}});
    drawn(&json!({"data": {"values": points}, "mark": "line", "encoding": encoding}));
}

#[test]
fn a_long_legend_says_how_much_of_it_is_missing() {
    let of = |count: usize| {
        texts(&drawn(&bars(
            &(0..count).map(|name| json!({"a": 1, "b": 1, "c": format!("c{name:03}")})).collect(),
        )))
    };
    assert!(!of(MAX_LEGEND_ENTRIES).iter().any(|text| text.contains("more")));
    assert!(of(MAX_LEGEND_ENTRIES + 2).iter().any(|text| text == "… 2 more"));
}

/// A specification of parts that mean something, put together at random.
#[derive(Clone, Debug)]
struct Random(Json);

impl Arbitrary for Random {
    fn arbitrary(source: &mut Gen) -> Self {
        let rows = usize::arbitrary(source) % 8;
        let values: Vec<Json> = (0..rows).map(|_| row(source)).collect();
        let mut specification =
            json!({"data": {"values": values}, "mark": mark(source), "encoding": encoding(source)});
        for (key, value) in [
            ("title", json!("\u{0}<t>")),
            ("width", number(source)),
            ("height", json!({"step": number(source)})),
        ] {
            if u8::arbitrary(source) % 4 == 0 {
                specification[key] = value;
            }
        }
        if u8::arbitrary(source) % 5 == 0 {
            specification["layer"] =
                json!([{"mark": mark(source), "encoding": encoding(source)}, {"mark": mark(source)}]);
            specification.as_object_mut().expect("it is one").remove("mark");
        }
        Self(specification)
    }
}

fn pick(source: &mut Gen, values: &[Json]) -> Json {
    source.choose(values).cloned().unwrap_or_default()
}

fn number(source: &mut Gen) -> Json {
    let odd = [json!(0), json!(-1), json!(1e300), json!(1e-300), json!(null), json!(3)];
    if bool::arbitrary(source) { json!(i16::arbitrary(source)) } else { pick(source, &odd) }
}

fn row(source: &mut Gen) -> Json {
    let texts = [
        json!("a"),
        json!("\u{1}b"),
        json!(""),
        json!("2024-02-30"),
        json!("2024"),
        json!("-1e9"),
        json!(true),
    ];
    let mut row = Map::new();
    for field in ["a", "b", "c"] {
        match u8::arbitrary(source) % 3 {
            0 => drop(row.insert(field.to_owned(), pick(source, &texts))),
            1 => drop(row.insert(field.to_owned(), number(source))),
            _ => {}
        }
    }
    Json::Object(row)
}

fn mark(source: &mut Gen) -> Json {
    let names =
        ["bar", "line", "area", "point", "circle", "square", "tick", "rule", "text", "arc", "rect", "image"];
    let mut mark = json!({"type": pick(source, &names.map(Json::from))});
    let numbers = [
        "size",
        "cornerRadius",
        "cornerRadiusEnd",
        "innerRadius",
        "outerRadius",
        "padAngle",
        "angle",
        "opacity",
        "thickness",
        "width",
    ];
    for key in numbers {
        if u8::arbitrary(source) % 8 == 0 {
            mark[key] = number(source);
        }
    }
    let ways = ["monotone", "step", "step-after", "linear-closed", "linear"];
    mark["interpolate"] = pick(source, &ways.map(Json::from));
    mark["point"] = bool::arbitrary(source).into();
    mark["tooltip"] = bool::arbitrary(source).into();
    mark["clip"] = bool::arbitrary(source).into();
    mark["invalid"] = pick(source, &[json!(null), json!("filter"), json!("break-paths-show-path-domains")]);
    mark
}

fn encoding(source: &mut Gen) -> Json {
    let mut encoding = Map::new();
    for channel in [
        "x", "y", "x2", "y2", "xOffset", "theta", "color", "size", "opacity", "shape", "text", "order",
        "detail",
    ] {
        let often = if ["x", "y", "color"].contains(&channel) { 2 } else { 6 };
        if u8::arbitrary(source) % often == 0 {
            encoding.insert(channel.to_owned(), channel_definition(source));
        }
    }
    Json::Object(encoding)
}

fn channel_definition(source: &mut Gen) -> Json {
    let fields = ["a", "b", "c", "missing"];
    let mut channel = json!({"field": pick(source, &fields.map(Json::from))});
    for (key, value, rarity) in field_options(source).into_iter().chain(guide_options(source)) {
        if u8::arbitrary(source) % rarity == 0 {
            channel[key] = value;
        }
    }
    channel
}

/// What may be said of a field, and how seldom it is.
fn field_options(source: &mut Gen) -> Vec<(&'static str, Json, u8)> {
    let kinds = ["quantitative", "nominal", "ordinal", "temporal"].map(Json::from);
    let aggregates = ["count", "sum", "mean", "median", "min", "distinct"].map(Json::from);
    let bins = [json!(true), json!({"maxbins": 3}), json!("binned"), json!({"step": 1e-9})];
    let units = ["year", "month", "yearmonth", "hours", "yearmonthdatehoursminutesseconds"].map(Json::from);
    let by = json!({"field": "b", "op": "sum"});
    let sorts = [json!("descending"), json!("-y"), json!("x"), json!(["b", 3]), json!(null), by];
    let stacks = [json!("normalize"), json!("center"), json!(null), json!(true)];
    vec![
        ("type", pick(source, &kinds), 1),
        ("aggregate", pick(source, &aggregates), 5),
        ("bin", pick(source, &bins), 6),
        ("timeUnit", pick(source, &units), 6),
        ("sort", pick(source, &sorts), 5),
        ("stack", pick(source, &stacks), 5),
        ("bandPosition", number(source), 8),
    ]
}

/// What may be said of scales, axes and legends.
fn guide_options(source: &mut Gen) -> Vec<(&'static str, Json, u8)> {
    let kinds = ["band", "point", "linear", "time"].map(Json::from);
    let domain = [number(source), number(source)];
    let domain =
        json!({"domain": domain, "zero": bool::arbitrary(source), "reverse": bool::arbitrary(source)});
    let padded =
        json!({"padding": number(source), "nice": bool::arbitrary(source), "type": pick(source, &kinds)});
    let ranges = [
        json!({"scheme": "viridis"}),
        json!({"range": ["red", "blue"]}),
        json!({"range": [1, 9]}),
        json!(null),
    ];
    let axis = json!({"tickCount": number(source), "labelAngle": number(source), "values": [1, "a", null]});
    let legends = [json!(null), json!({"values": [1, 2]}), json!({"format": ".2s"})];
    vec![
        ("scale", domain, 5),
        ("scale", padded, 6),
        ("scale", pick(source, &ranges), 6),
        ("axis", axis, 6),
        ("axis", json!({"tickMinStep": number(source)}), 8),
        ("legend", pick(source, &legends), 6),
    ]
}

#[test]
fn random_specifications_are_drawn_well_or_refused() {
    fn property(Random(specification): Random) -> bool {
        if let Ok(picture) = draw(&specification) {
            check(&picture);
            assert_eq!(Ok(picture), draw(&specification));
        }
        true
    }
    QuickCheck::new().tests(4_000).quickcheck(property as fn(Random) -> bool);
}
