//! What makes a relay the same one after a restart, besides its documents: the name of its store and the key that it signs
//! with. Both are kept in one file beside the store.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Builder;

/// The name of the file in the data folder.
const FILE: &str = "identity.toml";

/// What a relay keeps of itself.
pub(crate) struct Identity {
    /// What clients of automerge-repo know the store by.
    pub storage_id: String,
    /// What tokens for single documents are signed with.
    pub key: [u8; 32],
}

/// The file cannot be read or made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The disk does not let it.
    #[error("cannot use {}: {error}", .file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It says something else than it should.
    #[error("{} is damaged: {reason}; remove it, and clients of y-sweet fetch new tokens", .file.display())]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Kept {
    storage_id: String,
    key: String,
}

impl Identity {
    /// Who the relay is whose store is in this folder, from now on if it is new.
    pub(crate) fn of(folder: &Path) -> Result<Self, IdentityError> {
        let file = folder.join(FILE);
        let fault = |error| IdentityError::Io { file: file.clone(), error };
        let kept = match std::fs::read_to_string(&file) {
            Ok(text) => toml::from_str(&text)
                .map_err(|error| IdentityError::Damaged { file: file.clone(), reason: error.to_string() })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let kept = Kept::fresh().map_err(fault)?;
                write(&file, &kept).map_err(fault)?;
                kept
            }
            Err(error) => return Err(fault(error)),
        };
        let damaged =
            || IdentityError::Damaged { file: file.clone(), reason: "the key is not 32 bytes".to_owned() };
        let key = crate::digits::read(&kept.key).ok_or_else(damaged)?;
        Ok(Self { storage_id: kept.storage_id, key })
    }
}

impl Kept {
    fn fresh() -> io::Result<Self> {
        let (mut id, mut key) = ([0; 16], [0; 32]);
        for bytes in [&mut id[..], &mut key[..]] {
            getrandom::fill(bytes).map_err(io::Error::other)?;
        }
        Ok(Self {
            storage_id: Builder::from_random_bytes(id).into_uuid().to_string(),
            key: crate::digits::write(&key),
        })
    }
}

/// Whole or not at all, and for nobody else to read.
fn write(file: &Path, kept: &Kept) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let text = toml::to_string(kept).map_err(io::Error::other)?;
    let draft = file.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    let mut made = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    made.write_all(text.as_bytes())?;
    made.sync_all()?;
    std::fs::rename(&draft, file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    #[test]
    fn a_relay_is_the_same_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let first = Identity::of(folder.path()).unwrap();
        let again = Identity::of(folder.path()).unwrap();
        assert_eq!((&first.storage_id, first.key), (&again.storage_id, again.key));
        std::fs::write(folder.path().join(FILE), "key = 1").unwrap();
        assert!(matches!(Identity::of(folder.path()), Err(IdentityError::Damaged { .. })));
    }
}
