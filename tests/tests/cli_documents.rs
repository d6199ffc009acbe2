//! The command line on one store: every command that makes, changes and prints documents, in both families.

use serde_json::json;
use syncline_core::crdt::automerge::DocumentId;
use syncline_core::id::DocId;
use syncline_tests::process::child::Signal;
use syncline_tests::process::terminal::Terminal;

const FAMILIES: [&str; 2] = ["yjs", "automerge"];

#[test]
fn a_tree_is_edited_and_printed_as_canonical_json() {
    for crdt in FAMILIES {
        let terminal = Terminal::new();
        assert_eq!(terminal.ok(["create", "team/board", "--crdt", crdt]), "");
        assert_eq!(terminal.ok(["show", "team/board"]), "{}");
        terminal.ok(["set", "team/board", "/tasks", r#"{"b":[1,{"x":null},"end"],"a":{"done":false}}"#]);
        terminal.ok(["insert", "team/board", "/tasks/b/0", "0.5"]);
        terminal.ok(["insert", "team/board", "/tasks/b/-", r#""later""#]);
        terminal.ok(["set", "team/board", "/tasks/a/done", "true"]);
        terminal.ok(["rm", "team/board", "/tasks/b/1"]);
        let tasks = r#"{"a":{"done":true},"b":[0.5,{"x":null},"end","later"]}"#;
        assert_eq!(terminal.ok(["show", "team/board"]), format!(r#"{{"tasks":{tasks}}}"#));
        assert_eq!(terminal.ok(["get", "team/board", "/tasks"]), tasks);
        assert_eq!(terminal.ok(["get", "team/board", "/tasks/b/3"]), r#""later""#);
        assert_eq!(terminal.ok(["get", "team/board", ""]), terminal.ok(["show", "team/board"]));
        assert_eq!(terminal.ok(["export", "team/board"]), terminal.ok(["show", "team/board"]));
    }
}

#[test]
fn keys_of_a_path_are_escaped_as_in_json_pointers() {
    for crdt in FAMILIES {
        let terminal = Terminal::new();
        terminal.ok(["create", "d", "--crdt", crdt]);
        terminal.ok(["set", "d", "/a~1b", "{}"]);
        terminal.ok(["set", "d", "/a~1b/m~0n", r#""\u00e9 😀""#]);
        terminal.ok(["set", "d", "/a~1b/", "1"]);
        assert_eq!(terminal.ok(["show", "d"]), r#"{"a/b":{"":1,"m~n":"é 😀"}}"#);
        assert_eq!(terminal.ok(["get", "d", "/a~1b/m~0n"]), r#""é 😀""#);
    }
}

#[test]
fn counters_count_up_and_down() {
    for crdt in FAMILIES {
        let terminal = Terminal::new();
        terminal.ok(["create", "d", "--crdt", crdt]);
        terminal.ok(["inc", "d", "/visits"]);
        terminal.ok(["inc", "d", "/visits", "40"]);
        terminal.ok(["inc", "d", "/visits", "-2"]);
        assert_eq!(terminal.ok(["get", "d", "/visits"]), "39");
        let wrong = terminal.fails(1, ["set", "d", "/visits/x", "1"]);
        assert!(wrong.contains("/visits") && wrong.contains("counter"), "{wrong}");
    }
}

#[test]
fn texts_are_spliced_by_code_points_and_exported_without_a_newline() {
    for crdt in FAMILIES {
        let terminal = Terminal::new();
        terminal.ok(["create", "note", "--kind", "text", "--crdt", crdt]);
        assert_eq!(terminal.ok(["export", "note", "--format", "text"]), "");
        terminal.ok(["text", "splice", "note", "0", "0", "a😀 e\u{301}!"]);
        terminal.ok(["text", "splice", "note", "2", "1", "-"]);
        terminal.ok(["text", "splice", "note", "/text", "6", "0", "\nend"]);
        assert_eq!(terminal.ok(["export", "note", "--format", "text"]), "a😀-e\u{301}!\nend");
        assert_eq!(terminal.ok(["show", "note"]), "{\"text\":\"a😀-e\u{301}!\\nend\"}");
        terminal.ok(["text", "splice", "note", "--json", "--", "0", "0", "--x"]);
        terminal.ok(["text", "splice", "note", "0", "3", ""]);
        assert_eq!(terminal.ok(["get", "note", "/text"]), "\"a😀-e\u{301}!\\nend\"");
        let beyond = terminal.fails(1, ["text", "splice", "note", "100", "0", "x"]);
        assert!(beyond.contains("100"), "{beyond}");
        let number = terminal.fails(1, ["text", "splice", "note", "-1", "0", "x"]);
        assert!(number.contains("not a count"), "{number}");
    }
}

#[test]
fn documents_are_listed_and_deleted() {
    let terminal = Terminal::new();
    terminal.ok(["create", "b", "--kind", "text", "--crdt", "automerge"]);
    terminal.ok(["create", "a"]);
    terminal.ok(["text", "splice", "b", "0", "0", "x"]);
    assert_eq!(terminal.ok(["list"]), "a\nb\n");
    let listed = terminal.json(["list", "--json"]);
    assert_eq!(
        (&listed[0]["doc"], &listed[0]["crdt"], &listed[0]["kind"]),
        (&json!("a"), &json!("yjs"), &json!("tree"))
    );
    assert_eq!((&listed[1]["crdt"], &listed[1]["kind"]), (&json!("automerge"), &json!("text")));
    assert_eq!(listed[1]["entries"], 1);
    assert!(listed[1]["bytes"].as_u64() > Some(0));
    let only_here = terminal.fails(1, ["delete", "b"]);
    assert!(only_here.contains("\"b\" has 1 edit that no relay has"), "{only_here}");
    assert_eq!(terminal.ok(["list"]), "a\nb\n");
    terminal.ok(["delete", "b", "--force"]);
    assert_eq!(terminal.ok(["list"]), "a\n");
    assert!(terminal.fails(1, ["show", "b"]).contains("no document \"b\""));
    terminal.ok(["create", "b"]);
    assert_eq!(terminal.ok(["show", "b"]), "{}", "a deleted name is free again");
}

#[test]
fn answers_go_to_standard_output_and_complaints_to_standard_error() {
    let terminal = Terminal::new();
    terminal.ok(["create", "d"]);
    terminal.ok(["set", "d", "/a", "1"]);
    // `ok` sees to it that nothing is on standard error, `fails` that nothing is on standard output.
    for command in [&["list"][..], &["status"], &["check"], &["history", "d"]] {
        let answer = terminal.ok(command);
        assert!(
            answer.ends_with('\n') && answer.lines().all(|line| !line.is_empty()),
            "{command:?}: {answer:?}"
        );
    }
    for command in [&["show", "d"][..], &["get", "d", "/a"], &["export", "d"]] {
        assert!(!terminal.ok(command).ends_with('\n'), "{command:?} adds a newline");
    }
    for command in
        [&["create", "e"][..], &["set", "d", "/a", "2"], &["rm", "d", "/a"], &["compact"], &["delete", "e"]]
    {
        assert_eq!(terminal.ok(command), "", "{command:?} was not asked for anything");
    }
    terminal.fails(1, ["show", "none"]);
}

#[test]
fn options_stand_before_or_after_the_command_and_in_the_environment() {
    let terminal = Terminal::new();
    terminal.ok(["--store", "other.db", "create", "a"]);
    assert_eq!(terminal.ok(["list", "--store", "other.db"]), "a\n");
    let listed = terminal.command(["list"]).env("SYNCLINE_STORE", "other.db").output();
    assert_eq!(listed.map(|listed| listed.stdout).ok(), Some(b"a\n".to_vec()));
    assert!(!terminal.store().exists());
    for json in [["--json", "list"], ["list", "--json"]] {
        let listed = terminal.json(["--store", "other.db"].iter().chain(&json));
        assert_eq!(listed[0]["doc"], "a");
    }
    for sync in [["--relay", "nowhere", "sync"], ["sync", "--relay", "nowhere"]] {
        let complaint = terminal.fails(1, ["--store", "other.db"].iter().chain(&sync));
        assert!(complaint.contains("nowhere"), "{complaint}");
    }
}

#[test]
fn compaction_keeps_the_content_and_check_finds_it_sound() {
    for crdt in FAMILIES {
        let terminal = Terminal::new();
        terminal.ok(["create", "d", "--crdt", crdt]);
        (0..5).for_each(|n| _ = terminal.ok(["set", "d", &format!("/k{n}"), &n.to_string()]));
        let before = terminal.ok(["show", "d"]);
        terminal.ok(["compact", "d"]);
        terminal.ok(["compact"]);
        assert_eq!(terminal.ok(["show", "d"]), before);
        assert!(terminal.ok(["check"]).starts_with("sound: 1 documents, "));
        assert_eq!(terminal.json(["check", "--json"])[0]["sound"], true);
        assert!(terminal.fails(1, ["compact", "nothing"]).contains("no document"));
    }
}

#[test]
fn status_tells_what_waits_and_that_no_relay_is_named() {
    let terminal = Terminal::new();
    terminal.ok(["create", "d"]);
    terminal.ok(["set", "d", "/a", "1"]);
    let words = terminal.ok(["status"]);
    for expected in
        ["(durability full)", "relay      none named", "pending    1 edit, ", "d  yjs tree, 1 entries"]
    {
        assert!(words.contains(expected), "{words}");
    }
    let told = terminal.json(["status", "--json", "--durability", "normal"]);
    assert_eq!((&told[0]["doc"], &told[0]["pending"]), (&json!("d"), &json!(1)));
    assert_eq!((&told[1]["durability"], &told[1]["connected"]), (&json!("normal"), &json!(false)));
    assert_eq!((&told[1]["pending"], &told[1]["last_contact"]), (&json!(1), &json!(null)));
}

#[test]
fn status_names_the_id_by_which_automerge_repo_finds_a_document() {
    let terminal = Terminal::new();
    let id = "4NMNnkMhL8jXrdJ9jamS58PAVdXu";
    terminal.ok(["create", "team/board", "--crdt", "automerge"]);
    terminal.ok(["create", id, "--crdt", "automerge"]);
    let words = terminal.ok(["status"]);
    let of_name = DocumentId::of(&DocId::new("team/board").expect("a name")).to_string();
    for line in
        [format!("{id}  automerge tree, "), format!("; automerge:{id}"), format!("; automerge:{of_name}")]
    {
        assert!(words.contains(&line), "{words}");
    }
    assert_eq!(terminal.json(["status", "--json"])[1]["automerge"], of_name.as_str());
}

#[test]
fn watch_prints_what_is_there_and_ends_cleanly_when_asked() {
    for (crdt, signal) in [("yjs", Signal::TERM), ("automerge", Signal::INT)] {
        let terminal = Terminal::new();
        terminal.ok(["create", "d", "--crdt", crdt]);
        terminal.ok(["set", "d", "/a", r#"{"b":[1]}"#]);
        let mut watching = terminal.start(["watch", "d"]);
        let first = watching.line();
        assert_eq!(first.as_deref(), Some(r#"{"op":"set","path":"/a","value":{"b":[1]}}"#));
        watching.signal(signal);
        let ended = watching.wait();
        assert!(ended.status.success() && ended.lines.is_empty() && ended.errors.is_empty(), "{ended:?}");
        assert_eq!(terminal.ok(["list"]), "d\n", "the store is free again");
    }
}

#[test]
fn replay_ends_as_recorded_and_shows_no_progress_bar_to_a_pipe() {
    let terminal = Terminal::new();
    let trace = json!({"startContent": "ab", "endContent": "a😀c", "txns": [
        {"patches": [[1, 1, "😀"]]}, {"patches": [[2, 0, "x"], [2, 1, "c"]]}]});
    std::fs::write(terminal.folder().join("trace.json"), trace.to_string()).expect("the folder takes a file");
    for crdt in FAMILIES {
        let said = terminal.run(["replay", "trace.json", crdt, "--crdt", crdt]);
        assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{said:?}");
        assert!(said.err.starts_with("2 edits in ") && said.err.lines().count() == 1, "{said:?}");
        assert!(!said.err.contains('\u{1b}') && !said.err.contains('\r'), "{said:?}");
        assert_eq!(terminal.ok(["export", crdt, "--format", "text"]), "a😀c");
        assert!(terminal.fails(1, ["replay", "trace.json", crdt, "--crdt", crdt]).contains("already"));
    }
    let wrong = trace.to_string().replace("a😀c", "a😀d");
    std::fs::write(terminal.folder().join("wrong.json"), wrong).expect("the folder takes a file");
    let differs = terminal.fails(1, ["replay", "wrong.json", "w"]);
    assert!(differs.contains("first at character 2"), "{differs}");
    assert!(terminal.fails(1, ["replay", "none.json", "n"]).contains("none.json"));
}
