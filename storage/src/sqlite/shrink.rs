//! Giving back to the disk what the file no longer needs.
//!
//! Deleted rows leave free pages, which later rows use: while a store is at work its file stays as large as it once
//! was, and nothing waits for it to be made smaller. When it is closed, a file that is free for a large part is written
//! anew without that, as one transaction in the write-ahead log like any other. What that costs is in proportion to
//! what is kept, and so to what was deleted since the last time.

use rusqlite::Connection;

use super::fault::Fault;
use super::open;

/// A file with fewer free bytes than this is left alone.
const LEAST_FREE_BYTES: u64 = 256 << 10;

/// A file of which less than this part is free is left alone: a quarter.
const LEAST_FREE_PART: u64 = 4;

/// Most bytes that are written anew when a store is closed, which somebody may wait for: about a second's work. They are
/// held in memory meanwhile.
pub(super) const MAX_REWRITTEN_BYTES: u64 = 64 << 20;

/// Writes the file anew if that is worth it and keeps no more than `most` bytes; says whether it did.
pub(super) fn shrink(connection: &Connection, most: u64) -> Result<bool, Fault> {
    let pages = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (all, free) = (pages("page_count")?.cast_unsigned(), pages("freelist_count")?.cast_unsigned());
    let page = pages("page_size")?.cast_unsigned();
    let kept = all.saturating_sub(free).saturating_mul(page);
    if !is_worthwhile(all.saturating_mul(page), free.saturating_mul(page)) || kept > most {
        return Ok(false);
    }
    // What is too large for memory is held in a file meanwhile.
    connection.pragma_update(
        None,
        "temp_store",
        if kept > MAX_REWRITTEN_BYTES { "FILE" } else { "MEMORY" },
    )?;
    let done = connection.execute_batch("VACUUM").map_err(Fault::from);
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    done?;
    // The file itself shrinks only now; where a reader is in the way, with a later checkpoint.
    open::checkpoint(connection)?;
    Ok(true)
}

const fn is_worthwhile(all: u64, free: u64) -> bool {
    free >= LEAST_FREE_BYTES && free >= all / LEAST_FREE_PART
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_anew_when_much_of_it_is_free() {
        let least = LEAST_FREE_BYTES;
        assert!(is_worthwhile(LEAST_FREE_PART * least, least));
        assert!(!is_worthwhile(LEAST_FREE_PART * least, least - 1), "too little");
        assert!(!is_worthwhile(LEAST_FREE_PART * (least + 1), least), "too small a part");
    }
}
