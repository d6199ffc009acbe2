//! What becomes of concurrent edits of a board; alike in both families, and whoever's id is larger.

use quickcheck::quickcheck;
use syncline_core::board::{
    Board, BoardOperation, Comment, Dependency, Field, Label, Link, Task, TaskId, TaskText,
};
use syncline_core::fractional_index::{FractionalIndex, Spot};
use syncline_core::random::Random;
use syncline_core::scripts::board_operation;
use syncline_core::value::Value;

use crate::replicas::{FAMILIES, Replica, everywhere, exchange};

fn id(name: &str) -> TaskId {
    name.into()
}

fn place(salt: u64) -> FractionalIndex {
    FractionalIndex::between(None, None, salt).unwrap()
}

fn add(name: &str, status: &str) -> BoardOperation {
    let task = Task {
        title: name.to_owned(),
        status: status.to_owned(),
        description: "one two".to_owned(),
        place: Some(place(0)),
        ..Task::default()
    };
    BoardOperation::Add { id: id(name), task: Box::new(task) }
}

fn set(name: &str, field: Field) -> BoardOperation {
    BoardOperation::Set { id: id(name), field }
}

fn move_to(name: &str, status: &str, salt: u64) -> BoardOperation {
    BoardOperation::Move { id: id(name), status: status.to_owned(), place: Some(place(salt)) }
}

fn remove(name: &str) -> BoardOperation {
    BoardOperation::Remove { id: id(name) }
}

fn splice(at: usize, delete: usize, insert: &str) -> BoardOperation {
    BoardOperation::Splice { id: id("t"), text: TaskText::Description, at, delete, insert: insert.to_owned() }
}

/// On a board with the task "t", one replica does one thing and the other another; `check` sees what both have then.
fn concurrently(one: &[BoardOperation], other: &[BoardOperation], check: impl Fn(&Board)) {
    everywhere::<Board>(|first, second| {
        first.perform::<Board>(&add("t", "todo")).unwrap();
        exchange(&mut [first, second]);
        one.iter().for_each(|operation| first.perform::<Board>(operation).unwrap());
        other.iter().for_each(|operation| second.perform::<Board>(operation).unwrap());
        exchange(&mut [first, second]);
        check(&first.state());
    });
}

fn task(board: &Board) -> &Task {
    &board.tasks[&id("t")]
}

#[test]
fn different_fields_are_both_set() {
    let one = [set("t", Field::Title("new".into())), set("t", Field::Priority(Some(1)))];
    let other = [set("t", Field::Assignee(Some("ben".into()))), move_to("t", "doing", 7)];
    concurrently(&one, &other, |board| {
        let task = task(board);
        assert_eq!((task.title.as_str(), task.priority), ("new", Some(1)));
        assert_eq!((task.assignee.as_deref(), task.status.as_str()), (Some("ben"), "doing"));
    });
}

#[test]
fn the_same_field_has_one_of_the_two_values() {
    let title = |text: &str| [set("t", Field::Title(text.into()))];
    concurrently(&title("one"), &title("other"), |board| {
        assert!(["one", "other"].contains(&task(board).title.as_str()));
    });
}

#[test]
fn what_two_write_in_a_text_is_all_there() {
    concurrently(&[splice(0, 3, "eins")], &[splice(7, 0, " three")], |board| {
        assert_eq!(task(board).description, "eins two three");
    });
}

#[test]
fn of_two_moves_one_stands_whole() {
    let moves = [("doing", 1), ("done", 2), ("todo", 3), ("doing", 4)];
    for one in moves {
        for other in moves {
            let moved = |(status, salt)| [move_to("t", status, salt)];
            concurrently(&moved(one), &moved(other), |board| {
                let found = (task(board).status.as_str(), task(board).place.clone());
                let outcomes = [one, other].map(|(status, salt)| (status, Some(place(salt))));
                assert!(outcomes.contains(&found), "{found:?} of {outcomes:?}");
                assert_eq!(board.tasks.len(), 1);
            });
        }
    }
}

#[test]
fn remove_wins() {
    let comment = Comment { text: "wait!".to_owned(), ..Comment::default() };
    let edits = [
        move_to("t", "doing", 1),
        set("t", Field::Title("new".into())),
        set("t", Field::Label("urgent".into(), Some(Label::default()))),
        set("t", Field::Comment("c".into(), Some(comment))),
        set("t", Field::Other("estimate".into(), Some(Value::Int(3)))),
        splice(0, 0, "more "),
        remove("t"),
    ];
    concurrently(&[remove("t")], &edits[..6], |board| assert_eq!(board.tasks.len(), 0));
    concurrently(&[remove("t")], &edits[6..], |board| assert_eq!(board.tasks.len(), 0));
    // Of two tasks only the one that was removed is gone.
    concurrently(&[remove("t")], &[add("u", "todo")], |board| {
        assert_eq!(board.tasks.keys().collect::<Vec<_>>(), [&id("u")]);
    });
}

#[test]
fn labels_comments_and_dependencies_of_both_are_there() {
    let with = |name: &str| {
        let link = Link { kind: "blocks".into(), on: id(name) };
        [
            set("t", Field::Label(name.into(), Some(Label { place: Some(place(1)) }))),
            set("t", Field::Comment(name.into(), Some(Comment::default()))),
            set("t", Field::Dependency(link, Some(Dependency::default()))),
            set("t", Field::Other(name.into(), Some(true.into()))),
        ]
    };
    concurrently(&with("a"), &with("b"), |board| {
        let task = task(board);
        assert_eq!((task.labels.len(), task.comments.len(), task.dependencies.len()), (2, 2, 2));
        assert_eq!(task.other.len(), 2);
    });
}

#[test]
fn a_label_that_one_adds_again_and_another_removes_is_there() {
    let label = |label: Option<Label>| set("t", Field::Label("urgent".into(), label));
    let again = Some(Label { place: Some(place(9)) });
    everywhere::<Board>(|one, other| {
        one.perform::<Board>(&add("t", "todo")).unwrap();
        one.perform::<Board>(&label(Some(Label::default()))).unwrap();
        exchange(&mut [one, other]);
        one.perform::<Board>(&label(again.clone())).unwrap();
        other.perform::<Board>(&label(None)).unwrap();
        exchange(&mut [one, other]);
        assert_eq!(task(&one.state()).labels["urgent"], again.clone().unwrap());
    });
}

#[test]
fn of_two_tasks_of_one_name_one_stands_whole() {
    everywhere::<Board>(|one, other| {
        one.perform::<Board>(&add("t", "todo")).unwrap();
        one.perform::<Board>(&set("t", Field::Title("one".into()))).unwrap();
        other.perform::<Board>(&add("t", "done")).unwrap();
        other.perform::<Board>(&set("t", Field::Title("other".into()))).unwrap();
        exchange(&mut [one, other]);
        let board: Board = one.state();
        let found = (task(&board).title.as_str(), task(&board).status.as_str());
        assert!([("one", "todo"), ("other", "done")].contains(&found), "{found:?}");
    });
}

#[test]
fn two_who_insert_at_one_place_leave_room_for_a_third() {
    everywhere::<Board>(|one, other| {
        one.perform::<Board>(&add("t", "todo")).unwrap();
        exchange(&mut [one, other]);
        let below = |salt| FractionalIndex::at([place(0)].iter(), Spot::After(&place(0)), salt);
        let add = |name: &str, salt| {
            let task = Task { status: "todo".into(), place: below(salt), ..Task::default() };
            BoardOperation::Add { id: id(name), task: Box::new(task) }
        };
        one.perform::<Board>(&add("u", 10)).unwrap();
        other.perform::<Board>(&add("v", 11)).unwrap();
        exchange(&mut [one, other]);
        let board: Board = one.state();
        let column = board.column("todo");
        let (low, high) = (column[1].1.place.as_ref(), column[2].1.place.as_ref());
        assert!(FractionalIndex::between(low, high, 0).is_some());
    });
}

#[test]
fn what_is_not_there_cannot_be_edited() {
    let [mut replica] = Replica::all::<Board, 1>(FAMILIES[0]);
    for operation in [remove("t"), move_to("t", "done", 0), set("t", Field::Due(None)), splice(0, 0, "x")] {
        assert!(replica.perform::<Board>(&operation).is_err(), "{operation:?}");
        assert_eq!(replica.state::<Board>(), Board::default());
    }
}

quickcheck! {
    /// Three who edit apart end equal.
    fn everybody_ends_equal(seed: u64, rounds: u8) -> () {
        for family in FAMILIES {
            let mut random = Random::new(seed);
            let [mut one, mut two, mut three] = Replica::all::<Board, 3>(family);
            for _ in 0..rounds % 6 {
                for replica in [&mut one, &mut two, &mut three] {
                    for _ in 0..random.below(12) {
                        let operation = board_operation(&mut random, &replica.state());
                        replica.perform::<Board>(&operation).unwrap();
                    }
                }
                exchange(&mut [&mut one, &mut two, &mut three]);
            }
        }
    }
}
