//! Why bytes are not what they should be.

use thiserror::Error;

use super::ErrorCode;

/// Bytes that came from outside could not be read. It is always the fault of whoever wrote them.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireError {
    /// They do not follow the format.
    #[error("malformed: {reason}")]
    Malformed {
        /// Where they leave it.
        reason: String,
    },
    /// A limit was exceeded.
    #[error("{what} exceeds the limit of {limit}")]
    TooLarge {
        /// What was too large.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
    /// They were written by a newer version of the format; this program must be updated to read them.
    #[error("format version {found} is newer than this program, which reads up to {newest}; update it")]
    Version {
        /// The version they name.
        found: u8,
        /// The newest version this program reads.
        newest: u8,
    },
}

impl WireError {
    /// What to answer the peer that sent the bytes.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Malformed { .. } => ErrorCode::Malformed,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Version { .. } => ErrorCode::Version,
        }
    }

    pub(super) fn malformed(reason: impl ToString) -> Self {
        Self::Malformed { reason: reason.to_string() }
    }
}

/// Refuses what was written by a version of the format that this program does not know.
pub(super) fn check_version(found: u8, newest: u8) -> Result<(), WireError> {
    match found {
        0 => Err(WireError::malformed("there is no format version 0")),
        found if found > newest => Err(WireError::Version { found, newest }),
        _ => Ok(()),
    }
}
