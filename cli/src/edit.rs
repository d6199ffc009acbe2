//! Commands that change a document. They return when the change is durable in the store.

use std::time::Duration;

use syncline::{
    Document, Edit, EditError, Engine, Family, Kind, Operation, Path, SaveError, Saved, Schema, Spec, Status,
    Value,
};

use syncline_core::replica::EditFailure;

use crate::args::Global;
use crate::failure::Failure;
use crate::session;

/// How long a command waits for a connected relay to take its edit.
const TAKING_TIME: Duration = Duration::from_secs(2);

/// Makes a document.
pub async fn create(global: &Global, doc: &str, kind: Kind, family: Family) -> Result<(), Failure> {
    let engine = session::offline(global, session::open_store(global)?)?;
    if session::is_stored(&engine, doc).await? {
        return Err(Failure::Exists(doc.to_owned()));
    }
    engine.document(doc, Spec { family, kind }).await?;
    session::close(&engine).await
}

/// Performs one operation.
pub async fn perform(global: &Global, doc: &str, operation: Operation) -> Result<(), Failure> {
    edit(global, doc, |document| Ok(document.perform(operation)?)).await
}

/// Makes an edit of a document that is there.
pub async fn edit<T>(
    global: &Global,
    doc: &str,
    edit: impl FnOnce(&Document) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let engine = session::online(global, session::existing_store(global)?)?;
    let document = session::document(&engine, doc).await?;
    let value = edit(&document)?;
    settle(&engine, &document).await?;
    Ok(value)
}

/// As [`edit`], in the terms of the document's schema; what the closure finds wrong takes all of it back.
pub async fn edit_typed<S: Schema, T>(
    global: &Global,
    doc: &str,
    change: impl FnOnce(&mut Edit<'_, '_, S>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    edit(global, doc, |document| document.typed::<S>()?.edit_or(change).map_err(rejected)).await
}

/// Why an edit was not made: what the closure said, or what stood in its way.
fn rejected(error: EditError<Failure>) -> Failure {
    match error {
        EditError::Failed(EditFailure::Rejected(failure)) => failure,
        other => Failure::Edit(other.to_string()),
    }
}

/// The one of these names that is `wanted`, or the only one that begins like it.
pub fn one_of<'a>(
    what: &str,
    wanted: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Result<String, Failure> {
    let alike: Vec<&str> =
        names.clone().filter(|name| !wanted.is_empty() && name.starts_with(wanted)).collect();
    match (names.into_iter().any(|name| name == wanted), &alike[..]) {
        (true, _) => Ok(wanted.to_owned()),
        (false, [only]) => Ok((*only).to_owned()),
        (false, []) => Err(Failure::Edit(format!(
            "there is no {what} {wanted:?}; `list DOC` of the same command shows their ids"
        ))),
        (false, [first, second, ..]) => {
            let reason = format!("{wanted:?} may be {first:?} or {second:?}; say more of the id");
            Err(Failure::Ambiguous(reason))
        }
    }
}

/// Waits until what was edited is durable here, gives a relay that can be reached a moment to take it, and closes.
pub async fn settle(engine: &Engine, document: &Document) -> Result<(), Failure> {
    let saved = stored(engine, document).await;
    let taken = if saved.is_ok() { taken(engine, document).await } else { Taken::NotAwaited };
    session::close(engine).await?;
    saved?;
    match taken {
        Taken::Never(reason) => session::warn(&format!("saved here, but no relay takes it: {reason}")),
        Taken::NotYet if document.progress().pending > 0 => session::warn(
            "saved here, but the relay did not confirm it in time; it is sent again by the next command",
        ),
        Taken::NotYet | Taken::NotAwaited => {}
    }
    // A relay that was quick enough may have refused it meanwhile.
    document.loss().map_or(Ok(()), |loss| Err(SaveError::refused(document.id(), &loss).into()))
}

/// Waits until what was edited is durable here; a full disk is an error, not a wait.
pub async fn stored(engine: &Engine, document: &Document) -> Result<(), Failure> {
    session::unless_full(engine, async { Ok(document.saved(Saved::Local).await?) }).await
}

/// Whether a relay takes what was edited.
enum Taken {
    /// As things are, none will, for this reason.
    Never(String),
    /// Time ran out; closing gives it some more.
    NotYet,
    /// It did, or there is none to be waited for.
    NotAwaited,
}

/// Gives a relay that can be reached a moment to take the edits of a document. Nobody waits for one that cannot be reached.
async fn taken(engine: &Engine, document: &Document) -> Taken {
    let mut status = engine.watch_status();
    let offline = |status: &Status| status.connections.iter().all(|connection| connection.error().is_some());
    tokio::select! {
        saved = document.saved(Saved::Relay) => match saved {
            Err(SaveError::Mismatch { reason, .. } | SaveError::NotTaken { reason, .. }) => Taken::Never(reason),
            Err(_) | Ok(()) => Taken::NotAwaited,
        },
        Ok(status) = status.wait_for(offline) => match status.hopeless() {
            Some(reason) => Taken::Never(reason.to_owned()),
            None => Taken::NotAwaited,
        },
        () = tokio::time::sleep(TAKING_TIME) => Taken::NotYet,
    }
}

pub fn set(path: &str, value: &str) -> Result<Operation, Failure> {
    Ok(Operation::Put { path: path.parse()?, value: parse(value)? })
}

pub fn rm(path: &str) -> Result<Operation, Failure> {
    Ok(Operation::Remove { path: path.parse()? })
}

pub fn insert(path: &str, value: &str) -> Result<Operation, Failure> {
    Ok(Operation::Insert { path: path.parse()?, values: vec![parse(value)?] })
}

pub fn inc(path: &str, by: i64) -> Result<Operation, Failure> {
    Ok(Operation::Increment { path: path.parse()?, by })
}

/// `[PATH] POS DEL INS`
pub fn splice(rest: &[String]) -> Result<Operation, Failure> {
    let (path, at, delete, insert) = match rest {
        [at, delete, insert] => (Path::root().child(Kind::TEXT_KEY), at, delete, insert),
        [path, at, delete, insert] => (path.parse()?, at, delete, insert),
        _ => return Err(Failure::Edit("name [PATH] POS DEL INS".to_owned())),
    };
    let number = |text: &str| {
        text.parse().map_err(|_| Failure::Edit(format!("{text:?} is not a count of characters")))
    };
    Ok(Operation::Splice { path, at: number(at)?, delete: number(delete)?, insert: insert.clone() })
}

/// A value as it stands on the command line.
pub fn parse(value: &str) -> Result<Value, Failure> {
    Ok(Value::from_json(&syncline::json::parse(value)?)?)
}

/// Forgets a document here; one with edits that are nowhere else only if that is meant.
pub async fn delete(global: &Global, doc: &str, force: bool) -> Result<(), Failure> {
    let engine = session::offline(global, session::existing_store(global)?)?;
    if !session::is_stored(&engine, doc).await? {
        return Err(Failure::NoDocument(doc.to_owned()));
    }
    // One that cannot be opened can be forgotten all the same, by force.
    let pending = if force { 0 } else { session::document(&engine, doc).await?.progress().pending };
    if pending > 0 {
        return Err(Failure::Pending(doc.to_owned(), pending));
    }
    engine.delete(doc)?;
    session::close(&engine).await
}
