//! Boards and charts as applications hold them: every change in the same terms, imports that are whole, and the kind that
//! a document is of.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod relayed;

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use syncline::board::{Board, BoardOperation, Field, Place, Task, TaskId, TaskText};
use syncline::chart::{Chart, ChartOperation, ElementId};
use syncline::{Engine, Family, MemoryStorage, Operation, Path, Saved, Schema, Typed, Value};

use syncline_core::replica::Policy;

const FAMILIES: [Family; 2] = [Family::Yjs, Family::Automerge];

fn engine() -> Engine {
    Engine::builder(MemoryStorage::new()).user("ada").open().unwrap()
}

/// The next changes that are told of.
async fn next<T>(changes: &mut (impl Stream<Item = T> + Unpin)) -> T {
    tokio::time::timeout(Duration::from_secs(20), changes.next()).await.unwrap().unwrap()
}

#[tokio::test]
async fn every_change_is_told_in_the_terms_of_the_board() {
    for family in FAMILIES {
        let engine = engine();
        let board = engine.board("b", family).await.unwrap();
        let mut changes = board.changes();
        let (first, second) =
            board.edit(|board| Ok((board.add_task("One", "todo")?, board.add_task("Two", "todo")?))).unwrap();
        let added = next(&mut changes).await;
        assert!(matches!(&added[..], [BoardOperation::Add { .. }, BoardOperation::Add { .. }]), "{added:?}");

        board
            .edit(|board| {
                board.move_task(&second, "todo", Place::Before(&first))?;
                for (next_to, column, said) in
                    [(&first, "done", "is in the column \"todo\""), (&second, "todo", "to itself")]
                {
                    let refused = board.move_task(&second, column, Place::After(next_to)).unwrap_err();
                    assert!(refused.to_string().contains(said), "{refused}");
                }
                board.write(&first, TaskText::Notes, "some words")
            })
            .unwrap();
        board.edit(|board| board.write(&first, TaskText::Notes, "some more words")).unwrap();
        let mut told = board.state().unwrap();
        assert_eq!(told.column("todo").iter().map(|(id, _)| *id).collect::<Vec<_>>(), [&second, &first]);
        board.edit(|board| board.set(&first, Field::Due(Some("2026-12-24".into())))).unwrap();
        board.edit(|board| board.remove_task(&second)).unwrap();
        // However they are gathered, they lead to where the board is.
        told = Board::default();
        added.iter().for_each(|change| told.apply(change).unwrap());
        while told != board.state().unwrap() {
            next(&mut changes).await.iter().for_each(|change| told.apply(change).unwrap());
        }
        assert_eq!(told.tasks[&first].notes, "some more words");
        engine.close().await;
        assert!(changes.next().await.is_none(), "the changes end with the document");
    }
}

#[tokio::test]
async fn what_others_write_in_a_text_meanwhile_stays() {
    for family in FAMILIES {
        let engine = engine();
        let board = engine.board("b", family).await.unwrap();
        let id = board.edit(|board| board.add_task("One", "todo")).unwrap();
        board.edit(|board| board.write(&id, TaskText::Description, "one three")).unwrap();
        let path = Path::from_iter(["tasks", &id.0, "description"]);
        // What another one writes comes as an edit of the tree.
        let words = Operation::Splice { path, at: 4, delete: 0, insert: "two ".to_owned() };
        syncline::Document::perform(&board, words).unwrap();
        board.edit(|board| board.write(&id, TaskText::Description, "one two three four")).unwrap();
        assert_eq!(board.state().unwrap().tasks[&id].description, "one two three four");
        engine.close().await;
    }
}

/// What somebody else does is told as he did it.
#[tokio::test]
async fn changes_of_others_are_told_in_the_terms_of_the_board() {
    for family in FAMILIES {
        let (transport, _relay) = relayed::relay(MemoryStorage::new(), Policy::relay(), Box::new(|_, _| {}));
        let (ada, bob) = (relayed::engine(&transport), relayed::engine(&transport));
        let (hers, his) = (ada.board("b", family).await.unwrap(), bob.board("b", family).await.unwrap());
        let mut changes = his.changes();
        let id = hers.edit(|board| board.add_task("One", "todo")).unwrap();
        let told = next(&mut changes).await;
        assert!(matches!(&told[..], [BoardOperation::Add { id: added, .. }] if *added == id), "{told:?}");
        let due = BoardOperation::Set { id: id.clone(), field: Field::Due(Some("2026-12-24".into())) };
        hers.perform(&due).unwrap();
        assert_eq!(next(&mut changes).await, [due]);
        hers.perform(&BoardOperation::Remove { id: id.clone() }).unwrap();
        assert_eq!(next(&mut changes).await, [BoardOperation::Remove { id }]);
        ada.close().await;
        bob.close().await;
    }
}

#[tokio::test]
async fn charts_are_told_and_edited_by_element() {
    for family in FAMILIES {
        let engine = engine();
        let chart = engine.chart("c", family).await.unwrap();
        let mut changes = chart.changes();
        let root = ElementId::chart();
        let map = |key: &str, value: Value| Value::Map([(key.to_owned(), value)].into());
        let Value::Map(mut layer) = map("encoding", map("x", map("field", "a".into()))) else {
            unreachable!()
        };
        layer.insert("mark".to_owned(), "bar".into());
        let layer = Value::Map(layer);
        let layer = chart.edit(|chart| chart.add(&root, "layer", None, &layer)).unwrap();
        let added = next(&mut changes).await;
        assert!(added.iter().all(|change| matches!(change, ChartOperation::Add { .. })) && added.len() == 3);
        let mark = ElementId(format!("{layer}.mark"));
        chart.edit(|chart| chart.update(&mark, "/type".parse().unwrap(), Some("line".into()))).unwrap();
        let updated = next(&mut changes).await;
        assert!(matches!(&updated[..], [ChartOperation::Update { id, .. }] if *id == mark), "{updated:?}");
        chart.edit(|chart| chart.remove(&layer)).unwrap();
        assert_eq!(next(&mut changes).await, [ChartOperation::Remove { id: layer }]);
        assert_eq!(chart.state().unwrap(), Chart::default());
        engine.close().await;
    }
}

/// What could not be told apart from what is there, or would be lost on the way out, is no element.
#[tokio::test]
async fn what_a_chart_has_no_place_for_is_refused() {
    let engine = engine();
    let chart = engine.chart("c", Family::Yjs).await.unwrap();
    let specification =
        br#"{"mark":"bar","encoding":{"x":{"field":"a"},"tooltip":[{"field":"a"}]},"layer":[],
        "datasets":{"bare":[1]},"data":{"values":"a,b"}}"#;
    chart.import(&Chart::from_vega_lite(specification).unwrap()).unwrap();
    let before = chart.state().unwrap();
    let (root, mark) = (ElementId::chart(), Value::from("line"));
    let object = Value::Map([("field".to_owned(), "b".into())].into());
    for (parent, kind, name, content, said) in [
        (&root, "mark", Some("other"), &mark, "something at"),
        (&root, "mark", None, &mark, "something at"),
        (&root, "spec", Some("named"), &object, "has no name"),
        (&root, "encoding", None, &object, "needs name"),
        (&root, "encoding", Some("x"), &object, "something at"),
        (&"tooltip".into(), "layer", None, &object, "is one value, it has no parts"),
        (&"data".into(), "values", None, &mark, "something at"),
        (&"nobody".into(), "layer", None, &object, "nothing at"),
        (&root, "title", None, &mark, "is no kind of element"),
    ] {
        let refused = chart.edit(|chart| chart.add(parent, kind, name, content)).unwrap_err().to_string();
        assert!(refused.contains(said), "{kind} {name:?}: {refused}");
    }
    let hidden = chart.edit(|chart| chart.update(&root, "/mark".parse().unwrap(), Some("line".into())));
    assert!(hidden.unwrap_err().to_string().contains("\"mark\" is the element \"mark\""));
    assert_eq!(chart.state().unwrap(), before);
    chart.edit(|chart| chart.add(&"bare".into(), "values", None, &mark)).unwrap();
    chart.edit(|chart| chart.add(&root, "layer", None, &object)).unwrap();
    let exported = chart.state().unwrap().to_vega_lite();
    assert_eq!(exported["datasets"]["bare"].to_string(), r#"[1,"line"]"#);
    assert_eq!(exported["layer"].to_string(), r#"[{"field":"b"}]"#);
    engine.close().await;
}

fn tasks(count: usize) -> Board {
    let task = |n| (TaskId(format!("t{n}")), Task { title: format!("Task {n}"), ..Task::default() });
    Board { tasks: (0..count).map(task).collect() }
}

#[tokio::test]
async fn an_import_is_whole_or_not_there() {
    for family in FAMILIES {
        let engine = engine();
        let board: Typed<Board> = engine.typed("b", family).await.unwrap();
        let mut wrong = tasks(2_000);
        let huge = Task { title: "x".repeat(5 << 20), ..Task::default() };
        wrong.tasks.insert("t1999".into(), huge);
        assert!(board.import(&wrong).is_err());
        assert_eq!(
            (board.state().unwrap(), board.progress().made),
            (Board::default(), 0),
            "nothing of it is there"
        );
        board.import(&tasks(2_000)).unwrap();
        assert_eq!(board.state().unwrap(), tasks(2_000));
        assert!(board.import(&tasks(1)).is_err(), "it holds something already");
        board.saved(Saved::Local).await.unwrap();
        engine.close().await;
    }
}

/// What only one family cannot hold is found as well before anything is made of a file.
#[tokio::test]
async fn an_import_that_a_family_refuses_leaves_nothing() {
    let engine = engine();
    let board = engine.board("b", Family::Yjs).await.unwrap();
    let mut wrong = tasks(900);
    let other = [("$counter:x".to_owned(), Value::from(1))].into();
    wrong.tasks.insert("t999".into(), Task { other, ..Task::default() });
    assert!(board.import(&wrong).is_err());
    assert_eq!((board.state().unwrap(), board.progress().made), (Board::default(), 0));
    engine.close().await;
}

#[tokio::test]
async fn an_element_of_thousands_of_parts_is_removed_and_made_anew() {
    for family in FAMILIES {
        let engine = engine();
        let chart = engine.chart("c", family).await.unwrap();
        let points = vec!["1"; 2_000].join(",");
        let specification = format!("{{\"mark\":\"bar\",\"data\":{{\"values\":[{points}]}}}}");
        chart.import(&Chart::from_vega_lite(specification.as_bytes()).unwrap()).unwrap();
        assert_eq!(chart.state().unwrap().elements.len(), 2_002);
        chart.edit(|chart| chart.remove(&"data".into())).unwrap();
        assert_eq!(chart.state().unwrap().elements.len(), 1);
        let empty = Value::Map([("values".to_owned(), Value::List(vec![2.into()]))].into());
        chart.edit(|chart| chart.add(&ElementId::chart(), "data", None, &empty)).unwrap();
        assert_eq!(chart.state().unwrap().to_vega_lite()["data"]["values"].as_array().unwrap().len(), 1);
        let again = chart.edit(|chart| chart.add(&ElementId::chart(), "data", None, &empty));
        assert!(again.is_err(), "there is one");
        engine.close().await;
    }
}

#[tokio::test]
async fn a_document_is_of_the_kind_it_was_made() {
    let engine = engine();
    let board = engine.board("b", Family::Yjs).await.unwrap();
    let asked = engine.chart("b", Family::Yjs).await.err().unwrap().to_string();
    assert!(asked.contains("yjs board") && asked.contains("yjs chart"), "{asked}");
    assert!(engine.existing_typed::<Chart>("b").await.is_err());
    assert!(engine.existing_typed::<Board>("b").await.is_ok());
    assert!(board.typed::<Chart>().is_err());
    engine.close().await;
}
