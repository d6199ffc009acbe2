//! Programs of different ages at one document.

use syncline_core::board::{Board, BoardOperation, Field, Task, TaskId, TaskText};
use syncline_core::chart::{Chart, ChartOperation, Element, ElementId};
use syncline_core::operation::Operation;
use syncline_core::schema::{self, Schema};
use syncline_core::value::Value;

use crate::replicas::{Replica, everywhere, exchange};

fn put(replica: &mut Replica, path: &str, value: Value) {
    replica.document.perform(&Operation::Put { path: path.parse().unwrap(), value }).unwrap();
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.map(|(key, value)| (key.to_owned(), value)).into())
}

fn add(name: &str) -> BoardOperation {
    BoardOperation::Add {
        id: name.into(),
        task: Box::new(Task { title: name.to_owned(), ..Task::default() }),
    }
}

#[test]
fn the_first_edit_writes_the_version_and_nobody_changes_it() {
    everywhere::<Board>(|one, other| {
        assert_eq!(schema::version(&*one.document), None);
        one.perform::<Board>(&add("a")).unwrap();
        other.perform::<Board>(&add("b")).unwrap();
        exchange(&mut [one, other]);
        assert_eq!(schema::version(&*one.document), Some(Board::VERSION));
        assert_eq!(one.state::<Board>().tasks.len(), 2, "two first edits are edits of one document");

        put(one, "/schema/version", (Board::VERSION + 1).into());
        one.perform::<Board>(&add("c")).unwrap();
        assert_eq!(schema::version(&*one.document), Some(Board::VERSION + 1));
    });
}

/// A later program has put things into the document that this one does not know. Whatever this one does to it, they stay.
#[test]
fn what_a_board_does_not_know_is_left_untouched() {
    everywhere::<Board>(|one, _| {
        one.perform::<Board>(&add("t")).unwrap();
        put(one, "/schema/version", 9.into());
        put(one, "/schema/minimum", 1.into());
        put(one, "/tasks/t/estimate", map([("hours", 3.into()), ("by", Value::Text("ada".into()))]));
        put(one, "/tasks/t/labels/x", map([("color", "red".into())]));
        put(one, "/tasks/t/comments/c", map([("text", "hi".into()), ("reactions", map([("+1", 2.into())]))]));
        put(one, "/sprints/one", map([("ends", "soon".into())]));
        put(one, "/tasks/u", 5.into());
        let before = one.value();

        let edits = [
            Field::Title("new".into()),
            Field::Priority(Some(1)),
            Field::Label("y".into(), Some(Default::default())),
            Field::Comment("d".into(), Some(Default::default())),
        ];
        for field in edits {
            one.perform::<Board>(&BoardOperation::Set { id: "t".into(), field }).unwrap();
        }
        let id = TaskId::from("t");
        one.perform::<Board>(&BoardOperation::Move { id: id.clone(), status: "done".into(), place: None })
            .unwrap();
        one.perform::<Board>(&add("v")).unwrap();
        one.perform::<Board>(&BoardOperation::Remove { id: "v".into() }).unwrap();

        for path in [
            "/schema",
            "/tasks/t/estimate",
            "/tasks/t/labels/x",
            "/tasks/t/comments/c",
            "/sprints",
            "/tasks/u",
        ] {
            let at = |value: &Value| {
                let path: syncline_core::path::Path = path.parse().unwrap();
                syncline_core::model::Model::of(value.clone()).unwrap().value(&path).cloned()
            };
            assert_eq!(at(&one.value()), at(&before), "{path}");
        }
        let task = &one.state::<Board>().tasks[&id];
        assert!(task.other.contains_key("estimate"), "it is shown and exported");
        assert!(task.comments["c"].other.contains_key("reactions"));
    });
}

/// Elements of kinds that this program has no name for are drawn by others: they are kept, moved and exported.
#[test]
fn a_chart_keeps_elements_of_unknown_kinds() {
    everywhere::<Chart>(|one, _| {
        let element =
            |kind: &str| Element::new(ElementId::chart(), kind, [("a".to_owned(), 1.into())].into());
        let unknown = ChartOperation::Add { id: "s-1".into(), element: Box::new(element("stickers")) };
        one.perform::<Chart>(&unknown).unwrap();
        put(one, "/elements/s-1/glue", "strong".into());
        put(one, "/schema/version", 9.into());
        one.perform::<Chart>(&ChartOperation::Add { id: "mark".into(), element: Box::new(element("mark")) })
            .unwrap();
        let update = |value| ChartOperation::Update { id: "s-1".into(), path: "/a".parse().unwrap(), value };
        one.perform::<Chart>(&update(Some(2.into()))).unwrap();
        let chart: Chart = one.state();
        assert_eq!(chart.to_vega_lite()["stickers"][0]["a"], 2);
        assert_eq!(one.document.value(&"/elements/s-1/glue".parse().unwrap()), Some("strong".into()));
    });
}

#[test]
fn anything_may_stand_in_a_document() {
    everywhere::<Board>(|one, _| {
        put(
            one,
            "/tasks/a",
            map([("title", 5.into()), ("labels", "x".into()), ("order", Value::List(vec![]))]),
        );
        put(one, "/tasks/b", map([("dependencies", map([("no-space", map([])), ("k t", 1.into())]))]));
        let board: Board = one.state();
        assert_eq!((board.tasks.len(), board.tasks[&"a".into()].other.len()), (2, 3));
        // What is not what it should be is made so by whoever edits it.
        let label = Field::Label("y".into(), Some(Default::default()));
        one.perform::<Board>(&BoardOperation::Set { id: "a".into(), field: label }).unwrap();
        assert!(one.state::<Board>().tasks[&"a".into()].labels.contains_key("y"));
    });
    everywhere::<Chart>(|one, _| {
        put(one, "/elements/a", 5.into());
        put(one, "/elements/b", map([("kind", "layer".into()), ("parent", "b".into()), ("value", 1.into())]));
        put(
            one,
            "/elements/c",
            map([("kind", "layer".into()), ("parent", "chart".into()), ("value", 1.into())]),
        );
        put(one, "/elements/d", map([("kind", "layer".into())]));
        let chart: Chart = one.state();
        assert_eq!(
            chart.elements.keys().collect::<Vec<_>>(),
            [&"c".into()],
            "what is part of itself is part of nothing"
        );
    });
}

/// Some programs make all of their words texts that are edited, others registers.
#[test]
fn words_are_words_in_either_form() {
    everywhere::<Board>(|one, _| {
        put(one, "/tasks/a", map([("title", Value::Text("One".into())), ("description", "two ".into())]));
        let splice = BoardOperation::Splice {
            id: "a".into(),
            text: TaskText::Description,
            at: 4,
            delete: 0,
            insert: "three".into(),
        };
        one.perform::<Board>(&splice).unwrap();
        let task = &one.state::<Board>().tasks[&"a".into()];
        assert_eq!((task.title.as_str(), task.description.as_str()), ("One", "two three"));
    });
    everywhere::<Chart>(|one, _| {
        let element = |parent: &str| {
            map([
                ("kind", Value::Text("layer".into())),
                ("parent", Value::Text(parent.into())),
                ("value", 1.into()),
            ])
        };
        put(one, "/elements/a", element("chart"));
        put(one, "/elements/b", element("a"));
        assert_eq!(one.state::<Chart>().elements.len(), 2);
        one.perform::<Chart>(&ChartOperation::Remove { id: "a".into() }).unwrap();
        assert_eq!(
            one.document.keys(&"/elements".parse().unwrap()).unwrap_or_default(),
            Vec::<String>::new()
        );
    });
}
