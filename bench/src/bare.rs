//! The libraries by themselves.

use std::hint::black_box;
use std::time::{Duration, Instant};

use automerge::transaction::Transactable;
use automerge::{Automerge, ObjId, ObjType, ROOT, ReadDoc};
use syncline::{BoxError, Family};
use yrs::updates::decoder::Decode;
use yrs::{Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text, Transact, Update};

use crate::edits::Edit;

/// The key of the text.
const TEXT: &str = "text";

/// Makes edits, each in a transaction of its own. How long that took, and the library's own encoding of what was made. Updates may be
/// taken, as any program does that keeps each edit or tells others of it.
pub fn write(family: Family, edits: &[Edit], updates: bool) -> Result<(Duration, Vec<u8>), BoxError> {
    match family {
        Family::Automerge => {
            let started = Instant::now();
            let mut document = Automerge::new();
            edit_automerge(&mut document, edits, updates)?;
            Ok((started.elapsed(), document.save()))
        }
        Family::Yjs | Family::Toy => Ok(yjs(edits, updates)),
    }
}

/// The library's own encoding of what the edits make.
pub fn encoding(family: Family, edits: &[Edit]) -> Result<Vec<u8>, BoxError> {
    write(family, edits, false).map(|(_, encoding)| encoding)
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

fn yjs(edits: &[Edit], updates: bool) -> (Duration, Vec<u8>) {
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
        if updates {
            black_box(transaction.encode_update_v1());
        }
    }
    let taken = started.elapsed();
    (taken, document.transact().encode_state_as_update_v1(&StateVector::default()))
}

/// An Automerge document of the edits.
pub fn automerge(edits: &[Edit]) -> Result<Automerge, BoxError> {
    let mut document = Automerge::new();
    edit_automerge(&mut document, edits, false)?;
    Ok(document)
}

/// Makes the text, and edits to it, each a change of its own.
fn edit_automerge(document: &mut Automerge, edits: &[Edit], updates: bool) -> Result<(), BoxError> {
    let text = document
        .transact(|transaction| transaction.put_object(ROOT, TEXT, ObjType::Text))
        .map_err(|failure| failure.error)?
        .result;
    for edit in edits {
        edit_text(document, &text, edit)?;
        if updates {
            let change = document.get_last_local_change().ok_or("an edit that made no change")?;
            black_box(change.raw_bytes());
        }
    }
    Ok(())
}

/// Makes one edit to a text.
pub fn edit_text(
    document: &mut Automerge,
    text: &ObjId,
    Edit { at, delete, insert }: &Edit,
) -> Result<(), BoxError> {
    let mut transaction = document.transaction();
    transaction.splice_text(text, *at, *delete as isize, insert)?;
    transaction.commit();
    Ok(())
}

/// The text of a document.
pub fn text(document: &Automerge) -> Result<ObjId, BoxError> {
    let (_, text) = document.get(ROOT, TEXT)?.ok_or("a document without its text")?;
    Ok(text)
}

/// The text of such a document.
pub fn automerge_text(document: &Automerge) -> Result<String, BoxError> {
    Ok(document.text(text(document)?)?)
}
