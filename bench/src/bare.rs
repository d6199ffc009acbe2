//! The libraries by themselves.

use std::hint::black_box;
use std::time::{Duration, Instant};

use automerge::transaction::Transactable;
use automerge::{Automerge, ObjType, ROOT, ReadDoc};
use syncline::{BoxError, Family};
use yrs::updates::decoder::Decode;
use yrs::{Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text, Transact, Update};

use crate::edits::Edit;

/// The key of the text.
const TEXT: &str = "text";

/// Makes edits, each in a transaction of its own whose update is taken, which is what any program must do that keeps a document
/// and tells others of each edit. How long that took, and the library's own encoding of what was made.
pub fn write(family: Family, edits: &[Edit]) -> Result<(Duration, Vec<u8>), BoxError> {
    match family {
        Family::Automerge => {
            let started = Instant::now();
            let document = automerge(edits)?;
            Ok((started.elapsed(), document.save()))
        }
        Family::Yjs | Family::Toy => Ok(yjs(edits)),
    }
}

/// The library's own encoding of what the edits make.
pub fn encoding(family: Family, edits: &[Edit]) -> Result<Vec<u8>, BoxError> {
    write(family, edits).map(|(_, encoding)| encoding)
}

/// Loads an encoding: how long that took, and the text.
pub fn load(family: Family, encoding: &[u8]) -> Result<(Duration, String), BoxError> {
    let started = Instant::now();
    match family {
        Family::Automerge => {
            let document = Automerge::load(encoding)?;
            Ok((started.elapsed(), automerge_text(&document)?))
        }
        Family::Yjs | Family::Toy => {
            let document = new_yjs();
            let text = document.get_or_insert_text(TEXT);
            document.transact_mut().apply_update(Update::decode_v1(encoding)?)?;
            let taken = started.elapsed();
            Ok((taken, text.get_string(&document.transact())))
        }
    }
}

fn new_yjs() -> Doc {
    Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::default() })
}

fn yjs(edits: &[Edit]) -> (Duration, Vec<u8>) {
    let document = new_yjs();
    let text = document.get_or_insert_text(TEXT);
    let started = Instant::now();
    for Edit { at, delete, insert } in edits {
        let mut transaction = document.transact_mut();
        if *delete > 0 {
            text.remove_range(&mut transaction, *at as u32, *delete as u32);
        }
        if !insert.is_empty() {
            text.insert(&mut transaction, *at as u32, insert);
        }
        black_box(transaction.encode_update_v1());
    }
    let taken = started.elapsed();
    (taken, document.transact().encode_state_as_update_v1(&StateVector::default()))
}

/// An Automerge document of the edits.
pub fn automerge(edits: &[Edit]) -> Result<Automerge, BoxError> {
    let mut document = Automerge::new();
    edit_automerge(&mut document, edits)?;
    Ok(document)
}

/// Makes edits to the text, each a change of its own; where there is no text it is made.
pub fn edit_automerge(document: &mut Automerge, edits: &[Edit]) -> Result<(), BoxError> {
    let text = match document.get(ROOT, TEXT)? {
        Some((_, text)) => text,
        None => {
            document
                .transact(|transaction| transaction.put_object(ROOT, TEXT, ObjType::Text))
                .map_err(|failure| failure.error)?
                .result
        }
    };
    for Edit { at, delete, insert } in edits {
        let mut transaction = document.transaction();
        transaction.splice_text(&text, *at, *delete as isize, insert)?;
        transaction.commit();
        let change = document.get_last_local_change().ok_or("an edit that made no change")?;
        black_box(change.raw_bytes());
    }
    Ok(())
}

/// The text of such a document.
pub fn automerge_text(document: &Automerge) -> Result<String, BoxError> {
    let (_, text) = document.get(ROOT, TEXT)?.ok_or("a document without its text")?;
    Ok(document.text(&text)?)
}
