//! Who has the store open.
//!
//! The lock is the operating system's, on a file beside the store, so it goes with the process however that
//! ends. What stands in the file is only there to be told to others. The file itself stays: removing it
//! would let two processes lock two files of one name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::open::beside;
use crate::{Holder, StorageError};

/// Longest text that is read from a lock file.
const MAX_TEXT_BYTES: u64 = 4_096;

/// The right to use a store, until dropped.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    pub(super) fn acquire(store: &Path) -> Result<Self, StorageError> {
        let path = beside(store, ".lock");
        let failed = |error: &io::Error| StorageError::io(store, error);
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(path).map_err(|e| failed(&e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StorageError::Locked { path: store.to_owned(), holder: read_holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        write_holder(&mut file, &this_process()).map_err(|error| failed(&error))?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // If this fails, the text stays and nobody believes it: it is read only while the lock is held.
        let _ = self.0.set_len(0);
    }
}

fn this_process() -> Holder {
    let program = std::env::current_exe().ok();
    let program =
        program.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    Holder {
        pid: std::process::id(),
        program: program.unwrap_or_else(|| "an unnamed program".into()),
        since: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
    }
}

fn write_holder(file: &mut File, holder: &Holder) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{}\n{}\n{}\n", holder.pid, holder.since, holder.program).as_bytes())
}

fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.take(MAX_TEXT_BYTES).read_to_string(&mut text).ok()?;
    let mut lines = text.lines();
    let (pid, since) = (lines.next()?.parse().ok()?, lines.next()?.parse().ok()?);
    Some(Holder { pid, since, program: lines.next()?.into() })
}
