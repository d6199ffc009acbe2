//! Boards and charts on the command line: files in and out, edits, and what becomes of bad input.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::time::Instant;

use serde_json::{Value as Json, json};
use syncline_tests::process::relay::Relay;
use syncline_tests::process::terminal::Terminal;

const FAMILIES: [&str; 2] = ["yjs", "automerge"];

const TASKS: &str = r#"{"id":"t-1","title":"Ship it","status":"open","priority":1,"labels":["b","a"],"estimate":{"h":2}}
{"id":"t-2","title":"Wait","status":"closed","notes":"long","dependencies":[{"depends_on_id":"t-1","type":"blocks"}]}
"#;

const CHART: &str = r#"{"$schema":"https://vega.github.io/schema/vega-lite/v6.json","mark":"bar",
    "data":{"values":[{"a":"A","b":28},{"a":"B","b":55}]},
    "encoding":{"x":{"field":"a","type":"nominal"},"y":{"field":"b","type":"quantitative"}},"x-unknown":[1,{"y":null}]}"#;

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    std::fs::write(folder.join(name), content).unwrap();
}

fn lines(text: &str) -> Vec<Json> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_board_comes_from_a_file_is_edited_and_goes_into_others() {
    for crdt in FAMILIES {
        let terminal = Terminal::new();
        write(terminal.folder(), "tasks.jsonl", TASKS);
        assert_eq!(terminal.ok(["import", "team/board", "tasks.jsonl", "--crdt", crdt]), "");
        assert_eq!(lines(&terminal.ok(["export", "team/board"])), lines(TASKS));
        assert_eq!(terminal.json(["list", "--json"])[0]["kind"], "board");

        let id = terminal.ok([
            "task",
            "add",
            "team/board",
            "New",
            "--assignee",
            "ada",
            "--label",
            "x",
            "--due",
            "2026-12-24",
        ]);
        let id = id.trim();
        terminal.ok(["task", "move", "team/board", id, "open", "--first"]);
        terminal.ok([
            "task",
            "edit",
            "team/board",
            "t-1",
            "--title",
            "Ship",
            "--priority",
            "",
            "--unlabel",
            "b",
            "--notes",
            "soon",
        ]);
        terminal.ok(["task", "edit", "team/board", &id[..11], "--depends-on", "t-2", "--priority", "-1"]);
        terminal.ok(["task", "comment", "team/board", "t-1", "Why?", "--user", "ben"]);
        terminal.ok(["task", "rm", "team/board", "t-2"]);

        let listed = terminal.ok(["task", "list", "team/board"]);
        assert_eq!(listed, format!("{id}  [open] New p-1 (ada) due 2026-12-24 #x\nt-1  [open] Ship #a\n"));
        assert_eq!(terminal.ok(["task", "list", "team/board", "--label", "a"]), "t-1  [open] Ship #a\n");
        let task = &terminal.json(["task", "show", "team/board", "t-1"])[0];
        assert_eq!(
            (&task["notes"], &task["labels"], &task["estimate"]),
            (&json!("soon"), &json!(["a"]), &json!({"h": 2}))
        );
        assert_eq!(
            (&task["comments"][0]["text"], &task["comments"][0]["author"]),
            (&json!("Why?"), &json!("ben"))
        );
        assert!(task.get("priority").is_none());

        let csv = terminal.run(["export", "team/board", "--format", "csv"]);
        assert!(csv.out.starts_with("id,title,status,") && csv.err.contains("1 comments"), "{csv:?}");
        write(terminal.folder(), "tasks.csv", &csv.out);
        terminal.ok(["import", "again", "tasks.csv", "--crdt", crdt]);
        assert_eq!(terminal.ok(["task", "list", "again"]), listed);
        let todo = terminal.run(["export", "again", "--format", "todo-txt"]).out;
        assert!(todo.contains("New @x due:2026-12-24"), "{todo}");
        write(terminal.folder(), "todo.txt", &todo);
        terminal.ok(["import", "third", "todo.txt", "--crdt", crdt]);
        assert_eq!(terminal.ok(["export", "third", "--format", "todo-txt"]), todo);
    }
}

#[test]
fn a_chart_comes_from_a_file_and_every_element_can_be_edited() {
    for crdt in FAMILIES {
        let terminal = Terminal::new();
        write(terminal.folder(), "chart.vl.json", CHART);
        terminal.ok(["import", "sales", "chart.vl.json", "--crdt", crdt]);
        let exported = |terminal: &Terminal| -> Json {
            serde_json::from_str(&terminal.ok(["export", "sales"])).unwrap()
        };
        assert_eq!(exported(&terminal), serde_json::from_str::<Json>(CHART).unwrap());

        let row = terminal.ok(["chart", "add", "sales", "values", r#"{"a":"C","b":43}"#, "--in", "data"]);
        terminal.ok(["chart", "move", "sales", row.trim(), "--before", "data.values-1"]);
        terminal.ok(["chart", "add", "sales", "encoding", r#"{"field":"a"}"#, "--name", "color"]);
        terminal.ok(["chart", "update", "sales", "mark", "/type", r#""line""#]);
        terminal.ok(["chart", "update", "sales", "x", "/axis/title", r#""Year""#]);
        terminal.ok(["chart", "update", "sales", "chart", "/width", "300"]);
        terminal.ok(["chart", "update", "sales", "chart", "/x-unknown"]);
        terminal.ok(["chart", "rm", "sales", "data.values-2"]);
        let layer = terminal.ok([
            "chart",
            "add",
            "sales",
            "layer",
            r#"{"mark":"rule","encoding":{"y":{"datum":3}}}"#,
        ]);
        terminal.ok(["chart", "move", "sales", "mark", "--to", "-3,4.5"]);
        assert_eq!(
            exported(&terminal),
            json!({"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "mark": "line", "width": 300,
                "data": {"values": [{"a": "C", "b": 43}, {"a": "A", "b": 28}]},
                "encoding": {"x": {"field": "a", "type": "nominal", "axis": {"title": "Year"}},
                    "y": {"field": "b", "type": "quantitative"}, "color": {"field": "a"}},
                "layer": [{"mark": "rule", "encoding": {"y": {"datum": 3}}}],
                "usermeta": {"syncline": {"positions": {"/mark": {"x": -3.0, "y": 4.5}}}}})
        );
        let listed = terminal.ok(["chart", "list", "sales"]);
        assert!(listed.contains(&format!("\n    {}.mark  mark  ", layer.trim())), "{listed}");
        assert_eq!(terminal.json(["chart", "list", "sales", "--json"]).len(), listed.lines().count());
    }
}

#[test]
fn of_a_file_that_cannot_be_read_nothing_is_imported() {
    let terminal = Terminal::new();
    let deep = format!("{{\"mark\":\"bar\",\"title\":{}1{}}}", "[".repeat(100), "]".repeat(100));
    let cases: [(&str, &[u8], &str); 12] = [
        ("a.jsonl", b"{\"id\":\"t\",\"title\":\"x\"}\n{\"id\":\"u\",\"title\":", "a.jsonl:2: "),
        (
            "b.jsonl",
            b"{\"id\":\"t\",\"title\":\"x\"}\n{\"id\":\"t\",\"title\":\"y\"}\n",
            "b.jsonl:2: there is a task \"t\"",
        ),
        ("c.jsonl", b"{\"id\":\"t\",\"title\":7}\n", "c.jsonl:1: \"title\" must be a string and is a number"),
        ("d.jsonl", b"{\"id\":\"t\",\"title\":\"\xff\"}\n", "d.jsonl:1: this is not UTF-8"),
        ("e.vl.json", b"{\"mark\":\"bar\",\n\"data\":", "e.vl.json:2: this is not JSON"),
        (
            "f.vl.json",
            b"{\"$schema\":\"https://vega.github.io/schema/vega/v5.json\"}",
            "no Vega-Lite specification",
        ),
        ("g.vl.json", b"{\"mark\":\"bar\",\"title\":\"\\udead\"}", "g.vl.json:1: this is not JSON"),
        ("h.vl.json", deep.as_bytes(), "the nesting of the document exceeds the limit of 64"),
        ("i.csv", b"title,priority\nx,high\n", "i.csv:2: \"priority\" is no whole number"),
        ("j.csv", b"name\nx\n", "j.csv:1: the first row must name the columns"),
        ("k.bin", b"\x00\x01", "say --format todo-txt"),
        ("l.json", b"[1]", "this is no JSON object"),
    ];
    terminal.ok(["create", "other"]);
    for (name, content, said) in cases {
        write(terminal.folder(), name, content);
        let complaint = terminal.fails(1, ["import", "d", name]);
        assert!(complaint.contains(said), "{name}: {complaint}");
        assert!(complaint.contains("nothing was imported"), "{complaint}");
        assert_eq!(terminal.ok(["list"]), "other\n", "{name}");
    }
    assert!(
        terminal
            .fails(1, ["import", "d", "missing.csv"])
            .contains("missing.csv cannot be read: No such file")
    );
    let huge = std::fs::File::create(terminal.folder().join("huge.jsonl")).unwrap();
    huge.set_len(65 << 20).unwrap();
    assert!(terminal.fails(1, ["import", "d", "huge.jsonl"]).contains("67108864 are allowed"));
    write(terminal.folder(), "tasks.jsonl", TASKS);
    assert!(terminal.fails(1, ["import", "other", "tasks.jsonl"]).contains("yjs tree"), "it is another kind");
    terminal.ok(["create", "board", "--kind", "board"]);
    terminal.ok(["import", "board", "tasks.jsonl"]);
    let twice = terminal.fails(1, ["import", "board", "tasks.jsonl"]);
    assert!(twice.contains("there is a document \"board\" already"), "{twice}");
}

/// Killed at any moment, an import has done all or nothing, and can be made again.
#[test]
fn an_import_that_is_killed_is_whole_or_not_there() {
    const TASKS: usize = 3_000;
    const KILLS: u32 = 12;
    let tasks: String =
        (0..TASKS).map(|n| format!("{{\"id\":\"t-{n:04}\",\"title\":\"Task {n}\"}}\n")).collect();
    let undisturbed = Terminal::new();
    write(undisturbed.folder(), "tasks.jsonl", &tasks);
    let begun = Instant::now();
    undisturbed.ok(["import", "board", "tasks.jsonl"]);
    let takes = begun.elapsed();
    for kill in 1..=KILLS {
        let terminal = Terminal::new();
        write(terminal.folder(), "tasks.jsonl", &tasks);
        let mut import = terminal.start(["import", "board", "tasks.jsonl"]);
        // There is nothing to wait for: the moment is what is tested.
        std::thread::sleep(takes * kill / KILLS);
        import.kill();
        let found = terminal.run(["export", "board"]);
        if found.code == Some(0) && !found.out.is_empty() {
            assert_eq!(lines(&found.out), lines(&tasks), "kill {kill}");
        } else {
            terminal.ok(["import", "board", "tasks.jsonl"]);
            assert_eq!(lines(&terminal.ok(["export", "board"])).len(), TASKS, "kill {kill}");
        }
    }
}

#[test]
fn wrong_commands_say_what_would_be_right() {
    let terminal = Terminal::new();
    write(terminal.folder(), "tasks.jsonl", TASKS);
    write(terminal.folder(), "chart.vl.json", CHART);
    terminal.ok(["import", "b", "tasks.jsonl"]);
    terminal.ok(["import", "c", "chart.vl.json"]);
    let cases: [(&[&str], &str); 13] = [
        (&["task", "rm", "b", "t"], "\"t\" may be \"t-1\" or \"t-2\"; say more of the id"),
        (&["task", "rm", "b", "u"], "there is no task \"u\"; `list DOC` of the same command shows their ids"),
        (&["task", "edit", "b", "t-1", "--due", "soon"], "\"soon\" is no date such as 2026-12-24"),
        (&["task", "edit", "b", "t-1", "--priority", "high"], "--priority is a whole number"),
        (
            &["task", "move", "b", "t-1", "open", "--after", "t-2"],
            "the task \"t-2\" is in the column \"closed\", not in \"open\"",
        ),
        (&["task", "list", "c"], "yjs chart"),
        (&["chart", "list", "b"], "yjs board"),
        (&["chart", "rm", "c", "chart"], "cannot be replaced"),
        (&["chart", "add", "c", "mark", "\"bar\""], "there is something at \"/chart/mark\" already"),
        (&["chart", "add", "c", "layer", "{\"mark\":"], "VALUE is not JSON"),
        (&["chart", "move", "c", "x", "--to", "here"], "--to is a point such as 10,20.5"),
        (&["export", "b", "--format", "vega-lite"], "that is a form of charts"),
        (&["export", "c", "--format", "csv"], "that is a form of boards"),
    ];
    let before = (terminal.ok(["show", "b"]), terminal.ok(["show", "c"]));
    for (arguments, said) in cases {
        let complaint = terminal.fails(1, arguments);
        assert!(complaint.contains(said), "{arguments:?}: {complaint}");
    }
    assert_eq!((terminal.ok(["show", "b"]), terminal.ok(["show", "c"])), before, "nothing was changed");
}

/// Ids that are chosen by hand may hold anything, and so may titles: a list of tasks is one task a line all the same.
#[test]
fn a_list_is_a_task_a_line_whatever_the_titles() {
    let terminal = Terminal::new();
    write(
        terminal.folder(),
        "tasks.jsonl",
        json!({"id": "a\n\u{1b}[2J", "title": "x\n\u{1b}]0;pwned\u{7}"}).to_string(),
    );
    terminal.ok(["import", "b", "tasks.jsonl"]);
    let listed = terminal.ok(["task", "list", "b"]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(!listed.contains('\u{1b}'), "{listed}");
}

#[test]
fn edits_of_two_stores_meet_in_a_board_and_a_chart() {
    for crdt in FAMILIES {
        let relay = Relay::start();
        let (ada, ben) = (Terminal::with_relay(relay.url()), Terminal::with_relay(relay.url()));
        write(ada.folder(), "tasks.jsonl", TASKS);
        write(ada.folder(), "chart.vl.json", CHART);
        ada.ok(["import", "b", "tasks.jsonl", "--crdt", crdt]);
        ada.ok(["import", "c", "chart.vl.json", "--crdt", crdt]);
        ben.ok(["sync", "b", "c"]);
        assert_eq!(lines(&ben.ok(["export", "b"])), lines(TASKS));
        let away = |terminal: &Terminal, arguments: &[&str]| {
            terminal.ok(arguments.iter().copied().chain(["--relay", "ws://127.0.0.1:1/sync"]))
        };
        away(&ada, &["task", "move", "b", "t-1", "doing"]);
        away(&ben, &["task", "edit", "b", "t-1", "--assignee", "ben"]);
        away(&ada, &["chart", "update", "c", "mark", "/type", "\"line\""]);
        away(&ben, &["chart", "rm", "c", "data.values-1"]);
        ada.ok(["sync"]);
        ben.ok(["sync"]);
        ada.ok(["sync"]);
        for doc in ["b", "c"] {
            assert_eq!(ada.ok(["show", doc]), ben.ok(["show", doc]));
        }
        let task = &ada.json(["task", "show", "b", "t-1"])[0];
        assert_eq!((&task["status"], &task["assignee"]), (&json!("doing"), &json!("ben")));
        let chart: Json = serde_json::from_str(&ben.ok(["export", "c"])).unwrap();
        assert_eq!(
            (&chart["mark"], chart["data"]["values"].as_array().map(Vec::len)),
            (&json!("line"), Some(1))
        );
    }
}
