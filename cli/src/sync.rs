//! Commands that talk to a relay.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Write;
use std::pin::pin;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use indicatif::ProgressBar;
use syncline::{Document, Engine, OpenError, Operation, Path, SaveError, Saved, Spec, Value, diff};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::args::Global;
use crate::failure::{Failure, counted, unless_any};
use crate::{operations, progress, session};

/// How many documents are open at the same time: fewer than a relay opens on one link.
const MAX_SYNCED_AT_ONCE: usize = 5_000;

/// How many documents the relay is asked for before it has answered.
const MAX_FETCHED_AT_ONCE: usize = 64;

/// How long nobody asks again what a document is after no answer came.
const ASKING_PAUSE: Duration = Duration::from_millis(100);

/// Brings documents and relay together.
pub async fn sync(global: &Global, docs: &[String], seconds: u64) -> Result<(), Failure> {
    if global.relay.is_empty() {
        return Err(Failure::NoRelay);
    }
    // Whoever names no document means those of a store, which is then there.
    let store = if docs.is_empty() { session::existing_store(global)? } else { session::open_store(global)? };
    let engine = session::online(global, store)?;
    let awaited = RefCell::default();
    let (done, state) = {
        // The documents are open until it is known how they are.
        let mut all = pin!(session::unless_full(&engine, sync_all(&engine, docs, &awaited)));
        let done = timeout(Duration::from_secs(seconds), all.as_mut()).await;
        (done, describe(&engine, awaited.borrow().as_ref()))
    };
    drop(awaited);
    session::close(&engine).await?;
    match done {
        Ok(result) => result,
        Err(_) => Err(Failure::NotSynced(format!(
            "not synchronised within {seconds} s: {state}; nothing is lost, run it again when the relay can be reached"
        ))),
    }
}

/// `awaited` is told which document is being waited for.
async fn sync_all(
    engine: &Engine,
    docs: &[String],
    awaited: &RefCell<Option<Document>>,
) -> Result<(), Failure> {
    let stored: Vec<String> = engine.list().await?.iter().map(|summary| summary.doc.to_string()).collect();
    let names = if docs.is_empty() { &stored[..] } else { docs };
    let stored: BTreeSet<&String> = stored.iter().collect();
    let bar = progress::bar(names.len(), "documents in sync {msg}");
    let mut failures = Vec::new();
    for names in names.chunks(MAX_SYNCED_AT_ONCE) {
        failures.extend(sync_some(engine, names, &stored, &bar, awaited).await);
    }
    bar.finish_and_clear();
    unless_any(failures)
}

/// Documents that are open at the same time. Returns what failed.
async fn sync_some(
    engine: &Engine,
    names: &[String],
    stored: &BTreeSet<&String>,
    bar: &ProgressBar,
    awaited: &RefCell<Option<Document>>,
) -> Vec<Failure> {
    let (here, there): (Vec<_>, Vec<_>) = names.iter().partition(|name| stored.contains(name));
    let (mut documents, mut failures) = (Vec::new(), Vec::new());
    let mut sort = |opened: Result<Document, Failure>| match opened {
        Ok(document) => documents.push(document),
        Err(failure) => failures.push(failure),
    };
    // What is here is opened without a relay, so that what is pending is known if none can be reached.
    for name in here {
        sort(engine.existing(name).await.map_err(Failure::from));
    }
    if let Err(failure) =
        session::connected(engine, |status| bar.set_message(session::connections(status))).await
    {
        failures.push(failure);
        return failures;
    }
    bar.set_message("");
    let fetched = stream::iter(there).map(|name| fetch(engine, name)).buffered(MAX_FETCHED_AT_ONCE);
    fetched.collect::<Vec<_>>().await.into_iter().for_each(sort);
    for document in documents {
        awaited.replace(Some(document.clone()));
        if let Err(failure) = bring_together(&document).await {
            forget_if_made_in_vain(engine, &document, stored, &failure);
            failures.push(failure);
        }
        bar.inc(1);
    }
    failures
}

/// A document that was made here to be filled, and that nobody fills, is none.
fn forget_if_made_in_vain(
    engine: &Engine,
    document: &Document,
    stored: &BTreeSet<&String>,
    failure: &Failure,
) {
    let name = document.id().to_string();
    let refused = matches!(failure, Failure::Save(SaveError::NotTaken { .. }));
    if refused && !stored.contains(&name) && document.last_entry().is_none() {
        // It has a name, so it can be deleted.
        drop(engine.delete(&name));
    }
}

/// One document; that edits of it are lost is an error.
async fn bring_together(document: &Document) -> Result<(), Failure> {
    document.in_sync().await?;
    document.saved(Saved::Relay).await?;
    document.loss().map_or(Ok(()), |loss| Err(Failure::Lost(SaveError::refused(document.id(), &loss))))
}

/// A document that is not in the store: the relay says what it is.
async fn fetch(engine: &Engine, name: &str) -> Result<Document, Failure> {
    let spec = ask(engine, name).await?.ok_or_else(|| Failure::NotAtRelay(name.to_owned()))?;
    Ok(engine.document(name, spec).await?)
}

/// What the relay holds under a name, as soon as one can be asked.
pub async fn ask(engine: &Engine, name: &str) -> Result<Option<Spec>, Failure> {
    loop {
        session::connected(engine, |_| ()).await?;
        match engine.describe(name).await {
            // The relay may have gone meanwhile, or be busy: whoever waits for it decides for how long.
            Err(OpenError::NoAnswer(_)) => tokio::time::sleep(ASKING_PAUSE).await,
            answer => return Ok(answer?),
        }
    }
}

fn describe(engine: &Engine, awaited: Option<&Document>) -> String {
    let status = engine.status();
    let said = awaited.and_then(|document| Some(format!("; {}: {}", document.id(), document.obstacle()?)));
    let state = format!("{}, {} pending", session::connections(&status), counted(status.pending, "edit"));
    state + &said.unwrap_or_default()
}

/// Prints changes as they come, until interrupted or until nobody reads them.
pub async fn watch(global: &Global, doc: &str) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    let store = match global.relay.is_empty() {
        true => session::existing_store(global)?,
        false => session::open_store(global)?,
    };
    let engine = session::online(global, store)?;
    let result = tokio::select! {
        result = follow(global, &engine, doc) => result,
        () = stop.asked() => Ok(()),
    };
    engine.close().await;
    unless_unread(result)
}

/// Who stops reading has read enough.
pub fn unless_unread(result: Result<(), Failure>) -> Result<(), Failure> {
    match result {
        Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

async fn follow(global: &Global, engine: &Engine, doc: &str) -> Result<(), Failure> {
    print_changes(&here_or_fetched(global, engine, doc).await?).await
}

/// A document of the store, or else of the relay.
pub async fn here_or_fetched(global: &Global, engine: &Engine, doc: &str) -> Result<Document, Failure> {
    match session::document(engine, doc).await {
        Err(Failure::NoDocument(_)) if !global.relay.is_empty() => fetch(engine, doc).await,
        opened => opened,
    }
}

/// SIGTERM, SIGINT and SIGHUP, heard from when this is made.
pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Stop {
    pub fn listen() -> Result<Self, Failure> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// Ends when the document can be read no longer, which is not to be taken for an empty one.
async fn print_changes(document: &Document) -> Result<(), Failure> {
    let empty = || Value::Map([].into());
    let mut changes = document.changes();
    let mut before = empty();
    loop {
        let Some(after) = document.read(|content| content.value(&Path::root()).unwrap_or_else(empty)) else {
            return Err(document.ended().await.into());
        };
        print(&diff::changes(&before, &after))?;
        before = after;
        if changes.next().await.is_none() {
            return Ok(());
        }
    }
}

fn print(operations: &[Operation]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for operation in operations {
        writeln!(out, "{}", operations::to_json(operation))?;
    }
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use syncline::{Family, Kind, MemoryStorage};

    use super::*;

    #[tokio::test]
    async fn a_document_that_goes_is_not_printed_as_an_empty_one() {
        let engine = Engine::builder(MemoryStorage::new()).open().unwrap();
        let document = engine.document("d", Spec { family: Family::Yjs, kind: Kind::Tree }).await.unwrap();
        engine.delete("d").unwrap();
        let printed = print_changes(&document).await;
        assert!(matches!(printed, Err(Failure::Save(SaveError::Deleted(_)))), "{printed:?}");
        engine.close().await;
    }
}
