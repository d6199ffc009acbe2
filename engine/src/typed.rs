//! Handles on documents of a known form: what applications edit and watch instead of the value tree.

use std::marker::PhantomData;
use std::ops::Deref;

use futures_util::{Stream, StreamExt};
use syncline_core::crdt::Crdt;
use syncline_core::operation::{EditError as OperationError, Operation};
use syncline_core::replica::{EditFailure, Editor};
use syncline_core::schema::{self, Edit, Schema};
use syncline_core::wire::encode_operations;

use crate::document::Document;
use crate::error::EditError;

/// Most operations that an import puts into one entry; each may be several on the document.
const PART_OPERATIONS: usize = 300;

/// Bytes of operations after which an import begins another entry.
const PART_BYTES: usize = 1 << 20;

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
    /// An error leaves the document empty, but if a CRDT library fails, whose document may then hold a part.
    pub fn import(&self, state: &S) -> Result<(), EditError<OperationError>> {
        let operations = S::default().changes(state);
        let parts =
            self.document.read(|document| parts::<S>(document, operations)).ok_or(EditError::Reentrant)?;
        let mut parts = parts.map_err(|error| EditError::Failed(EditFailure::Rejected(error)))?.into_iter();
        self.document.edit_again(|| {
            let part = parts.next()?;
            Some(move |editor: &mut Editor<'_>| {
                part.iter().try_for_each(|operation| Edit::<S>::new(editor).perform(operation))
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
        let changed = self.document.changes();
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

/// The operations in as many parts as there will be entries, if an empty document takes them all.
fn parts<S: Schema>(
    document: &dyn Crdt,
    operations: Vec<S::Operation>,
) -> Result<Vec<Vec<S::Operation>>, OperationError> {
    if schema::read::<S>(document) != S::default() {
        return Err(OperationError::Exists { path: String::new() });
    }
    let mut parts = Vec::new();
    let (mut part, mut bytes) = (Vec::new(), 0);
    for operation in operations {
        let lowered = schema::lower::<S>(&operation, document)?;
        lowered.iter().try_for_each(Operation::check)?;
        bytes += encode_operations(&lowered).len();
        if bytes > PART_BYTES || part.len() >= PART_OPERATIONS {
            bytes = 0;
            parts.push(std::mem::take(&mut part));
        }
        part.push(operation);
    }
    parts.push(part);
    Ok(parts)
}
