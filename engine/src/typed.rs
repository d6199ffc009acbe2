//! Handles on documents of a known form: what applications edit and watch instead of the value tree.

use std::marker::PhantomData;
use std::ops::Deref;

use futures_util::{Stream, StreamExt};
use syncline_core::crdt::{self, Crdt};
use syncline_core::entry::{MAX_UPDATE_BYTES, Spec};
use syncline_core::id::ReplicaId;
use syncline_core::operation::EditError as OperationError;
use syncline_core::path::Path;
use syncline_core::replica::{EditFailure, Editor};
use syncline_core::schema::{self, Edit, SCHEMA_KEY, Schema};
use syncline_core::wire::encode_operations;

use crate::document::Document;
use crate::error::EditError;

/// Most operations that an import puts into one entry; each may be several on the document.
const PART_OPERATIONS: usize = 300;

/// Bytes of operations after which an import begins another entry.
const PART_BYTES: usize = 1 << 20;

/// Bytes by which an update may be larger than on trial, as its writer has another name.
const UPDATE_LEEWAY: usize = 64 << 10;

/// An open board or chart. Everything that a [`Document`] can do, it can.
pub struct Typed<S> {
    document: Document,
    schema: PhantomData<S>,
}

impl<S> Clone for Typed<S> {
    fn clone(&self) -> Self {
        Self { document: self.document.clone(), schema: PhantomData }
    }
}

impl<S> Deref for Typed<S> {
    type Target = Document;

    fn deref(&self) -> &Document {
        &self.document
    }
}

impl<S: Schema> Typed<S> {
    pub(crate) fn new(document: Document) -> Self {
        Self { document, schema: PhantomData }
    }

    /// Makes one edit of everything the closure does. It is visible at once, and saved when [`Document::saved`] says so.
    /// If the closure fails or panics, nothing of it remains.
    ///
    /// The closure runs under the engine's lock: it must be short, and must not use this engine.
    pub fn edit<T>(
        &self,
        edit: impl FnOnce(&mut Edit<'_, '_, S>) -> Result<T, OperationError>,
    ) -> Result<T, EditError<OperationError>> {
        self.edit_or(edit)
    }

    /// As [`Typed::edit`], where the closure may fail for reasons of its own.
    pub fn edit_or<T, E>(
        &self,
        edit: impl FnOnce(&mut Edit<'_, '_, S>) -> Result<T, E>,
    ) -> Result<T, EditError<E>> {
        self.document.edit(|editor| edit(&mut Edit::new(editor)))
    }

    /// Makes an edit of one operation.
    pub fn perform(&self, operation: &S::Operation) -> Result<(), EditError<OperationError>> {
        self.edit(|edit| edit.perform(operation))
    }

    /// Fills a document that holds nothing yet, and that all at once: whatever happens meanwhile, the store has all of it or
    /// nothing. It takes as many entries of the log as it needs.
    ///
    /// An error leaves the document as it was. All of it is tried out first, on a document of the same family beside it.
    pub fn import(&self, state: &S) -> Result<(), EditError<OperationError>> {
        let rejected = |error| EditError::Failed(EditFailure::Rejected(error));
        let spec = self.document.spec().ok_or(EditError::Closed)?;
        let mut parts = parts::<S>(spec, S::default().changes(state)).map_err(rejected)?.into_iter();
        let mut is_first = true;
        self.document.edit_again(|| {
            let (part, check) = (parts.next()?, std::mem::take(&mut is_first));
            Some(move |editor: &mut Editor<'_>| {
                let found = editor.document().keys(&Path::root()).unwrap_or_default();
                match found.iter().find(|key| check && *key != SCHEMA_KEY) {
                    Some(key) => Err(OperationError::Exists { path: Path::root().child(key).to_string() }),
                    None => part.iter().try_for_each(|operation| Edit::<S>::new(editor).perform(operation)),
                }
            })
        })
    }

    /// What the document holds now; `None` if it has been closed, or from inside an edit.
    #[must_use]
    pub fn state(&self) -> Option<S> {
        self.document.read(|document| schema::read(document))
    }

    /// Yields the operations that lead from each state to the next one, whoever made them; the first ones from the state
    /// at the time of this call. Changes that come faster than they are taken are told as one. Ends with the document.
    pub fn changes(&self) -> impl Stream<Item = Vec<S::Operation>> + Send + Unpin + 'static {
        let document = self.document.clone();
        let ended = Box::pin(async move { document.ended().await });
        let changed = self.document.changes().take_until(ended);
        let told = (self.clone(), self.state().unwrap_or_default());
        let changes = changed.scan(told, |(typed, told), ()| {
            let changes = typed.state().map(|now| {
                let changes = told.changes(&now);
                *told = now;
                changes
            });
            std::future::ready(changes)
        });
        Box::pin(changes.filter(|changes| std::future::ready(!changes.is_empty())))
    }
}

/// The operations in as many parts as there will be entries, all of which a new document has taken.
fn parts<S: Schema>(
    spec: Spec,
    operations: Vec<S::Operation>,
) -> Result<Vec<Vec<S::Operation>>, OperationError> {
    let mut trial = crdt::create(spec);
    // The id takes as many bytes as any.
    trial.write_as(ReplicaId::new([u8::MAX; 16]));
    let mut parts = Vec::new();
    let (mut part, mut bytes) = (Vec::new(), 0);
    for operation in operations {
        let at_fault =
            |error| OperationError::Unsupported { reason: format!("{}: {error}", S::subject(&operation)) };
        let lowered = schema::lower::<S>(&operation, &*trial).map_err(at_fault)?;
        let size = encode_operations(&lowered).len();
        if bytes + size > PART_BYTES || part.len() >= PART_OPERATIONS {
            bytes = 0;
            parts.extend(finished::<S>(&mut *trial, &mut part)?);
        }
        bytes += size;
        for step in &lowered {
            step.check().and_then(|()| trial.perform(step)).map_err(at_fault)?;
        }
        part.push(operation);
    }
    parts.extend(finished::<S>(&mut *trial, &mut part)?);
    Ok(parts)
}

/// Takes a part whose update has room in an entry; an empty one is none.
fn finished<S: Schema>(
    trial: &mut dyn Crdt,
    part: &mut Vec<S::Operation>,
) -> Result<Option<Vec<S::Operation>>, OperationError> {
    let size = trial.take_local()?.map_or(0, |update| update.len());
    if size > MAX_UPDATE_BYTES - UPDATE_LEEWAY {
        let subjects: Vec<String> = part.iter().map(S::subject).collect();
        let (first, last) =
            (subjects.first().map_or("", String::as_str), subjects.last().map_or("", String::as_str));
        let reason = format!(
            "{first} to {last}: the update made of them exceeds the limit of {MAX_UPDATE_BYTES} bytes"
        );
        return Err(OperationError::Unsupported { reason });
    }
    Ok(Some(std::mem::take(part)).filter(|part| !part.is_empty()))
}
