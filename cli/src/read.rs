//! Commands that look at the store.

use std::io::Write;

use futures_util::{StreamExt, stream};
use serde_json::json;
use syncline::storage::Storage;
use syncline::{Document, Path, Value, json::to_canonical_json};

use crate::args::Global;
use crate::failure::{Failure, unless_any};
use crate::{progress, session};

/// How many documents are compacted at the same time: each waits for the disk, and takes memory while it does.
const MAX_COMPACTED_AT_ONCE: usize = 16;

/// Prints a value of a document, without an added newline.
pub async fn get(global: &Global, doc: &str, path: &str) -> Result<(), Failure> {
    print(&to_canonical_json(&read(global, doc, &path.parse()?).await?))
}

async fn read(global: &Global, doc: &str, path: &Path) -> Result<Value, Failure> {
    let value = look(global, doc, |document| Ok(document.value(path))).await?;
    value.ok_or_else(|| Failure::Nothing(doc.to_owned(), path.to_string()))
}

/// Looks at a document that this store has.
pub async fn look<T>(
    global: &Global,
    doc: &str,
    look: impl FnOnce(&Document) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let engine = session::offline(global, session::existing_store(global)?)?;
    let seen = look(&session::document(&engine, doc).await?);
    engine.close().await;
    seen
}

/// Prints exactly this.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// A text as it stands in a list. Control characters, and those that turn the direction of a line, are shown: what others
/// wrote gives no orders to the terminal and does not pass for something else.
pub fn on_one_line(text: &str) -> String {
    let turns = |symbol| matches!(symbol, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |symbol: char| match symbol.is_control() || turns(symbol) {
        true => symbol.escape_default().to_string(),
        false => symbol.into(),
    };
    text.chars().map(shown).collect()
}

/// Prints what documents there are.
pub fn list(global: &Global) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for summary in session::existing_store(global)?.documents()? {
        let (doc, spec) = (summary.doc.as_str(), summary.spec);
        match global.json {
            true => writeln!(
                out,
                "{}",
                json!({"doc": doc, "crdt": spec.family, "kind": spec.kind, "entries": summary.head, "bytes": summary.bytes})
            )?,
            false => writeln!(out, "{}", on_one_line(doc))?,
        }
    }
    Ok(())
}

/// Merges logs into snapshots.
pub async fn compact(global: &Global, doc: Option<&str>) -> Result<(), Failure> {
    let engine = session::offline(global, session::existing_store(global)?)?;
    let names = match doc {
        Some(doc) => vec![doc.to_owned()],
        None => engine.list().await?.iter().map(|summary| summary.doc.to_string()).collect(),
    };
    let bar = progress::bar(names.len(), "documents compacted");
    let compactions = stream::iter(&names).map(async |name| {
        let compacted = session::document(&engine, name).await;
        if let Ok(document) = &compacted {
            document.compact().await;
        }
        bar.inc(1);
        compacted.err()
    });
    let failures = compactions.buffered(MAX_COMPACTED_AT_ONCE).filter_map(std::future::ready).collect().await;
    bar.finish_and_clear();
    session::close(&engine).await?;
    // What was merged leaves room in the file; of a large one more than is given back by closing it.
    session::existing_store(global)?.shrink()?;
    unless_any(failures)
}

/// Verifies the store.
pub fn check(global: &Global) -> Result<(), Failure> {
    let spinner = progress::spinner("checking the store");
    let report = session::existing_store(global)?.check()?;
    spinner.finish_and_clear();
    if !report.is_sound() {
        return Err(Failure::Damaged(report.problems.join("; ")));
    }
    let mut out = std::io::stdout().lock();
    match global.json {
        true => writeln!(
            out,
            "{}",
            json!({"sound": true, "documents": report.documents, "entries": report.entries,
                "snapshots": report.snapshots, "bytes": report.bytes})
        )?,
        false => writeln!(
            out,
            "sound: {} documents, {} entries, {} snapshots, {} bytes",
            report.documents, report.entries, report.snapshots, report.bytes
        )?,
    }
    Ok(())
}
