//! Charts that three stores have edited at the same time, without the relay, are charts still: the Vega-Lite compiler
//! takes them without a warning that it did not have before.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};
use syncline::chart::{Chart, Content, Element, ElementId, Place};
use syncline::{Edit, Family, Typed, Value};
use syncline_core::operation::EditError;
use syncline_tests::process::real_data;
use syncline_tests::process::team::{Team, together};

/// Charts that are edited, where there are real ones, and how many there must be.
const CHARTS: usize = 30;
const LEAST_CHARTS: usize = 20;

/// Data points that all three change at the same time.
const POINTS: usize = 5;

/// Data points of an added series.
const SERIES: usize = 3;

/// Specifications by name.
type Specifications = BTreeMap<String, Json>;

/// Ours, for where there are no real ones.
fn own() -> Specifications {
    let points: Vec<Json> =
        (0..8).map(|n| json!({"a": format!("g{}", n % 4), "b": n * n, "c": n % 2})).collect();
    let encoding =
        json!({"x": {"field": "a", "type": "nominal"}, "y": {"field": "b", "type": "quantitative"}});
    let chart = |rest: Json| {
        let mut chart =
            json!({"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "data": {"values": points}});
        let parts = chart.as_object_mut().unwrap();
        parts.extend(rest.as_object().unwrap().clone());
        chart
    };
    [
        ("own-bar", chart(json!({"mark": "bar", "encoding": encoding}))),
        ("own-line", chart(json!({"mark": {"type": "line"}, "encoding": encoding}))),
        ("own-layers", chart(json!({"encoding": encoding, "layer": [{"mark": "bar"}, {"mark": "point"}]}))),
    ]
    .map(|(name, chart)| (name.to_owned(), chart))
    .into()
}

/// Real ones that hold their data as a list of objects.
fn real() -> Specifications {
    let Some(folder) = real_data("charts") else { return Specifications::new() };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let read = |file: &PathBuf| {
        let specification: Json = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        (file.file_stem().unwrap().to_str().unwrap().to_owned(), specification)
    };
    let has_points = |(_, chart): &(String, Json)| {
        let points = chart["data"]["values"].as_array();
        points.is_some_and(|points| points.len() > 1 && points.iter().all(Json::is_object))
    };
    files.iter().map(read).filter(has_points).take(CHARTS).collect()
}

fn points(chart: &Chart) -> Vec<(ElementId, Element)> {
    let points = chart.parts(&"data".into(), "values");
    points.into_iter().map(|(id, point)| (id.clone(), point.clone())).collect()
}

fn properties(element: &Element) -> BTreeMap<String, Value> {
    match &element.content {
        Content::Properties(properties) => properties.clone(),
        Content::Value(_) => BTreeMap::new(),
    }
}

/// Adds to the numbers of the first points: the same ones for everybody.
fn change_points(chart: &mut Edit<'_, '_, Chart>, by: i64) -> Result<(), EditError> {
    for (id, point) in points(&chart.state()).into_iter().take(POINTS) {
        for (name, value) in properties(&point) {
            if let Value::Int(number) = value {
                let path = syncline::Path::root().child(name);
                chart.update(&id, path, Some((number + by).into()))?;
            }
        }
    }
    Ok(())
}

/// A series more: of a layered chart the first layer once more; points under a new name where names tell series apart; and
/// in front of the others the last point once more.
fn add_series(chart: &mut Edit<'_, '_, Chart>) -> Result<(), EditError> {
    let state = chart.state();
    let exported = state.to_vega_lite();
    if let Some(layer) = exported["layer"].as_array().and_then(|layers| layers.first()) {
        chart.add(&ElementId::chart(), "layer", None, &Value::from_json(layer)?)?;
    }
    if let Some(field) = exported["encoding"]["color"]["field"].as_str() {
        for (_, point) in points(&state).into_iter().take(SERIES) {
            let mut point = properties(&point);
            if let Some(series) = point.get_mut(field).filter(|series| matches!(series, Value::String(_))) {
                *series = "an added series".into();
                chart.add(&"data".into(), "values", None, &Value::Map(point))?;
            }
        }
    }
    let (_, last) = points(&state).pop().unwrap();
    let first = &points(&state)[0].0;
    let added = chart.add(&"data".into(), "values", None, &Value::Map(properties(&last)))?;
    chart.move_to(&added, Place::Before(first))
}

/// Another look: what the channels show and are called, one channel more, and how the marks are drawn.
fn change_encodings(chart: &mut Edit<'_, '_, Chart>) -> Result<(), EditError> {
    let state = chart.state();
    let set = |name: &str| name.parse().unwrap();
    for (id, element) in &state.elements {
        let properties = properties(element);
        let position = ["x", "y"].iter().any(|name| element.name.as_deref() == Some(name));
        if element.kind == "encoding" && position && properties.contains_key("field") {
            chart.update(id, set("/title"), Some("renamed".into()))?;
            if let Some(other) = another_field(&state, &properties) {
                chart.update(id, set("/field"), Some(other.into()))?;
            }
        }
        if element.kind == "mark" {
            chart.update(id, set("/opacity"), Some(0.5.into()))?;
            if let Some(other) = another_mark(&properties) {
                chart.update(id, set("/type"), Some(other.into()))?;
            }
        }
    }
    let encoding = &state.to_vega_lite()["encoding"];
    if encoding.is_object() && encoding["tooltip"].is_null() {
        let (_, point) = points(&state).swap_remove(0);
        let (field, _) = properties(&point).pop_first().unwrap();
        let shown = Value::from_json(&json!({"field": field, "type": "nominal"}))?;
        chart.add(&ElementId::chart(), "encoding", Some("tooltip"), &shown)?;
    }
    chart.update(&ElementId::chart(), set("/description"), Some("edited by three".into()))
}

/// Another field of the points that holds numbers, for a channel that shows numbers.
fn another_field(chart: &Chart, channel: &BTreeMap<String, Value>) -> Option<String> {
    if channel.get("type") != Some(&"quantitative".into()) {
        return None;
    }
    let is_number = |value: &Value| matches!(value, Value::Int(_) | Value::Float(_));
    let shown = |field: &str| channel.get("field") == Some(&field.into());
    let (_, point) = points(chart).swap_remove(0);
    let numbers = properties(&point).into_iter().filter(|(_, value)| is_number(value));
    numbers.map(|(field, _)| field).find(|field| !shown(field))
}

/// Another mark that is drawn from the same channels.
fn another_mark(mark: &BTreeMap<String, Value>) -> Option<&'static str> {
    let ways = [("point", "circle"), ("circle", "square"), ("square", "point"), ("line", "trail")];
    ways.into_iter().find(|(now, _)| mark.get("type") == Some(&(*now).into())).map(|(_, then)| then)
}

fn remove_a_point(chart: &mut Edit<'_, '_, Chart>) -> Result<(), EditError> {
    let (last, _) = points(&chart.state()).pop().unwrap();
    chart.remove(&last)
}

/// What the three made of a chart.
async fn edited(team: &Team, name: &str, specification: &Json, family: Family) -> Json {
    let mut charts: Vec<Typed<Chart>> = Vec::new();
    for member in &team.members {
        charts.push(member.open(name, family).await);
    }
    charts[0].import(&Chart::from_vega_lite(specification.to_string().as_bytes()).unwrap()).unwrap();
    together(&charts).await;
    team.members.iter().for_each(|member| member.leave());
    charts[0].edit(add_series).unwrap();
    charts[0].edit(|chart| change_points(chart, 1)).unwrap();
    charts[1].edit(|chart| change_points(chart, 2)).unwrap();
    charts[1].edit(remove_a_point).unwrap();
    charts[2].edit(change_encodings).unwrap();
    charts[2].edit(|chart| change_points(chart, 3)).unwrap();
    team.members.iter().for_each(|member| member.come_back());
    together(&charts).await;
    let (before, after) =
        (Chart::from_vega_lite(specification.to_string().as_bytes()).unwrap(), charts[0].state().unwrap());
    check(&before, &after);
    after.to_vega_lite()
}

/// What each of the three did is there.
fn check(before: &Chart, after: &Chart) {
    let (old, new) = (points(before), points(after));
    let (last, _) = old.last().unwrap();
    assert!(
        new.iter().all(|(id, _)| id != last),
        "the first changed the last point while the second removed it"
    );
    let added: Vec<_> = new.iter().filter(|(id, _)| !before.elements.contains_key(id)).collect();
    assert_eq!(new[0].0, added[0].0, "the copy of the last point is ahead of the others");
    let layers = |chart: &Chart| chart.parts(&ElementId::chart(), "layer").len();
    assert_eq!(layers(after), layers(before) + usize::from(layers(before) > 0));
    for (id, point) in old.iter().take(POINTS).filter(|(id, _)| id != last) {
        let (was, is) = (properties(point), properties(&after.elements[id]));
        for (name, value) in was {
            match value {
                Value::Int(number) => {
                    let one_of_three = (1..=3).any(|by| is[&name] == Value::Int(number + by));
                    assert!(one_of_three, "{name}: {number} became {:?}", is[&name]);
                }
                other => assert_eq!(is[&name], other),
            }
        }
    }
    assert_eq!(after.properties["description"], "edited by three".into());
    for (id, mark) in
        after.elements.iter().filter(|(id, mark)| mark.kind == "mark" && before.elements.contains_key(*id))
    {
        assert_eq!(properties(mark).get("opacity"), Some(&0.5.into()), "{id}");
    }
}

/// What the compiler says of specifications; `None` where it is not installed, which is said aloud.
fn warnings(specifications: &Specifications) -> Option<BTreeMap<String, Vec<String>>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/node"));
    let node = folder.join("node_modules/.bin/node");
    if !node.exists() {
        println!("SKIPPED: {} is not there; `cargo xtask test tests` installs it", node.display());
        return None;
    }
    let mut compiler = Command::new(node)
        .arg(folder.join("compile.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    compiler.stdin.take().unwrap().write_all(json!(specifications).to_string().as_bytes()).unwrap();
    let output = compiler.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_that_three_edited_apart_compile_as_before() {
    let real = real();
    assert!(real.is_empty() || real.len() >= LEAST_CHARTS, "{} charts are edited", real.len());
    let before: Specifications = own().into_iter().chain(real).collect();
    let team = Team::start(3).await;
    let mut after = Specifications::new();
    for (index, (name, specification)) in before.iter().enumerate() {
        let family = [Family::Yjs, Family::Automerge][index % 2];
        after.insert(name.clone(), edited(&team, name, specification, family).await);
    }
    let Some((said_before, said_after)) = warnings(&before).zip(warnings(&after)) else { return };
    for (name, said) in said_after {
        let mut known = said_before[&name].clone();
        for warning in said {
            let index = known.iter().position(|known| *known == warning);
            let index = index.unwrap_or_else(|| panic!("{name}: {warning:?} is new in {}", after[&name]));
            known.swap_remove(index);
        }
    }
}
