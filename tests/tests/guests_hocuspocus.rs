//! What the relay says to clients of Hocuspocus that are wrong, may not, or mean harm: it concerns one document on their
//! connection, or the connection where it is not clear of which document they speak.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use syncline_core::protocol::hocuspocus::{Auth, Body, Frame};
use syncline_core::protocol::y_websocket::Sync;
use syncline_core::random::Random;
use syncline_tests::process::guests::scene::{DOC, Scene};
use syncline_tests::process::guests::yjs::{put, shown, states, whole};
use syncline_tests::process::guests::{Behaved, Goodbye, Guest, MAX_MESSAGE_BYTES};
use syncline_tests::process::tokens::Tokens;
use yrs::{Doc, merge_updates_v1};

const PATH: &str = "/hocuspocus";

/// What the providers of version 4 say of themselves.
const VERSION: &str = "4.8.0";

/// Another document on the same connection, where everything goes on.
const ELSEWHERE: &str = "elsewhere";

/// Connections that are sent random bytes.
const RANDOM_CONNECTIONS: u64 = 100;

/// A connection of one client.
struct Client(Guest);

/// What the relay says of a document.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    LetIn { may_write: bool },
    Denied(String),
    Closed(String),
    Taken(bool),
    Question,
    Answer,
    Shown(Vec<(u64, String)>),
    Else,
}

impl Client {
    async fn connect(scene: &Scene) -> Self {
        Self(Guest::connect(scene.address(), PATH).await)
    }

    /// Connects, and is let in at two documents.
    async fn seated(scene: &Scene, token: &str) -> Self {
        let mut client = Self::connect(scene).await;
        for doc in [DOC, ELSEWHERE] {
            assert!(matches!(client.attach(doc, token).await, Said::LetIn { .. }));
        }
        client
    }

    /// Shows a token for a document, and returns what comes of that.
    async fn attach(&mut self, doc: &str, token: &str) -> Said {
        self.0.say(Frame::token(doc, token, VERSION)).await;
        self.hear(doc, |said| matches!(said, Said::LetIn { .. } | Said::Denied(_))).await
    }

    async fn say(&mut self, doc: &str, message: &Sync<'_>) {
        self.0.say(Frame::sync(doc, message)).await;
    }

    /// The first thing of such a sort that is said of a document.
    async fn hear(&mut self, doc: &str, sort: impl Fn(&Said) -> bool) -> Said {
        self.0.wait_for("what a test waits for", |frame| said_of(doc, frame).filter(&sort)).await
    }

    /// Why a document is closed.
    async fn closed(&mut self, doc: &str) -> String {
        match self.hear(doc, |said| matches!(said, Said::Closed(_))).await {
            Said::Closed(reason) => reason,
            _ => unreachable!("this was waited for"),
        }
    }

    /// Whether an update was taken.
    async fn taken(&mut self, doc: &str) -> bool {
        self.hear(doc, |said| matches!(said, Said::Taken(_))).await == Said::Taken(true)
    }

    /// The relay answers about the other document, so it has dealt with everything that was said.
    async fn goes_on(&mut self) {
        self.say(ELSEWHERE, &Sync::Step1 { vector: &[0] }).await;
        self.hear(ELSEWHERE, |said| *said == Said::Answer).await;
    }
}

fn said_of(doc: &str, frame: &[u8]) -> Option<Said> {
    let Frame { address, body } = Frame::read(frame).ok()?;
    (address == doc).then(|| match body {
        Body::Auth(Auth::Authenticated { may_write }) => Said::LetIn { may_write },
        Body::Auth(Auth::Denied(reason)) => Said::Denied(reason.to_owned()),
        Body::Close(reason) => Said::Closed(reason.to_owned()),
        Body::Status(taken) => Said::Taken(taken),
        Body::Sync(Sync::Step1 { .. }) => Said::Question,
        Body::Sync(Sync::Step2 { .. }) => Said::Answer,
        Body::Awareness(states) => Said::Shown(shown(states)),
        Body::Sync(Sync::Update { .. })
        | Body::Auth(Auth::Token { .. } | Auth::Other)
        | Body::QueryAwareness
        | Body::Stateless(_)
        | Body::BroadcastStateless
        | Body::Unknown => Said::Else,
    })
}

fn denied(reason: &str) -> Said {
    Said::Denied(reason.to_owned())
}

/// Sends one frame on a connection with two documents, and returns how the relay ends the connection.
async fn ends_at(scene: &Scene, frame: Vec<u8>) -> Goodbye {
    let mut client = Client::seated(scene, "").await;
    client.0.say(frame).await;
    client.0.goodbye().await
}

#[tokio::test]
async fn a_document_without_a_name_is_denied_and_others_on_the_connection_are_not() {
    let scene = Scene::yjs().await;
    let mut client = Client::seated(&scene, "").await;
    assert_eq!(client.attach("", "").await, denied("the document: the name is empty"));
    assert_eq!(client.attach("\0s-1", "").await, denied("the document: the name is empty"));
    let control = denied("the document: the name contains a control character");
    assert_eq!(client.attach("a\nb", "").await, control);
    let long = denied("the document: the name has 513 bytes, 512 are allowed");
    assert_eq!(client.attach(&"x".repeat(513), "").await, long);
    client.goes_on().await;
    assert!(Guest::turned_away(scene.address(), "/hocuspocus/d").await == 404);
    scene.ends(&["a client is not let in…513 bytes"]).await;
}

#[tokio::test]
async fn who_shows_no_token_or_a_wrong_one_is_denied_and_may_show_another() {
    let mut tokens = Tokens::none();
    let (ada, eve) = (tokens.make("ada", ["--write", "*"]), tokens.make("eve", ["--write", "else*"]));
    let scene = Scene::yjs_at(tokens.relay(), Some(&ada)).await;
    let mut client = Client::connect(&scene).await;
    assert_eq!(client.attach(ELSEWHERE, &eve).await, Said::LetIn { may_write: true });
    let unanswered = put(&Doc::new(), "eve", 1);
    for (token, reason) in [
        ("", "this relay asks for a token"),
        ("guess", "the token is not known here"),
        (eve.as_str(), "the token is not for this document"),
    ] {
        // What is said before a token is shown waits for it, and is forgotten with it.
        client.say(DOC, &Sync::Update { update: &unanswered }).await;
        assert_eq!(client.attach(DOC, token).await, denied(reason));
        client.goes_on().await;
    }
    assert_eq!(client.attach("new", &eve).await, denied("the token is not for this document"));
    assert_eq!(client.attach(DOC, &ada).await, Said::LetIn { may_write: true });
    let documents = scene.documents();
    assert_eq!(documents, [DOC, ELSEWHERE]);
    scene.ends(&["not let in…asks for a token", "not let in…not known here"]).await;
}

#[tokio::test]
async fn a_token_that_is_shown_once_more_leaves_everything_as_it_is_but_the_rights() {
    let mut tokens = Tokens::none();
    let (ada, eve) = (tokens.make("ada", ["--write", "*"]), tokens.make("eve", ["--read", "*"]));
    let mut scene = Scene::yjs_at(tokens.relay(), Some(&ada)).await;
    let mut client = Client::connect(&scene).await;
    assert_eq!(client.attach(DOC, &ada).await, Said::LetIn { may_write: true });
    client.say(DOC, &Sync::Step1 { vector: &[0] }).await;
    client.hear(DOC, |said| *said == Said::Answer).await;
    assert_eq!(client.attach(DOC, &eve).await, Said::LetIn { may_write: false });
    scene.editor().put("n", 5).await;
    client.hear(DOC, |said| *said == Said::Else).await;
    client.say(DOC, &Sync::Update { update: &put(&Doc::new(), "eve", 1) }).await;
    assert!(!client.taken(DOC).await, "she may only read now");
    assert_eq!(client.attach(DOC, "guess").await, denied("the token is not known here"));
    scene.ends(&["no longer let in…not known here"]).await;
}

#[tokio::test]
async fn who_says_much_before_showing_a_token_is_sent_away() {
    let mut tokens = Tokens::none();
    let ada = tokens.make("ada", ["--write", "*"]);
    let scene = Scene::yjs_at(tokens.relay(), Some(&ada)).await;
    let too_much: Goodbye = (4403, "too much was sent before a token was shown".to_owned());
    let mut many = Client::connect(&scene).await;
    for _ in 0..=1_000 {
        many.say(DOC, &Sync::Step1 { vector: &[0] }).await;
    }
    assert_eq!(many.0.goodbye().await, too_much);
    let mut large = Client::connect(&scene).await;
    large.say(DOC, &Sync::Update { update: &vec![0; 5 << 20] }).await;
    assert_eq!(large.0.goodbye().await, too_much);
    let mut spread = Client::connect(&scene).await;
    for number in 0..=8 {
        spread.say(&format!("d{number}"), &Sync::Update { update: &vec![0; 600 << 10] }).await;
    }
    assert_eq!(spread.0.goodbye().await, too_much);
    let mut documents = Client::connect(&scene).await;
    for number in 0..=1_000 {
        documents.say(&format!("d{number}"), &Sync::Step1 { vector: &[0] }).await;
    }
    assert_eq!(documents.0.goodbye().await, (4403, "more than 1000 documents on one connection".to_owned()));
    scene.ends(&["a client is sent away…code=4403…too much was sent"]).await;
}

#[tokio::test]
async fn who_may_only_read_is_told_so_and_each_edit_is_answered_with_no() {
    let mut tokens = Tokens::none();
    let (ada, eve) = (tokens.make("ada", ["--write", "*"]), tokens.make("eve", ["--read", "*"]));
    let mut scene = Scene::yjs_at(tokens.relay(), Some(&ada)).await;
    let mut client = Client::connect(&scene).await;
    assert_eq!(client.attach(DOC, &eve).await, Said::LetIn { may_write: false });
    let doc = Doc::new();
    let update = put(&doc, "eve", 1);
    client.say(DOC, &Sync::Update { update: &update }).await;
    assert!(!client.taken(DOC).await);
    client.say(DOC, &Sync::Step2 { update: &whole(&doc) }).await;
    assert!(!client.taken(DOC).await);
    // Who holds nothing that is not here has answered as he must.
    client.say(DOC, &Sync::Step2 { update: &[0, 0] }).await;
    assert!(client.taken(DOC).await);
    assert_eq!(client.attach("new", &eve).await, denied("there is no document \"new\""));
    scene.is_untouched().await;
    assert_eq!(scene.documents(), [DOC]);
    scene.ends(&["a client is not let in…there is no document"]).await;
}

#[tokio::test]
async fn what_is_no_frame_ends_the_connection() {
    let mut scene = Scene::yjs().await;
    for (frame, reason) in [
        (vec![], "it ends in a number"),
        (vec![5, b'a'], "a length is beyond its end"),
        (vec![1, 0xff, 3], "a text is not UTF-8"),
        (b"\x01d".to_vec(), "it ends in a number"),
        (b"\x01d\x00".to_vec(), "it ends in a number"),
        (b"\x01d\x00\x03\x00".to_vec(), "an unknown kind of sync message"),
        (b"\x01d\x01\x09".to_vec(), "a length is beyond its end"),
        // Of no number that is known, or one that only servers send.
        (b"\x01d\x63".to_vec(), "it is not for a client to send"),
        (b"\x01d\x06\x02hi".to_vec(), "it is not for a client to send"),
        (Frame::status(DOC, true), "it is not for a client to send"),
        (Frame::authenticated(DOC, true), "it is not for a client to send"),
    ] {
        let goodbye = ends_at(&scene, frame.clone()).await;
        assert_eq!(goodbye, (4400, format!("malformed message: {reason}")), "{frame:?}");
    }
    scene.is_untouched().await;
    scene.ends(&["a client is sent away…code=4400…a length is beyond its end"]).await;
}

#[tokio::test]
async fn random_frames_store_nothing_and_concern_their_connection_alone() {
    let mut scene = Scene::yjs().await;
    for seed in 1..=RANDOM_CONNECTIONS {
        let mut random = Random::new(seed);
        let bytes: Vec<u8> = (0..1 + random.below(60)).map(|_| random.below(256) as u8).collect();
        let frame = match seed % 4 {
            0 => bytes,
            1 => [&b"\x01d"[..], &[random.below(11) as u8], &bytes[..]].concat(),
            2 => Frame::awareness(DOC, &bytes),
            _ => Frame::sync(DOC, &Sync::Update { update: &bytes }),
        };
        let mut client = Client::seated(&scene, "").await;
        client.0.say(frame).await;
        client.say(ELSEWHERE, &Sync::Step1 { vector: &[0] }).await;
        let answered = |frame: &[u8]| said_of(ELSEWHERE, frame) == Some(Said::Answer);
        while client.0.hear().await.is_some_and(|frame| !answered(&frame)) {}
    }
    scene.is_untouched().await;
    scene.ends(&["a document is closed for a client…malformed update", "sent away…code=4400"]).await;
}

#[tokio::test]
async fn a_message_of_more_than_32_mib_ends_its_connection() {
    let mut scene = Scene::yjs().await;
    let mut client = Client::seated(&scene, "").await;
    client.0.begin(MAX_MESSAGE_BYTES + 1).await;
    assert_eq!(client.0.goodbye().await.0, 1009);
    scene.is_untouched().await;
    scene.ends(&["a client is sent away…is over the limit"]).await;
}

#[tokio::test]
async fn what_is_no_update_or_vector_or_state_closes_its_document_alone() {
    let mut scene = Scene::yjs().await;
    let mut client = Client::seated(&scene, "").await;
    client.say(DOC, &Sync::Update { update: &[0xff; 40] }).await;
    assert!(!client.taken(DOC).await, "it is said of the update, too");
    let reason = client.closed(DOC).await;
    assert!(reason.starts_with("malformed update: "), "{reason}");
    client.goes_on().await;
    // It may be opened again on the same connection.
    assert_eq!(client.attach(DOC, "").await, Said::LetIn { may_write: true });
    client.say(DOC, &Sync::Step1 { vector: &[5, 1] }).await;
    client.closed(DOC).await;
    let sized = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let too_many: Vec<(u64, u64, &str)> = (1..=10_001).map(|client| (client, 1, "{}")).collect();
    for (shown, reason) in [
        (states(&too_many), "it tells of too many clients"),
        (states(&[(9, 1, &sized((64 << 10) + 1))]), "the state of a client is too large"),
        (states(&[(9, 1, "no JSON")]), "the state of a client is not JSON"),
    ] {
        assert_eq!(client.attach(DOC, "").await, Said::LetIn { may_write: true });
        client.0.say(Frame::awareness(DOC, &shown)).await;
        assert_eq!(client.closed(DOC).await, format!("malformed message: {reason}"));
        client.goes_on().await;
    }
    assert_eq!(client.attach(DOC, "").await, Said::LetIn { may_write: true });
    client.0.say(Frame::stateless(DOC, &[b'x'; (64 << 10) + 1])).await;
    assert_eq!(client.closed(DOC).await, "a stateless message may have 65536 bytes");
    client.goes_on().await;
    scene.is_untouched().await;
    scene
        .ends(&["a document is closed for a client…malformed update", "closed for a client…too many clients"])
        .await;
}

#[tokio::test]
async fn clients_that_do_not_know_closed_documents_are_denied_them() {
    let scene = Scene::yjs().await;
    let mut client = Client::connect(&scene).await;
    // Before version 4 a client does not say which one it is.
    let mut token = Frame::token(DOC, "", "");
    token.pop();
    client.0.say(token).await;
    client.say(DOC, &Sync::Update { update: &[0xff; 40] }).await;
    match client.hear(DOC, |said| matches!(said, Said::Denied(_))).await {
        Said::Denied(reason) => assert!(reason.starts_with("malformed update: "), "{reason}"),
        other => panic!("{other:?}"),
    }
    scene.ends(&[]).await;
}

#[tokio::test]
async fn an_update_with_gaps_is_answered_by_the_question_what_is_held_and_counted_when_that_is_answered() {
    let mut scene = Scene::yjs().await;
    let doc = Doc::with_client_id(5);
    let updates = [1, 2, 3].map(|value| put(&doc, "eve", value));
    let skipping = merge_updates_v1([&updates[0], &updates[2]]).unwrap();
    let mut client = Client::seated(&scene, "").await;
    client.say(DOC, &Sync::Update { update: &updates[1] }).await;
    let first = client.hear(DOC, |said| matches!(said, Said::Question | Said::Taken(_))).await;
    assert_eq!(first, Said::Question);
    // It has been asked already.
    client.say(DOC, &Sync::Update { update: &skipping }).await;
    scene.is_untouched().await;
    client.say(DOC, &Sync::Step2 { update: &whole(&doc) }).await;
    for _ in 0..3 {
        assert!(client.taken(DOC).await);
    }
    scene.editor().sees("eve", 3).await;
}

#[tokio::test]
async fn a_document_of_automerge_is_denied() {
    let scene = Scene::yjs().await;
    let mut other = scene.other();
    let mut client = Client::seated(&scene, "").await;
    match client.attach("other", "").await {
        Said::Denied(reason) => assert!(reason.contains("document other is of kind"), "{reason}"),
        said => panic!("{said:?}"),
    }
    client.goes_on().await;
    other.is_untouched();
    scene.ends(&["a client is not let in…of kind"]).await;
}

#[tokio::test]
async fn a_client_id_belongs_to_the_connection_that_named_it_first() {
    let mut scene = Scene::yjs().await;
    let hers = (7, r#"{"user":"ada"}"#.to_owned());
    let ada = syncline_tests::process::guests::yjs::awareness(&[(7, 1, &hers.1)]);
    scene.editor().guest().say(ada).await;
    scene.editor().sync().await;
    let mut mallory = Client::seated(&scene, "").await;
    for (clock, state) in [(100, r#"{"user":"mallory"}"#), (101, "null")] {
        mallory.0.say(Frame::awareness(DOC, &states(&[(7, clock, state)]))).await;
        mallory.goes_on().await;
        let mut ben = Client::seated(&scene, "").await;
        ben.0.say(Frame::query_awareness(DOC)).await;
        let present = ben.hear(DOC, |said| matches!(said, Said::Shown(_))).await;
        assert_eq!(present, Said::Shown(vec![hers.clone()]));
    }
    scene.ends(&[]).await;
}
