//! From a path to a connection that can be trusted.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fault::Fault;
use super::{Options, schema};
use crate::{Durability, StorageError};

/// The first SQLite without the bug that could damage a database when its log was reset (3.51.3).
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long a statement waits for somebody else's lock, such as a backup that finishes.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Size of a page, and so of the header page that SQLite writes first.
const PAGE_BYTES: u32 = 4_096;

/// Size to which the write-ahead log is cut back after a checkpoint.
const WAL_KEPT_BYTES: u32 = 8 << 20;

/// Pages that SQLite keeps in memory, in KiB. Documents are held as a whole where they are used, so only the insides of its
/// trees are read again, and the pages that are written.
const CACHE_KIBIBYTES: i32 = 512;

/// Prepared statements that are kept; there are fewer in this crate.
const STATEMENTS: usize = 64;

/// SQLite's file header (its file format, section 1.3): magic, format and owner.
const HEADER_BYTES: usize = 72;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const USER_VERSION_AT: usize = 60;
const APPLICATION_ID_AT: usize = 68;

/// The file that a path means, links followed, so that two names of one store share one lock.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, StorageError> {
    match fs::canonicalize(path) {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => resolve_new(path),
        Err(error) => Err(StorageError::io(path, &error)),
    }
}

fn resolve_new(path: &Path) -> Result<PathBuf, StorageError> {
    let invalid = || StorageError::Io { path: path.to_owned(), what: "the path names no file".into() };
    let name = path.file_name().ok_or_else(invalid)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = fs::canonicalize(parent).map_err(|error| StorageError::Io {
        path: path.to_owned(),
        what: format!("its directory {} cannot be used: {error}; create it first", parent.display()),
    })?;
    Ok(parent.join(name))
}

/// A file beside the store, named after it.
pub(super) fn beside(store: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(store);
    name.push(suffix);
    PathBuf::from(name)
}

/// Looks at the first bytes of what is there, if anything is, before SQLite may touch it.
pub(super) fn refuse_foreign(path: &Path) -> Result<(), StorageError> {
    let header = match read_header(path) {
        Ok(header) => header,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StorageError::io(path, &error)),
    };
    let foreign = |what: &str| Err(StorageError::NotOurs { path: path.to_owned(), what: what.into() });
    if header.is_empty() {
        return foreign("the file is empty");
    }
    if header.len() < HEADER_BYTES || !header.starts_with(MAGIC) {
        return foreign("it is not an SQLite database");
    }
    if number_at(&header, APPLICATION_ID_AT) != schema::APPLICATION_ID {
        return foreign("it is another program's SQLite database");
    }
    match number_at(&header, USER_VERSION_AT) {
        found if found > schema::VERSION => Err(Fault::TooNew(found).at(path)),
        _ => Ok(()),
    }
}

fn read_header(path: &Path) -> io::Result<Vec<u8>> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    File::open(path)?.take(HEADER_BYTES as u64).read_to_end(&mut header)?;
    Ok(header)
}

fn number_at(header: &[u8], at: usize) -> u32 {
    let digits = header.iter().skip(at).take(4);
    digits.fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// Makes a new store if there is none. It is made under another name and appears whole, so that a crash in
/// between leaves no empty file that would look like somebody else's.
pub(super) fn ensure_exists(path: &Path) -> Result<(), StorageError> {
    let failed = |error: io::Error| StorageError::io(path, &error);
    if path.try_exists().map_err(failed)? {
        return Ok(());
    }
    if unclosed(path) {
        let what = "the file is gone, but its log (the same name with -wal) is there; put both back";
        return Err(StorageError::Damaged { path: path.to_owned(), what: what.into() });
    }
    let new = beside(path, ".new");
    for leftover in [new.clone(), beside(&new, "-journal"), beside(&new, "-wal"), beside(&new, "-shm")] {
        remove(&leftover).map_err(failed)?;
    }
    create(&new).map_err(|fault| fault.at(path))?;
    fs::rename(&new, path).map_err(failed)?;
    sync_directory(path).map_err(failed)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn create(path: &Path) -> Result<(), Fault> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    configure(&connection, Options::default())?;
    schema::migrate(&mut connection)?;
    checkpoint(&connection)?;
    connection.close().map_err(|(_, error)| error.into())
}

#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Elsewhere directories cannot be synced, and need not be.
#[cfg(not(unix))]
fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Opens a store that exists, in the newest format; one that was not closed is checked and settled first.
pub(super) fn connect(path: &Path, options: Options) -> Result<Connection, StorageError> {
    let unclosed = unclosed(path);
    if unclosed {
        rewrite_log(path)?;
    }
    let mut connection = attach(path, options)?;
    prepare(&mut connection, unclosed).map_err(|fault| fault.at(path))?;
    Ok(connection)
}

fn prepare(connection: &mut Connection, unclosed: bool) -> Result<(), Fault> {
    schema::refuse_newer(connection)?;
    if unclosed {
        quick_check(connection)?;
        settle(connection)?;
    }
    schema::migrate(connection)?;
    schema::verify(connection)
}

/// Whether the last process to use the store did not come to close it: closing merges the write-ahead log into
/// the file and removes it.
fn unclosed(path: &Path) -> bool {
    fs::metadata(beside(path, "-wal")).is_ok_and(|wal| wal.len() > 0)
}

/// Writes the write-ahead log over itself and syncs it; to be called while no connection is open.
///
/// After a sync that failed the system may hold pages that never reached the disk and yet count as
/// written, so that further syncs pass them over. Once they are written again, a sync means what it says.
pub(super) fn rewrite_log(path: &Path) -> Result<(), StorageError> {
    let rewritten = match File::options().read(true).write(true).open(beside(path, "-wal")) {
        Ok(mut log) => rewrite(&mut log),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    rewritten.map_err(|error| StorageError::io(path, &error))
}

fn rewrite(file: &mut File) -> io::Result<()> {
    const CHUNK_BYTES: usize = 1 << 20;
    let (mut chunk, mut at) = (vec![0; CHUNK_BYTES], 0);
    loop {
        file.seek(io::SeekFrom::Start(at))?;
        let len = file.read(&mut chunk)?;
        if len == 0 {
            return file.sync_all();
        }
        file.seek(io::SeekFrom::Start(at))?;
        file.write_all(&chunk[..len])?;
        at += len as u64;
    }
}

/// A connection to a store that exists, and nothing looked at yet.
pub(super) fn attach(path: &Path, options: Options) -> Result<Connection, StorageError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        let what = "the SQLite in this program is older than 3.51.3, which can damage files";
        return Err(Fault::Unusable(what).at(path));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let attached = Connection::open_with_flags(path, flags).map_err(Fault::from).and_then(|connection| {
        if connection.is_readonly("main")? {
            return Err(read_only());
        }
        configure(&connection, options)?;
        Ok(connection)
    });
    attached.map_err(|fault| fault.at(path))
}

/// SQLite opens what it may not write for reading only; this says what it would say at the first write.
fn read_only() -> Fault {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
    rusqlite::Error::SqliteFailure(code, None).into()
}

fn configure(connection: &Connection, options: Options) -> Result<(), Fault> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Somebody else's file must not run code of its own, and pages are looked at before they are believed.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIBIBYTES)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "journal_size_limit", WAL_KEPT_BYTES)?;
    // On Apple's systems a plain sync does not reach the disk; elsewhere these two do nothing.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Fault::Unusable(
            "its file system cannot hold a write-ahead log (is it a network share?)",
        ));
    }
    let synchronous = if options.durability == Durability::Full { "FULL" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    if let Some(limit) = options.limit_bytes {
        let pages = limit.div_ceil(PAGE_BYTES.into()).clamp(1, u32::MAX.into());
        connection.pragma_update(None, "max_page_count", pages.cast_signed())?;
    }
    Ok(())
}

fn quick_check(connection: &Connection) -> Result<(), Fault> {
    let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if said == "ok" { Ok(()) } else { Err(Fault::Damaged(said)) }
}

/// Makes everything that can be read durable: copies the write-ahead log into the file, syncs it, empties the log.
pub(super) fn settle(connection: &Connection) -> Result<(), Fault> {
    if checkpoint(connection)? {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    Err(rusqlite::Error::SqliteFailure(code, None).into())
}

/// Empties the write-ahead log into the file; false if readers are in the way.
pub(super) fn checkpoint(connection: &Connection) -> Result<bool, Fault> {
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}
