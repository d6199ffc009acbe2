//! Clients of y-sweet: documents and their tokens over HTTP, and one document a connection at `/d/{doc}/ws/{doc}`.
//!
//! An application's server asks for a token for a document, with one of the relay's own tokens; the client connects with
//! that. What it says on its connection is y-websocket's protocol, with a question besides: whether all it has sent has
//! arrived. y-sweet answers when it has it in memory; here it is answered when it is on disk.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;
use syncline::{DocId, Family, Principal};
use syncline_core::event::DocumentError;
use syncline_core::replica::ContributeError;
use tokio::sync::OwnedSemaphorePermit;

use super::line::{End, FORBIDDEN};
use super::{Guests, MAX_MESSAGE_BYTES};
use crate::auth::{Access, Denied};
use crate::intake::{LARGE_MESSAGE_TIME, SMALL_MESSAGE_BYTES};
use crate::metrics::Protocol;
use crate::relay::Shared;
use crate::rooms::{EnterError, Seat, Visitor};

/// How long a token for a document is good, unless the application says otherwise, in seconds, and at most.
const TOKEN_SECONDS: u64 = 3_600;
pub(crate) const MAX_TOKEN_SECONDS: u64 = 30 * 24 * 3_600;

/// Largest request that is no update.
pub(crate) const MAX_REQUEST_BYTES: usize = 16 << 10;

/// The document of a path where clients of y-sweet connect.
pub(super) fn doc_of(path: &str) -> Option<&str> {
    let doc = match path.strip_prefix("/doc/ws/") {
        Some(doc) => doc,
        None => {
            let (doc, again) = path.strip_prefix("/d/")?.split_once("/ws/")?;
            (doc == again).then_some(doc)?
        }
    };
    is_doc(doc).then_some(doc)
}

/// What names of documents y-sweet knows.
fn is_doc(doc: &str) -> bool {
    !doc.is_empty() && doc.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Signs the tokens for documents.
pub(crate) struct Signer([u8; 32]);

/// What a token for a document says.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Claims {
    doc: String,
    principal: Principal,
    may_write: bool,
    /// Until when, in seconds since 1970.
    until: u64,
}

impl Signer {
    pub(crate) const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    fn sign(&self, claims: &Claims) -> String {
        let claims = serde_json::to_vec(claims).expect("claims are JSON");
        let signature = self.mac(&claims).finalize().into_bytes();
        format!("{}.{}", URL_SAFE_NO_PAD.encode(claims), URL_SAFE_NO_PAD.encode(signature))
    }

    fn verify(&self, token: &str, now: u64) -> Option<Claims> {
        let (claims, signature) = token.split_once('.')?;
        let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.mac(&claims).verify_slice(&signature).ok()?;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        (now < claims.until).then_some(claims)
    }

    fn mac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(&self.0).expect("a key may have any length");
        mac.update(bytes);
        mac
    }
}

impl Guests {
    /// The document of a connection, and what its token says of it.
    pub(super) fn admit_y_sweet(&self, doc: &str, token: Option<&str>) -> Result<(DocId, Access), End> {
        let name = DocId::new(doc).map_err(|error| End::closed(FORBIDDEN, error.to_string()))?;
        let access = self.access_y_sweet(&name, token)?;
        Ok((name, access))
    }

    /// A token that was made for the document, or one of the relay's own.
    fn access_y_sweet(&self, doc: &DocId, token: Option<&str>) -> Result<Access, Denied> {
        let claims = token.and_then(|token| self.signer.verify(token, seconds()));
        match claims.filter(|claims| claims.doc == doc.as_str()) {
            Some(Claims { principal, may_write, .. }) => Ok(Access { principal, may_write }),
            None => self.auth.access(token, doc),
        }
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The requests of y-sweet, and the older names of some.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/ready", get(async || Json(json!({"ok": true}))))
        .route("/check_store", post(check_store))
        .route("/doc/new", post(make))
        .route("/doc/{doc}/auth", post(authorize))
        .route("/d/{doc}/as-update", get(read))
        .route("/doc/{doc}/as-update", get(read))
        .route("/d/{doc}/update", post(write))
        .route("/doc/{doc}/update", post(write))
}

/// Why a request is not answered as it wants to be.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(status, reason) = self;
        tracing::info!(status = status.as_u16(), reason, "a request is refused");
        (status, Json(json!({"error": reason}))).into_response()
    }
}

impl From<EnterError> for Refused {
    fn from(error: EnterError) -> Self {
        let status = match &error {
            EnterError::Document(DocumentError::NotFound { .. }) => StatusCode::NOT_FOUND,
            EnterError::OtherFamily { .. } => StatusCode::CONFLICT,
            EnterError::Document(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self(status, error.to_string())
    }
}

fn named(doc: &str) -> Result<DocId, Refused> {
    let refused =
        || Refused(StatusCode::BAD_REQUEST, "a document is named by letters, digits, - and _".to_owned());
    DocId::new(doc).ok().filter(|_| is_doc(doc)).ok_or_else(refused)
}

fn access(shared: &Shared, headers: &HeaderMap, doc: &DocId) -> Result<Access, Refused> {
    shared.guests.access_y_sweet(doc, bearer(headers)).map_err(|denied| refused(headers, denied))
}

/// The token that a request shows.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let field = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    field.strip_prefix("Bearer ").map(str::trim)
}

fn refused(headers: &HeaderMap, denied: Denied) -> Refused {
    let status = if bearer(headers).is_some() { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
    Refused(status, denied.to_string())
}

/// An update, whose place among large messages is kept until it has been dealt with.
async fn read_update(shared: &Shared, body: Body) -> Result<(Option<OwnedSemaphorePermit>, Bytes), Refused> {
    let is_small = body.size_hint().upper().is_some_and(|bytes| bytes < SMALL_MESSAGE_BYTES as u64);
    let place = if is_small { None } else { shared.intake.place().await };
    let slow = |_| Refused(StatusCode::REQUEST_TIMEOUT, "the update comes in too slowly".to_owned());
    let reading = read_body(body, MAX_MESSAGE_BYTES);
    Ok((place, tokio::time::timeout(LARGE_MESSAGE_TIME, reading).await.map_err(slow)??))
}

/// The body of a request that has little to say.
async fn small(body: Body) -> Result<Bytes, Refused> {
    read_body(body, MAX_REQUEST_BYTES).await
}

async fn read_body(body: Body, limit: usize) -> Result<Bytes, Refused> {
    let too_large = |error: axum::Error| Refused(StatusCode::PAYLOAD_TOO_LARGE, error.to_string());
    to_bytes(body, limit).await.map_err(too_large)
}

/// Takes a seat for the time of a request.
async fn sit(shared: &Shared, doc: &DocId, access: &Access, make: bool) -> Result<Seat, Refused> {
    let author = access.principal.clone();
    let connection = shared.metrics.request(Protocol::YSweet);
    let visitor =
        Visitor { peer: "an HTTP request".into(), connection, author, inbox: Arc::default(), number: 0 };
    Ok(shared.guests.rooms.enter(doc, Family::Yjs, make, visitor).await?)
}

async fn check_store(State(shared): State<Arc<Shared>>) -> Response {
    let ok = shared.node.look(|replica| replica.fault().is_none());
    Json(json!({"ok": ok})).into_response()
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Make {
    doc_id: Option<String>,
}

async fn make(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let Make { doc_id } = parsed(&small(body).await?)?;
    let doc = match doc_id {
        Some(doc) => doc,
        None => fresh_name()?,
    };
    let name = named(&doc)?;
    let access = access(&shared, &headers, &name)?;
    match sit(&shared, &name, &access, access.may_write).await {
        Ok(_made_or_there) => Ok(Json(json!({"docId": doc})).into_response()),
        Err(Refused(StatusCode::NOT_FOUND, _)) => {
            Err(Refused(StatusCode::FORBIDDEN, "this token makes no documents".to_owned()))
        }
        Err(refused) => Err(refused),
    }
}

fn fresh_name() -> Result<String, Refused> {
    let mut bytes = [0; 15];
    getrandom::fill(&mut bytes)
        .map_err(|error| Refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Reads a body that may be empty.
fn parsed<T: Default + for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Refused> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| Refused(StatusCode::BAD_REQUEST, error.to_string()))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authorize {
    authorization: Option<Authorization>,
    user_id: Option<String>,
    valid_for_seconds: Option<u64>,
}

#[derive(Clone, Copy, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Authorization {
    Full,
    ReadOnly,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClientToken {
    url: String,
    base_url: String,
    doc_id: String,
    token: String,
    authorization: Authorization,
}

async fn authorize(
    State(shared): State<Arc<Shared>>,
    Path(doc): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let name = named(&doc)?;
    // A token of a document makes no others: it would never end, and be anybody's.
    let access =
        shared.guests.auth.access(bearer(&headers), &name).map_err(|denied| refused(&headers, denied))?;
    let wanted: Authorize = parsed(&small(body).await?)?;
    sit(&shared, &name, &access, false).await?;
    let principal = match wanted.user_id {
        Some(user) => on_behalf(&shared, &access.principal, &user)?,
        None => access.principal,
    };
    let may_write = access.may_write && wanted.authorization != Some(Authorization::ReadOnly);
    let lifetime = wanted.valid_for_seconds.unwrap_or(TOKEN_SECONDS).min(MAX_TOKEN_SECONDS);
    let claims = Claims { doc: doc.clone(), principal, may_write, until: seconds() + lifetime };
    let (http, ws) = origins(&headers, &shared);
    let authorization = if may_write { Authorization::Full } else { Authorization::ReadOnly };
    let token = ClientToken {
        url: format!("{ws}/d/{doc}/ws"),
        base_url: format!("{http}/d/{doc}"),
        token: shared.guests.signer.sign(&claims),
        doc_id: doc,
        authorization,
    };
    Ok(Json(token).into_response())
}

/// The name of a user of the application that shows a token: it knows him, and the relay knows the application.
fn on_behalf(shared: &Shared, application: &Principal, user: &str) -> Result<Principal, Refused> {
    let name = match shared.guests.auth.is_open() {
        true => user.to_owned(),
        false => format!("{application}/{user}"),
    };
    Principal::new(&name).map_err(|error| Refused(StatusCode::BAD_REQUEST, format!("userId: {error}")))
}

/// Where the client that asks finds the relay, over HTTP and over WebSockets. A proxy says what it was asked for.
fn origins(headers: &HeaderMap, shared: &Shared) -> (String, String) {
    let field = |name: &str| headers.get(name).and_then(|field| field.to_str().ok());
    let host = field("x-forwarded-host").or_else(|| field("host"));
    let host = host.map_or_else(|| shared.address.to_string(), ToOwned::to_owned);
    match field("x-forwarded-proto") {
        Some("https") => (format!("https://{host}"), format!("wss://{host}")),
        Some(_) | None => (format!("http://{host}"), format!("ws://{host}")),
    }
}

async fn read(
    State(shared): State<Arc<Shared>>,
    Path(doc): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let name = named(&doc)?;
    let access = access(&shared, &headers, &name)?;
    let seat = sit(&shared, &name, &access, false).await?;
    let missing = seat.room().as_update().await.map_err(EnterError::from)?;
    let missing = missing.map_err(|error| Refused(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    seat.room().durable_at(missing.offset).await.map_err(EnterError::from)?;
    let update = missing.updates.first().cloned().unwrap_or_default();
    seat.connection().sent(1, update.len());
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], update).into_response())
}

async fn write(
    State(shared): State<Arc<Shared>>,
    Path(doc): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let name = named(&doc)?;
    let access = access(&shared, &headers, &name)?;
    if !access.may_write {
        return Err(Refused(
            StatusCode::FORBIDDEN,
            "this token may read the document and not write to it".to_owned(),
        ));
    }
    let (_place, update) = read_update(&shared, body).await?;
    let mut seat = sit(&shared, &name, &access, true).await?;
    seat.connection().received(update.len());
    let contributed = seat.contribute(&update).await.map_err(EnterError::from)?.map_err(|error| {
        let status = match &error {
            ContributeError::Refused(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Refused(status, error.to_string())
    })?;
    seat.room().durable_at(contributed.offset).await.map_err(EnterError::from)?;
    Ok(StatusCode::OK.into_response())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    #[test]
    fn a_path_names_its_document_twice() {
        let docs =
            ["/d/a-1/ws/a-1", "/doc/ws/a_b", "/d/a/ws/b", "/d/a/ws", "/d/a b/ws/a b", "/d//ws/"].map(doc_of);
        assert_eq!(docs, [Some("a-1"), Some("a_b"), None, None, None, None]);
    }

    #[test]
    fn a_token_is_good_for_its_document_and_its_time_and_cannot_be_changed() {
        let (signer, other) = (Signer::new([1; 32]), Signer::new([2; 32]));
        let principal = Principal::new("ada").unwrap();
        let claims = Claims { doc: "d".to_owned(), principal, may_write: true, until: 100 };
        let token = signer.sign(&claims);
        assert_eq!(signer.verify(&token, 99), Some(claims));
        assert_eq!((signer.verify(&token, 100), other.verify(&token, 99)), (None, None));
        let (body, signature) = token.split_once('.').unwrap();
        for forged in
            [format!("{body}."), format!("{body}A.{signature}"), signature.to_owned(), String::new()]
        {
            assert_eq!(signer.verify(&forged, 99), None);
        }
    }
}
