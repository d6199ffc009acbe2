//! Waiting for what others do on a board.

use futures_util::StreamExt;
use syncline::Typed;
use syncline::board::Board;

use super::PATIENCE;

/// Waits until a board is as it is wanted.
///
/// # Panics
/// If it is not within [`PATIENCE`], or is closed.
pub async fn until(board: &Typed<Board>, what: &str, wanted: impl Fn(&Board) -> bool) {
    let mut changes = board.changes();
    let reached = async {
        while !wanted(&board.state().expect("an open board")) {
            changes.next().await.expect("a board that stays open");
        }
    };
    let reached = tokio::time::timeout(PATIENCE, reached).await;
    reached.unwrap_or_else(|_| panic!("no {what}: {:#?}", board.state()));
}
