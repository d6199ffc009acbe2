//! `status`: the store, its documents and what waits for a relay.

use std::io::{StdoutLock, Write};

use serde_json::json;
use syncline::storage::DocumentSummary;
use syncline::{Document, Engine};

use crate::args::Global;
use crate::failure::Failure;
use crate::{session, sync};

/// A document of the store.
struct Row {
    summary: DocumentSummary,
    pending: u64,
    pending_bytes: u64,
    /// Why it cannot be opened, or why the relay does not take it.
    trouble: Option<String>,
}

/// Shows the store; a document that cannot be opened takes nothing away from the others.
pub async fn status(global: &Global) -> Result<(), Failure> {
    let engine = session::online(global, session::existing_store(global)?)?;
    // What is pending is told of the documents that are open.
    let mut documents = Vec::new();
    for summary in engine.list().await? {
        let opened = engine.existing(summary.doc.as_str()).await;
        documents.push((summary, opened.map_err(|error| error.to_string())));
    }
    let relay = sync::try_connect(&engine, global).await;
    let rows = rows(&engine, documents).await;
    let mut out = std::io::stdout().lock();
    match global.json {
        true => print_json(&mut out, global, &engine, &relay, &rows)?,
        false => print(&mut out, global, &engine, &relay, &rows)?,
    }
    drop(out);
    engine.close().await;
    Ok(())
}

async fn rows(engine: &Engine, documents: Vec<(DocumentSummary, Result<Document, String>)>) -> Vec<Row> {
    let complaints =
        sync::complaints(engine, documents.iter().filter_map(|(_, opened)| opened.as_ref().ok())).await;
    let row = |(summary, opened): (DocumentSummary, Result<Document, String>)| match opened {
        Ok(document) => {
            let progress = document.progress();
            let trouble = complaints.get(document.id()).map(ToString::to_string);
            Row { summary, pending: progress.pending, pending_bytes: progress.pending_bytes, trouble }
        }
        Err(error) => Row { summary, pending: 0, pending_bytes: 0, trouble: Some(error) },
    };
    documents.into_iter().map(row).collect()
}

fn print(
    out: &mut StdoutLock<'_>,
    global: &Global,
    engine: &Engine,
    relay: &str,
    rows: &[Row],
) -> Result<(), Failure> {
    let status = engine.status();
    writeln!(out, "store      {} (durability {})", global.store.display(), global.durability())?;
    writeln!(out, "relay      {relay}")?;
    if let Some(time) = status.last_contact {
        writeln!(out, "heard      {} s ago", engine.now().since(time) / 1_000)?;
    }
    writeln!(out, "pending    {} edits, {} bytes", status.pending, status.pending_bytes)?;
    for Row { summary, pending, trouble, .. } in rows {
        let trouble = trouble.as_ref().map(|trouble| format!("; {trouble}")).unwrap_or_default();
        writeln!(
            out,
            "{}  {}, {} entries, {} bytes, {pending} pending{trouble}",
            summary.doc, summary.spec, summary.head, summary.bytes
        )?;
    }
    Ok(())
}

fn print_json(
    out: &mut StdoutLock<'_>,
    global: &Global,
    engine: &Engine,
    relay: &str,
    rows: &[Row],
) -> Result<(), Failure> {
    for Row { summary, pending, pending_bytes, trouble } in rows {
        let (spec, head, bytes) = (summary.spec, summary.head, summary.bytes);
        writeln!(
            out,
            "{}",
            json!({"doc": summary.doc.as_str(), "crdt": spec.family, "kind": spec.kind, "entries": head,
                "bytes": bytes, "pending": pending, "pending_bytes": pending_bytes, "trouble": trouble})
        )?;
    }
    let status = engine.status();
    writeln!(
        out,
        "{}",
        json!({"store": global.store.display().to_string(), "durability": global.durability().to_string(),
            "relay": relay, "connected": status.is_connected(), "pending": status.pending,
            "pending_bytes": status.pending_bytes, "last_contact": status.last_contact})
    )?;
    Ok(())
}
