//! `status`: the store, its documents and what waits for a relay.

use std::collections::HashMap;
use std::io::{StdoutLock, Write};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use syncline::storage::DocumentSummary;
use syncline::{Connection, DocId, Document, Engine, SaveError, Status};
use syncline_core::crdt::automerge::DocumentId;
use tokio::time::timeout;

use crate::args::Global;
use crate::failure::{Failure, counted};
use crate::session;

/// How long a relay may take to answer.
const GLANCE: Duration = Duration::from_secs(2);

/// How many documents are open at the same time: each takes memory, and a moment if the relay does not take it.
const MAX_OPEN_AT_ONCE: usize = 1_000;

/// What is shown.
struct Report {
    status: Status,
    relay: String,
    /// Seconds since a peer was heard.
    heard: Option<u64>,
    rows: Vec<Row>,
}

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
    let report = report(global, &engine).await?;
    engine.close().await;
    let mut out = std::io::stdout().lock();
    if global.json { report.print_json(&mut out, global) } else { report.print(&mut out, global) }
}

async fn report(global: &Global, engine: &Engine) -> Result<Report, Failure> {
    let mut stored = engine.list().await?.into_iter().peekable();
    let mut rows = Vec::new();
    let mut relay = None;
    while stored.peek().is_some() || relay.is_none() {
        let documents = open(engine, stored.by_ref().take(MAX_OPEN_AT_ONCE)).await;
        if relay.is_none() {
            relay = Some(try_connect(engine, global).await);
        }
        let complaints =
            complaints(engine, documents.iter().filter_map(|(_, opened)| opened.as_ref().ok())).await;
        rows.extend(documents.into_iter().map(|(summary, opened)| row(summary, opened, &complaints)));
    }
    let status = engine.status();
    let heard = status.last_contact.map(|time| engine.now().since(time) / 1_000);
    Ok(Report { status, relay: relay.unwrap_or_default(), heard, rows })
}

/// Opens documents, which knows what is pending of them.
async fn open(
    engine: &Engine,
    stored: impl Iterator<Item = DocumentSummary>,
) -> Vec<(DocumentSummary, Result<Document, String>)> {
    let mut documents = Vec::new();
    for summary in stored {
        let opened = engine.existing(summary.doc.as_str()).await;
        documents.push((summary, opened.map_err(|error| error.to_string())));
    }
    documents
}

fn row(
    summary: DocumentSummary,
    opened: Result<Document, String>,
    complaints: &HashMap<DocId, SaveError>,
) -> Row {
    match opened {
        Ok(document) => {
            let progress = document.progress();
            let complaint = complaints.get(document.id()).map(ToString::to_string);
            let trouble = complaint.or_else(|| document.obstacle());
            Row { summary, pending: progress.pending, pending_bytes: progress.pending_bytes, trouble }
        }
        Err(error) => Row { summary, pending: 0, pending_bytes: 0, trouble: Some(error) },
    }
}

/// Waits a moment for a connection and says in words how that went.
async fn try_connect(engine: &Engine, global: &Global) -> String {
    if global.relay.is_empty() {
        return "none named".to_owned();
    }
    // The words tell whether it was in time.
    let _in_time = timeout(GLANCE, session::connected(engine, |_| ())).await;
    session::connections(&engine.status())
}

/// Which documents a connected relay does not take and why, as far as it says so in a moment.
async fn complaints<'a>(
    engine: &Engine,
    documents: impl Iterator<Item = &'a Document>,
) -> HashMap<DocId, SaveError> {
    // A server says of which documents it takes none without a connection.
    let status = engine.status();
    if !status.is_connected() && !status.connections.iter().any(Connection::is_idle) {
        return HashMap::new();
    }
    let answers = documents.map(async |document| {
        let answer = timeout(GLANCE, document.in_sync()).await;
        answer.ok()?.err().map(|complaint| (document.id().clone(), complaint))
    });
    join_all(answers).await.into_iter().flatten().collect()
}

/// Under which id clients of automerge-repo find a document.
fn automerge_id(summary: &DocumentSummary) -> Option<DocumentId> {
    DocumentId::if_readable(&summary.doc, summary.spec.family)
}

impl Report {
    /// Edits of all documents that no relay has, and their bytes.
    fn pending(&self) -> (u64, u64) {
        let sum = |count: fn(&Row) -> u64| self.rows.iter().map(count).sum();
        (sum(|row| row.pending), sum(|row| row.pending_bytes))
    }

    fn print(&self, out: &mut StdoutLock<'_>, global: &Global) -> Result<(), Failure> {
        let (pending, pending_bytes) = self.pending();
        writeln!(out, "store      {} (durability {})", global.store.display(), global.durability())?;
        writeln!(out, "relay      {}", self.relay)?;
        if let Some(seconds) = self.heard {
            writeln!(out, "heard      {seconds} s ago")?;
        }
        writeln!(out, "pending    {}, {pending_bytes} bytes", counted(pending, "edit"))?;
        for Row { summary, pending, trouble, .. } in &self.rows {
            let trouble = trouble.as_ref().map(|trouble| format!("; {trouble}")).unwrap_or_default();
            let id = automerge_id(summary).map(|id| format!("; automerge:{id}")).unwrap_or_default();
            writeln!(
                out,
                "{}  {}, {} entries, {} bytes, {pending} pending{id}{trouble}",
                summary.doc, summary.spec, summary.head, summary.bytes
            )?;
        }
        Ok(())
    }

    fn print_json(&self, out: &mut StdoutLock<'_>, global: &Global) -> Result<(), Failure> {
        for Row { summary, pending, pending_bytes, trouble } in &self.rows {
            let (spec, head, bytes) = (summary.spec, summary.head, summary.bytes);
            writeln!(
                out,
                "{}",
                json!({"doc": summary.doc.as_str(), "crdt": spec.family, "kind": spec.kind, "entries": head,
                    "bytes": bytes, "automerge": automerge_id(summary).map(|id| id.to_string()), "pending": pending,
                    "pending_bytes": pending_bytes, "trouble": trouble})
            )?;
        }
        let status = &self.status;
        let (pending, pending_bytes) = self.pending();
        writeln!(
            out,
            "{}",
            json!({"store": global.store.display().to_string(), "durability": global.durability().to_string(),
                "relay": self.relay, "connected": status.is_connected(), "pending": pending,
                "pending_bytes": pending_bytes, "last_contact": status.last_contact})
        )?;
        Ok(())
    }
}
