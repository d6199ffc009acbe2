//! Who is at the other end of a link, where somebody has asked, and what they may do.

use std::fmt;
use std::sync::Arc;

use crate::id::{DocId, Principal};

/// What somebody may do with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Not even know whether it is there.
    Nothing,
    /// Read it.
    Read,
    /// Read and write it.
    Write,
}

/// A peer that was asked who it is before its link was handed over. Cheap to clone.
#[derive(Clone)]
pub struct Visitor {
    principal: Principal,
    access: Arc<dyn Fn(&DocId) -> Access + Send + Sync>,
}

impl Visitor {
    /// Somebody of this name; `access` says what they may do. It is asked often, and must answer at once and always alike.
    pub fn new(principal: Principal, access: impl Fn(&DocId) -> Access + Send + Sync + 'static) -> Self {
        Self { principal, access: Arc::new(access) }
    }

    /// Who it is.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What they may do with a document.
    #[must_use]
    pub fn access(&self, doc: &DocId) -> Access {
        (self.access)(doc)
    }
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Visitor").field(&self.principal).finish()
    }
}
