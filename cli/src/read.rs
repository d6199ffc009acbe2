//! Commands that look at the store.

use std::io::Write;

use serde_json::json;
use syncline::storage::Storage;
use syncline::{Kind, Path, Spec, Value, json::to_canonical_json};

use crate::args::{Format, Global};
use crate::failure::{Failure, unless_any};
use crate::{progress, session};

/// Prints a value of a document, without an added newline.
pub async fn get(global: &Global, doc: &str, path: &str) -> Result<(), Failure> {
    print(&to_canonical_json(&read(global, doc, &path.parse()?).await?))
}

/// Prints a document.
pub async fn export(global: &Global, doc: &str, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => get(global, doc, "").await,
        Format::Text => print(&text(global, doc).await?),
    }
}

/// The text of a text document; one without content is an empty text.
async fn text(global: &Global, doc: &str) -> Result<String, Failure> {
    let (spec, value) = look(global, doc, &Path::root().child(Kind::TEXT_KEY)).await?;
    match (spec.kind, value) {
        (Kind::Text, Some(Value::Text(text))) => Ok(text),
        (Kind::Text, None) => Ok(String::new()),
        (Kind::Text | Kind::Tree | Kind::Board | Kind::Chart, _) => {
            Err(Failure::NotText(doc.to_owned(), spec))
        }
    }
}

async fn read(global: &Global, doc: &str, path: &Path) -> Result<Value, Failure> {
    let (_, value) = look(global, doc, path).await?;
    value.ok_or_else(|| Failure::Nothing(doc.to_owned(), path.to_string()))
}

/// What a document is, and what is at a path of it.
pub async fn look(global: &Global, doc: &str, path: &Path) -> Result<(Spec, Option<Value>), Failure> {
    let engine = session::offline(global, session::existing_store(global)?)?;
    let document = session::document(&engine, doc).await?;
    let value = document.value(path);
    let stored = engine.list().await?;
    engine.close().await;
    let spec = stored.iter().find(|summary| summary.doc.as_str() == doc).map(|summary| summary.spec);
    Ok((spec.ok_or_else(|| Failure::NoDocument(doc.to_owned()))?, value))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
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
            false => writeln!(out, "{doc}")?,
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
    let mut failures = Vec::new();
    for name in names {
        match session::document(&engine, &name).await {
            Ok(document) => document.compact().await,
            Err(failure) => failures.push(failure),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    session::close(&engine).await?;
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
