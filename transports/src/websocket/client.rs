//! The connecting side: address, credentials, and what the answers to an upgrade request mean.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{
        Error,
        client::IntoClientRequest,
        error::ProtocolError,
        handshake::client::{Request, Response},
        http::{HeaderMap, HeaderName, HeaderValue, Uri, header},
        protocol::Role,
    },
};

use super::{
    SUBPROTOCOL, WebSocketSettings,
    socket::{SocketWire, Traffic},
    tls,
};
use crate::{Link, Transport, TransportError};

/// How long a connect may take, from the look-up of the name to the answer of the relay.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What is kept of the text a server refuses with.
const MAX_REFUSAL_BYTES: usize = 200;

/// A relay on the network, at `ws://…` or `wss://…`.
///
/// Settings are taken as they come; what is wrong with them is said by `connect`, as a permanent error.
///
/// ```
/// use syncline_transports::WebSocket;
///
/// let relay = WebSocket::new("wss://relay.example/sync").token("secret");
/// # assert_eq!(syncline_transports::Transport::endpoint(&relay), "wss://relay.example/sync");
/// ```
pub struct WebSocket {
    url: String,
    headers: Vec<(String, String)>,
    subprotocol: Option<&'static str>,
    settings: WebSocketSettings,
    connect_timeout: Duration,
    roots: Vec<u8>,
    /// Made at the first connect and kept, because it remembers sessions.
    tls: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl WebSocket {
    /// A relay at this address.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Vec::new(),
            subprotocol: Some(SUBPROTOCOL),
            settings: WebSocketSettings::default(),
            connect_timeout: CONNECT_TIMEOUT,
            roots: Vec::new(),
            tls: OnceLock::new(),
        }
    }

    /// Shows `token` to the relay with every connect, as `Authorization: Bearer`.
    pub fn token(self, token: impl fmt::Display) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Sends one more header with the upgrade request.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Offers no subprotocol: for servers that are no relays of Syncline's, and take offence at what they do not know.
    pub fn without_subprotocol(mut self) -> Self {
        self.subprotocol = None;
        self
    }

    /// See [`WebSocketSettings::max_frame_bytes`].
    pub fn max_frame_bytes(mut self, bytes: usize) -> Self {
        self.settings = self.settings.max_frame_bytes(bytes);
        self
    }

    /// See [`WebSocketSettings::heartbeat`].
    pub fn heartbeat(mut self, interval: Duration, timeout: Duration) -> Self {
        self.settings = self.settings.heartbeat(interval, timeout);
        self
    }

    /// How long a connect may take in all, instead of [`CONNECT_TIMEOUT`].
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Trusts these certificate authorities, in PEM, besides those of the web: for relays of one's own.
    pub fn tls_roots(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = pem.into();
        self
    }

    async fn dial(&self) -> Result<Link, TransportError> {
        let request = self.request()?;
        let target = Target::of(request.uri()).map_err(|cause| self.bad_address(cause))?;
        let stream = TcpStream::connect((target.host.as_str(), target.port)).await;
        let stream = stream.map_err(|error| self.unreachable(error))?;
        stream.set_nodelay(true).map_err(|error| self.unreachable(error))?;
        if !target.secure {
            return self.upgrade(request, stream).await;
        }
        let tls = self.tls.get_or_init(|| tls::client_config(&self.roots)).clone();
        let tls = tls.map_err(|cause| TransportError::Setting { setting: "tls_roots", cause })?;
        let stream = tls::secure(tls, &target.host, stream, &self.endpoint()).await?;
        self.upgrade(request, stream).await
    }

    async fn upgrade<S>(&self, request: Request, stream: S) -> Result<Link, TransportError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = Traffic::new(stream);
        let upgraded =
            client_async_with_config(request, stream, Some(self.settings.config(Role::Client))).await;
        let (socket, _answer) = upgraded.map_err(|error| self.not_upgraded(error))?;
        let wire = SocketWire::new(socket, self.settings, Role::Client);
        Ok(Link::new(self.endpoint(), self.settings.max_frame_bytes, wire))
    }

    fn request(&self) -> Result<Request, TransportError> {
        let request = self.url.as_str().into_client_request();
        let mut request = request.map_err(|error| self.bad_address(error.to_string()))?;
        let headers = request.headers_mut();
        if let Some(subprotocol) = self.subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
        }
        for (name, value) in &self.headers {
            add_header(headers, name, value)?;
        }
        Ok(request)
    }

    fn bad_address(&self, cause: String) -> TransportError {
        TransportError::Address { url: self.endpoint(), cause }
    }

    fn unreachable(&self, cause: impl ToString) -> TransportError {
        TransportError::Unreachable { endpoint: self.endpoint(), cause: cause.to_string() }
    }

    fn not_upgraded(&self, error: Error) -> TransportError {
        match error {
            Error::Http(answer) => refusal(self.endpoint(), &answer),
            Error::Io(error) => self.unreachable(error),
            error @ (Error::ConnectionClosed | Error::Protocol(ProtocolError::HandshakeIncomplete)) => {
                self.unreachable(error)
            }
            error => TransportError::Foreign { endpoint: self.endpoint(), cause: error.to_string() },
        }
    }
}

#[async_trait]
impl Transport for WebSocket {
    async fn connect(&self) -> Result<Link, TransportError> {
        let after = self.connect_timeout;
        match timeout(after, self.dial()).await {
            Ok(dialled) => dialled,
            Err(_) => Err(TransportError::TimedOut { endpoint: self.endpoint(), after }),
        }
    }

    /// Without user name, password and query, which may be secret.
    fn endpoint(&self) -> String {
        let url = self.url.split(['?', '#']).next().unwrap_or_default();
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = authority.rsplit('@').next().unwrap_or_default();
        if scheme.is_empty() { format!("{host}{path}") } else { format!("{scheme}://{host}{path}") }
    }
}

/// Shows nothing that could be secret.
impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("endpoint", &self.endpoint())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

struct Target {
    host: String,
    port: u16,
    secure: bool,
}

impl Target {
    fn of(uri: &Uri) -> Result<Self, String> {
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            Some(other) => return Err(format!("{other}:// is neither ws:// nor wss://")),
            None => return Err("it must begin with ws:// or wss://".to_owned()),
        };
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let named = uri.authority().map_or("", |authority| authority.as_str()).rsplit_once(':');
        let named = named.map(|(_, port)| port).filter(|port| !port.contains(']'));
        let port = match (uri.port_u16(), named) {
            (Some(port), _) => port,
            (None, Some(port)) => return Err(format!("{port:?} is not a port")),
            (None, None) if secure => 443,
            (None, None) => 80,
        };
        Ok(Self { host: host.to_owned(), port, secure })
    }
}

fn add_header(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), TransportError> {
    let unusable = |cause: String| TransportError::Setting { setting: "header", cause };
    let name = HeaderName::try_from(name).map_err(|error| unusable(error.to_string()))?;
    let mut value =
        HeaderValue::try_from(value).map_err(|_| unusable(format!("{name} has no such value")))?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

fn refusal(endpoint: String, answer: &Response) -> TransportError {
    let retry_after = answer.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let body = answer.body().as_deref().unwrap_or_default();
    TransportError::Refused {
        endpoint,
        status: answer.status().as_u16(),
        message: first_line(body),
        retry_after: retry_after.map(Duration::from_secs),
    }
}

/// Enough for a person to understand, and nothing that could upset a terminal.
fn first_line(body: &[u8]) -> String {
    let start = &body[..body.len().min(MAX_REFUSAL_BYTES)];
    let text = String::from_utf8_lossy(start);
    let line = text.trim().lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_show_no_secret() {
        for (url, shown) in [
            ("wss://user:pw@relay.example:9/sync?token=x#y", "wss://relay.example:9/sync"),
            ("ws://[::1]:4455/sync", "ws://[::1]:4455/sync"),
            ("relay.example?x", "relay.example"),
        ] {
            let relay = WebSocket::new(url).token("hidden");
            assert_eq!(relay.endpoint(), shown);
            assert!(!format!("{relay:?}").contains("hidden"));
        }
    }

    #[tokio::test]
    async fn bad_settings_are_permanent_and_named() {
        for (relay, named) in [
            (WebSocket::new("not an address"), "not an address"),
            (WebSocket::new("http://relay.example/"), "http://"),
            (WebSocket::new("ws:///sync"), "ws:///sync"),
            (WebSocket::new("ws://127.0.0.1:99999/sync"), "\"99999\" is not a port"),
            (WebSocket::new("ws://127.0.0.1:1/").header("a b", "c"), "header"),
            (WebSocket::new("ws://127.0.0.1:1/").token("line\nbreak"), "authorization"),
        ] {
            let error = relay.connect().await.unwrap_err();
            assert!(error.is_permanent(), "{error}");
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn a_subprotocol_is_offered_unless_none_is_wanted() {
        let offered = |relay: WebSocket| {
            let headers = relay.request().ok()?.headers().clone();
            headers.get(header::SEC_WEBSOCKET_PROTOCOL).map(|offered| offered.as_bytes().to_vec())
        };
        assert_eq!(offered(WebSocket::new("ws://relay/")), Some(SUBPROTOCOL.as_bytes().to_vec()));
        assert_eq!(offered(WebSocket::new("ws://relay/").without_subprotocol()), None);
    }

    #[test]
    fn only_the_first_printable_line_of_a_refusal_is_kept() {
        assert_eq!(first_line(b"\n go\x1b[31m away\nnow"), "go[31m away");
        assert_eq!(first_line(&[b'x'; 5000]).len(), MAX_REFUSAL_BYTES);
        assert_eq!(first_line(b""), "");
    }
}
