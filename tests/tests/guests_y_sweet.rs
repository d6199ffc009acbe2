//! What the relay says to clients of y-sweet, and to the servers of their applications, that are wrong, may not, or mean harm.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::{Value as Json, json};
use syncline_core::protocol::y_websocket::Sync;
use syncline_tests::process::guests::scene::{DOC, Scene, target};
use syncline_tests::process::guests::yjs::{Editor, asks, denied, put, sync, update, whole};
use syncline_tests::process::guests::{Behaved, Goodbye, Guest, MAX_MESSAGE_BYTES};
use syncline_tests::process::http::{self, Answer};
use syncline_tests::process::tokens::Tokens;
use yrs::Doc;

const SOCKET: &str = "/d/d/ws/d";

/// The question whether all has arrived, and its answer.
const STATUS: &[u8] = &[102, 1, 9];

/// A request with a token, if there is one: its status, and what it says is wrong.
fn ask(scene: &Scene, line: &str, token: Option<&str>, body: &[u8]) -> (u16, String) {
    let Answer { code, body, .. } = http::ask(scene.address(), line, token, body);
    let body: Json = serde_json::from_str(&body).unwrap_or_default();
    (code, body["error"].as_str().unwrap_or_default().to_owned())
}

/// A token for the document, as the server of an application gets it.
fn document_token(scene: &Scene, token: Option<&str>, wanted: &Json) -> String {
    let answer = http::ask(scene.address(), "POST /doc/d/auth", token, wanted.to_string().as_bytes());
    assert_eq!(answer.code, 200, "{answer:?}");
    let answer: Json = serde_json::from_str(&answer.body).unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

/// What a client hears that is not let in: a message, for those who read it, and the same with the close.
async fn refused(scene: &Scene, target: &str) -> Goodbye {
    let mut guest = Guest::connect(scene.address(), target).await;
    let told = guest.wait_for("why not", denied).await;
    let goodbye = guest.goodbye().await;
    assert_eq!(goodbye.1, told);
    goodbye
}

#[tokio::test]
async fn a_document_has_one_name_of_letters_digits_and_dashes() {
    let scene = Scene::yjs().await;
    for target in ["/d/d/ws/e", "/d/d/ws/", "/d/a%20b/ws/a%20b", "/doc/ws/", "/doc/ws/a.b"] {
        assert_eq!(Guest::turned_away(scene.address(), target).await, 404, "{target}");
    }
    let bad_name = (400, "a document is named by letters, digits, - and _".to_owned());
    for line in
        ["POST /doc/a.b/auth", "GET /d/a%2Fb/as-update", "POST /d/%C3%BC/update", "POST /doc/%20/update"]
    {
        assert_eq!(ask(&scene, line, None, b""), bad_name, "{line}");
    }
    assert_eq!(ask(&scene, "POST /doc/new", None, br#"{"docId":"a/b"}"#), bad_name);
    let long = "x".repeat(513);
    assert_eq!(ask(&scene, &format!("GET /d/{long}/as-update"), None, b"").0, 400);
    assert_eq!(refused(&scene, &format!("/d/{long}/ws/{long}")).await.0, 4403);
    for body in [&b"{"[..], b"[]", br#"{"docId":7}"#] {
        assert_eq!(ask(&scene, "POST /doc/new", None, body).0, 400, "{body:?}");
    }
    for body in [r#"{"authorization":"all"}"#, r#"{"userId":""}"#, r#"{"validForSeconds":-1}"#] {
        assert_eq!(ask(&scene, "POST /doc/d/auth", None, body.as_bytes()).0, 400, "{body}");
    }
    assert_eq!(scene.documents(), [DOC]);
    scene.ends(&["a request is refused…400…named by letters"]).await;
}

#[tokio::test]
async fn a_document_that_is_not_there_is_not_found_and_not_made() {
    let scene = Scene::yjs().await;
    for line in ["POST /doc/new-1/auth", "GET /d/new-1/as-update", "GET /doc/new-1/as-update"] {
        assert_eq!(
            ask(&scene, line, None, b""),
            (404, "there is no document \"new-1\"".to_owned()),
            "{line}"
        );
    }
    assert_eq!(scene.documents(), [DOC]);
    scene.ends(&[]).await;
}

#[tokio::test]
async fn who_shows_no_token_or_a_wrong_one_is_not_let_in() {
    let mut tokens = Tokens::none();
    let (ada, eve) = (tokens.make("ada", ["--write", "*"]), tokens.make("eve", ["--write", "e*"]));
    let scene = Scene::yjs_at(tokens.relay(), Some(&ada)).await;
    let (made, none) = (document_token(&scene, Some(&ada), &json!({})), "this relay asks for a token");
    let forged = format!("{made}A");
    let lines =
        ["POST /doc/new", "POST /doc/d/auth", "GET /d/d/as-update", "POST /d/d/update", "POST /doc/e/update"];
    for line in lines {
        assert_eq!(ask(&scene, line, None, b""), (401, none.to_owned()), "{line}");
        let unknown = (403, "the token is not known here".to_owned());
        assert_eq!(ask(&scene, line, Some(&forged), b""), unknown, "{line}");
    }
    let others = (403, "the token is not for this document".to_owned());
    for line in ["POST /doc/d/auth", "GET /d/d/as-update", "POST /d/d/update", "GET /d/new-1/as-update"] {
        assert_eq!(ask(&scene, line, Some(&eve), b""), others, "{line}");
    }
    // A token of a document is for that one, and makes no others.
    assert_eq!(ask(&scene, "GET /d/d/as-update", Some(&made), b"").0, 200);
    for line in ["POST /doc/d/auth", "GET /d/e/as-update", "POST /doc/new"] {
        assert_eq!(ask(&scene, line, Some(&made), b"").0, 403, "{line}");
    }
    let outlived = document_token(&scene, Some(&ada), &json!({"validForSeconds": 0}));
    assert_eq!(ask(&scene, "GET /d/d/as-update", Some(&outlived), b"").0, 403);
    assert_eq!(refused(&scene, SOCKET).await, (4401, none.to_owned()));
    for token in [&forged, &outlived] {
        let goodbye = refused(&scene, &target(SOCKET, Some(token))).await;
        assert_eq!(goodbye, (4403, "the token is not known here".to_owned()));
    }
    assert_eq!(refused(&scene, &target("/d/e/ws/e", Some(&made))).await.0, 4403);
    Editor::join(scene.address(), &target(SOCKET, Some(&made))).await;
    assert_eq!(scene.documents(), [DOC]);
    scene.ends(&["a request is refused…401", "a client is sent away…code=4401"]).await;
}

#[tokio::test]
async fn who_may_only_read_is_told_so() {
    let mut tokens = Tokens::none();
    let (ada, eve) = (tokens.make("ada", ["--write", "*"]), tokens.make("eve", ["--read", "*"]));
    let mut scene = Scene::yjs_at(tokens.relay(), Some(&ada)).await;
    let forbidden = "this token may read the document and not write to it".to_owned();
    let edit = put(&Doc::new(), "eve", 1);
    // Who may only read gives nobody the right to write, and who may write can give somebody the right to read.
    let given = document_token(&scene, Some(&eve), &json!({"authorization": "full"}));
    let read_only = document_token(&scene, Some(&ada), &json!({"authorization": "read-only"}));
    for token in [&eve, &given, &read_only] {
        assert_eq!(ask(&scene, "POST /d/d/update", Some(token), &edit), (403, forbidden.clone()));
        assert_eq!(ask(&scene, "GET /d/d/as-update", Some(token), b"").0, 200);
        let mut reader = Editor::join(scene.address(), &target(SOCKET, Some(token))).await;
        reader.guest().say(update(&edit)).await;
        assert_eq!(reader.wait_for(denied).await, forbidden);
        scene.is_untouched().await;
        reader.sync().await;
    }
    for body in [&b""[..], br#"{"docId":"new-1"}"#] {
        let no_maker = (403, "this token makes no documents".to_owned());
        assert_eq!(ask(&scene, "POST /doc/new", Some(&eve), body), no_maker);
    }
    // A document that is there is not made.
    assert_eq!(ask(&scene, "POST /doc/new", Some(&eve), br#"{"docId":"d"}"#).0, 200);
    assert_eq!(scene.documents(), [DOC]);
    scene.ends(&["a request is refused…403…may read the document"]).await;
}

#[tokio::test]
async fn what_is_no_update_is_refused_and_what_is_too_large_is_not_read() {
    let mut scene = Scene::yjs().await;
    let doc = Doc::with_client_id(5);
    let updates = [1, 2].map(|value| put(&doc, "eve", value));
    for (body, reason) in [
        (&b""[..], "malformed update: "),
        (&[0xff; 40], "malformed update: "),
        (&updates[1], "the update depends on something that is missing: "),
    ] {
        let (code, error) = ask(&scene, "POST /d/d/update", None, body);
        assert_eq!(code, 400);
        assert!(error.starts_with(reason), "{error}");
    }
    assert_eq!(ask(&scene, "POST /d/d/update", None, &vec![0; MAX_MESSAGE_BYTES + 1]).0, 413);
    for line in ["POST /doc/new", "POST /doc/d/auth"] {
        assert_eq!(ask(&scene, line, None, &[b' '; (16 << 10) + 1]).0, 413, "{line}");
    }
    scene.is_untouched().await;
    scene.ends(&["a request is refused…413", "a request is refused…400…malformed update"]).await;
}

#[tokio::test]
async fn a_document_of_automerge_is_a_conflict_whatever_is_asked_of_it() {
    let scene = Scene::yjs().await;
    let mut other = scene.other();
    let edit = put(&Doc::new(), "eve", 1);
    let making = br#"{"docId":"other"}"#;
    for (line, body) in [
        ("GET /d/other/as-update", &b""[..]),
        ("POST /doc/other/auth", b""),
        ("POST /d/other/update", &edit),
        ("POST /doc/new", making),
    ] {
        let (code, error) = ask(&scene, line, None, body);
        assert_eq!(code, 409, "{line}");
        assert!(error.contains("document other is of kind"), "{error}");
    }
    let mut guest = Guest::connect(scene.address(), "/d/other/ws/other").await;
    assert_eq!(guest.goodbye().await.0, 4403);
    other.is_untouched();
    scene.ends(&["a request is refused…409"]).await;
}

#[tokio::test]
async fn what_has_not_been_taken_is_not_said_to_have_arrived() {
    let mut scene = Scene::yjs().await;
    let doc = Doc::with_client_id(5);
    let updates = [1, 2].map(|value| put(&doc, "eve", value));
    let mut eve = Guest::connect(scene.address(), SOCKET).await;
    eve.wait_for("the first question", asks).await;
    eve.say(sync(&Sync::Step2 { update: &[0, 0] })).await;
    eve.say(update(&updates[1])).await;
    eve.say(STATUS.to_vec()).await;
    let echo = |message: &[u8]| (message == STATUS).then_some(());
    let first = |message: &[u8]| asks(message).map(|()| "asked").or(echo(message).map(|()| "answered"));
    assert_eq!(eve.wait_for("a question", first).await, "asked");
    scene.is_untouched().await;
    eve.say(sync(&Sync::Step2 { update: &whole(&doc) })).await;
    eve.wait_for("the answer", echo).await;
    scene.editor().sees("eve", 2).await;
    let mut mallory = Guest::connect(scene.address(), SOCKET).await;
    mallory.say(update(&[0xff; 40])).await;
    mallory.say(STATUS.to_vec()).await;
    let mut answered = false;
    while let Some(message) = mallory.hear().await {
        answered |= message == STATUS;
    }
    assert!(!answered);
    let (code, reason) = mallory.goodbye().await;
    assert!(code == 4400 && reason.starts_with("malformed update: "), "{code} {reason}");
    let mut large = Guest::connect(scene.address(), SOCKET).await;
    large.begin(MAX_MESSAGE_BYTES + 1).await;
    assert_eq!(large.goodbye().await.0, 1009);
}
