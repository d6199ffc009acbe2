//! Vega-Lite in and out.

use quickcheck::quickcheck;
use serde_json::{Map, Value as Json, json};
use syncline_core::chart::{Chart, Content, ElementId, MAX_ELEMENT_DEPTH, MAX_IMPORTED_ELEMENTS, Position};
use syncline_core::fuzzing::alike;
use syncline_core::random::Random;
use syncline_core::schema::Schema;

use crate::real_data::real_data;
use crate::replicas::{FAMILIES, Replica};

#[track_caller]
fn check(specification: &Json) {
    let chart = Chart::from_vega_lite(specification.to_string().as_bytes()).unwrap();
    let exported = chart.to_vega_lite();
    assert!(alike(&exported, specification), "{exported}\n is not\n{specification}");
}

fn refusal(text: &str) -> String {
    Chart::from_vega_lite(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn real_charts_come_out_of_documents_as_they_went_in() {
    let Some(folder) = real_data("charts") else { return };
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let specification: Json = serde_json::from_slice(&bytes).unwrap();
        let chart = Chart::from_vega_lite(&bytes).unwrap();
        for family in FAMILIES {
            let [mut replica] = Replica::all::<Chart, 1>(family);
            for operation in Chart::default().changes(&chart) {
                replica.perform::<Chart>(&operation).unwrap();
            }
            assert_eq!(replica.state::<Chart>(), chart, "{}", path.display());
        }
        assert!(alike(&chart.to_vega_lite(), &specification), "{}", path.display());
        count += 1;
    }
    assert!(count > 300, "{count}");
}

#[test]
fn what_people_edit_is_an_element() {
    let chart = Chart::from_vega_lite(
        br#"{"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "width": 100,
            "data": {"name": "d", "values": [{"a": 1}, 2, {"a": 3}]}, "mark": "bar",
            "encoding": {"x": {"field": "a"}, "tooltip": [{"field": "a"}]},
            "layer": [{"mark": {"type": "line"}, "encoding": {"x": {"field": "b"}}}, {"layer": [{"mark": "rule"}]}],
            "params": [{"name": "p"}], "datasets": {"d": [5, 6]}}"#,
    )
    .unwrap();
    let ids: Vec<&str> = chart.elements.keys().map(|id| id.0.as_str()).collect();
    assert_eq!(
        ids,
        [
            "d",
            "d.values-1",
            "d.values-2",
            "data",
            "data.values-1",
            "data.values-2",
            "data.values-3",
            "layer-1",
            "layer-1.mark",
            "layer-1.x",
            "layer-2",
            "layer-2.layer-1",
            "layer-2.layer-1.mark",
            "mark",
            "params-1",
            "tooltip",
            "x",
        ]
    );
    assert_eq!(chart.properties.len(), 2);
    assert_eq!(chart.elements[&"data.values-2".into()].content, Content::Value(2.into()));
    let layers: Vec<_> = chart.parts(&ElementId::chart(), "layer").into_iter().map(|(id, _)| &id.0).collect();
    assert_eq!(layers, ["layer-1", "layer-2"]);
}

#[test]
fn odd_shapes_stay_what_they_are() {
    for odd in [
        json!({"mark": null}),
        json!({"mark": {"type": "bar"}}),
        json!({"mark": {}, "data": null, "encoding": {}, "layer": [], "params": {}, "transform": "x"}),
        json!({"mark": "bar", "encoding": {"mark": {}, "data": [], "chart": 1, "x": null, "": {}}}),
        json!({"layer": [{}, 1], "hconcat": [[]], "spec": {"spec": {"mark": "bar"}}}),
        json!({"mark": 1, "data": {"values": "a,b\n1,2", "format": {"type": "csv"}}}),
        json!({"mark": "bar", "data": {"values": [null, [], [1], "x", {}, {"values": [1]}]}}),
        json!({"mark": "bar", "datasets": {"a": [], "b": {}, "c": [[1]], "d": 5}}),
        json!({"mark": {"values": [1], "layer": [{"mark": "bar"}]}, "usermeta": {"syncline": 5, "x": 1}}),
        json!({"mark": "bar", "usermeta": {}, "title": "\u{0}\u{202e}👩‍👩‍👧"}),
    ] {
        check(&odd);
    }
}

#[test]
fn positions_survive_in_what_vega_lite_ignores() {
    let specification = json!({"layer": [{"mark": "bar"}, {"mark": "line"}], "usermeta": {"mine": 1}});
    let mut chart = Chart::from_vega_lite(specification.to_string().as_bytes()).unwrap();
    let position = Some(Position { x: 1.5, y: -2.0 });
    chart.elements.get_mut(&"layer-2".into()).unwrap().position = position;
    let exported = chart.to_vega_lite();
    assert_eq!(exported["usermeta"]["mine"], json!(1));
    let again = Chart::from_vega_lite(exported.to_string().as_bytes()).unwrap();
    assert_eq!(again, chart);
    assert_eq!(again.elements[&"layer-2".into()].position, position);
}

#[test]
fn what_is_no_position_stays_where_it_is() {
    for (usermeta, left) in [
        (json!({"syncline": {"positions": {"/mark": {"x": 1.5, "y": 2.0}}}}), None),
        (
            json!({"syncline": {"positions": {"/mark": {"x": 1.5, "y": 2.0}, "/layer/0": {"x": 1.5, "y": 1.5}}}}),
            Some(json!({"syncline": {"positions": {"/layer/0": {"x": 1.5, "y": 1.5}}}})),
        ),
        (
            json!({"syncline": {"positions": {"/mark": {"x": 1.5, "y": 2.5, "z": 3}}}, "own": 1}),
            Some(json!({"syncline": {"positions": {"/mark": {"x": 1.5, "y": 2.5, "z": 3}}}, "own": 1})),
        ),
        (json!({"syncline": "text"}), Some(json!({"syncline": "text"}))),
        (json!(7), Some(json!(7))),
        (json!({}), Some(json!({}))),
    ] {
        let specification = json!({"mark": "bar", "usermeta": usermeta});
        check(&specification);
        let chart = Chart::from_vega_lite(specification.to_string().as_bytes()).unwrap();
        assert_eq!(chart.properties.get("usermeta").map(|usermeta| usermeta.to_json()), left);
    }
}

#[test]
fn what_is_no_specification_is_refused_with_the_reason() {
    for (text, said) in [
        ("", "line 1: this is not JSON"),
        ("{\"mark\": \"bar\",\n \"data\": {\"values\": [1,", "line 2: this is not JSON"),
        ("[]", "an object, not a list"),
        ("{}", "no Vega-Lite specification"),
        ("{\"$schema\": \"https://vega.github.io/schema/vega/v5.json\", \"mark\": 1}", "no Vega-Lite"),
        (
            "{\"mark\": \"bar\",\n\"mark\": \"line\"}",
            "line 2: this is not JSON that can be kept exactly: the key \"mark\"",
        ),
        ("{\"mark\": \"bar\", \"width\": 18446744073709551615}", "/width: 18446744073709551615 is too large"),
        ("{\"mark\": \"\\ud800\"}", "line 1: this is not JSON"),
        (&("{\"mark\":".to_owned() + &"[".repeat(300)), "recursion limit"),
    ] {
        let refused = refusal(text);
        assert!(refused.contains(said), "{refused}");
    }
}

#[test]
fn views_are_nested_up_to_a_depth() {
    let nested = |depth: usize| {
        let view = (0..depth).fold(json!({"mark": "bar"}), |view, _| json!({"layer": [view]}));
        Chart::from_vega_lite(view.to_string().as_bytes())
    };
    let deepest = nested(MAX_ELEMENT_DEPTH - 1).unwrap();
    let [mut replica] = Replica::all::<Chart, 1>(FAMILIES[0]);
    Chart::default().changes(&deepest).iter().for_each(|change| replica.perform::<Chart>(change).unwrap());
    assert_eq!(replica.state::<Chart>(), deepest, "all of it is read again");
    assert!(nested(MAX_ELEMENT_DEPTH).unwrap_err().to_string().contains("nested deeper than"));
    let specs = (0..MAX_ELEMENT_DEPTH).fold(json!({"mark": "bar"}), |view, _| json!({"spec": view}));
    assert!(Chart::from_vega_lite(specs.to_string().as_bytes()).is_err());
}

/// Elements are counted over the whole specification, whatever they are.
#[test]
fn a_chart_has_no_more_elements_than_may_be_imported() {
    let points = |count: usize| {
        let values = vec!["1"; count].join(",");
        Chart::from_vega_lite(format!("{{\"mark\":\"bar\",\"data\":{{\"values\":[{values}]}}}}").as_bytes())
    };
    // The mark and the data are elements as well.
    assert_eq!(points(MAX_IMPORTED_ELEMENTS - 2).unwrap().elements.len(), MAX_IMPORTED_ELEMENTS);
    let refused = points(MAX_IMPORTED_ELEMENTS - 1).unwrap_err().to_string();
    assert!(refused.contains("the chart has more than 200000 elements"), "{refused}");
}

/// JSON with the keys and shapes of specifications, right and wrong.
fn random_view(random: &mut Random, depth: usize) -> Json {
    const KEYS: [&str; 12] = [
        "mark", "data", "spec", "encoding", "datasets", "layer", "hconcat", "params", "values", "type", "x",
        "usermeta",
    ];
    let mut object = Map::new();
    for _ in 0..random.below(4) {
        let value = match random.below(if depth > 4 { 4 } else { 8 }) {
            0 => Json::Null,
            1 => json!(random.below(9)),
            2 => json!("bar"),
            3 => json!([]),
            4 => json!([random_view(random, depth + 1), random_view(random, depth + 1)]),
            5 => json!([1, random_view(random, depth + 1)]),
            _ => random_view(random, depth + 1),
        };
        object.insert(KEYS[random.index(KEYS.len())].to_owned(), value);
    }
    Json::Object(object)
}

quickcheck! {
    fn every_shape_round_trips(seed: u64) -> () {
        let Json::Object(mut view) = random_view(&mut Random::new(seed), 0) else { return };
        view.insert("$schema".to_owned(), json!("https://vega.github.io/schema/vega-lite/v6.json"));
        check(&Json::Object(view));
    }

    /// Whatever stands in the file, it is read or refused.
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) -> () {
        if let Ok(chart) = Chart::from_vega_lite(&bytes) {
            drop(chart.to_vega_lite());
        }
    }
}
