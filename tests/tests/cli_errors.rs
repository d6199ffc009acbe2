//! What the command line says when something is wrong, and that it then does nothing.

use std::fs;
use std::path::Path;

use syncline_tests::process::terminal::Terminal;

/// SQLite's header: where a store says whose it is and in which format.
const USER_VERSION_AT: usize = 60;

/// A store with one document.
fn terminal() -> Terminal {
    let terminal = Terminal::new();
    terminal.ok(["create", "d"]);
    terminal.ok(["set", "d", "/map", r#"{"key":1}"#]);
    terminal.ok(["set", "d", "/list", "[1,2]"]);
    terminal
}

fn code(complaint: &str) -> String {
    let object: serde_json::Value = serde_json::from_str(complaint).unwrap_or_else(|_| panic!("{complaint}"));
    assert!(object["error"].as_str().is_some_and(|words| !words.is_empty()), "{complaint}");
    object["code"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn wrong_edits_say_why_and_change_nothing() {
    let terminal = terminal();
    let before = terminal.ok(["show", "d"]);
    let cases: [(&[&str], &str, &str); 13] = [
        (&["set", "d", "map", "1"], "path", "starts with '/'"),
        (&["set", "d", "/map/~2", "1"], "path", "~"),
        (&["set", "d", "/map/none/key", "1"], "edit", "/map/none"),
        (&["set", "d", "/list/7", "1"], "edit", "2 elements"),
        (&["set", "d", "/list/x", "1"], "edit", "/list"),
        (&["set", "d", "/map", "{"], "json", "not JSON"),
        (&["insert", "d", "/map/0", "1"], "edit", "is a map, not a list"),
        (&["insert", "d", "/list/3", "1"], "edit", "2 elements"),
        (&["inc", "d", "/map/key"], "edit", "not a counter"),
        (&["rm", "d", "/none"], "edit", "nothing at"),
        (&["text", "splice", "d", "/list", "0", "0", "x"], "edit", "is a list, not a text"),
        (&["get", "d", "/none"], "nothing", "nothing at \"/none\""),
        (&["export", "d", "--format", "text"], "format", "yjs tree"),
    ];
    for (arguments, kind, words) in cases {
        let complaint = terminal.fails(1, arguments);
        assert!(
            complaint.starts_with("syncline: ") && complaint.contains(words),
            "{arguments:?}: {complaint}"
        );
        assert_eq!(code(&terminal.fails(1, arguments.iter().chain(&["--json"]))), kind, "{arguments:?}");
    }
    assert_eq!(terminal.ok(["show", "d"]), before);
}

#[test]
fn unknown_documents_are_errors_of_every_command() {
    let terminal = terminal();
    let commands: [&[&str]; 10] = [
        &["show", "x"],
        &["get", "x", "/a"],
        &["set", "x", "/a", "1"],
        &["rm", "x", "/a"],
        &["insert", "x", "/a/0", "1"],
        &["inc", "x", "/a"],
        &["text", "splice", "x", "0", "0", "a"],
        &["export", "x"],
        &["delete", "x"],
        &["watch", "x"],
    ];
    for arguments in commands {
        let complaint = terminal.fails(1, arguments);
        assert!(complaint.contains("no document \"x\""), "{arguments:?}: {complaint}");
    }
    assert_eq!(code(&terminal.fails(1, ["create", "d", "--json"])), "exists");
    assert_eq!(code(&terminal.fails(1, ["create", "", "--json"])), "open");
    assert_eq!(terminal.ok(["list"]), "d\n");
}

#[test]
fn a_name_that_no_user_can_have_is_said_to_be_one() {
    let complaint = terminal().fails(1, ["set", "d", "/a", "1", "--user", ""]);
    assert!(complaint.contains("\"\" cannot name a user: the name is empty"), "{complaint}");
}

#[test]
fn what_is_empty_in_the_environment_is_not_set() {
    let terminal = terminal();
    let mut command = terminal.command(["set", "d", "/a", "1"]);
    for name in ["USER", "SYNCLINE_RELAY"] {
        command.env(name, "");
    }
    let said = command.output().expect("it runs");
    assert!(said.status.success() && said.stderr.is_empty(), "{said:?}");
    assert!(terminal.ok(["history", "d"]).contains("anonymous"));
}

#[test]
fn a_command_line_that_is_not_understood_exits_with_2() {
    let terminal = Terminal::new();
    let lines: [&[&str]; 5] =
        [&[], &["frobnicate"], &["show"], &["create", "d", "--crdt", "toy"], &["inc", "d", "/a", "x"]];
    lines.iter().for_each(|arguments| _ = terminal.fails(2, *arguments));
    assert!(!terminal.store().exists());
    let splice = terminal.fails(2, ["text", "splice", "d"]);
    assert!(splice.contains("syncline text splice [OPTIONS] <DOC> [PATH] <POS> <DEL> <INS>"), "{splice}");
}

#[test]
fn a_store_that_is_not_there_is_not_made_by_looking() {
    let terminal = Terminal::new();
    let commands: [&[&str]; 7] = [
        &["list"],
        &["show", "d"],
        &["status"],
        &["check"],
        &["compact"],
        &["set", "d", "/a", "1"],
        &["watch", "d"],
    ];
    for arguments in commands {
        let complaint = terminal.fails(1, arguments);
        assert!(complaint.contains("no store syncline.db"), "{arguments:?}: {complaint}");
        assert!(!terminal.store().exists(), "{arguments:?}");
    }
    let complaint = terminal.fails(1, ["sync", "--relay", "ws://127.0.0.1:1/sync"]);
    assert!(complaint.contains("no store syncline.db") && !terminal.store().exists(), "{complaint}");
    let nowhere = terminal.fails(1, ["create", "d", "--store", "none/x.db"]);
    assert!(nowhere.contains("its directory none"), "{nowhere}");
}

/// Every command refuses the file with these words and leaves it as it is.
fn is_refused(store: &Path, terminal: &Terminal, words: &str) {
    let before = fs::read(store).expect("the store is there");
    let commands: [&[&str]; 5] =
        [&["show", "d"], &["list"], &["check"], &["create", "e"], &["set", "d", "/a", "1"]];
    for arguments in commands {
        let complaint = terminal.fails(1, arguments);
        assert!(complaint.contains(words) && complaint.contains("syncline.db"), "{arguments:?}: {complaint}");
    }
    assert!(fs::read(store).expect("the store is there") == before, "the file was changed");
}

#[test]
fn a_file_that_is_no_store_is_refused_untouched() {
    let terminal = Terminal::new();
    for (content, words) in [("", "the file is empty"), ("Dear diary", "not an SQLite database")] {
        fs::write(terminal.store(), content).expect("the folder takes a file");
        is_refused(&terminal.store(), &terminal, words);
    }
}

#[test]
fn a_store_of_a_later_release_is_refused_untouched() {
    let terminal = terminal();
    let mut content = fs::read(terminal.store()).expect("the store is there");
    content[USER_VERSION_AT..][..4].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(terminal.store(), content).expect("the store can be written");
    is_refused(&terminal.store(), &terminal, "has format 99");
}

#[test]
fn a_truncated_store_is_an_error_and_never_an_empty_document() {
    let terminal = terminal();
    let content = fs::read(terminal.store()).expect("the store is there");
    for length in [50, 100, 4_096, content.len() / 2, content.len() - 4_096] {
        fs::write(terminal.store(), &content[..length]).expect("the store can be written");
        let complaint = terminal.fails(1, ["show", "d"]);
        assert!(
            ["is damaged", "is not a Syncline store"].iter().any(|words| complaint.contains(words)),
            "{length} bytes: {complaint}"
        );
        let check = terminal.fails(1, ["check"]);
        assert!(
            check.contains("damaged") || check.contains("is not a Syncline store"),
            "{length} bytes: {check}"
        );
    }
}

#[test]
fn a_damaged_store_is_found_by_check() {
    let terminal = terminal();
    let mut content = fs::read(terminal.store()).expect("the store is there");
    let at =
        content.windows(3).position(|window| window == b"key").expect("the key is somewhere in the file");
    content[at] ^= 0x40;
    fs::write(terminal.store(), content).expect("the store can be written");
    let check = terminal.fails(1, ["check"]);
    assert!(check.contains("damaged"), "{check}");
    let show = terminal.fails(1, ["show", "d"]);
    assert!(show.contains("damaged"), "{show}");
    terminal.ok(["create", "sound"]);
    let compacted = terminal.fails(1, ["compact"]);
    assert!(compacted.contains("damaged"), "{compacted}");
    let status = terminal.ok(["status"]);
    let (damaged, sound) = (status.lines().nth(3), status.lines().nth(4));
    assert!(damaged.is_some_and(|line| line.starts_with("d  ") && line.contains("damaged")), "{status}");
    assert!(
        sound.is_some_and(|line| line.starts_with("sound  ") && line.ends_with(" 0 pending")),
        "{status}"
    );
    terminal.ok(["delete", "d", "--force"]);
    terminal.ok(["check"]);
}

#[test]
fn a_store_in_use_names_its_holder_and_is_free_when_that_ends() {
    let terminal = terminal();
    let mut watching = terminal.start(["watch", "d"]);
    watching.line();
    let pid = watching.pid();
    let commands: [&[&str]; 3] = [&["show", "d"], &["set", "d", "/a", "1"], &["check"]];
    for arguments in commands {
        let complaint = terminal.fails(1, arguments);
        assert!(complaint.contains(&format!("in use by syncline (process {pid}")), "{complaint}");
    }
    assert!(watching.kill().errors.is_empty());
    assert!(terminal.ok(["show", "d"]).contains("key"), "a killed holder holds nothing");
}

#[test]
fn a_disk_without_room_is_an_error_and_what_was_saved_stays() {
    let terminal = terminal();
    let before = terminal.ok(["show", "d"]);
    let large = format!("\"{}\"", "x".repeat(100_000));
    let said = terminal.run_cramped(100, ["set", "d", "/large", &large]);
    assert!(said.code == Some(1) && said.err.contains("nothing was saved: "), "{said:?}");
    let said = terminal.run_cramped(100, ["set", "d", "/large", &large, "--json"]);
    assert_eq!((said.code, &*code(&said.err)), (Some(1), "store"));
    assert_eq!(terminal.ok(["show", "d"]), before);
    terminal.ok(["set", "d", "/large", &large]);
    terminal.ok(["check"]);
    assert_eq!(terminal.ok(["get", "d", "/large"]), large);
}
