//! Documents of a known form: what a board and a chart have in common.
//!
//! A schema reads the value tree of a document as plain data of its own and knows the operations on it: how each is
//! performed on a document, what it does to the plain data, and which of them lead from one state to another. So an
//! application edits, and is told of every edit, whoever made it, in the same few operations.
//!
//! A document starts empty, whatever its schema, so that two replicas who make it make the same. Its first edit writes
//! the version. A later version of a schema only adds: fields, operations, kinds of things. A program reads what it
//! knows, and what it does not know it neither changes nor drops, so older and newer programs share a document. What
//! older ones could not live with would be another [`Kind`].

use std::collections::BTreeMap;
use std::marker::PhantomData;

use crate::crdt::Crdt;
use crate::entry::Kind;
use crate::operation::{EditError, Operation};
use crate::path::Path;
use crate::replica::Editor;
use crate::value::Value;

/// The top-level map that tells the version.
pub const SCHEMA_KEY: &str = "schema";

/// The key of the version in it.
pub const VERSION_KEY: &str = "version";

/// A form of documents, and at the same time the plain data that such a document reads as.
pub trait Schema: Clone + Default + PartialEq + Send + Sync + 'static {
    /// What such documents are called.
    const KIND: Kind;

    /// The version that this program writes into documents that have none.
    const VERSION: i64;

    /// One change of such a document.
    type Operation: Clone + PartialEq + std::fmt::Debug + Send + 'static;

    /// What an operation is about, for messages: a task or an element by name.
    fn subject(operation: &Self::Operation) -> String;

    /// Reads the value tree of a document. What it does not understand is kept as it is or passed over, never an error:
    /// anybody may have written it.
    fn read(document: &Value) -> Self;

    /// The operations on the document that perform one of the schema's.
    fn lower(operation: &Self::Operation, document: &dyn Crdt) -> Result<Vec<Operation>, EditError>;

    /// Performs an operation on the plain data. A document with one writer reads the same afterwards.
    fn apply(&mut self, operation: &Self::Operation) -> Result<(), EditError>;

    /// Operations that turn this state into the later one.
    fn changes(&self, later: &Self) -> Vec<Self::Operation>;
}

/// The version that a document says it is of; `None` if it has not been edited yet.
#[must_use]
pub fn version(document: &dyn Crdt) -> Option<i64> {
    match document.value(&version_path())? {
        Value::Int(version) => Some(version),
        _ => None,
    }
}

fn version_path() -> Path {
    Path::from_iter([SCHEMA_KEY, VERSION_KEY])
}

/// Reads the whole of a document.
#[must_use]
pub fn read<S: Schema>(document: &dyn Crdt) -> S {
    document.value(&Path::root()).map_or_else(S::default, |root| S::read(&root))
}

/// What performs an operation of a schema on a document, the version included where none is written yet.
pub fn lower<S: Schema>(operation: &S::Operation, document: &dyn Crdt) -> Result<Vec<Operation>, EditError> {
    let mut operations = S::lower(operation, document)?;
    if document.kind(&version_path()).is_none() {
        operations.insert(0, Operation::Put { path: version_path(), value: S::VERSION.into() });
    }
    Ok(operations)
}

/// An edit of a document of a schema.
pub struct Edit<'a, 'b, S> {
    editor: &'a mut Editor<'b>,
    schema: PhantomData<S>,
}

impl<'a, 'b, S: Schema> Edit<'a, 'b, S> {
    /// Edits in the words of the schema. The document must be of its kind.
    pub fn new(editor: &'a mut Editor<'b>) -> Self {
        Self { editor, schema: PhantomData }
    }

    /// The document with what was performed so far.
    #[must_use]
    pub fn state(&self) -> S {
        read(self.document())
    }

    /// Performs one operation. After an error the edit must be given up by returning it: of an operation that takes
    /// several steps, some may be done.
    pub fn perform(&mut self, operation: &S::Operation) -> Result<(), EditError> {
        lower::<S>(operation, self.document())?
            .into_iter()
            .try_for_each(|operation| self.editor.perform(operation))
    }

    /// The document as it lies in the value tree.
    pub(crate) fn document(&self) -> &dyn Crdt {
        self.editor.document()
    }

    /// The edit in terms of the value tree.
    pub fn editor(&mut self) -> &mut Editor<'b> {
        self.editor
    }
}

pub(crate) const fn put(path: Path, value: Value) -> Operation {
    Operation::Put { path, value }
}

/// Gives a key a value or takes it away; what is not there need not be taken away.
pub(crate) fn set(document: &dyn Crdt, path: Path, value: Option<Value>) -> Vec<Operation> {
    match value {
        Some(value) => vec![put(path, value)],
        None if document.kind(&path).is_some() => vec![Operation::Remove { path }],
        None => Vec::new(),
    }
}

/// A text read out of a map, whether it is one that is replaced or one that is edited: some programs make all of theirs the
/// one or the other.
pub(crate) fn take_words(map: &mut BTreeMap<String, Value>, key: &str) -> Option<String> {
    match map.remove(key)? {
        Value::String(text) | Value::Text(text) => Some(text),
        other => {
            map.insert(key.to_owned(), other);
            None
        }
    }
}

/// A value read out of a map, if it is of the type that is wanted there.
macro_rules! take {
    ($map:expr, $key:expr, $variant:ident) => {
        match $map.get($key) {
            Some($crate::value::Value::$variant(_)) => match $map.remove($key) {
                Some($crate::value::Value::$variant(value)) => Some(value),
                _ => None,
            },
            _ => None,
        }
    };
}
pub(crate) use take;
