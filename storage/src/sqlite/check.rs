//! Reading a whole store to see whether it is sound.

use rusqlite::Connection;

use super::fault::Fault;
use super::read;
use super::schema;
use crate::CheckReport;

/// Everything that is wrong with the file, its tables and the documents in them.
pub(super) fn store(connection: &Connection) -> Result<CheckReport, Fault> {
    let mut report = CheckReport::default();
    let structure = note(&mut report, structure(connection))?;
    structure.into_iter().flatten().for_each(|problem| report.complain(problem));
    note(&mut report, names(connection))?;
    for row in note(&mut report, read::rows(connection))?.unwrap_or_default() {
        if let Some(document) = note(&mut report, read::body(connection, &row))? {
            report.count(&document, row.bytes);
        }
    }
    for table in schema::OWNED_TABLES {
        note(&mut report, no_orphans(connection, table))?;
    }
    Ok(report)
}

/// Compares the index of names with the table, so that a name the index does not find is surely not there.
pub(super) fn names(connection: &Connection) -> Result<(), Fault> {
    let mut rows = read::rows(connection)?;
    rows.sort_unstable_by(|left, right| left.doc.cmp(&right.doc));
    // Sorting and both columns come from the index alone.
    let mut statement = connection.prepare("SELECT name, id FROM documents ORDER BY name")?;
    let mut indexed = statement.query([])?;
    for row in rows {
        let found =
            indexed.next()?.map(|found| Ok::<_, Fault>((found.get(0)?, found.get(1)?))).transpose()?;
        if found != Some((row.doc.as_str().to_owned(), row.id)) {
            return Err(Fault::damaged(&row.doc, "the index of names does not lead to it"));
        }
    }
    match indexed.next()? {
        Some(_) => Err(Fault::Damaged("the index of names has more names than there are documents".into())),
        None => Ok(()),
    }
}

/// Damage goes into the report; only what stops the check itself is an error.
fn note<T>(report: &mut CheckReport, result: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(fault) => {
            report.complain(fault.damage()?);
            Ok(None)
        }
    }
}

fn structure(connection: &Connection) -> Result<Vec<String>, Fault> {
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let said = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    Ok(said.into_iter().filter(|line| line != "ok").collect())
}

fn no_orphans(connection: &Connection, table: &str) -> Result<(), Fault> {
    let sql = format!("SELECT count(*) FROM {table} WHERE doc NOT IN (SELECT id FROM documents)");
    match connection.query_row(&sql, [], |row| row.get::<_, i64>(0))? {
        0 => Ok(()),
        count => Err(Fault::Damaged(format!("{count} rows of the table {table} belong to no document"))),
    }
}
