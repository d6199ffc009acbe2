use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;
use ratatui::style::Color;
use syncline::board::{Comment, Label, TaskId};
use syncline_core::random::Random;

use super::super::saving::{Relay, Saving};
use super::super::screen::tests::{press, screen};
use super::super::update::{Happening, Wish};
use super::*;

/// What a terminal of the screen's size shows.
fn drawn(screen: &Screen) -> Terminal<TestBackend> {
    let mut terminal =
        Terminal::new(TestBackend::new(screen.size.width, screen.size.height)).expect("memory");
    terminal.draw(|frame| draw(screen, frame)).expect("memory takes it");
    terminal
}

fn lines(screen: &Screen) -> Vec<String> {
    let terminal = drawn(screen);
    let buffer = terminal.backend().buffer();
    let line = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..buffer.area.height).map(|y| line(y).trim_end().to_owned()).collect()
}

#[test]
fn a_board_looks_like_this() {
    let mut screen =
        screen(&[("Bake bread", "todo"), ("Buy more flour than last time", "todo"), ("Eat", "done")]);
    screen.size = Size::new(72, 12);
    let task = screen.board.tasks.get_mut(&TaskId::from("Bake bread")).expect("it is there");
    (task.priority, task.due, task.assignee) = (Some(1), Some("2026-11-25".into()), Some("ada".into()));
    task.labels.insert("oven".into(), Label::default());
    screen.saving =
        Saving { relay: Relay::Offline("refused".into()), pending: 2, is_stored: true, ..Saving::default() };
    assert_eq!(
        lines(&screen),
        [
            " team                                                3 tasks  1 overdue",
            "╭ todo 2 ──────────────╮╭ doing 0 ─────────────╮╭ done 1 ──────────────╮",
            "│┃Bake bread           ││ nothing here         ││▏Eat                  │",
            "│┃P1 2026-11-25 @ada   ││                      ││                      │",
            "│┃#oven                ││                      ││                      │",
            "│                      ││                      ││                      │",
            "│▏Buy more flour than  ││                      ││                      │",
            "│▏last time            ││                      ││                      │",
            "│                      ││                      ││                      │",
            "│                      ││                      ││                      │",
            "╰──────────────────────╯╰──────────────────────╯╰──────────────────────╯",
            " ○ offline · saved here, 2 edits pending · refused               ? help",
        ]
    );
    let terminal = drawn(&screen);
    assert_eq!(terminal.backend().buffer()[(5, 3)].bg, Color::Red, "what is overdue stands out");
}

#[test]
fn a_task_is_shown_whole() {
    let mut screen = screen(&[("Bake bread", "todo"), ("Knead", "doing")]);
    screen.size = Size::new(60, 30);
    let task = screen.board.tasks.get_mut(&TaskId::from("Bake bread")).expect("it is there");
    task.description = "With seeds.\n\u{1b}[31mred".into();
    let comment = Comment { author: Some("ben".into()), text: "Yes".into(), ..Comment::default() };
    task.comments.insert("c".into(), comment);
    press(&mut screen, "<enter>");
    let shown = lines(&screen).join("\n");
    for part in
        ["id        Bake bread", "With seeds.", "␛[31mred", "n: write notes", "Comments 1", "ben", "  Yes"]
    {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
}

/// Whatever is typed into a terminal of whatever size, it can be drawn, and nothing drawn commands the terminal.
#[test]
fn any_keys_in_any_size_can_be_drawn() {
    let hostile = "\u{1b}[2J\u{9b}👩‍👩‍👧\u{202e}日本\r\n\t\u{301}";
    let tasks = [(hostile, "todo"), ("b", hostile), ("c", ""), ("d", "done"), ("e", "todo")];
    let keys: Vec<char> = "hjklJKgGaednspuDtcx/? y\u{1}".chars().collect();
    let sizes = [(1, 1), (2, 2), (5, 3), (20, 5), (24, 8), (80, 24), (140, 40), (300, 4)];
    for seed in 1..=60 {
        let mut random = Random::new(seed);
        let mut screen = screen(&tasks);
        for _ in 0..60 {
            let (width, height) = sizes[random.index(sizes.len())];
            if random.chance(0.2) {
                screen.update(Happening::Resize(Size::new(width, height)));
            }
            let wish = match random.index(6) {
                0 => press(&mut screen, "<enter>"),
                1 => press(&mut screen, "<esc>"),
                2 => screen.update(Happening::Paste(hostile.to_owned())),
                _ => press(&mut screen, &keys[random.index(keys.len())].to_string()),
            };
            if matches!(wish, Wish::Perform(_)) {
                screen.performed(Ok(None));
            }
            let terminal = drawn(&screen);
            let cells = &terminal.backend().buffer().content;
            assert!(!cells.iter().any(|cell| cell.symbol().contains(char::is_control)), "seed {seed}");
        }
    }
}

#[test]
fn a_terminal_that_has_shrunk_meanwhile_is_drawn_on_as_far_as_it_goes() {
    let mut screen = screen(&[("a", "todo")]);
    press(&mut screen, "n");
    let mut terminal = Terminal::new(TestBackend::new(10, 4)).expect("memory");
    terminal.draw(|frame| draw(&screen, frame)).expect("memory takes it");
}
