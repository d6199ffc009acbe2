//! Files of other programs, of any bytes: an error, or a document that is the same when it is written and read again.

use crate::board::Board;
use crate::chart::Chart;
use crate::import::{ExportError, Exported};
use crate::schema::Schema;

/// Any bytes are an error to each reader, or a document that its format gives back.
pub fn imported_files(data: &[u8]) {
    if let Ok(board) = Board::from_json_lines(data) {
        stands(&board);
        assert_eq!(Board::from_json_lines(board.to_json_lines().as_bytes()), Ok(board));
    }
    if let Ok(chart) = Chart::from_vega_lite(data) {
        stands(&chart);
        assert_eq!(Chart::from_vega_lite(chart.to_vega_lite().to_string().as_bytes()), Ok(chart));
    }
    if let Ok(board) = Board::from_csv(data) {
        stands(&board);
        if let Some(text) = whole(board.to_csv()) {
            assert_eq!(Board::from_csv(text.as_bytes()), Ok(board));
        }
    }
    if let Ok(board) = Board::from_todo_txt(data) {
        stands(&board);
        if let Some(text) = whole(board.to_todo_txt()) {
            let again = Board::from_todo_txt(text.as_bytes()).expect("it was written here");
            // A task is named after its line, and empty lines are not written.
            let tasks = |board: &Board| {
                board.in_order().into_iter().map(|(_, task)| task.clone()).collect::<Vec<_>>()
            };
            assert_eq!(tasks(&again), tasks(&board));
        }
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
