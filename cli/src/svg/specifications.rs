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
                    std::fs::write(out.join(name.replace(".vl.json", ".svg")), &picture).expect("it can be written");
                }
            }
            Err(error) => reasons.entry(error.to_string()).or_default().push(name),
        }
    }
    println!("{pictures} drawn");
    reasons.iter().for_each(|(reason, names)| println!("{}: {reason}", names.join(" ")));
    assert!(pictures >= 60, "{pictures}");
}
