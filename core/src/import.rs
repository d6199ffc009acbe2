//! What the formats of other programs have in common: how a file is read, and how it is refused.

use serde_json::Value as Json;
use thiserror::Error;

use crate::json;
use crate::operation::EditError;
use crate::value::Value;

/// Largest file that is read, in bytes.
pub const MAX_IMPORT_BYTES: usize = 64 << 20;

/// A file cannot be read as what it should be. Nothing of it was taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}{reason}", .line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct ImportError {
    /// The line, counted from one, if it is one line's fault.
    pub line: Option<usize>,
    /// What is wrong there, and what would be right.
    pub reason: String,
}

impl ImportError {
    /// The fault of the whole file.
    #[must_use]
    pub fn whole(reason: impl Into<String>) -> Self {
        Self { line: None, reason: reason.into() }
    }

    /// The fault of a line.
    #[must_use]
    pub fn at(line: usize, reason: impl Into<String>) -> Self {
        Self { line: Some(line), reason: reason.into() }
    }
}

/// A document cannot be written in a format, because that has no way to say what is in it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{what} cannot be written as {format}: {reason}")]
pub struct ExportError {
    /// What.
    pub what: String,
    /// The format.
    pub format: &'static str,
    /// Why not.
    pub reason: String,
}

/// A document in a format that cannot hold all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// The file.
    pub text: String,
    /// What is not in it, for whoever asked for it.
    pub left_out: Vec<String>,
}

/// The text of a file, without byte order marks.
pub fn text(bytes: &[u8]) -> Result<&str, ImportError> {
    if bytes.len() > MAX_IMPORT_BYTES {
        let reason = format!("the file has {} bytes, {MAX_IMPORT_BYTES} are allowed", bytes.len());
        return Err(ImportError::whole(reason));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        ImportError::at(line, format!("this is not UTF-8, from byte {} of the file on", error.valid_up_to()))
    })?;
    // One behind another would be part of a name, and gone when that is written and read again.
    Ok(text.trim_start_matches('\u{feff}'))
}

/// The lines of a text that have something in them, with their numbers.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(|(_, line)| !line.trim().is_empty())
}

/// One JSON text that begins at a line.
pub(crate) fn json(text: &str, first_line: usize) -> Result<Json, ImportError> {
    json::parse(text).map_err(|error| {
        let line = first_line + error.line().saturating_sub(1);
        ImportError::at(line, format!("this is not JSON that can be kept exactly: {error}"))
    })
}

/// A value of such a JSON text.
pub(crate) fn value(json: &Json, what: &str, line: Option<usize>) -> Result<Value, ImportError> {
    Value::from_json(json)
        .map_err(|error: EditError| ImportError { line, reason: format!("{what}: {error}") })
}

/// What sort of thing a JSON value is, for messages.
pub(crate) const fn sort(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a truth value",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_refused_at_its_line() {
        let error = text(b"fine\nalso fine\n\xff").unwrap_err();
        assert_eq!((error.line, error.to_string().contains("line 3: this is not UTF-8")), (Some(3), true));
        assert_eq!(text("\u{feff}a".as_bytes()), Ok("a"));
        assert_eq!(text("\u{feff}\u{feff}a".as_bytes()), Ok("a"));
        assert!(text(&vec![b' '; MAX_IMPORT_BYTES + 1]).is_err());
        assert!(text(&vec![b' '; MAX_IMPORT_BYTES]).is_ok());
    }
}
