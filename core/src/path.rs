//! Where something is in a document: a JSON Pointer (RFC 6901).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Deepest nesting of containers in a document, and so the most tokens a path may have.
pub const MAX_DEPTH: usize = 64;

/// Longest token of a path, in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 4096;

/// A path from the root of a document. On a map a token is a key, on a list the decimal index; `-` names the
/// place behind the last element of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Path(Vec<String>);

impl Path {
    /// The document itself.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// The thing called `token` inside this one.
    #[must_use]
    pub fn child(&self, token: impl fmt::Display) -> Self {
        let mut tokens = self.0.clone();
        tokens.push(token.to_string());
        Self(tokens)
    }

    /// The container and the token inside it; `None` at the root.
    #[must_use]
    pub fn split_last(&self) -> Option<(&[String], &str)> {
        let (last, parent) = self.0.split_last()?;
        Some((parent, last))
    }

    /// The tokens from the root down.
    #[must_use]
    pub fn tokens(&self) -> &[String] {
        &self.0
    }

    /// Whether this names the document itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl<S: Into<String>> FromIterator<S> for Path {
    fn from_iter<I: IntoIterator<Item = S>>(tokens: I) -> Self {
        Self(tokens.into_iter().map(Into::into).collect())
    }
}

/// The text is not a JSON Pointer, or one beyond the limits.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PathError {
    /// RFC 6901: a pointer is empty or starts with a slash.
    #[error("a path is empty or starts with '/', as in /tasks/0/title")]
    NoSlash,
    /// RFC 6901: `~` is written `~0`, and `/` inside a token `~1`.
    #[error("'~' in a path must be followed by 0 or 1")]
    BadEscape,
    /// More than [`MAX_DEPTH`] tokens.
    #[error("the path is deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A token of more than [`MAX_KEY_BYTES`].
    #[error("a key in the path is longer than {MAX_KEY_BYTES} bytes")]
    KeyTooLong,
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(pointer: &str) -> Result<Self, PathError> {
        if pointer.is_empty() {
            return Ok(Self::root());
        }
        let tokens = pointer.strip_prefix('/').ok_or(PathError::NoSlash)?;
        let tokens = tokens.split('/').map(unescape).collect::<Result<Vec<_>, _>>()?;
        if tokens.len() > MAX_DEPTH {
            return Err(PathError::TooDeep);
        }
        Ok(Self(tokens))
    }
}

fn unescape(token: &str) -> Result<String, PathError> {
    if token.len() > MAX_KEY_BYTES {
        return Err(PathError::KeyTooLong);
    }
    let mut parts = token.split('~');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push(match part.as_bytes().first() {
            Some(b'0') => '~',
            Some(b'1') => '/',
            _ => return Err(PathError::BadEscape),
        });
        text.push_str(&part[1..]);
    }
    Ok(text)
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|token| {
            f.write_str("/")?;
            match token.contains(['~', '/']) {
                true => f.write_str(&token.replace('~', "~0").replace('/', "~1")),
                false => f.write_str(token),
            }
        })
    }
}

impl TryFrom<String> for Path {
    type Error = PathError;

    fn try_from(pointer: String) -> Result<Self, PathError> {
        pointer.parse()
    }
}

impl From<Path> for String {
    fn from(path: Path) -> Self {
        path.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_round_trip() {
        for pointer in ["", "/", "/a", "/a/0/-", "/~0~1", "//", "/ä/🦀"] {
            assert_eq!(pointer.parse::<Path>().unwrap().to_string(), pointer);
        }
    }

    #[test]
    fn what_is_not_a_pointer_is_refused() {
        assert_eq!("a".parse::<Path>(), Err(PathError::NoSlash));
        assert_eq!("/~2".parse::<Path>(), Err(PathError::BadEscape));
        assert_eq!("/~".parse::<Path>(), Err(PathError::BadEscape));
        assert_eq!("/x".repeat(MAX_DEPTH + 1).parse::<Path>(), Err(PathError::TooDeep));
    }
}
