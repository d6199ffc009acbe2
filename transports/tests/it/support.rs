//! A WebSocket server of the smallest kind: accepts the upgrade by hand, as a relay does, or refuses it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use syncline_transports::{
    Link, Transport, WebSocket, conformance,
    websocket::{self, WebSocketSettings},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

pub struct Server {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    pub settings: WebSocketSettings,
}

impl Server {
    pub async fn plain() -> Self {
        Self::bind(0).await
    }

    /// In the place of a server that was dropped.
    pub async fn at(url: &str) -> Self {
        let port = url.trim_end_matches("/sync").rsplit(':').next().unwrap();
        Self::bind(port.parse().unwrap()).await
    }

    async fn bind(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let settings = WebSocketSettings::default();
        Self { listener, tls: None, settings }
    }

    /// With a fresh certificate for `localhost`, whose PEM is returned for the client to trust.
    pub async fn secure() -> (Self, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let tls = Some(TlsAcceptor::from(Arc::new(config)));
        (Self { tls, ..Self::plain().await }, cert.pem())
    }

    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        format!("{scheme}://localhost:{}/sync", self.listener.local_addr().unwrap().port())
    }

    pub fn client(&self) -> WebSocket {
        WebSocket::new(self.url())
    }

    /// The next TCP connection, with TLS where that is on.
    pub async fn socket(&self) -> std::io::Result<Box<dyn Socket>> {
        let (stream, _) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        self.secured(stream).await
    }

    async fn secured(&self, stream: TcpStream) -> std::io::Result<Box<dyn Socket>> {
        Ok(match &self.tls {
            None => Box::new(stream),
            Some(tls) => Box::new(tls.accept(stream).await?),
        })
    }

    /// An upgraded socket, with the request that came.
    pub async fn upgraded(&self) -> (Box<dyn Socket>, String) {
        let mut socket = self.socket().await.unwrap();
        let request = head(&mut socket).await;
        let key = header(&request, "sec-websocket-key").unwrap();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-protocol: {}\r\nsec-websocket-accept: {}\r\n\r\n",
            websocket::SUBPROTOCOL,
            derive_accept_key(key.as_bytes())
        );
        socket.write_all(answer.as_bytes()).await.unwrap();
        socket.flush().await.unwrap();
        (socket, request)
    }

    pub async fn accept(&self) -> Link {
        let (socket, _) = self.upgraded().await;
        websocket::accept(socket, Vec::new(), "a test client", self.settings).await
    }

    /// Answers one request with a status and hangs up.
    pub async fn refuse(&self, answer: &str) {
        let mut socket = self.socket().await.unwrap();
        head(&mut socket).await;
        socket.write_all(answer.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
    }
}

/// The head of an HTTP request. Clients send nothing more before the answer.
pub async fn head(socket: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

pub fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Both sides of a WebSocket for the conformance suite.
pub struct WebSocketHarness {
    pub server: Server,
    pub client: WebSocket,
}

#[async_trait]
impl conformance::Harness for WebSocketHarness {
    fn transport(&self) -> &dyn Transport {
        &self.client
    }

    async fn accept(&self) -> Link {
        self.server.accept().await
    }

    async fn connect_to_silence(&self) -> Option<Link> {
        let server = Server::plain().await;
        let client = server.client().heartbeat(Duration::from_millis(50), Duration::from_millis(150));
        let (link, (socket, _)) = tokio::join!(client.connect(), server.upgraded());
        // Open, but never read from or written to, until the test's runtime ends.
        std::mem::forget(socket);
        Some(link.unwrap())
    }
}
