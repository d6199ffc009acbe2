//! `syncline board`, as somebody in front of a terminal uses it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use syncline::board::{Board, Task, TaskText};
use syncline::transports::WebSocket;
use syncline::{Engine, Family, Saved, SqliteStorage, storage};
use syncline_tests::process::board::until;
use syncline_tests::process::capture::{Capture, SIZES};
use syncline_tests::process::child::Signal;
use syncline_tests::process::full_screen::FullScreen;
use syncline_tests::process::relay::Relay;
use syncline_tests::process::terminal::Terminal;

const ENTER: &str = "\r";
const ESCAPE: &str = "\u{1b}";
const SHIFT_RIGHT: &str = "\u{1b}[1;2C";
const DOWN: &str = "\u{1b}[B";
const UP: &str = "\u{1b}[A";
const CTRL_S: &str = "\u{13}";

/// Somebody else, in the store of a terminal.
async fn engine(user: &Terminal, relay: Option<&Relay>) -> Engine {
    let storage = SqliteStorage::open(user.store(), storage::Options::default()).unwrap();
    let builder = Engine::builder(storage).user("ben").longest_wait(200).keeps_unacknowledged(true);
    let builder = match relay {
        Some(relay) => builder.relay(WebSocket::new(relay.url())),
        None => builder,
    };
    builder.open().unwrap()
}

/// Makes a board with these tasks in these columns.
async fn make(user: &Terminal, family: Family, tasks: &[(&str, &str)]) {
    let engine = engine(user, None).await;
    let board = engine.board("team", family).await.unwrap();
    for (title, status) in tasks {
        board.edit(|edit| edit.add_task(title, status)).unwrap();
    }
    board.saved(Saved::Local).await.unwrap();
    engine.close().await;
}

fn task<'a>(board: &'a Board, title: &str) -> Option<&'a Task> {
    board.tasks.values().find(|task| task.title == title)
}

fn is_in(board: &Board, title: &str, status: &str) -> bool {
    task(board, title).is_some_and(|task| task.status == status)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_by_keys_is_seen_elsewhere_and_the_other_way_round() {
    for family in [Family::Yjs, Family::Automerge] {
        let relay = Relay::start();
        let (ada, ben) = (Terminal::with_relay(relay.url()), Terminal::new());
        make(&ada, family, &[("Bake bread", "todo")]).await;
        let mut screen = FullScreen::start(&ada, ["board", "team", "--user", "ada"], 100, 30);
        screen.see("Bake bread");
        screen.see("saved here and at the relay");

        let engine = engine(&ben, Some(&relay)).await;
        let board = engine.board("team", family).await.unwrap();
        screen.press("aÄpfel pflücken");
        screen.press(ENTER);
        until(&board, "new task", |board| is_in(board, "Äpfel pflücken", "todo")).await;
        screen.see("todo 2");
        screen.press(SHIFT_RIGHT);
        until(&board, "moved task", |board| is_in(board, "Äpfel pflücken", "doing")).await;
        screen.see("doing 1");

        let state = board.state().unwrap();
        let (bread, _) = state.tasks.iter().find(|(_, task)| task.title == "Bake bread").unwrap();
        board.edit(|edit| edit.move_task(bread, "done", syncline::board::Place::Last)).unwrap();
        screen.see("done 1");
        // The selection has stayed with its task.
        screen.press("cRipe ones only");
        screen.press(CTRL_S);
        until(&board, "comment", |board| task(board, "Äpfel pflücken").unwrap().comments.len() == 1).await;
        board.edit(|edit| edit.remove_task(bread)).unwrap();
        screen.see_no("Bake bread");
        screen.press("q");
        assert_eq!(screen.end(), (0, String::new()));
        engine.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_board_goes_on_without_its_relay_and_catches_up() {
    let mut relay = Relay::start();
    let (ada, ben) = (Terminal::with_relay(relay.url()), Terminal::new());
    make(&ada, Family::Yjs, &[("Bake bread", "todo")]).await;
    let mut screen = FullScreen::start(&ada, ["board", "team"], 100, 24);
    screen.see("saved here and at the relay");
    relay.kill();
    screen.see("○ offline");
    screen.press("aButter it");
    screen.press(ENTER);
    screen.see("Butter it");
    screen.see("saved here, 1 edit pending");
    screen.press(SHIFT_RIGHT);
    screen.see("doing 1");
    screen.see("saved here, 2 edits pending");
    relay.restart();
    screen.see("saved here and at the relay");
    let engine = engine(&ben, Some(&relay)).await;
    let board = engine.board("team", Family::Yjs).await.unwrap();
    until(&board, "what was done offline", |board| is_in(board, "Butter it", "doing")).await;
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_write_one_text_and_both_are_in_it() {
    let relay = Relay::start();
    let (ada, ben) = (Terminal::with_relay(relay.url()), Terminal::new());
    make(&ada, Family::Yjs, &[("Bake bread", "todo")]).await;
    let mut screen = FullScreen::start(&ada, ["board", "team"], 100, 24);
    screen.see("saved here and at the relay");
    let engine = engine(&ben, Some(&relay)).await;
    let board = engine.board("team", Family::Yjs).await.unwrap();
    until(&board, "the board", |board| task(board, "Bake bread").is_some()).await;
    screen.press("nflour");
    screen.see("flour");
    let id = board.state().unwrap().tasks.keys().next().unwrap().clone();
    board.edit(|edit| edit.write(&id, TaskText::Notes, "oven first\n")).unwrap();
    screen.see("oven first");
    screen.press(" and salt");
    screen.press(CTRL_S);
    let both = |notes: &str| notes.contains("oven first") && notes.contains("flour and salt");
    until(&board, "both", |board| both(&board.tasks[&id].notes)).await;
    screen.press(ENTER);
    screen.see("flour and salt");
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mouse_selects_opens_closes_and_carries() {
    let ada = Terminal::new();
    make(&ada, Family::Yjs, &[("First", "todo"), ("Second", "todo"), ("Third", "doing")]).await;
    let mut screen = FullScreen::start(&ada, ["board", "team"], 90, 24);
    let second = screen.see("Second");
    screen.click(second);
    screen.see("┃Second");
    screen.click(second);
    screen.see("Description");
    screen.click((1, 10));
    screen.see_no("Description");
    let doing = screen.see("Third");
    screen.drag(second, doing);
    screen.see("todo 1");
    screen.see("doing 2");
    let (moved, other) = (screen.see("Second"), screen.see("Third"));
    assert!(moved.0 == other.0 && moved.1 < other.1, "it was dropped above: {moved:?} {other:?}");
    screen.press("q");
    screen.end();
    let engine = engine(&ada, None).await;
    let state = engine.existing_typed::<Board>("team").await.unwrap().state().unwrap();
    assert!(is_in(&state, "Second", "doing"));
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_shows_what_it_finds_as_it_is_typed() {
    let ada = Terminal::new();
    make(&ada, Family::Yjs, &[("Bake bread", "todo"), ("Butter it", "todo"), ("Eat it", "done")]).await;
    let mut screen = FullScreen::start(&ada, ["board", "team"], 90, 24);
    screen.see("Bake bread");
    screen.press("/IT");
    screen.see_no("Bake bread");
    screen.see("2 of 3 tasks");
    screen.press(ENTER);
    screen.press("e");
    screen.see("Title");
    screen.press(", please");
    screen.press(ENTER);
    screen.see("Butter it, please");
    screen.press(ESCAPE);
    screen.see("Bake bread");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_of_any_size_shows_something() {
    let ada = Terminal::new();
    make(&ada, Family::Yjs, &[("Bake bread 日本語 👩‍👩‍👧 \u{202e}evil", "todo"), ("B", "x"), ("C", "y")]).await;
    let mut screen = FullScreen::start(&ada, ["board", "team"], 100, 30);
    screen.see("Bake bread");
    for (columns, lines) in [(20, 5), (5, 2), (1, 1), (20, 5)] {
        screen.resize(columns, lines);
        for keys in [ENTER, "j", ENTER, "?", "x", "n", CTRL_S, "s", DOWN, UP, ENTER, "l", "h"] {
            screen.press(keys);
        }
    }
    screen.resize(60, 12);
    screen.see("Bake bread");
    screen.press("q");
    assert_eq!(screen.end().0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_terminal_is_given_back_when_the_board_is_told_to_stop() {
    let ada = Terminal::new();
    make(&ada, Family::Yjs, &[("Bake bread", "todo")]).await;
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut screen = FullScreen::start(&ada, ["board", "team"], 80, 24);
        screen.see("Bake bread");
        screen.press("aabout to be");
        screen.see("about to be");
        screen.signal(signal);
        assert_eq!(screen.end(), (0, String::new()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_does_not_command_the_terminal() {
    let ada = Terminal::new();
    let hostile = "Hi\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\nthere";
    make(&ada, Family::Yjs, &[(hostile, "to\u{1b}[31mdo"), ("Other", "done")]).await;
    let mut screen = FullScreen::start(&ada, ["board", "team"], 100, 24);
    screen.see("Hi␛]0;owned␇␛[2J");
    screen.press(ENTER);
    screen.see("Description");
    // An escape and a letter at once would be another key.
    screen.press(ESCAPE);
    screen.see_no("Description");
    screen.press("e");
    screen.see("Enter save");
    screen.press(ESCAPE);
    screen.see_no("Enter save");
    screen.press("q");
    screen.end();
    let bytes = String::from_utf8_lossy(&screen.bytes()).into_owned();
    for command in ["\u{1b}]0;", "\u{9b}", "\u{7}"] {
        assert!(!bytes.contains(command), "{command:?} reached the terminal");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_that_is_not_here_comes_from_the_relay() {
    let relay = Relay::start();
    let (ada, ben) = (Terminal::with_relay(relay.url()), Terminal::with_relay(relay.url()));
    make(&ada, Family::Automerge, &[("Bake bread", "todo")]).await;
    ada.ok(["sync"]);
    let mut screen = FullScreen::start(&ben, ["board", "team"], 80, 24);
    screen.see("Bake bread");
    screen.press("q");
    assert_eq!(screen.end().0, 0);
    let mut screen = FullScreen::start(&ben, ["board", "nowhere"], 200, 24);
    let (code, said) = screen.end();
    assert!(code == 1 && said.contains("make it with `create nowhere --kind board`"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_tasks_can_be_walked_searched_and_changed() {
    let ada = Terminal::new();
    let engine = engine(&ada, None).await;
    let board = engine.board("team", Family::Yjs).await.unwrap();
    let lines = (0..5_000).map(|number| {
        let status = ["todo", "doing", "done"][number % 3];
        format!(
            r#"{{"id":"t-{number}","title":"Task {number}","status":"{status}","description":"{}"}}"#,
            "x".repeat(300)
        )
    });
    let imported = Board::from_json_lines(lines.collect::<Vec<_>>().join("\n").as_bytes()).unwrap();
    board.import(&imported).unwrap();
    board.saved(Saved::Local).await.unwrap();
    engine.close().await;

    let since = std::time::Instant::now();
    let told = |what: &str| println!("{what} after {:?}", since.elapsed());
    let mut screen = FullScreen::start(&ada, ["board", "team"], 100, 30);
    screen.see("5000 tasks");
    told("shown");
    screen.press("G");
    screen.see("┃Task 4998");
    told("at the end");
    screen.press(&"k".repeat(200));
    screen.see("┃Task 4398");
    told("200 cards up");
    screen.press("/task 4321");
    screen.see("1 of 5000 tasks");
    told("found");
    screen.press(ENTER);
    screen.press(SHIFT_RIGHT);
    screen.see("done 1/1667");
    told("moved");
}

#[test]
fn what_is_no_board_or_no_terminal_is_said() {
    let ada = Terminal::new();
    ada.ok(["create", "tree"]);
    let said = ada.fails(1, ["board", "tree"]);
    assert!(said.contains("on a terminal"), "{said}");
    for (doc, expected) in [("tree", "yjs tree"), ("none", "make it with `create none --kind board`")] {
        let mut screen = FullScreen::start(&ada, ["board", doc], 200, 24);
        let (code, said) = screen.end();
        assert!(code == 1 && said.contains(expected), "{said}");
    }
}

#[test]
fn the_captures_show_what_the_board_looks_like() {
    for size in SIZES {
        let capture = Capture::take(size);
        for (file, content) in capture.files() {
            let path = format!("{}/../docs/captures/{file}", env!("CARGO_MANIFEST_DIR"));
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                kept == content,
                "{path} is another one; see what has changed and run `cargo xtask captures`"
            );
        }
    }
}
