//! `board`: a board that fills the terminal.
//!
//! Three parts that know little of each other. [`screen`] is what can be seen, as plain data; [`update`] says what becomes
//! of it when something happens, and what is to be done to the board; [`draw`] shows it. None of them touches a
//! terminal or a document, so they are tested without. [`play`] is the loop around them.
//!
//! An edit is made in the store's document and seen at once; that it reaches the disk and a relay is the engine's business,
//! and what the last line of the screen tells of.

mod card;
mod change;
mod choice;
mod detail;
mod dialog;
mod draft;
mod draw;
mod geometry;
mod hunks;
mod mouse;
mod palette;
mod play;
mod popup;
mod saving;
mod screen;
mod search;
mod terminal;
mod text;
mod update;
mod writing;

use syncline::board::Board;
use syncline::{Engine, OpenError, Schema, Spec, Typed};
use syncline_core::event::DocumentError;
use syncline_core::time::Time;

use self::play::{Clock, Play};
use crate::args::Global;
use crate::failure::Failure;
use crate::sync::{self, Stop};
use crate::{progress, session};

/// A moment, in seconds since 1970, that is taken for the present: whoever makes pictures makes the same again.
const FIXED_NOW: &str = "SOURCE_DATE_EPOCH";

/// Shows a board until somebody quits.
pub async fn board(global: &Global, doc: &str) -> Result<(), Failure> {
    if !terminal::is_there() {
        return Err(Failure::NoTerminal);
    }
    let mut stop = Stop::listen()?;
    let store = match global.relay.is_empty() {
        true => session::existing_store(global)?,
        false => session::open_store(global)?,
    };
    let engine = session::online(global, store)?;
    let opened = tokio::select! {
        opened = open(global, &engine, doc) => opened.map(Some),
        () = stop.asked() => Ok(None),
    };
    let result = match opened {
        Ok(Some(board)) => Play::new(global, &engine, board, clock()).run(&mut stop).await,
        Ok(None) => Ok(()),
        Err(failure) => Err(failure),
    };
    let closed = session::close(&engine).await;
    result.and(closed)
}

/// A board of the store, or one that a relay has.
async fn open(global: &Global, engine: &Engine, doc: &str) -> Result<Typed<Board>, Failure> {
    let no_board = || Failure::NoBoard(doc.to_owned());
    match engine.existing_typed(doc).await {
        Err(OpenError::Document(DocumentError::NotFound { .. })) if global.relay.is_empty() => {
            Err(no_board())
        }
        Err(OpenError::Document(DocumentError::NotFound { .. })) => {
            let _waiting = progress::spinner("asking the relay for the board");
            let found = sync::ask(engine, doc).await?.ok_or_else(no_board)?;
            let wanted = Spec { kind: Board::KIND, ..found };
            if found != wanted {
                let doc =
                    syncline::DocId::new(doc).map_err(|error| OpenError::Name(doc.to_owned(), error))?;
                let mismatch = DocumentError::SpecMismatch { doc, wanted, found, place: "at the relay" };
                return Err(OpenError::from(mismatch).into());
            }
            Ok(engine.typed(doc, found.family).await?)
        }
        opened => Ok(opened?),
    }
}

fn clock() -> Clock {
    let seconds = std::env::var(FIXED_NOW).ok().and_then(|seconds| seconds.parse::<u64>().ok());
    seconds.map_or(Clock::Real, |seconds| Clock::Stopped(Time(seconds.saturating_mul(1_000))))
}
