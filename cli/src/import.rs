//! Makes a document of a file in a format of other programs.

use std::io::Read;
use std::path::Path;

use syncline::board::Board;
use syncline::chart::{Chart, looks_like_vega_lite};
use syncline::import::{ImportError, MAX_IMPORT_BYTES, text};
use syncline::{Family, Schema, Typed};

use crate::args::{Global, ImportFormat};
use crate::edit::{settle, stored};
use crate::failure::Failure;
use crate::session;

/// What a file holds.
enum Content {
    Board(Board),
    Chart(Chart),
}

/// Reads a file and makes a document of it. Nothing is made of a file that cannot be read to its end.
pub async fn import(
    global: &Global,
    doc: &str,
    file: &Path,
    format: Option<ImportFormat>,
    family: Family,
) -> Result<(), Failure> {
    let bytes = read(file)?;
    let refused = |error: ImportError| Failure::import(file, &error);
    let format = format.map_or_else(|| told_by_content(file, &bytes), Ok).map_err(refused)?;
    let content = match format {
        ImportFormat::VegaLite => Chart::from_vega_lite(&bytes).map(Content::Chart),
        ImportFormat::JsonLines => Board::from_json_lines(&bytes).map(Content::Board),
        ImportFormat::Csv => Board::from_csv(&bytes).map(Content::Board),
        ImportFormat::TodoTxt => Board::from_todo_txt(&bytes).map(Content::Board),
    };
    match content.map_err(refused)? {
        Content::Board(board) => fill(global, doc, family, &board, &refused).await,
        Content::Chart(chart) => fill(global, doc, family, &chart, &refused).await,
    }
}

/// The bytes of a file, of `-` those of standard input; no more than are read anyway.
fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error| Failure::Unreadable(file.to_owned(), error);
    let mut bytes = Vec::new();
    let most = MAX_IMPORT_BYTES as u64 + 1;
    match file.as_os_str() == "-" {
        true => std::io::stdin().take(most).read_to_end(&mut bytes),
        false => std::fs::File::open(file).map_err(unreadable)?.take(most).read_to_end(&mut bytes),
    }
    .map_err(unreadable)?;
    Ok(bytes)
}

/// A format that fits what is in a file; its name counts where that says too little.
fn told_by_content(file: &Path, bytes: &[u8]) -> Result<ImportFormat, ImportError> {
    let text = text(bytes)?;
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let extension = file.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    match (text.trim_start().starts_with('{'), extension.as_deref()) {
        (true, Some("jsonl" | "ndjson")) => Ok(ImportFormat::JsonLines),
        (true, _) => Ok(told_by_object(text, first)),
        (false, Some("txt")) => Ok(ImportFormat::TodoTxt),
        (false, Some("csv")) => Ok(ImportFormat::Csv),
        (false, _) if first.split(',').any(|column| column.trim_matches('"') == "title") => {
            Ok(ImportFormat::Csv)
        }
        (false, _) => Err(ImportError::whole(
            "this is no JSON object and no table with a column \"title\"; if it is a todo.txt, say --format todo-txt",
        )),
    }
}

/// A task is an object on one line with an id and a title; anything else that begins like an object is taken for a chart,
/// whose reader explains what is wrong with it.
fn told_by_object(text: &str, first: &str) -> ImportFormat {
    let object = |text| match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(object)) => Some(object),
        Ok(_) | Err(_) => None,
    };
    let whole_is_chart = object(text).is_some_and(|object| looks_like_vega_lite(&object));
    let first_is_task =
        object(first).is_some_and(|object| object.contains_key("id") && object.contains_key("title"));
    if first_is_task && !whole_is_chart { ImportFormat::JsonLines } else { ImportFormat::VegaLite }
}

/// Puts what was read into a new document, or into one that holds nothing yet.
async fn fill<S: Schema>(
    global: &Global,
    doc: &str,
    family: Family,
    state: &S,
    refused: &dyn Fn(ImportError) -> Failure,
) -> Result<(), Failure> {
    let engine = session::online(global, session::open_store(global)?)?;
    let is_new = !session::is_stored(&engine, doc).await?;
    let document: Typed<S> = engine.typed(doc, family).await?;
    if document.state().is_some_and(|found| found != S::default()) {
        return Err(Failure::Exists(doc.to_owned()));
    }
    let imported = document.import(state).map_err(|error| refused(ImportError::whole(error.to_string())));
    // A full disk may have had room for an empty document.
    let imported = if imported.is_ok() { stored(&engine, &document).await } else { imported };
    if let Err(failure) = imported {
        if is_new {
            engine.delete(doc)?;
        }
        session::close(&engine).await.ok();
        return Err(failure);
    }
    settle(&engine, &document).await
}
