//! Tasks in and out: JSON lines, comma-separated values, todo.txt.

use quickcheck::quickcheck;
use serde_json::{Value as Json, json};
use syncline_core::board::{Board, BoardOperation, Field, Label, Task, TaskId};
use syncline_core::random::Random;
use syncline_core::schema::Schema;
use syncline_core::scripts::board_operation;

use crate::real_data::real_data;
use crate::replicas::{FAMILIES, Replica};

fn json_lines(text: &str) -> Board {
    Board::from_json_lines(text.as_bytes()).unwrap()
}

fn parsed(lines: &str) -> Vec<Json> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
fn keeps(task: &Json) {
    assert_eq!(parsed(&json_lines(&task.to_string()).to_json_lines()), std::slice::from_ref(task));
}

/// The board as documents of each family read it after it was put there.
fn through_documents(board: &Board) {
    for family in FAMILIES {
        let [mut replica] = Replica::all::<Board, 1>(family);
        for operation in Board::default().changes(board) {
            replica.perform::<Board>(&operation).unwrap();
        }
        assert_eq!(replica.state::<Board>(), *board, "{family}");
    }
}

#[test]
fn real_tasks_come_out_of_documents_field_by_field() {
    let Some(file) = real_data("tasks/issues.jsonl") else { return };
    let text = std::fs::read_to_string(file).unwrap();
    let board = json_lines(&text);
    through_documents(&board);
    assert_eq!(parsed(&board.to_json_lines()), parsed(&text), "in the order of the file, too");
    assert_eq!(board.tasks.len(), 704);
}

#[test]
fn real_tasks_survive_a_table_as_far_as_it_goes() {
    let Some(file) = real_data("tasks/issues.jsonl") else { return };
    let board = json_lines(&std::fs::read_to_string(file).unwrap());
    let again = Board::from_csv(board.to_csv().unwrap().text.as_bytes()).unwrap();
    assert_eq!(again.tasks.len(), board.tasks.len());
    for (id, task) in &board.tasks {
        let read = &again.tasks[id];
        assert_eq!(
            (&read.title, &read.description, &read.labels),
            (&task.title, &task.description, &task.labels)
        );
        assert_eq!((&read.status, read.priority, &read.place), (&task.status, task.priority, &task.place));
        assert!(read.dependencies.keys().eq(task.dependencies.keys()));
    }
}

#[test]
fn naughty_strings_are_kept_exactly() {
    let Some(file) = real_data("strings/blns.json") else { return };
    let strings: Vec<String> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let task = |(index, text): (usize, &String)| {
        json!({"id": format!("t{index}"), "title": text, "notes": text, "labels": [text], "assignee": text,
            "status": text, text: text})
        .to_string()
            + "\n"
    };
    let text: String = strings.iter().enumerate().map(task).collect();
    let board = json_lines(&text);
    through_documents(&board);
    assert_eq!(parsed(&board.to_json_lines()), parsed(&text));
}

#[test]
fn every_field_is_kept() {
    keeps(&json!({"id": "t", "title": "", "status": "", "description": null, "notes": "", "labels": [],
        "dependencies": null, "comments": [], "assignee": null, "due": "", "priority": null}));
    keeps(&json!({"id": "t", "title": "x", "order": 1, "kept": {"labels": 1}, "tasks": [], "pinned": true,
        "nested": {"a": [1, {"b": null}], "$bytes": "x"}, "": 0.5}));
    keeps(&json!({"id": "t", "title": "x", "labels": ["b", "a", ""], "priority": -3,
        "dependencies": [{"depends_on_id": "u", "type": "blocks", "metadata": "{}"}, {"depends_on_id": "u"},
            {"depends_on_id": "v", "type": ""}, {"depends_on_id": "a b", "type": null}],
        "comments": [{"id": 7, "author": "", "text": "", "created_at": "now"}, {"text": "x", "author": null}]}));
}

#[test]
fn what_is_no_task_is_refused_with_its_line() {
    let first = "{\"id\": \"t\", \"title\": \"x\"}\n";
    for (line, said) in [
        ("{\"id\": \"t\", \"title\": \"y\"}", "there is a task \"t\" further up already"),
        ("{\"title\": \"y\"}", "\"id\" is missing"),
        ("{\"id\": 7, \"title\": \"y\"}", "\"id\" must be a string and is a number"),
        ("{\"id\": \"u\", \"title\": null}", "\"title\" must be a string and is null"),
        (
            "{\"id\": \"u\", \"title\": \"y\", \"priority\": \"P1\"}",
            "\"priority\" must be a whole number and is a string",
        ),
        ("{\"id\": \"u\", \"title\": \"y\", \"priority\": 1.5}", "\"priority\" must be a whole number"),
        ("{\"id\": \"u\", \"title\": \"y\", \"labels\": \"a\"}", "\"labels\" must be a list and is a string"),
        (
            "{\"id\": \"u\", \"title\": \"y\", \"labels\": [1]}",
            "\"labels\", element 1: a label is a string, not a number",
        ),
        (
            "{\"id\": \"u\", \"title\": \"y\", \"labels\": [\"a\", \"a\"]}",
            "\"labels\", element 2: the same is there before",
        ),
        (
            "{\"id\": \"u\", \"title\": \"y\", \"dependencies\": [\"t\"]}",
            "an object is needed, and this is a string",
        ),
        (
            "{\"id\": \"u\", \"title\": \"y\", \"dependencies\": [{\"type\": \"a b\", \"depends_on_id\": \"t\"}]}",
            "no spaces",
        ),
        ("{\"id\": \"u\", \"title\": \"y\", \"comments\": [{\"author\": \"a\"}]}", "\"text\" is missing"),
        ("{\"id\": \"u\", \"title\": \"y\", \"a\": 1, \"a\": 2}", "the key \"a\" is there twice"),
        (
            "{\"id\": \"u\", \"title\": \"y\", \"a\": 18446744073709551615}",
            "\"a\": 18446744073709551615 is too large",
        ),
        ("{\"id\": \"u\", \"title\": \"\\udead\"}", "not JSON"),
        ("[]", "a task is a JSON object"),
        ("{\"id\": \"u\"", "not JSON"),
    ] {
        let error = Board::from_json_lines(format!("{first}\n{line}\n").as_bytes()).unwrap_err();
        assert_eq!(error.line, Some(3), "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn tables_name_their_columns() {
    let board = Board::from_csv(
        b"title,id,labels,priority,estimate,dependencies,notes\r\n\"a, \"\"b\"\"\nc\",t1,x;y,2,3 days,blocks t2;needs t3,\n\
          plain,,,,,,\"long\n\ntext\"\n",
    )
    .unwrap();
    let task = &board.tasks[&TaskId("t1".into())];
    assert_eq!((task.title.as_str(), task.priority), ("a, \"b\"\nc", Some(2)));
    assert_eq!((task.labels.len(), task.dependencies.len()), (2, 2));
    assert_eq!(task.other["estimate"], "3 days".into());
    assert_eq!(board.tasks[&TaskId("row-3".into())].notes, "long\n\ntext");
    assert_eq!(Board::from_csv(board.to_csv().unwrap().text.as_bytes()).unwrap(), board);
    for (table, said) in [
        ("", "line 1: the first row must name the columns"),
        ("id,name\n1,2\n", "line 1: the first row must name the columns"),
        ("title,title\na,b\n", "line 1: the first row names a column twice"),
        ("title,comments\na,b\n", "line 1: \"comments\" cannot be read from a table"),
        ("title,priority\na,b\n", "line 2: \"priority\" is no whole number: \"b\""),
        ("id,title,notes\n,,x\n", "line 2: \"title\" is empty, and there is no \"id\" either"),
        ("id,title\nt,a\n\"t\",\"x\"\n", "line 3: there is a task \"t\" further up"),
        ("id,title\nt,a\nu\n", "line 3: this is not a table"),
        ("title,dependencies\na,b\n", "line 2: a dependency is a kind and a task"),
        ("title,labels\na,b;b\n", "line 2: \"b\" is there twice"),
        ("id,title\nt,a\nu,\"half a te", "line 3: the cell that begins with a quote here does not end"),
        ("id,title\nt,\"a\"b\n", "line 2: there is something behind the closing quote"),
        ("id,title\nt,a \"b\"\n", "line 2: there is a quote within a cell"),
    ] {
        let refused = Board::from_csv(table.as_bytes()).unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
    assert!(Board::from_csv(b"title\n\xff\n").unwrap_err().to_string().contains("line 2: this is not UTF-8"));
}

#[test]
fn tables_hold_tasks_without_a_title_and_say_what_they_leave_out() {
    let board = Board::from_json_lines(
        br#"{"id":"a","title":"","labels":null,"dependencies":[{"type":"blocks","depends_on_id":"b","issue_id":"a","since":1}]}
            {"id":"b","title":"x","dependencies":[{"type":"blocks","depends_on_id":"a","issue_id":"b"}]}"#,
    )
    .unwrap();
    let exported = board.to_csv().unwrap();
    assert_eq!(
        exported.left_out,
        ["1 dependencies' further fields", "1 fields whose names mean something else here"]
    );
    let typed =
        Board::from_json_lines(br#"{"id":"","title":"x","number":1,"nothing":"","text":"y"}"#).unwrap();
    let said = typed.to_csv().unwrap().left_out;
    assert_eq!(said, ["2 fields' types: they are read again as text", "1 empty ids"]);
    let read = Board::from_csv(exported.text.as_bytes()).unwrap();
    assert_eq!((read.tasks[&TaskId("a".into())].title.as_str(), read.tasks.len()), ("", 2));
}

#[test]
fn what_todo_txt_alters_is_said() {
    for (line, said) in [
        (r#"{"id":"a","title":"work","status":"todo","labels":["+house"]}"#, 0),
        (r#"{"id":"a","title":"work","status":"todo","labels":["house"]}"#, 1),
        (r#"{"id":"a","title":"work","status":"todo","created_at":"2026-11-20"}"#, 0),
        (r#"{"id":"a","title":"work","status":"todo","created_at":"2026-11-20T10:00:00Z"}"#, 1),
        (r#"{"id":"a","title":"work","status":"todo","created_at":"2026-13-20"}"#, 1),
        (r#"{"id":"a","title":"work","status":"later"}"#, 1),
    ] {
        let board = Board::from_json_lines(line.as_bytes()).unwrap();
        assert_eq!(board.to_todo_txt().unwrap().left_out.len(), said, "{line}");
    }
}

#[test]
fn todo_txt_lines_are_tasks() {
    let text = "x 2026-11-20 2026-11-01 Call @bob about it +house @phone due:2026-11-30\n\
                (A) 2026-11-02 Most urgent +now\n\
                Plain\n\
                x Done\n\
                (b) not a priority due:soon\n";
    let board = Board::from_todo_txt(text.as_bytes()).unwrap();
    let first = &board.tasks[&TaskId("line-1".into())];
    assert_eq!((first.title.as_str(), first.status.as_str()), ("Call @bob about it", "done"));
    assert_eq!((first.due.as_deref(), &first.other["closed_at"]), (Some("2026-11-30"), &"2026-11-20".into()));
    assert!(first.labels.keys().eq(["+house", "@phone"]));
    assert_eq!(board.tasks[&TaskId("line-2".into())].priority, Some(0));
    let exported = board.to_todo_txt().unwrap();
    assert_eq!((exported.text.as_str(), exported.left_out.len()), (text, 0));
    assert!(
        Board::from_todo_txt(b"fine\n\xff\n").unwrap_err().to_string().contains("line 2: this is not UTF-8")
    );

    let mut board = board;
    board.tasks.get_mut(&"line-3".into()).unwrap().notes = "more".into();
    assert_eq!(board.to_todo_txt().unwrap().left_out, ["what else is known of 1 tasks"]);
    for title in
        ["two\nlines", "x marks the spot", "(A) is no priority", "learn c +fast", "due due:2026-01-01"]
    {
        board.tasks.get_mut(&"line-3".into()).unwrap().title = title.into();
        let refused = board.to_todo_txt().unwrap_err().to_string();
        assert!(refused.contains("the task \"line-3\" cannot be written as todo.txt"), "{title}: {refused}");
    }
}

#[test]
fn labels_that_no_cell_can_hold_are_refused() {
    let task =
        Task { title: "x".into(), labels: [("a;b".to_owned(), Label::default())].into(), ..Task::default() };
    let board = Board { tasks: [("t".into(), task)].into() };
    assert!(board.to_csv().unwrap_err().to_string().contains("the task \"t\" cannot be written as CSV"));
}

quickcheck! {
    /// Whatever happened to a board, its JSON lines hold all of it but the keys of places.
    fn boards_survive_json_lines(seed: u64) -> () {
        let (mut random, mut board) = (Random::new(seed), Board::default());
        for _ in 0..60 {
            let operation = board_operation(&mut random, &board);
            // A comment without an id of its own is named by its place.
            if !matches!(&operation, BoardOperation::Set { field: Field::Comment(..), .. }) {
                board.apply(&operation).unwrap();
            }
        }
        let text = board.to_json_lines();
        let again = json_lines(&text);
        assert_eq!(again.to_json_lines(), text);
        let order = |board: &Board| board.in_order().into_iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
        assert_eq!(order(&again), order(&board));
    }

    /// Whatever stands in the file, it is read or refused.
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) -> () {
        for board in [Board::from_json_lines(&bytes), Board::from_csv(&bytes), Board::from_todo_txt(&bytes)] {
            drop(board.map(|board| board.to_json_lines()));
        }
    }
}
