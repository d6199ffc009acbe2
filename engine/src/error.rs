//! What can go wrong for an application, and what to do about it.

use syncline_core::event::{DocumentError, StoreFault};
use syncline_core::id::{DocId, NameError};
use syncline_core::replica::EditFailure;
use syncline_storage::StorageError;
use thiserror::Error;

use crate::observers::Loss;

/// Any error of an application's own.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The document could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The name cannot be one.
    #[error("{0:?} cannot name a document: {1}")]
    Name(String, NameError),
    /// The name cannot be a user's.
    #[error("{0:?} cannot name a user: {1}")]
    User(String, NameError),
    /// See there.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The store could not be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The operating system gave no random numbers, without which replicas would take each other's names.
    #[error("the operating system gives no random numbers: {0}; try again")]
    Entropy(String),
    /// A document cannot be shared by a relay and by a server of others: what the one passes on as entries comes from the
    /// other as updates of nobody in particular, and neither way could be told from the other.
    #[error("an engine has relays, or servers of others, and not both")]
    Mixed,
    /// No relay has said what it holds under the name: none is connected, or none answered in time.
    #[error("no relay has said whether it holds {0:?}; try again when one is connected")]
    NoAnswer(DocId),
    /// The engine has been closed.
    #[error("the engine is closed")]
    Closed,
}

/// The edit was not made; the document is as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EditError<E> {
    /// See there.
    #[error(transparent)]
    Failed(EditFailure<E>),
    /// The edit was made from inside another edit or read of the same engine.
    #[error("an edit cannot be made from inside another one")]
    Reentrant,
    /// The engine is closed, or is being closed.
    #[error("the engine is closed")]
    Closed,
}

/// The edits are not known to be saved.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SaveError {
    /// The relay does not want them, and they could not be made again.
    #[error("the relay refused edits of {doc:?}, and {operations} operations are lost: {reason}")]
    Refused {
        /// The document.
        doc: DocId,
        /// How many operations are lost.
        operations: usize,
        /// The relay's reason.
        reason: String,
    },
    /// The relay holds another document under that name.
    #[error("{reason}")]
    Mismatch {
        /// The document.
        doc: DocId,
        /// Which side has what.
        reason: String,
    },
    /// The relay does not take the document at all.
    #[error("the relay does not take {doc:?}: {reason}")]
    NotTaken {
        /// The document.
        doc: DocId,
        /// The relay's words.
        reason: String,
    },
    /// The document could not stay open.
    #[error(transparent)]
    Failed(DocumentError),
    /// The document was deleted here.
    #[error("document {0:?} has been deleted")]
    Deleted(DocId),
    /// The engine was closed before they were.
    #[error("the engine was closed before the edits were saved")]
    Closed,
}

impl SaveError {
    /// Edits of a document are lost.
    #[must_use]
    pub fn refused(doc: &DocId, loss: &Loss) -> Self {
        Self::Refused { doc: doc.clone(), operations: loss.count, reason: loss.reason.clone() }
    }
}
