//! What the relay says to clients of automerge-repo that are wrong, may not, or mean harm: it concerns their connection alone, or
//! one document on it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::ops::Range;

use automerge::sync::{Message as SyncMessage, MessageFlags, State, SyncDoc};
use automerge::transaction::Transactable;
use automerge::{AutoCommit, ROOT};
use serde_json::json;
use syncline::DocId;
use syncline_core::crdt::automerge::DocumentId;
use syncline_core::protocol::automerge_repo::{Message, Presence, Writer};
use syncline_core::protocol::y_websocket::Message as YjsMessage;
use syncline_core::random::Random;
use syncline_tests::process::guests::automerge_repo::{
    Peer, ephemeral, is, is_unavailable, joined, question, sync, unavailable,
};
use syncline_tests::process::guests::scene::{Other, Scene, target};
use syncline_tests::process::guests::yjs::shown;
use syncline_tests::process::guests::{Behaved, Goodbye, Guest, MAX_MESSAGE_BYTES};
use syncline_tests::process::terminal::Terminal;
use syncline_tests::process::tokens::Tokens;

const PATH: &str = "/automerge";

/// A document that nobody has made.
const NEW: DocumentId = DocumentId(*b"one that is new.");

/// Connections that are sent random bytes.
const RANDOM_CONNECTIONS: u64 = 100;

/// Sends messages on a new connection, and returns how the relay ends it. It says so in a message, too.
async fn ends_at(scene: &Scene, messages: &[Vec<u8>]) -> Goodbye {
    let mut guest = Guest::connect(scene.address(), PATH).await;
    for message in messages {
        guest.say(message.clone()).await;
    }
    ended(&mut guest).await
}

async fn ended(guest: &mut Guest) -> Goodbye {
    let told = guest.wait_for("what is wrong", complaint).await;
    taken_leave(guest, &told).await
}

/// The same of somebody who answers meanwhile. One change in a hundred passes for one that the relay holds, until it asks.
async fn refused(peer: &mut Peer) -> Goodbye {
    let told = peer.wait_for(complaint).await;
    taken_leave(peer.guest(), &told).await
}

fn complaint(message: &[u8]) -> Option<String> {
    Message::read(message).ok()?.error.map(ToOwned::to_owned)
}

async fn taken_leave(guest: &mut Guest, told: &str) -> Goodbye {
    let goodbye = guest.goodbye().await;
    assert!(told.starts_with(&goodbye.1), "{told:?} {goodbye:?}");
    goodbye
}

fn bad_message(reason: &str) -> Goodbye {
    (4400, reason.to_owned())
}

/// What somebody says to all who have a document open.
fn says(sender: &str, id: DocumentId, count: u64, said: &Presence) -> Vec<u8> {
    ephemeral(sender, id, count, &said.write())
}

/// Who says something next, and what.
async fn said(peer: &mut Peer) -> (String, Option<Presence>) {
    peer.wait_for(|message| {
        let message = Message::read(message).ok().filter(|message| message.kind == "ephemeral")?;
        Some((message.sender.to_owned(), Presence::read(message.data?)))
    })
    .await
}

/// A sync message that brings some of two changes of a document of Eve's.
fn bringing(changes: Range<usize>) -> Vec<u8> {
    let mut document = AutoCommit::new();
    for value in [1, 2] {
        document.put(ROOT, "eve", value).unwrap();
        document.commit();
    }
    let mut message = document.sync().generate_sync_message(&mut State::new()).unwrap();
    let made = document.get_changes(&[]);
    message.changes =
        made[changes].iter().map(|change| change.raw_bytes().to_vec()).collect::<Vec<_>>().into();
    message.encode()
}

fn snapshot(name: &str) -> Presence {
    Presence::Snapshot(json!({"name": name}))
}

#[tokio::test]
async fn who_does_not_say_who_he_is_is_sent_away() {
    let mut scene = Scene::automerge().await;
    let first = "the first message of a client is \"join\"";
    // The version is told last.
    let mut version = Writer::join("eve");
    *version.last_mut().unwrap() = b'2';
    for (message, reason) in [
        (sync("request", "eve", NEW, &question()), first),
        (Writer::join(""), first),
        (version, "unsupported protocol version: this relay speaks version 1"),
        (vec![], "malformed message: it is not a CBOR map of this protocol"),
        (vec![0xa1], "malformed message: it is not a CBOR map of this protocol"),
        ([Writer::join("eve"), vec![0]].concat(), "malformed message: something follows its end"),
        (Writer::join(&"x".repeat(257)), "malformed message: a name is too long"),
        // The relay speaks under these names.
        (Writer::join("syncline-session-1"), "a peer of this name would speak for the relay"),
    ] {
        assert_eq!(ends_at(&scene, &[message]).await, bad_message(reason));
    }
    scene.is_untouched().await;
    scene.ends(&["a client is sent away…code=4400…unsupported protocol version"]).await;
}

#[tokio::test]
async fn what_is_no_message_or_speaks_for_others_ends_its_connection_alone() {
    let mut scene = Scene::automerge().await;
    let (join, id) = (Writer::join("eve"), scene.peer().id());
    let message = |kind: &str| Writer::new(3, kind, "eve").text("documentId", &id.to_string()).done();
    for (message, reason) in [
        (vec![], "malformed message: it is not a CBOR map of this protocol"),
        (join.clone(), "a second \"join\""),
        (Writer::new(2, "sync", "eve").done(), "a message lacks its document"),
        (message("sync"), "a message lacks its data"),
        (sync("sync", "eve", id, b""), "a message lacks its data"),
        (message("ephemeral"), "an ephemeral message lacks something"),
        (message("peer"), "an unknown type of message: \"peer\""),
        (
            Writer::new(3, "sync", "eve").text("documentId", "nonsense").done(),
            "malformed message: it is not a CBOR map of this protocol",
        ),
        (sync("sync", "ada", id, &question()), "a client speaks for itself alone"),
        (sync("request", "", id, &question()), "a client speaks for itself alone"),
    ] {
        assert_eq!(
            ends_at(&scene, &[join.clone(), message.clone()]).await,
            bad_message(reason),
            "{message:?}"
        );
    }
    for data in [&b"\x00"[..], b"\x42", b"\x42\x01\x00", &[0xff; 40]] {
        for about in [id, NEW] {
            let (code, reason) = ends_at(&scene, &[join.clone(), sync("sync", "eve", about, data)]).await;
            assert_eq!(code, 4400);
            assert!(reason.starts_with("malformed update: "), "{reason}");
        }
    }
    scene.is_untouched().await;
    assert_eq!(scene.documents(), [scene.doc().to_owned()]);
    scene
        .ends(&["a client is sent away…code=4400…speaks for itself alone", "sent away…malformed update"])
        .await;
}

#[tokio::test]
async fn random_messages_store_nothing_and_concern_their_connection_alone() {
    let mut scene = Scene::automerge().await;
    let id = scene.peer().id();
    for seed in 1..=RANDOM_CONNECTIONS {
        let mut random = Random::new(seed);
        let bytes: Vec<u8> = (0..1 + random.below(60)).map(|_| random.below(256) as u8).collect();
        let name = format!("eve-{seed}");
        let message = match seed % 4 {
            0 => bytes,
            1 => sync("sync", &name, id, &bytes),
            2 => sync("sync", &name, id, &[&[0x42], &bytes[..]].concat()),
            _ => ephemeral(&name, id, 1, &bytes),
        };
        let mut guest = joined(scene.address(), PATH, &name).await;
        guest.say(message).await;
        guest.say(sync("request", &name, id, &question())).await;
        while guest.hear().await.is_some_and(|message| !is(&message, "sync")) {}
    }
    scene.is_untouched().await;
    scene.ends(&["sent away…code=4400"]).await;
}

#[tokio::test]
async fn what_is_too_large_ends_its_connection() {
    let mut scene = Scene::automerge().await;
    let id = scene.peer().id();
    let mut large = joined(scene.address(), PATH, "eve").await;
    large.begin(MAX_MESSAGE_BYTES + 1).await;
    assert_eq!(large.goodbye().await.0, 1009);
    let mut loud = Peer::open(scene.address(), PATH, "eve", id).await;
    loud.sees("n", 2).await;
    let sized = |count: u64, bytes: usize| ephemeral("eve", id, count, &vec![0; bytes]);
    loud.guest().say(sized(1, 256 << 10)).await;
    assert_eq!(said(scene.peer()).await, ("eve".to_owned(), None));
    loud.guest().say(sized(2, (256 << 10) + 1)).await;
    assert_eq!(ended(loud.guest()).await, (1009, "an ephemeral message may have 262144 bytes".to_owned()));
    scene.is_untouched().await;
    scene.ends(&["a client is sent away…is over the limit", "sent away…code=1009…ephemeral"]).await;
}

#[tokio::test]
async fn a_document_that_is_not_there_is_unavailable_and_sent_when_it_comes() {
    let scene = Scene::automerge().await;
    let mut eve = Peer::open(scene.address(), PATH, "eve", NEW).await;
    eve.wait_for(|message| unavailable(message, NEW)).await;
    assert_eq!(scene.documents(), [scene.doc().to_owned()], "a question makes no document");
    let mut bob = Peer::make(scene.address(), PATH, "bob", NEW).await;
    eve.sees("n", 0).await;
    eve.put("n", 5).await;
    eve.kept().await;
    bob.sees("n", 5).await;
    scene.ends(&[]).await;
}

#[tokio::test]
async fn who_shows_no_token_or_an_unknown_one_is_told_so_and_sent_away() {
    let mut tokens = Tokens::none();
    let ada = tokens.make("ada", ["--write", "*"]);
    let mut scene = Scene::automerge_at(tokens.relay(), Some(&ada)).await;
    for (token, code, reason) in
        [(None, 4401, "this relay asks for a token"), (Some("guess"), 4403, "the token is not known here")]
    {
        let mut eve = Guest::connect(scene.address(), &target(PATH, token)).await;
        eve.say(Writer::join("eve")).await;
        let told = eve.wait_for("why", |frame| Message::read(frame).ok()?.error.map(ToOwned::to_owned));
        assert_eq!(told.await, reason);
        assert_eq!(eve.goodbye().await, (code, reason.to_owned()));
        scene.is_untouched().await;
    }
    scene.ends(&["sent away…asks for a token", "sent away…not known here"]).await;
}

#[tokio::test]
async fn whose_token_is_for_other_documents_is_told_that_there_is_none() {
    let mut tokens = Tokens::none();
    let (ada, bob) = (tokens.make("ada", ["--write", "*"]), tokens.make("bob", ["--write", "team/*"]));
    let mut scene = Scene::automerge_at(tokens.relay(), Some(&ada)).await;
    let id = scene.peer().id();
    let mut eve = joined(scene.address(), &target(PATH, Some(&bob)), "eve").await;
    // Whether a document is there cannot be told from the answer, nor can one be made.
    for about in [id, NEW] {
        for kind in ["request", "sync"] {
            eve.say(sync(kind, "eve", about, &question())).await;
            is_unavailable(&mut eve, about).await;
        }
    }
    scene.is_untouched().await;
    assert_eq!(scene.documents(), [scene.doc().to_owned()]);
    scene.ends(&["not let in…not for this document"]).await;
}

#[tokio::test]
async fn who_may_only_read_is_told_so_and_changes_nothing() {
    let mut tokens = Tokens::none();
    let (ada, eve) = (tokens.make("ada", ["--write", "*"]), tokens.make("eve", ["--read", "*"]));
    let mut scene = Scene::automerge_at(tokens.relay(), Some(&ada)).await;
    let id = scene.peer().id();
    let mut reader = Peer::open(scene.address(), &target(PATH, Some(&eve)), "eve", id).await;
    reader.sees("n", 2).await;
    assert!(reader.is_told_to_read_only(), "the relay says that it takes no changes");
    reader.put("eve", 1).await;
    let mut writer = joined(scene.address(), &target(PATH, Some(&eve)), "eve-1").await;
    writer.say(sync("sync", "eve-1", id, &bringing(0..2))).await;
    writer.wait_for("an answer", |message| is(message, "sync").then_some(())).await;
    scene.is_untouched().await;
    scene.peer().put("n", 9).await;
    scene.peer().kept().await;
    reader.sees("n", 9).await;
    // Who only reads makes no documents either.
    let mut maker = joined(scene.address(), &target(PATH, Some(&eve)), "eve-2").await;
    maker.say(sync("sync", "eve-2", NEW, &question())).await;
    is_unavailable(&mut maker, NEW).await;
    assert_eq!(scene.documents(), [scene.doc().to_owned()]);
    scene.ends(&[]).await;
}

#[tokio::test]
async fn a_peer_that_joins_again_takes_the_place_of_its_old_connection() {
    let mut scene = Scene::automerge().await;
    let id = scene.peer().id();
    let mut old = Peer::open(scene.address(), PATH, "eve", id).await;
    old.sees("n", 2).await;
    let mut new = Peer::open(scene.address(), PATH, "eve", id).await;
    let replaced = (4403, "the same peer has connected again".to_owned());
    assert_eq!(ended(old.guest()).await, replaced);
    new.sees("n", 2).await;
    new.put("n", 7).await;
    new.kept().await;
    scene.peer().sees("n", 7).await;
    scene.ends(&["a client is sent away…code=4403…the same peer has connected again"]).await;
}

#[tokio::test]
async fn nobody_writes_as_a_store_of_ours_or_without_what_his_changes_build_on() {
    let mut scene = Scene::automerge().await;
    let id = scene.peer().id();
    let store = Terminal::with_relay(scene.relay().url());
    store.ok(["sync", scene.doc()]);
    let guests = scene.peer().writers();
    store.ok(["set", scene.doc(), "/n", "100"]);
    store.ok(["sync", scene.doc()]);
    scene.peer().sees("n", 100).await;
    let store = scene.peer().writers().difference(&guests).next().unwrap().clone();
    let mut mallory = Peer::open(scene.address(), PATH, "mallory", id).await;
    mallory.sees("n", 100).await;
    mallory.document().set_actor(store);
    mallory.put("mallory", 1).await;
    let (code, reason) = refused(&mut mallory).await;
    assert_eq!(code, 1013, "the store may have to bring it first");
    assert!(reason.starts_with("the update writes as somebody else: "), "{reason}");
    scene.is_untouched().await;
    // A change whose predecessor is missing is not kept; the relay asks for all of them.
    let mut eve = joined(scene.address(), PATH, "eve").await;
    eve.say(sync("sync", "eve", id, &bringing(1..2))).await;
    let resets = |message: &[u8]| {
        let data = SyncMessage::decode(Message::read(message).ok()?.data?).ok()?;
        let asks = data.flags.is_some_and(|flags| flags.contains(MessageFlags::SYNC_RESET));
        // Those who have not said that they know this flag are told that nothing is held.
        (asks || data.heads.is_empty()).then_some(())
    };
    eve.wait_for("that all is sent again", resets).await;
    scene.is_untouched().await;
    scene.ends(&["sent away…writes as somebody else"]).await;
}

#[tokio::test]
async fn nobody_is_heard_under_the_name_of_somebody_who_is_there() {
    let mut scene = Scene::automerge().await;
    let id = scene.peer().id();
    let mut bob = Peer::open(scene.address(), PATH, "bob", id).await;
    bob.sees("n", 2).await;
    scene.peer().guest().say(says("ada", id, 1, &snapshot("ada"))).await;
    assert_eq!(said(&mut bob).await, ("ada".to_owned(), Some(snapshot("ada"))));
    let mut mallory = Peer::open(scene.address(), PATH, "mallory", id).await;
    mallory.sees("n", 2).await;
    for (count, sender) in [(5, "ada"), (6, "syncline-session-1")] {
        mallory.guest().say(says(sender, id, count, &snapshot("mallory"))).await;
        mallory.guest().say(says(sender, id, count + 10, &Presence::Goodbye)).await;
    }
    mallory.guest().say(says("mallory", id, 1, &snapshot("mallory"))).await;
    assert_eq!(said(&mut bob).await, ("mallory".to_owned(), Some(snapshot("mallory"))));
    // Her next word is not taken for an old one.
    scene.peer().guest().say(says("ada", id, 2, &Presence::Heartbeat)).await;
    assert_eq!(said(&mut bob).await, ("ada".to_owned(), Some(Presence::Heartbeat)));
    scene.ends(&["passed over…peer=…what=\"somebody who is not this connection's client\""]).await;
}

#[tokio::test]
async fn a_document_of_yjs_is_unavailable_and_its_clients_see_each_other_as_before() {
    let scene = Scene::automerge().await;
    let theirs = scene.other();
    let other = DocumentId::of(&DocId::new(Other::NAME).unwrap());
    let mut eve = joined(scene.address(), PATH, "eve").await;
    for kind in ["request", "sync"] {
        eve.say(sync(kind, "eve", other, &question())).await;
        is_unavailable(&mut eve, other).await;
    }
    // Who comes by the right way is shown who is present in a store of ours.
    let mut yjs = Guest::connect(scene.address(), "/yjs/other").await;
    let mut there = theirs.store.start(["presence", Other::NAME, "--name", "Ada"]);
    let shows = |message: &[u8]| match YjsMessage::read(message) {
        Ok(YjsMessage::Awareness(states)) => {
            shown(states).iter().any(|(_, state)| state.contains("Ada")).then_some(())
        }
        _ => None,
    };
    yjs.wait_for("who is present", shows).await;
    there.kill();
    theirs.is_found();
    scene.ends(&["a client is not let in…of kind"]).await;
}
