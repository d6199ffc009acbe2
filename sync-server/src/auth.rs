//! Who may do what: tokens, and the documents that each may read or write.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use syncline::{DocId, Principal};
use syncline_core::visitor::{self as rights, Visitor};
use thiserror::Error;

use crate::{digits, head};

/// The name of whoever connects where no tokens are asked for.
pub(crate) const ANYBODY: &str = "anybody";

/// Random bytes of a token, which is too long to be guessed, so that its hash need not be slow.
const TOKEN_BYTES: usize = 32;

/// What all tokens begin with, so that they are recognised where they do not belong.
const TOKEN_PREFIX: &str = "sl_";

/// What somebody may do with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// In whose name.
    pub principal: Principal,
    /// Whether to write; all may read.
    pub may_write: bool,
}

/// Somebody may not even read a document. Whether there is one is not said.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum Denied {
    /// No token was shown.
    #[error("this relay asks for a token")]
    NoToken,
    /// The token is none of this relay's.
    #[error("the token is not known here")]
    Unknown,
    /// The token is for other documents.
    #[error("the token is not for this document")]
    OtherDocuments,
}

/// The tokens of a relay.
#[derive(Debug, Default)]
pub struct Auth {
    /// By the hash; `None` where everybody may do everything.
    tokens: Option<HashMap<[u8; 32], Token>>,
}

#[derive(Clone, Debug)]
struct Token {
    principal: Principal,
    read: Vec<Pattern>,
    write: Vec<Pattern>,
}

/// Some documents: one by its name, or all whose names begin alike.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(from = "String")]
enum Pattern {
    Name(String),
    Prefix(String),
}

/// The file of tokens cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuthError {
    /// It cannot be read.
    #[error("cannot read the tokens in {}: {error}", .file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It says something that is not understood.
    #[error("the tokens in {} cannot be used: {reason}", .file.display())]
    Malformed {
        /// Which file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Strangers could connect, and nobody asks who they are.
    #[error(
        "{address} can be reached from other machines, so tokens are needed: make one with `sync-server token NAME --write '*'` and \
         name its file by --auth, or listen on 127.0.0.1"
    )]
    Open {
        /// Where the relay would listen.
        address: SocketAddr,
    },
    /// The operating system gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Principal,
    sha256: String,
    #[serde(default)]
    read: Vec<Pattern>,
    #[serde(default)]
    write: Vec<Pattern>,
}

impl Auth {
    /// Every token, and none, is accepted: for relays that only this machine can reach.
    #[must_use]
    pub fn open() -> Self {
        Self::default()
    }

    /// Reads the tokens of a file.
    pub fn read(file: &Path) -> Result<Self, AuthError> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| AuthError::Read { file: file.to_owned(), error })?;
        Self::parse(&text).map_err(|reason| AuthError::Malformed { file: file.to_owned(), reason })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut tokens = HashMap::new();
        for Entry { name, sha256, read, write } in file.token {
            let hash = digits::read(&sha256)
                .ok_or_else(|| format!("the sha256 of {name} is not 64 hexadecimal digits"))?;
            if tokens.insert(hash, Token { principal: name.clone(), read, write }).is_some() {
                return Err(format!("the token of {name} is there twice"));
            }
        }
        Ok(Self { tokens: Some(tokens) })
    }

    /// Whether everybody may do everything.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.tokens.is_none()
    }

    /// Why a page may not speak to this relay that says that it comes from there: where no token is asked for, any page that
    /// somebody opens on this machine could.
    pub(crate) fn keeps_page_out(&self, origin: Option<&str>) -> Option<String> {
        let origin = origin.filter(|origin| self.is_open() && !head::is_local(origin))?;
        Some(format!("pages of {origin} may speak only to a relay that asks for tokens: see --auth\n"))
    }

    /// The token that is shown; `None` where everybody may do everything.
    fn token(&self, shown: Option<&str>) -> Result<Option<&Token>, Denied> {
        let Some(tokens) = &self.tokens else { return Ok(None) };
        // Whoever could tell by the time it takes how much of a hash is right has learned nothing of the token.
        tokens.get(&hash(shown.ok_or(Denied::NoToken)?)).map(Some).ok_or(Denied::Unknown)
    }

    /// Whether somebody who shows this token, or none, is known here at all.
    pub(crate) fn check(&self, token: Option<&str>) -> Result<(), Denied> {
        self.token(token).map(drop)
    }

    /// Who shows this token, as replicas are told apart; `None` where everybody may do everything.
    pub(crate) fn visitor(&self, token: Option<&str>) -> Result<Option<Visitor>, Denied> {
        let visitor = |token: Token| Visitor::new(token.principal.clone(), move |doc| token.access(doc));
        Ok(self.token(token)?.cloned().map(visitor))
    }

    /// What somebody may do with a document who shows this token.
    pub(crate) fn access(&self, token: Option<&str>, doc: &DocId) -> Result<Access, Denied> {
        let Some(token) = self.token(token)? else {
            let principal = Principal::new(ANYBODY).expect("this is a name");
            return Ok(Access { principal, may_write: true });
        };
        match token.access(doc) {
            rights::Access::Nothing => Err(Denied::OtherDocuments),
            access => {
                Ok(Access { principal: token.principal.clone(), may_write: access == rights::Access::Write })
            }
        }
    }
}

impl Token {
    fn access(&self, doc: &DocId) -> rights::Access {
        let covers = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.covers(doc));
        match (covers(&self.write), covers(&self.read)) {
            (true, _) => rights::Access::Write,
            (false, true) => rights::Access::Read,
            (false, false) => rights::Access::Nothing,
        }
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Name(text),
        }
    }
}

impl Pattern {
    fn covers(&self, doc: &DocId) -> bool {
        match self {
            Self::Name(name) => doc.as_str() == name,
            Self::Prefix(prefix) => doc.as_str().starts_with(prefix),
        }
    }
}

/// A fresh token, and what the file of tokens says of it.
pub fn make_token(
    name: &Principal,
    read: &[String],
    write: &[String],
) -> Result<(String, String), AuthError> {
    let mut secret = [0; TOKEN_BYTES];
    getrandom::fill(&mut secret).map_err(|error| AuthError::Random(error.to_string()))?;
    let token = format!("{TOKEN_PREFIX}{}", digits::write(&secret));
    let list = |patterns: &[String]| toml::Value::from(patterns.to_vec()).to_string();
    let name = toml::Value::from(name.as_str());
    let (hash, read, write) = (digits::write(&Sha256::digest(&token)), list(read), list(write));
    let entry = format!("[[token]]\nname = {name}\nsha256 = \"{hash}\"\nread = {read}\nwrite = {write}\n");
    Ok((token, entry))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    fn doc(name: &str) -> DocId {
        DocId::new(name).unwrap()
    }

    fn made(read: &[&str], write: &[&str]) -> (String, Auth) {
        let own = |patterns: &[&str]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (token, entry) =
            make_token(&Principal::new("ada \"x\"").unwrap(), &own(read), &own(write)).unwrap();
        (token, Auth::parse(&entry).unwrap())
    }

    #[test]
    fn a_token_is_for_what_its_entry_says() {
        let (token, auth) = made(&["*"], &["team/*", "plan"]);
        let may_write = |name: &str| auth.access(Some(&token), &doc(name)).map(|access| access.may_write);
        assert_eq!(
            ["team/a", "plan", "plans", "team"].map(may_write),
            [Ok(true), Ok(true), Ok(false), Ok(false)]
        );
        let access = auth.access(Some(&token), &doc("plan")).unwrap();
        assert_eq!(access.principal.as_str(), "ada \"x\"");
    }

    #[test]
    fn everything_else_is_denied() {
        let (token, auth) = made(&[], &["plan"]);
        assert_eq!(auth.access(None, &doc("plan")), Err(Denied::NoToken));
        assert_eq!(auth.access(Some("guess"), &doc("plan")), Err(Denied::Unknown));
        assert_eq!(auth.access(Some(&token), &doc("other")), Err(Denied::OtherDocuments));
        assert!(Auth::open().access(None, &doc("plan")).unwrap().may_write);
    }

    #[test]
    fn a_file_that_is_not_understood_is_refused() {
        let hash = "0".repeat(64);
        for text in [
            "[[token]]\nname = \"a\"\nsha256 = \"12\"\n".to_owned(),
            format!("[[token]]\nname = \"\"\nsha256 = \"{hash}\"\n"),
            format!("[[token]]\nname = \"a\"\nsha256 = \"{hash}\"\nwrites = [\"x\"]\n"),
            format!(
                "[[token]]\nname = \"a\"\nsha256 = \"{hash}\"\n[[token]]\nname = \"b\"\nsha256 = \"{hash}\"\n"
            ),
        ] {
            assert!(Auth::parse(&text).is_err(), "{text}");
        }
        assert!(Auth::parse("").unwrap().access(Some("x"), &doc("d")).is_err());
    }
}
