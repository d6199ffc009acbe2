//! The engine: stores of text documents, written, compacted and opened.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use syncline::{
    BoxError, Document, EditError, Engine, Family, Kind, Operation, Saved, Spec, SqliteStorage, Storage,
    Value, storage,
};
use syncline_core::replica::EditFailure;

use crate::edits::Edit;

/// Edits between two pauses in which what was written is made durable.
const EDITS_AT_ONCE: usize = 8_000;

/// The name of a long document.
pub const NAME: &str = "paper";

/// The store in a folder.
pub fn store(folder: &Path) -> PathBuf {
    folder.join("app.db")
}

fn engine(folder: &Path) -> Result<Engine, BoxError> {
    Ok(Engine::builder(storage(folder)?).open()?)
}

/// Writes documents, each with its edits, into the store of a folder.
pub async fn write(
    folder: &Path,
    family: Family,
    documents: impl Iterator<Item = (String, Vec<Edit>)>,
) -> Result<(), BoxError> {
    let engine = engine(folder)?;
    for (name, edits) in documents {
        let document = engine.document(&name, Spec { family, kind: Kind::Text }).await?;
        for edits in edits.chunks(EDITS_AT_ONCE) {
            edits.iter().try_for_each(|edit| document.perform(operation(edit)))?;
            if edits.len() == EDITS_AT_ONCE {
                document.saved(Saved::Local).await?;
            }
        }
    }
    close(engine).await
}

/// Makes edits in a new document: how long it took until the last one was made, and until the store held all of them. Where
/// the engine takes no more edits for now, the writer waits for the store.
pub async fn edit(
    storage: impl Storage + 'static,
    family: Family,
    edits: &[Edit],
) -> Result<(Duration, Duration), BoxError> {
    let engine = Engine::builder(storage).open()?;
    let document = engine.document(NAME, Spec { family, kind: Kind::Text }).await?;
    let started = Instant::now();
    for edit in edits {
        while let Err(failure) = document.perform(operation(edit)) {
            match failure {
                EditError::Failed(EditFailure::Busy) => document.saved(Saved::Local).await?,
                other => return Err(other.into()),
            }
        }
    }
    let made = started.elapsed();
    document.saved(Saved::Local).await?;
    let saved = started.elapsed();
    // The peer's document is a whole save then, too.
    document.compact().await;
    drop(document);
    close(engine).await?;
    Ok((made, saved))
}

/// The store of a folder, as it comes: durable in full.
pub fn storage(folder: &Path) -> Result<SqliteStorage, BoxError> {
    std::fs::create_dir_all(folder)?;
    Ok(SqliteStorage::open(store(folder), storage::Options::default())?)
}

fn operation(edit: &Edit) -> Operation {
    let Edit { at, delete, insert } = edit.clone();
    Operation::Splice { path: text_path(), at, delete, insert }
}

fn text_path() -> syncline::Path {
    syncline::Path::root().child(Kind::TEXT_KEY)
}

/// Compacts documents.
pub async fn compact(folder: &Path, names: impl Iterator<Item = String>) -> Result<(), BoxError> {
    let engine = engine(folder)?;
    for name in names {
        engine.existing(&name).await?.compact().await;
    }
    close(engine).await
}

async fn close(engine: Engine) -> Result<(), BoxError> {
    engine.close().await;
    engine.status().store.map_or(Ok(()), |fault| Err(fault.to_string().into()))
}

/// Opens a document of a store that is open already: how long that took, and the text.
pub async fn load(folder: &Path, name: &str) -> Result<(Duration, String), BoxError> {
    let engine = engine(folder)?;
    engine.list().await?;
    let started = Instant::now();
    let document = engine.existing(name).await?;
    let taken = started.elapsed();
    let text = text(&document)?;
    drop(document);
    close(engine).await?;
    Ok((taken, text))
}

fn text(document: &Document) -> Result<String, BoxError> {
    match document.value(&text_path()) {
        Some(Value::Text(text)) => Ok(text),
        other => Err(format!("{} holds no text but {other:?}", document.id()).into()),
    }
}

/// Opens a store, lists it, opens a document, and closes all: how long each of these took, how many documents there are,
/// and the text.
pub async fn open_once(folder: &Path, name: &str) -> Result<([Duration; 4], usize, String), BoxError> {
    let started = Instant::now();
    let engine = engine(folder)?;
    let opened = started.elapsed();
    let count = engine.list().await?.len();
    let listed = started.elapsed();
    let document = engine.existing(name).await?;
    let text = text(&document)?;
    let read = started.elapsed();
    drop(document);
    close(engine).await?;
    Ok(([opened, listed - opened, read - listed, started.elapsed() - read], count, text))
}
