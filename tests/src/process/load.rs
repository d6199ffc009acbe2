//! What clients under load (`src/bin/load.rs`) write, and how it is told afterwards that nothing was lost.

use std::collections::BTreeSet;
use std::hash::Hasher;

use syncline::json::to_canonical_json;
use syncline::transports::WebSocket;
use syncline::{BoxError, Document, Engine, Family, Kind, MemoryStorage, Operation, Saved, Spec, Value};
use twox_hash::XxHash3_64;

/// The map with a key for every edit.
pub const EDITS: &str = "/edits";

/// The counter of edits.
pub const COUNT: &str = "/count";

/// A tree of the family with this name.
pub fn spec(family: &str) -> Result<Spec, BoxError> {
    let family = match family {
        "yjs" => Family::Yjs,
        "automerge" => Family::Automerge,
        other => return Err(format!("there is no family {other:?}").into()),
    };
    Ok(Spec { family, kind: Kind::Tree })
}

/// Makes the containers that clients write to, at the relay.
pub async fn prepare(url: &str, doc: &str, spec: Spec) -> Result<(), BoxError> {
    let engine = Engine::builder(MemoryStorage::new()).user("setup").relay(WebSocket::new(url)).open()?;
    let document = engine.document(doc, spec).await?;
    let first = Value::Map([("setup".to_owned(), true.into())].into());
    document.perform(Operation::Put { path: EDITS.parse()?, value: first })?;
    document.perform(Operation::Increment { path: COUNT.parse()?, by: 1 })?;
    document.saved(Saved::Relay).await?;
    engine.close().await;
    Ok(())
}

/// The whole content.
#[must_use]
pub fn whole(document: &Document) -> Option<Value> {
    document.value(&syncline::Path::root())
}

/// How many edits the content holds; `None` before it was prepared.
#[must_use]
pub fn keys(content: &Value) -> Option<usize> {
    let Value::Map(root) = content else { return None };
    match root.get("edits") {
        Some(Value::Map(edits)) => Some(edits.len()),
        _ => None,
    }
}

/// The names of all edits in the content; an error if any of them was applied more or less than once.
pub fn edits(content: &Value) -> Result<BTreeSet<String>, String> {
    let Value::Map(root) = content else { return Err("the content is no map".to_owned()) };
    let (Some(Value::Map(edits)), Some(Value::Counter(count))) = (root.get("edits"), root.get("count"))
    else {
        return Err("the containers are gone".to_owned());
    };
    if usize::try_from(*count) != Ok(edits.len()) {
        return Err(format!("{} edits were counted {count} times", edits.len()));
    }
    Ok(edits.keys().cloned().collect())
}

/// Stands for the content.
#[must_use]
pub fn digest(content: &Value) -> u64 {
    let mut hasher = XxHash3_64::with_seed(0);
    hasher.write(to_canonical_json(content).as_bytes());
    hasher.finish()
}
