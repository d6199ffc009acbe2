//! What a browser and an operator see: the page, its numbers, and whether the relay is well.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use syncline::DocId;
use syncline_core::crdt::automerge::DocumentId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::guests::{parameter, y_sweet};
use crate::head::HEAD_TIMEOUT;
use crate::metrics;
use crate::relay::Shared;

/// Longest an HTTP connection may live; the page opens a new one.
const CONNECTION_TIME: Duration = Duration::from_secs(300);

/// Where clients of other protocols find what.
const OTHERS: &str = "those of other protocols at /yjs/ROOM, /hocuspocus, /automerge or /d/DOC/ws/DOC";

const PAGE: &str = include_str!("http/page.html");

/// Only what the page itself carries may run or load.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Serves one request on a connection of which `read` has been read. The next one, which may be for a WebSocket, comes on a
/// connection of its own, as whether it is is told at the socket.
pub(crate) async fn serve(shared: Arc<Shared>, stream: TcpStream, read: Vec<u8>) {
    let service = TowerToHyperService::new(router(shared));
    let io = TokioIo::new(Rewound { read, taken: 0, stream });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .serve_connection(io, service);
    if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_TIME, connection).await {
        tracing::debug!(%error, "an HTTP connection broke");
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/healthz", get(health))
        .route("/status.json", get(status))
        .route("/metrics", get(measured))
        .route("/sync", get(upgrade_required))
        .merge(y_sweet::router())
        .layer(axum::middleware::from_fn(misdirected))
        .layer(axum::middleware::from_fn_with_state(shared.clone(), at_home))
        .layer(axum::middleware::map_response(secured))
        .with_state(shared)
}

/// Tells a client that connects at the wrong place where the right one is.
async fn misdirected(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let upgrade = request.headers().get(header::UPGRADE);
    match upgrade.is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket")) && path != "/sync" {
        true => (StatusCode::NOT_FOUND, format!("clients connect at /sync, not at {path}; {OTHERS}\n"))
            .into_response(),
        false => next.run(request).await,
    }
}

/// Where no token is asked for, pages from elsewhere are turned away, as WebSockets are; also those that call this machine by
/// a name of their own, as then browsers take it for where they are from.
async fn at_home(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    match why_away(&shared, request.headers()) {
        Some(reason) => (StatusCode::FORBIDDEN, reason).into_response(),
        None => next.run(request).await,
    }
}

fn why_away(shared: &Shared, headers: &HeaderMap) -> Option<String> {
    let field = |name| Some(String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned());
    let host = field(header::HOST).map(|host| format!("http://{host}"));
    let from = [field(header::ORIGIN), host];
    from.iter().find_map(|from| shared.guests.auth.keeps_page_out(from.as_deref()))
}

async fn secured(mut response: Response) -> Response {
    let fields = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn health(State(shared): State<Arc<Shared>>, headers: HeaderMap, uri: Uri) -> Response {
    match fault(&shared, token(&headers, &uri).as_deref()) {
        None => "ok\n".into_response(),
        Some(fault) => (StatusCode::SERVICE_UNAVAILABLE, format!("{fault}\n")).into_response(),
    }
}

/// The token that somebody shows who wants to know something.
fn token(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let in_query = parameter(uri.query().unwrap_or_default(), "token");
    in_query.or_else(|| y_sweet::bearer(headers).map(ToOwned::to_owned))
}

/// Why nothing can be stored at the moment. Where the store is, is for those alone who may know.
fn fault(shared: &Shared, token: Option<&str>) -> Option<String> {
    let fault = shared.node.look(|replica| replica.fault().map(ToString::to_string))?;
    let may_know = shared.guests.auth.check(token).is_ok();
    Some(if may_know { fault } else { "nothing can be stored; the relay's log says why".to_owned() })
}

/// What Prometheus asks for.
async fn measured(State(shared): State<Arc<Shared>>, headers: HeaderMap, uri: Uri) -> Response {
    metrics::show(&shared, token(&headers, &uri).as_deref())
}

async fn upgrade_required() -> Response {
    let upgrade = [(header::UPGRADE, "websocket")];
    let words = "This is where Syncline clients connect, by WebSocket. For people there is the page at /.\n";
    (StatusCode::UPGRADE_REQUIRED, upgrade, words).into_response()
}

/// The numbers behind the page.
#[derive(Serialize)]
struct Status {
    version: &'static str,
    durability: String,
    /// Where; only for those who may know.
    data: Option<String>,
    fault: Option<String>,
    links: u64,
    updates: u64,
    frames_in: u64,
    bytes_in: u64,
    frames_out: u64,
    bytes_out: u64,
    /// How many documents the store holds; the first of them follow, as far as the token that was shown is for them.
    documents_stored: usize,
    /// How many are in memory, and what memory they take, in bytes, roughly.
    documents_loaded: usize,
    loaded_bytes: usize,
    documents: Vec<DocumentStatus>,
}

#[derive(Serialize)]
struct DocumentStatus {
    name: String,
    /// Under which id clients of automerge-repo find it.
    #[serde(skip_serializing_if = "Option::is_none")]
    automerge: Option<String>,
    spec: String,
    entries: u64,
    bytes: u64,
    links: usize,
}

async fn status(State(shared): State<Arc<Shared>>, headers: HeaderMap, uri: Uri) -> Response {
    let token = token(&headers, &uri);
    let token = token.as_deref();
    let may_know = |doc: &DocId| shared.guests.auth.access(token, doc).is_ok();
    let listing = match shared.listings.latest(Instant::now(), || shared.node.list()).await {
        Ok(listing) => listing,
        Err(fault) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{fault}\n")).into_response(),
    };
    let documents = shared.node.look(|replica| {
        let listed = listing.first.iter().filter(|summary| may_know(&summary.doc));
        listed
            .map(|summary| DocumentStatus {
                entries: replica.log(&summary.doc).map_or(summary.head, syncline_core::log::Log::head),
                links: replica.links(&summary.doc),
                automerge: DocumentId::if_readable(&summary.doc, summary.spec.family)
                    .map(|id| id.to_string()),
                name: summary.doc.to_string(),
                spec: summary.spec.to_string(),
                bytes: summary.bytes,
            })
            .collect()
    });
    let traffic = shared.node.traffic();
    let (documents_loaded, loaded_bytes) =
        shared.node.look(|replica| (replica.loaded(), replica.loaded_bytes()));
    let status = Status {
        version: env!("CARGO_PKG_VERSION"),
        durability: shared.durability.to_string(),
        data: shared.guests.auth.check(token).is_ok().then(|| shared.data.display().to_string()),
        fault: fault(&shared, token),
        links: traffic.links,
        updates: shared.updates.load(Ordering::Relaxed),
        frames_in: traffic.frames_in,
        bytes_in: traffic.bytes_in,
        frames_out: traffic.frames_out,
        bytes_out: traffic.bytes_out,
        documents_stored: listing.stored,
        documents_loaded,
        loaded_bytes,
        documents,
    };
    Json(status).into_response()
}

/// A stream of which a part was read, and is read again first.
struct Rewound {
    read: Vec<u8>,
    taken: usize,
    stream: TcpStream,
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.taken == self.read.len() {
            return Pin::new(&mut self.stream).poll_read(context, into);
        }
        let count = into.remaining().min(self.read.len() - self.taken);
        into.put_slice(&self.read[self.taken..self.taken + count]);
        self.taken += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
