//! What a folder takes on disk.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes of a file are counted in blocks of this size.
const BLOCK_BYTES: u64 = 512;

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    /// What the files hold.
    pub held: u64,
    /// What they and their folders take of the disk.
    pub taken: u64,
}

/// The size of everything in a folder.
pub fn size(folder: &Path) -> io::Result<Size> {
    let mut size = Size::default();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        size.taken += fs::metadata(&folder)?.blocks() * BLOCK_BYTES;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let found = entry.metadata()?;
            match found.is_dir() {
                true => folders.push(entry.path()),
                false => {
                    size.held += found.len();
                    size.taken += found.blocks() * BLOCK_BYTES;
                }
            }
        }
    }
    Ok(size)
}
