//! What was done to a document, one JSON object a line.

use std::io::Write;

use serde_json::{Value as Json, json};
use syncline::{Deed, History, PastEdit};
use syncline_core::time::Time;

use crate::args::Global;
use crate::failure::Failure;
use crate::operations;
use crate::session;

/// Prints the history of a document, oldest first.
pub async fn history(global: &Global, doc: &str) -> Result<(), Failure> {
    let engine = session::offline(global, session::existing_store(global)?)?;
    let history = session::document(&engine, doc).await?.history();
    session::close(&engine).await?;
    history.map_or(Ok(()), |history| print(&history))
}

fn print(history: &History) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if history.merged > 0 {
        writeln!(out, "{}", json!({"merged": history.merged}))?;
    }
    for edit in &history.edits {
        writeln!(out, "{}", to_json(edit))?;
    }
    Ok(out.flush()?)
}

fn to_json(edit: &PastEdit) -> Json {
    let mut line = json!({"id": edit.id.to_string(), "user": edit.author.as_str(), "time": shown(edit.time)});
    match &edit.deed {
        Deed::Operations(made) => {
            line["operations"] = made.iter().map(operations::to_json).collect();
        }
        Deed::Update { bytes, touched } => {
            line["bytes"] = json!(bytes);
            line["touched"] = json!(touched);
        }
        Deed::Void(id) => line["void"] = json!(id.to_string()),
    }
    line
}

/// The time as people and programs read it; a clock that is far off is shown as it is, in milliseconds.
fn shown(time: Time) -> Json {
    time.rfc3339().map_or_else(|| json!(time.0), Json::from)
}
