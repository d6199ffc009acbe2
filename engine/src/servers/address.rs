//! Which server: what it speaks, where it is, and the token it is shown.

use std::fmt::{self, Write};
use std::str::FromStr;

use syncline_core::entry::Family;
use syncline_core::id::DocId;
use thiserror::Error;

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    YWebsocket,
    Hocuspocus,
    AutomergeRepo,
}

impl Protocol {
    const ALL: [Self; 3] = [Self::YWebsocket, Self::Hocuspocus, Self::AutomergeRepo];

    /// What stands in front of its addresses.
    const fn scheme(self) -> &'static str {
        match self {
            Self::YWebsocket => "yjs",
            Self::Hocuspocus => "hocuspocus",
            Self::AutomergeRepo => "automerge",
        }
    }

    const fn family(self) -> Family {
        match self {
            Self::YWebsocket | Self::Hocuspocus => Family::Yjs,
            Self::AutomergeRepo => Family::Automerge,
        }
    }
}

/// A server of somebody else's, at which documents of its family are kept as well.
///
/// ```
/// use syncline::OtherServer;
///
/// let server: OtherServer = "hocuspocus+wss://docs.example?token=secret".parse()?;
/// assert_eq!(server.endpoint(), "hocuspocus+wss://docs.example");
/// # Ok::<(), syncline::AddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct OtherServer {
    pub(super) protocol: Protocol,
    /// Without the query, and without a slash at its end.
    url: String,
    /// As it was given, but for a token that is shown otherwise.
    query: String,
    pub(super) token: Option<String>,
}

/// This is not the address of a server of others.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// What stands in front is no protocol that is spoken here.
    #[error(
        "{0:?} is no address of a server of others; they begin with yjs+, hocuspocus+ or automerge+, and go on with ws:// \
         or wss://"
    )]
    Scheme(String),
    /// There is no host.
    #[error("{0:?} names no host")]
    NoHost(String),
}

impl OtherServer {
    /// Whether an address means a server of others rather than a relay.
    #[must_use]
    pub fn is_meant_by(address: &str) -> bool {
        address.split_once("://").is_some_and(|(scheme, _)| scheme.contains('+'))
    }

    /// Shows a token in the way of the protocol: with the first message to Hocuspocus, to others as `token` in the query.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Which documents it takes.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.protocol.family()
    }

    /// The address for people: without user name, password and query, which may be secret.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let (scheme, rest) = self.url.split_once("://").unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = authority.rsplit('@').next().unwrap_or_default();
        format!("{}+{scheme}://{host}{path}", self.protocol.scheme())
    }

    /// Where a connection for all documents leads.
    pub(super) fn url(&self) -> String {
        let has_path = self.url.splitn(4, '/').count() > 3;
        self.with_query(if has_path { self.url.clone() } else { format!("{}/", self.url) })
    }

    /// Where a connection for one document leads: as clients of y-websocket form it, which put the name into the path and
    /// leave it to the browser to escape what a path cannot have.
    pub(super) fn room_url(&self, doc: &DocId) -> String {
        let mut url = format!("{}/", self.url);
        escape(doc.as_str(), &mut url, |byte| byte.is_ascii_graphic() && !br##""#<>?`{}^"##.contains(&byte));
        self.with_query(url)
    }

    fn with_query(&self, mut url: String) -> String {
        let mut separator = '?';
        if !self.query.is_empty() {
            url.push(separator);
            url.push_str(&self.query);
            separator = '&';
        }
        if let (Some(token), true) = (&self.token, self.protocol != Protocol::Hocuspocus) {
            url.push(separator);
            url.push_str("token=");
            escape(token, &mut url, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        }
        url
    }
}

impl FromStr for OtherServer {
    type Err = AddressError;

    fn from_str(address: &str) -> Result<Self, AddressError> {
        let unknown = || AddressError::Scheme(shown(address));
        let (scheme, url) = address.split_once('+').ok_or_else(unknown)?;
        let protocol = Protocol::ALL.into_iter().find(|protocol| protocol.scheme() == scheme);
        let protocol = protocol.ok_or_else(unknown)?;
        let (url, query) = url.split_once('?').unwrap_or((url, ""));
        let host = url.strip_prefix("ws://").or_else(|| url.strip_prefix("wss://")).ok_or_else(unknown)?;
        if host.is_empty() || host.starts_with(['/', ':']) {
            return Err(AddressError::NoHost(shown(address)));
        }
        let mut server = Self {
            protocol,
            url: url.trim_end_matches('/').to_owned(),
            query: query.to_owned(),
            token: None,
        };
        if protocol == Protocol::Hocuspocus {
            server.take_token();
        }
        Ok(server)
    }
}

impl OtherServer {
    /// Takes the token out of the query.
    fn take_token(&mut self) {
        let query = std::mem::take(&mut self.query);
        let (tokens, rest): (Vec<&str>, Vec<&str>) =
            query.split('&').partition(|pair| pair.starts_with("token="));
        self.token = tokens.first().and_then(|pair| pair.split_once('=')).map(|(_, token)| unescaped(token));
        self.query = rest.join("&");
    }
}

/// Shows nothing that could be secret.
impl fmt::Debug for OtherServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OtherServer").field(&self.endpoint()).finish()
    }
}

/// An address without its query.
fn shown(address: &str) -> String {
    address.split('?').next().unwrap_or_default().to_owned()
}

/// Appends a text with everything escaped that is not to stay as it is.
fn escape(text: &str, out: &mut String, stays: impl Fn(u8) -> bool) {
    for byte in text.bytes() {
        if stays(byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a text takes everything");
        }
    }
}

/// A text with what was escaped as it was; what is no escape stays.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escaped = behind
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    fn parsed(address: &str) -> OtherServer {
        address.parse().unwrap()
    }

    fn room(address: &str, doc: &str) -> String {
        parsed(address).room_url(&DocId::new(doc).unwrap())
    }

    #[test]
    fn an_address_tells_what_a_server_speaks() {
        for (address, family) in [
            ("yjs+ws://h:1234", Family::Yjs),
            ("hocuspocus+wss://h", Family::Yjs),
            ("automerge+ws://h", Family::Automerge),
        ] {
            let server = parsed(address);
            assert_eq!((server.family(), server.endpoint()), (family, address.to_owned()));
            assert!(OtherServer::is_meant_by(address));
        }
        assert!(!OtherServer::is_meant_by("ws://h/a+b"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_showing_its_query() {
        for address in ["ws://h", "yjs+http://h", "yjs+h", "word+ws://h?token=secret", ""] {
            let error = address.parse::<OtherServer>().unwrap_err();
            assert!(matches!(&error, AddressError::Scheme(_)), "{error}");
            assert!(!error.to_string().contains("secret"));
        }
        assert_eq!(
            "yjs+ws:///room".parse::<OtherServer>(),
            Err(AddressError::NoHost("yjs+ws:///room".to_owned()))
        );
    }

    #[test]
    fn a_room_is_in_the_path_as_browsers_write_it() {
        assert_eq!(room("yjs+ws://h:1/", "team/board"), "ws://h:1/team/board");
        assert_eq!(
            room("yjs+ws://h/yjs?a=b", "größe {1}?#%41"),
            "ws://h/yjs/gr%C3%B6%C3%9Fe%20%7B1%7D%3F%23%41?a=b"
        );
    }

    #[test]
    fn a_token_is_shown_in_the_way_of_the_protocol_and_to_nobody_else() {
        assert_eq!(parsed("automerge+ws://h?token=a%20b").url(), "ws://h/?token=a%20b");
        assert_eq!(parsed("hocuspocus+ws://h/a/b/").url(), "ws://h/a/b");
        assert_eq!(parsed("automerge+ws://h/x?a=b").token("c d&").url(), "ws://h/x?a=b&token=c%20d%26");
        let server = parsed("hocuspocus+ws://u:pw@h/x?a=b&token=a%20b%zz&c=d");
        assert_eq!(
            (server.url().as_str(), server.token.as_deref()),
            ("ws://u:pw@h/x?a=b&c=d", Some("a b%zz"))
        );
        assert_eq!(format!("{server:?}"), "OtherServer(\"hocuspocus+ws://h/x\")");
        assert_eq!(parsed("hocuspocus+ws://h?token=a").token("b").token.as_deref(), Some("b"));
    }
}
