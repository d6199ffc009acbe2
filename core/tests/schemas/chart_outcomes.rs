//! What becomes of concurrent edits of a chart; alike in both families, and whoever's id is larger.

use std::collections::BTreeMap;

use quickcheck::quickcheck;
use syncline_core::chart::{Chart, ChartOperation, Content, Element, ElementId, Position};
use syncline_core::fractional_index::FractionalIndex;
use syncline_core::random::Random;
use syncline_core::schema::Schema;
use syncline_core::scripts::chart_operation;
use syncline_core::value::Value;

use crate::replicas::{FAMILIES, Replica, everywhere, exchange};

fn id(name: &str) -> ElementId {
    name.into()
}

fn place(salt: u64) -> FractionalIndex {
    FractionalIndex::between(None, None, salt).unwrap()
}

fn add(name: &str, parent: &str, salt: u64) -> ChartOperation {
    let mut element = Element::new(id(parent), "layer", [("mark".to_owned(), "bar".into())].into());
    element.place = Some(place(salt));
    ChartOperation::Add { id: id(name), element: Box::new(element) }
}

fn update(name: &str, path: &str, value: Option<Value>) -> ChartOperation {
    ChartOperation::Update { id: id(name), path: path.parse().unwrap(), value }
}

fn remove(name: &str) -> ChartOperation {
    ChartOperation::Remove { id: id(name) }
}

fn move_to(name: &str, salt: u64) -> ChartOperation {
    ChartOperation::Move { id: id(name), place: Some(place(salt)) }
}

fn put_at(name: &str, x: f64) -> ChartOperation {
    ChartOperation::Position { id: id(name), position: Some(Position { x, y: -x }) }
}

/// On a chart with the layers "a" and "b", one replica does one thing and the other another; `check` sees what both have
/// then.
fn concurrently(one: &[ChartOperation], other: &[ChartOperation], check: impl Fn(&Chart)) {
    everywhere::<Chart>(|first, second| {
        first.perform::<Chart>(&add("a", "chart", 0)).unwrap();
        first.perform::<Chart>(&add("b", "chart", 1)).unwrap();
        exchange(&mut [first, second]);
        one.iter().for_each(|operation| first.perform::<Chart>(operation).unwrap());
        other.iter().for_each(|operation| second.perform::<Chart>(operation).unwrap());
        exchange(&mut [first, second]);
        check(&first.state());
    });
}

fn properties<'a>(chart: &'a Chart, name: &str) -> &'a BTreeMap<String, Value> {
    match &chart.elements[&id(name)].content {
        Content::Properties(properties) => properties,
        Content::Value(_) => panic!("{name} has properties"),
    }
}

#[test]
fn different_properties_are_both_set() {
    let one = [update("a", "/color", Some("red".into())), update("chart", "/width", Some(100.into()))];
    let other = [update("a", "/opacity", Some(0.5.into())), update("chart", "/height", Some(50.into()))];
    concurrently(&one, &other, |chart| {
        let expected = [("color", Value::from("red")), ("mark", "bar".into()), ("opacity", 0.5.into())];
        assert_eq!(*properties(chart, "a"), expected.map(|(key, value)| (key.to_owned(), value)).into());
        assert_eq!(chart.properties.len(), 2);
    });
}

#[test]
fn different_parts_of_one_property_are_both_set() {
    let axis = Value::Map([("title".to_owned(), "old".into())].into());
    everywhere::<Chart>(|one, other| {
        one.perform::<Chart>(&add("a", "chart", 0)).unwrap();
        one.perform::<Chart>(&update("a", "/axis", Some(axis.clone()))).unwrap();
        exchange(&mut [one, other]);
        one.perform::<Chart>(&update("a", "/axis/title", Some("new".into()))).unwrap();
        other.perform::<Chart>(&update("a", "/axis/grid", Some(false.into()))).unwrap();
        exchange(&mut [one, other]);
        let expected = [("grid", Value::from(false)), ("title", "new".into())];
        let expected = Value::Map(expected.map(|(key, value)| (key.to_owned(), value)).into());
        assert_eq!(properties(&one.state(), "a")["axis"], expected);
    });
}

#[test]
fn of_a_property_that_two_make_at_once_one_stands_whole() {
    let one = [update("a", "/axis/title", Some("new".into()))];
    let other = [update("a", "/axis/grid", Some(false.into()))];
    concurrently(&one, &other, |chart| {
        let Value::Map(axis) = &properties(chart, "a")["axis"] else { panic!("it is a map") };
        assert_eq!(axis.len(), 1);
    });
}

#[test]
fn properties_as_a_whole_are_no_property() {
    let [mut replica] = Replica::all::<Chart, 1>(FAMILIES[0]);
    replica.perform::<Chart>(&add("a", "chart", 0)).unwrap();
    for value in [Some("line".into()), None] {
        assert!(replica.perform::<Chart>(&update("a", "", value.clone())).is_err());
        assert!(replica.state::<Chart>().apply(&update("a", "", value)).is_err());
    }
    assert_eq!(replica.state::<Chart>().elements.len(), 1);
}

#[test]
fn the_same_property_has_one_of_the_two_values() {
    let color = |color: &str| [update("a", "/color", Some(color.into()))];
    concurrently(&color("red"), &color("blue"), |chart| {
        assert!(["red".into(), "blue".into()].contains(&properties(chart, "a")["color"]));
    });
}

#[test]
fn remove_wins_over_everything() {
    let edits =
        [update("a", "/color", Some("red".into())), move_to("a", 5), put_at("a", 1.0), add("c", "a", 6)];
    concurrently(&[remove("a")], &edits, |chart| {
        assert_eq!(chart.elements.keys().collect::<Vec<_>>(), [&id("b")]);
    });
    concurrently(&[remove("a")], &[remove("a")], |chart| assert_eq!(chart.elements.len(), 1));
}

#[test]
fn what_is_part_of_a_removed_element_goes_with_it() {
    everywhere::<Chart>(|one, other| {
        for operation in [add("a", "chart", 0), add("b", "a", 1), add("c", "b", 2), add("d", "chart", 3)] {
            one.perform::<Chart>(&operation).unwrap();
        }
        exchange(&mut [one, other]);
        one.perform::<Chart>(&remove("a")).unwrap();
        other.perform::<Chart>(&update("c", "/color", Some("red".into()))).unwrap();
        other.perform::<Chart>(&add("e", "c", 4)).unwrap();
        exchange(&mut [one, other]);
        let chart: Chart = one.state();
        assert_eq!(chart.elements.keys().collect::<Vec<_>>(), [&id("d")]);
    });
}

#[test]
fn moves_neither_duplicate_nor_lose() {
    concurrently(&[move_to("a", 7)], &[move_to("a", 8)], |chart| {
        assert_eq!(chart.elements.len(), 2);
        let found = chart.elements[&id("a")].place.clone().unwrap();
        assert!([place(7), place(8)].contains(&found));
    });
    concurrently(&[move_to("a", 7)], &[move_to("b", 8)], |chart| {
        let places = ["a", "b"].map(|name| chart.elements[&id(name)].place.clone().unwrap());
        assert_eq!(places, [place(7), place(8)]);
    });
}

#[test]
fn a_position_is_never_mixed_of_two() {
    concurrently(&[put_at("a", 1.0)], &[put_at("a", 2.5)], |chart| {
        let found = chart.elements[&id("a")].position.unwrap();
        assert!([1.0, 2.5].iter().any(|x| found == Position { x: *x, y: -*x }), "{found:?}");
    });
}

#[test]
fn of_two_encodings_of_one_channel_one_stands_whole() {
    let encode = |field: &str| {
        let fields = ["field", "title"].map(|key| (key.to_owned(), field.into()));
        let mut element = Element::new(ElementId::chart(), "encoding", fields.into());
        element.name = Some("x".to_owned());
        [ChartOperation::Add { id: id("x"), element: Box::new(element) }]
    };
    concurrently(&encode("one"), &encode("other"), |chart| {
        let x = properties(chart, "x");
        assert_eq!((x.len(), &x["field"]), (2, &x["title"]));
    });
}

#[test]
fn the_chart_itself_is_not_removed_or_moved() {
    let [mut replica] = Replica::all::<Chart, 1>(FAMILIES[0]);
    for operation in [remove("chart"), move_to("chart", 1), put_at("chart", 1.0), add("chart", "a", 1)] {
        assert!(replica.perform::<Chart>(&operation).is_err(), "{operation:?}");
        assert!(operation_on_plain(&operation).is_err());
    }
}

fn operation_on_plain(operation: &ChartOperation) -> Result<(), syncline_core::operation::EditError> {
    Chart::default().apply(operation)
}

quickcheck! {
    /// Three who edit apart end equal; every element is part of something that is there.
    fn everybody_ends_equal(seed: u64, rounds: u8) -> () {
        for family in FAMILIES {
            let mut random = Random::new(seed);
            let [mut one, mut two, mut three] = Replica::all::<Chart, 3>(family);
            for _ in 0..rounds % 6 {
                for replica in [&mut one, &mut two, &mut three] {
                    for _ in 0..random.below(12) {
                        let operation = chart_operation(&mut random, &replica.state());
                        replica.perform::<Chart>(&operation).unwrap();
                    }
                }
                exchange(&mut [&mut one, &mut two, &mut three]);
                let chart: Chart = one.state();
                let is_there = |id: &ElementId| id.is_chart() || chart.elements.contains_key(id);
                assert!(chart.elements.values().all(|element| is_there(&element.parent)));
            }
        }
    }
}
