//! The tables, as a list of migrations, and how a file is told to be ours.

use rusqlite::{Connection, TransactionBehavior};

use super::fault::Fault;

/// What stands in the header of every store: "Sync" in ASCII.
pub(super) const APPLICATION_ID: u32 = 0x5379_6e63;

/// The newest format that this release reads, and the one it writes.
pub const VERSION: u32 = MIGRATIONS.len() as u32;

/// The step at index `v` takes a store of format `v` to format `v + 1`. Steps of released formats never change.
const MIGRATIONS: &[&str] = &[include_str!("schema/v1.sql"), include_str!("schema/v2.sql")];

/// Every table whose rows belong to a document.
pub(super) const OWNED_TABLES: [&str; 6] =
    ["entries", "snapshots", "snapshot_parts", "peers", "fences", "quarantine"];

/// Takes a store to the newest format, one transaction a step.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Fault> {
    let found = version(connection)?;
    let steps = MIGRATIONS.get(found as usize..).ok_or(Fault::TooNew(found))?;
    for (version, step) in (found + 1..).zip(steps) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Refuses a store of a later release before anything in it is changed.
pub(super) fn refuse_newer(connection: &Connection) -> Result<(), Fault> {
    match version(connection)? {
        found if found > VERSION => Err(Fault::TooNew(found)),
        _ => Ok(()),
    }
}

fn version(connection: &Connection) -> Result<u32, Fault> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Finds tables that are missing or not what the format says. Others are none of our business.
pub(super) fn verify(connection: &Connection) -> Result<(), Fault> {
    let mut reference = Connection::open_in_memory()?;
    migrate(&mut reference)?;
    let found = tables(connection)?;
    match tables(&reference)?.into_iter().find(|table| !found.contains(table)) {
        Some((name, _)) => Err(Fault::Damaged(format!("the table {name} is missing or has another shape"))),
        None => Ok(()),
    }
}

fn tables(connection: &Connection) -> Result<Vec<(String, Option<String>)>, Fault> {
    let mut statement = connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
