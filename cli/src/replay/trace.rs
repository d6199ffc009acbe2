//! Trace files: JSON, plain or gzipped, in the format of the `editing-traces` collection.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::read::GzDecoder;
use serde::Deserialize;

use crate::failure::Failure;

/// Largest trace, inflated.
const MAX_TRACE_BYTES: u64 = 1 << 30;

/// What a file holds.
pub enum Trace {
    /// One author.
    Sequential(Sequential),
    /// Several authors, who merge.
    Concurrent(Concurrent),
}

/// Edits one after the other.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sequential {
    pub start_content: String,
    pub end_content: String,
    pub txns: Vec<Edit>,
}

/// One transaction.
#[derive(Deserialize)]
pub struct Edit {
    pub patches: Vec<Patch>,
}

/// Position and number of characters deleted (in code points), and what is inserted there.
#[derive(Deserialize)]
pub struct Patch(pub usize, pub usize, pub String);

/// Edits that know what they followed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Concurrent {
    pub end_content: String,
    pub num_agents: usize,
    pub txns: Vec<Merged>,
}

/// One transaction of one author, on the merged state of its parents.
#[derive(Deserialize)]
pub struct Merged {
    /// Indices of earlier transactions.
    pub parents: Vec<usize>,
    pub agent: usize,
    pub patches: Vec<Patch>,
}

/// Both formats, told apart by what is there.
#[derive(Deserialize)]
#[serde(untagged)]
enum Either {
    Concurrent(Concurrent),
    Sequential(Sequential),
}

/// Reads a trace.
pub fn read(path: &Path) -> Result<Trace, Failure> {
    let said =
        |error: &dyn std::fmt::Display| Failure::Trace(format!("cannot read {}: {error}", path.display()));
    let mut file = BufReader::new(File::open(path).map_err(|error| said(&error))?);
    let mut bytes = Vec::new();
    let zipped = path.extension().is_some_and(|extension| extension == "gz");
    let read = match zipped {
        true => GzDecoder::new(file).take(MAX_TRACE_BYTES).read_to_end(&mut bytes),
        false => file.by_ref().take(MAX_TRACE_BYTES).read_to_end(&mut bytes),
    };
    read.map_err(|error| said(&error))?;
    match serde_json::from_slice(&bytes) {
        Ok(Either::Sequential(trace)) => Ok(Trace::Sequential(trace)),
        Ok(Either::Concurrent(trace)) => check(trace).map(Trace::Concurrent).map_err(|error| said(&error)),
        Err(error) => Err(said(&error)),
    }
}

fn check(trace: Concurrent) -> Result<Concurrent, String> {
    for (index, txn) in trace.txns.iter().enumerate() {
        if txn.agent >= trace.num_agents || txn.parents.iter().any(|parent| *parent >= index) {
            return Err(format!("transaction {index} names an author or parent that is not there"));
        }
    }
    Ok(trace)
}
