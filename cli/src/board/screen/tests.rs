use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Size;
use syncline::Schema;
use syncline::board::{Board, BoardOperation, Field, Task, TaskId, TaskText};
use syncline::fractional_index::FractionalIndex;
use syncline_core::time::Time;

use super::super::change::{Change, Spot};
use super::super::dialog::Dialog;
use super::super::geometry::Geometry;
use super::super::saving::Saving;
use super::super::update::{Happening, Wish};
use super::*;

/// Tasks named like their titles, in these columns, each below the one before.
pub fn board(tasks: &[(&str, &str)]) -> Board {
    let tasks = tasks.iter().zip(FractionalIndex::sequence()).map(|((title, status), place)| {
        let task = Task {
            title: (*title).to_owned(),
            status: (*status).to_owned(),
            place: Some(place),
            ..Task::default()
        };
        (TaskId::from(*title), task)
    });
    Board { tasks: tasks.collect() }
}

pub fn screen(tasks: &[(&str, &str)]) -> Screen {
    let mut screen = Screen::new("team", "ada", Size::new(80, 24), Time(1_795_651_200_000));
    screen.show(board(tasks));
    screen
}

const TASKS: [(&str, &str); 5] = [("a", "todo"), ("b", "todo"), ("c", "todo"), ("d", "doing"), ("e", "done")];

/// Presses keys, each a character or a name in brackets; returns the last wish.
pub fn press(screen: &mut Screen, keys: &str) -> Wish {
    let mut wish = Wish::Nothing;
    for key in keys.split_inclusive(|c: char| c == '>' || !keys.contains('<')) {
        let (plain, named) = key.split_once('<').map_or((key, ""), |(plain, named)| (plain, named));
        for c in plain.chars() {
            wish = screen.update(Happening::Key(KeyCode::Char(c).into()));
        }
        let (code, modifiers) = match named {
            "" => continue,
            "enter>" => (KeyCode::Enter, KeyModifiers::NONE),
            "esc>" => (KeyCode::Esc, KeyModifiers::NONE),
            "down>" => (KeyCode::Down, KeyModifiers::NONE),
            "save>" => (KeyCode::Char('s'), KeyModifiers::CONTROL),
            other => panic!("there is no key {other}"),
        };
        wish = screen.update(Happening::Key(KeyEvent::new(code, modifiers)));
    }
    wish
}

fn mouse(screen: &mut Screen, kind: MouseEventKind, (column, row): (u16, u16)) -> Wish {
    screen.update(Happening::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }))
}

fn click(screen: &mut Screen, at: (u16, u16)) -> Wish {
    mouse(screen, MouseEventKind::Down(MouseButton::Left), at);
    mouse(screen, MouseEventKind::Up(MouseButton::Left), at)
}

/// Where a card is.
fn place(screen: &Screen, id: &str) -> (u16, u16) {
    let geometry = Geometry::of(screen);
    let mut cards = geometry.columns.iter().flat_map(|column| &column.cards);
    let card = cards.find(|card| card.id.0 == id).expect("it can be seen");
    (card.area.x + 2, card.area.y)
}

fn selected(screen: &Screen) -> &str {
    screen.selected.as_ref().map_or("", |id| &id.0)
}

/// What others do, or what was wished.
fn others(screen: &mut Screen, operation: &BoardOperation) {
    let mut board = screen.board.clone();
    board.apply(operation).expect("it can be done");
    screen.update(Happening::Board(Box::new(board)));
}

#[test]
fn keys_walk_between_cards_and_columns() {
    let mut screen = screen(&TASKS);
    for (keys, at) in
        [("", "a"), ("jj", "c"), ("j", "c"), ("l", "d"), ("ll", "e"), ("h", "d"), ("h", "a"), ("G", "c")]
    {
        press(&mut screen, keys);
        assert_eq!(selected(&screen), at, "{keys}");
    }
}

#[test]
fn the_selection_stays_with_its_task_whatever_others_move() {
    let mut screen = screen(&TASKS);
    press(&mut screen, "j");
    others(&mut screen, &BoardOperation::Remove { id: "a".into() });
    assert_eq!((selected(&screen), screen.cursor.row), ("b", 0));
    let (id, status) = ("b".into(), "done".to_owned());
    others(&mut screen, &BoardOperation::Move { id, status, place: None });
    assert_eq!((selected(&screen), screen.cursor), ("b", Cursor { column: 2, row: 1 }));
    others(&mut screen, &BoardOperation::Remove { id: "b".into() });
    assert_eq!(selected(&screen), "e", "the one beside it takes over");
}

#[test]
fn a_task_is_carried_past_the_next_one_and_to_the_next_column() {
    let mut screen = screen(&TASKS);
    let moved = |wish: Wish| match wish {
        Wish::Perform(Change::Move(id, status, spot)) => Some((id.0, status, spot)),
        _ => None,
    };
    let expected = |status: &str, spot| Some(("a".to_owned(), status.to_owned(), spot));
    assert_eq!(moved(press(&mut screen, "J")), expected("todo", Spot::After("b".into())));
    assert_eq!(moved(press(&mut screen, "K")), None, "it is at the top");
    assert_eq!(moved(press(&mut screen, "L")), expected("doing", Spot::Last));
    assert_eq!(moved(press(&mut screen, "H")), None, "there is no column before");
}

#[test]
fn what_is_typed_becomes_a_change_once_it_is_entered() {
    let mut screen = screen(&TASKS);
    let wish = press(&mut screen, "e, really<enter>");
    let Wish::Perform(Change::Set(id, Field::Title(title))) = wish else { panic!("{wish:?}") };
    assert_eq!((id.0.as_str(), title.as_str()), ("a", "a, really"));
    assert!(screen.dialog.is_some(), "it stays until the change is made");
    screen.performed(Err("no room".to_owned()));
    assert!(screen.dialog.is_some() && screen.notice.is_some(), "nothing that was typed is lost");
    screen.performed(Ok(None));
    assert!(screen.dialog.is_none());
    let wish = press(&mut screen, "Dsoon<enter>");
    assert!(matches!(wish, Wish::Nothing), "no date: {wish:?}");
    press(&mut screen, "<esc>");
    let wish = press(&mut screen, "p1<enter>");
    assert!(matches!(wish, Wish::Perform(Change::Set(_, Field::Priority(Some(1))))), "{wish:?}");
    screen.performed(Ok(None));
    let wish = press(&mut screen, "sreview<enter>");
    assert!(
        matches!(&wish, Wish::Perform(Change::Move(_, status, Spot::Last)) if status == "review"),
        "{wish:?}"
    );
    screen.performed(Ok(None));
    press(&mut screen, "x");
    assert!(matches!(press(&mut screen, "n"), Wish::Nothing));
    assert!(matches!(press(&mut screen, "xy"), Wish::Perform(Change::Remove(_))));
}

#[test]
fn a_new_task_is_selected_as_soon_as_it_is_there() {
    let mut screen = screen(&TASKS);
    let wish = press(&mut screen, "lafresh<enter>");
    assert!(matches!(&wish, Wish::Perform(Change::Add { status, .. }) if status == "doing"), "{wish:?}");
    screen.performed(Ok(Some("new".into())));
    assert_eq!(selected(&screen), "d");
    let task = Box::new(Task { status: "doing".to_owned(), ..Task::default() });
    others(&mut screen, &BoardOperation::Add { id: "new".into(), task });
    assert_eq!(selected(&screen), "new");
}

#[test]
fn labels_are_put_on_and_taken_off_without_leaving() {
    let mut screen = screen(&TASKS);
    let wish = press(&mut screen, "turgent<enter>");
    assert!(matches!(&wish, Wish::Perform(Change::Label(_, name)) if name == "urgent"), "{wish:?}");
    screen.performed(Ok(None));
    let field = Field::Label("urgent".to_owned(), Some(Default::default()));
    others(&mut screen, &BoardOperation::Set { id: "a".into(), field });
    let wish = press(&mut screen, "<enter>");
    assert!(matches!(wish, Wish::Perform(Change::Set(_, Field::Label(_, None)))), "{wish:?}");
}

#[test]
fn a_search_leaves_what_it_finds_and_escape_brings_back_the_rest() {
    let mut screen = screen(&TASKS);
    press(&mut screen, "/C");
    assert_eq!((screen.counts(), selected(&screen)), ((5, 1), "c"));
    press(&mut screen, "<enter>");
    assert_eq!(screen.counts(), (5, 1), "it stays while it is worked on");
    press(&mut screen, "<esc>");
    assert_eq!((screen.counts(), selected(&screen)), ((5, 5), "c"));
    press(&mut screen, "/e");
    assert_eq!(selected(&screen), "e", "it is in another column");
}

#[test]
fn a_text_that_is_being_written_takes_in_what_others_write_and_outlives_its_task() {
    let mut screen = screen(&TASKS);
    press(&mut screen, "nmine");
    let (text, insert) = (TaskText::Notes, "theirs ".to_owned());
    others(&mut screen, &BoardOperation::Splice { id: "a".into(), text, at: 0, delete: 0, insert });
    let Some(Dialog::Writing(writing)) = &screen.dialog else { panic!("it is open") };
    let written = writing.draft.text();
    assert!(written.contains("mine") && written.contains("theirs"), "{written}");
    press(&mut screen, "<esc>");
    assert!(screen.dialog.is_some(), "it is asked whether to throw it away");
    let wish = press(&mut screen, "!<save>");
    assert!(matches!(wish, Wish::Perform(Change::Write(..))), "{wish:?}");
    others(&mut screen, &BoardOperation::Remove { id: "a".into() });
    assert!(screen.dialog.is_some() && screen.notice.is_some());
    press(&mut screen, "<esc>");
    press(&mut screen, "<esc>");
    press(&mut screen, "x");
    others(&mut screen, &BoardOperation::Remove { id: "b".into() });
    assert!(screen.dialog.is_none(), "what asks about a task goes with it");
}

#[test]
fn columns_that_belong_together_are_there_while_they_are_empty_and_stay() {
    let statuses =
        |screen: &Screen| screen.columns.iter().map(|column| column.status.clone()).collect::<Vec<_>>();
    assert_eq!(statuses(&screen(&[])), ["todo", "doing", "done"]);
    assert_eq!(statuses(&screen(&[("a", "open")])), ["open", "in_progress", "closed"]);
    assert_eq!(statuses(&screen(&[("a", "ideas")])), ["ideas"]);
    let mut screen = screen(&[("a", "review")]);
    others(&mut screen, &BoardOperation::Move { id: "a".into(), status: "done".to_owned(), place: None });
    assert_eq!(statuses(&screen), ["todo", "doing", "review", "done"]);
}

#[test]
fn a_click_selects_and_another_one_opens() {
    let mut screen = screen(&TASKS);
    let at = place(&screen, "d");
    click(&mut screen, at);
    assert_eq!((selected(&screen), screen.detail), ("d", None));
    click(&mut screen, at);
    assert_eq!(screen.detail, Some(0));
    screen.update(Happening::Resize(Size::new(140, 40)));
    click(&mut screen, (2, 20));
    assert_eq!((selected(&screen), screen.detail), ("d", None), "a click beside it closes it");
}

#[test]
fn a_card_goes_where_it_is_dropped() {
    let mut screen = screen(&TASKS);
    let drag = |screen: &mut Screen, id: &str, to: (u16, u16)| {
        let from = place(screen, id);
        mouse(screen, MouseEventKind::Down(MouseButton::Left), from);
        mouse(screen, MouseEventKind::Drag(MouseButton::Left), to);
        match mouse(screen, MouseEventKind::Up(MouseButton::Left), to) {
            Wish::Perform(Change::Move(id, status, spot)) => Some((id.0, status, spot)),
            _ => None,
        }
    };
    let expected = |status: &str, spot| Some(("a".to_owned(), status.to_owned(), spot));
    let (b, d) = (place(&screen, "b"), place(&screen, "d"));
    assert_eq!(drag(&mut screen, "a", d), expected("doing", Spot::Before("d".into())));
    assert_eq!(drag(&mut screen, "a", (d.0, 20)), expected("doing", Spot::Last));
    assert_eq!(drag(&mut screen, "a", (b.0, b.1 + 1)), expected("todo", Spot::After("b".into())));
    assert_eq!(drag(&mut screen, "a", b), None, "right above the next one is where it is");
    assert_eq!(drag(&mut screen, "a", (2, 23)), None, "that is no column");
    let from = place(&screen, "a");
    mouse(&mut screen, MouseEventKind::Down(MouseButton::Left), from);
    mouse(&mut screen, MouseEventKind::Drag(MouseButton::Left), d);
    others(&mut screen, &BoardOperation::Remove { id: "a".into() });
    let wish = mouse(&mut screen, MouseEventKind::Up(MouseButton::Left), d);
    assert!(matches!(wish, Wish::Nothing), "it has gone meanwhile: {wish:?}");
}

#[test]
fn the_view_follows_the_selection_and_the_wheel_moves_it_alone() {
    let names: Vec<String> = (0..500).map(|number| format!("task {number:03}")).collect();
    let tasks: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "todo")).collect();
    let mut screen = screen(&tasks);
    let is_seen = |screen: &Screen, id: &str| {
        Geometry::of(screen).columns[0].cards.iter().any(|card| card.id.0 == id && card.area.height > 0)
    };
    press(&mut screen, "G");
    assert!(is_seen(&screen, "task 499"));
    press(&mut screen, "k");
    assert!(is_seen(&screen, "task 498") && is_seen(&screen, "task 499"), "it scrolls no more than it must");
    press(&mut screen, "g");
    assert!(is_seen(&screen, "task 000"));
    (0..20).for_each(|_| drop(mouse(&mut screen, MouseEventKind::ScrollDown, (5, 5))));
    assert!(is_seen(&screen, "task 020") && !is_seen(&screen, "task 000"));
    assert_eq!(selected(&screen), "task 000");
}

#[test]
fn lost_edits_are_told_until_somebody_has_seen_them() {
    let mut screen = screen(&TASKS);
    let lost = Some((2, "no room".to_owned()));
    screen.update(Happening::Saving(Saving { lost, ..Saving::default() }));
    assert!(matches!(press(&mut screen, "<esc>"), Wish::TakeLoss));
    assert!(matches!(press(&mut screen, "q"), Wish::Quit));
}
