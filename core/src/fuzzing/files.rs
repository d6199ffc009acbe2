//! Files of other programs, of any bytes: an error, or a document that is the same when it is written and read again.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::board::{Board, Label, Task, TaskId};
use crate::chart::Chart;
use crate::import::{ExportError, Exported};
use crate::schema::Schema;

/// Any bytes are an error to each reader, or a document that its format gives back.
pub fn imported_files(data: &[u8]) {
    if let Ok(board) = Board::from_json_lines(data) {
        stands(&board);
        let written = board.to_json_lines();
        let lines = std::str::from_utf8(data).expect("it was read").trim_start_matches('\u{feff}').lines();
        let json = |line: &str| serde_json::from_str(line).expect("it was read");
        let tasks: Vec<Json> = lines.filter(|line| !line.trim().is_empty()).map(json).collect();
        assert!(alike(&written.lines().map(json).collect(), &Json::Array(tasks)), "{written}");
        assert_eq!(Board::from_json_lines(written.as_bytes()), Ok(board.clone()));
        tables(&board);
    }
    if let Ok(chart) = Chart::from_vega_lite(data) {
        stands(&chart);
        let written = chart.to_vega_lite();
        assert!(alike(&written, &serde_json::from_slice(data).expect("it was read")), "{written}");
        assert_eq!(Chart::from_vega_lite(written.to_string().as_bytes()), Ok(chart));
    }
    if let Ok(board) = Board::from_csv(data) {
        stands(&board);
        tables(&board);
    }
    if let Ok(board) = Board::from_todo_txt(data) {
        stands(&board);
        tables(&board);
    }
}

/// What a table has left nothing out of is read from it again.
fn tables(board: &Board) {
    if let Some(text) = whole(board.to_csv()) {
        let again = Board::from_csv(text.as_bytes()).expect("it was written here");
        assert_eq!(unplaced(&again), unplaced(board), "{text}");
    }
    if let Some(text) = whole(board.to_todo_txt()) {
        let again = Board::from_todo_txt(text.as_bytes()).expect("it was written here");
        // A task is named after its line.
        assert!(
            unplaced(&again)
                .into_iter()
                .map(|(_, task)| task)
                .eq(unplaced(board).into_iter().map(|(_, task)| task)),
            "{text}"
        );
    }
}

/// The tasks in their order, with all that is known of them but the keys of places.
fn unplaced(board: &Board) -> Vec<(TaskId, Task)> {
    let bare = |task: &Task| {
        let mut task = Task { place: None, ..task.clone() };
        task.labels =
            task.labels.into_keys().map(|name| (name, Label::default())).collect::<BTreeMap<_, _>>();
        task.dependencies.values_mut().for_each(|dependency| dependency.place = None);
        task
    };
    board.in_order().into_iter().map(|(id, task)| (id.clone(), bare(task))).collect()
}

/// Equal as JSON values: of numbers only what they amount to counts, as `1.0` is `1`.
#[must_use]
pub fn alike(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => one.as_f64() == other.as_f64(),
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            let there = |(key, one): (&String, &Json)| other.get(key).is_some_and(|other| alike(one, other));
            one.len() == other.len() && one.iter().all(there)
        }
        (one, other) => one == other,
    }
}

/// The operations that make a document out of nothing make this one.
fn stands<S: Schema + std::fmt::Debug>(state: &S) {
    let mut made = S::default();
    for operation in made.changes(state) {
        made.apply(&operation).expect("it leads to a state that was read");
    }
    assert_eq!(made, *state);
}

/// What was written, if it is all of the document.
fn whole(written: Result<Exported, ExportError>) -> Option<String> {
    written.ok().filter(|exported| exported.left_out.is_empty()).map(|exported| exported.text)
}
