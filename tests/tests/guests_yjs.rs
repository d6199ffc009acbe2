//! What the relay says to clients of y-websocket that are wrong, may not, or mean harm: it concerns their connection alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use syncline_core::protocol::y_websocket::{Message, Sync};
use syncline_core::random::Random;
use syncline_tests::process::guests::scene::{DOC, Scene, target};
use syncline_tests::process::guests::yjs::{
    Editor, asks, awareness, denied, erase, put, shown, sync, update, whole,
};
use syncline_tests::process::guests::{Behaved, Goodbye, Guest, MAX_MESSAGE_BYTES};
use syncline_tests::process::terminal::Terminal;
use syncline_tests::process::tokens::Tokens;
use yrs::{Doc, merge_updates_v1};

const ROOM: &str = "/yjs/d";

/// Connections that are sent random bytes.
const RANDOM_CONNECTIONS: u64 = 100;

/// Clients that want to enter a document while others do who may not make it.
const RACES: usize = 40;

fn bad_message(reason: &str) -> Goodbye {
    (4400, format!("malformed message: {reason}"))
}

/// What a client hears that is not let in: a message, for those who read it, and the same with the close.
async fn refused(scene: &Scene, target: &str) -> Goodbye {
    let mut guest = Guest::connect(scene.address(), target).await;
    let told = guest.wait_for("why not", denied).await;
    let goodbye = guest.goodbye().await;
    assert_eq!(goodbye.1, told);
    goodbye
}

/// Sends one message as a client that has just come, and returns how the relay ends the connection.
async fn ends_at(scene: &Scene, message: Vec<u8>) -> Goodbye {
    let mut guest = Guest::connect(scene.address(), ROOM).await;
    guest.say(message).await;
    guest.goodbye().await
}

/// Who is shown in the document, as somebody new is told.
async fn present(scene: &Scene) -> Vec<(u64, String)> {
    let mut guest = Guest::connect(scene.address(), ROOM).await;
    guest.wait_for("who is there", states).await
}

fn states(message: &[u8]) -> Option<Vec<(u64, String)>> {
    match Message::read(message) {
        Ok(Message::Awareness(states)) => Some(shown(states)),
        _ => None,
    }
}

#[tokio::test]
async fn a_room_is_named_and_has_a_name_that_a_document_can_have() {
    let scene = Scene::yjs().await;
    for target in ["/yjs", "/yjs/", "/yj/d"] {
        assert_eq!(Guest::turned_away(scene.address(), target).await, 404, "{target}");
    }
    let refused_name = |reason: &str| (4403, format!("the room: {reason}"));
    let control = refused_name("the name contains a control character");
    assert_eq!(refused(&scene, "/yjs/a%00b").await, control);
    let long = refused_name("the name has 513 bytes, 512 are allowed");
    assert_eq!(refused(&scene, &format!("/yjs/{}", "x".repeat(513))).await, long);
    assert_eq!(refused(&scene, &format!("/yjs/{}%C3%BC", "x".repeat(511))).await, long);
    Editor::join(scene.address(), &format!("/yjs/{}", "x".repeat(512))).await;
    // What is no UTF-8 is a name as it stands.
    Editor::join(scene.address(), "/yjs/%ff").await.put("n", 1).await;
    Editor::join(scene.address(), "/yjs/%25ff").await.sees("n", 1).await;
    scene.ends(&["a client is sent away…code=4403…the name has 513 bytes"]).await;
}

#[tokio::test]
async fn who_shows_no_token_or_a_wrong_one_is_told_so_and_not_let_in() {
    let mut tokens = Tokens::none();
    let (ada, other) = (tokens.make("ada", ["--write", "*"]), tokens.make("eve", ["--write", "e*"]));
    let scene = Scene::yjs_at(tokens.relay(), Some(&ada)).await;
    assert_eq!(refused(&scene, ROOM).await, (4401, "this relay asks for a token".to_owned()));
    let unknown = refused(&scene, &target(ROOM, Some("guess"))).await;
    assert_eq!(unknown, (4403, "the token is not known here".to_owned()));
    let not_for_this = refused(&scene, &target(ROOM, Some(&other))).await;
    assert_eq!(not_for_this, (4403, "the token is not for this document".to_owned()));
    // The same is said of a document that is not there, which is not made.
    assert_eq!(refused(&scene, &target("/yjs/new", Some(&other))).await, not_for_this);
    assert_eq!(scene.documents(), [DOC]);
    scene.ends(&["sent away…code=4401…asks for a token", "sent away…code=4403…not known here"]).await;
}

#[tokio::test]
async fn who_may_only_read_hears_of_everything_and_is_told_that_his_edits_are_not_taken() {
    let mut tokens = Tokens::none();
    let (ada, eve) = (tokens.make("ada", ["--write", "*"]), tokens.make("eve", ["--read", "*"]));
    let mut scene = Scene::yjs_at(tokens.relay(), Some(&ada)).await;
    let room = target(ROOM, Some(&eve));
    let mut eve_at = Editor::join(scene.address(), &room).await;
    let forbidden = "this token may read the document and not write to it";
    // What is here already is not written, so she may say it.
    let held = sync(&Sync::Step2 { update: &eve_at.whole() });
    eve_at.guest().say(held).await;
    let erased = erase(&eve_at.copy_as(6), "n");
    for message in
        [update(&put(&Doc::new(), "eve", 1)), update(&erased), sync(&Sync::Step2 { update: &erased })]
    {
        eve_at.guest().say(message).await;
        assert_eq!(eve_at.wait_for(denied).await, forbidden);
    }
    scene.is_untouched().await;
    scene.editor().put("n", 7).await;
    eve_at.sees("n", 7).await;
    let mut nowhere = Guest::connect(scene.address(), &target("/yjs/new", Some(&eve))).await;
    assert_eq!(nowhere.goodbye().await, (1011, "there is no document \"new\"".to_owned()));
    assert_eq!(scene.documents(), [DOC]);
    scene.ends(&["sent away…code=1011"]).await;
}

#[tokio::test]
async fn who_may_make_a_document_is_not_kept_from_it_by_others_who_ask_for_it() {
    let mut tokens = Tokens::none();
    let (ada, eve) = (tokens.make("ada", ["--write", "*"]), tokens.make("eve", ["--read", "*"]));
    let scene = Scene::yjs_at(tokens.relay(), Some(&ada)).await;
    for number in 0..RACES {
        let room = |token: &str| target(&format!("/yjs/new-{number}"), Some(token));
        let (reader, writer) = (room(&eve), room(&ada));
        let reads = Guest::connect(scene.address(), &reader);
        let (_reader, mut writer) = tokio::join!(reads, Editor::join(scene.address(), &writer));
        writer.put("n", 1).await;
        writer.sync().await;
    }
    scene.ends(&[]).await;
}

#[tokio::test]
async fn what_is_no_message_ends_its_connection_alone() {
    let mut scene = Scene::yjs().await;
    for (message, reason) in [
        (vec![], "it ends in a number"),
        (vec![0], "it ends in a number"),
        (vec![0xff; 9], "a number is too long"),
        (vec![0, 0, 2, 0], "a length is beyond its end"),
        (vec![0, 3, 0], "an unknown kind of sync message"),
        (vec![0, 0, 1, 0, 9], "something follows its end"),
        (vec![1, 2, 0], "a length is beyond its end"),
        (vec![1, 1, 1], "it ends in a number"),
    ] {
        assert_eq!(ends_at(&scene, message.clone()).await, bad_message(reason), "{message:?}");
    }
    let (code, reason) = ends_at(&scene, sync(&Sync::Step1 { vector: &[5, 1] })).await;
    assert_eq!(code, 4400, "{reason}");
    scene.is_untouched().await;
    // Clients have messages of their own, which a relay does not know.
    let mut ben = Editor::join(scene.address(), ROOM).await;
    for message in [&[99, 1, 2][..], &[2, 1], &[102, 1, 7]] {
        ben.guest().say(message.to_vec()).await;
    }
    ben.guest().say_text("hello").await;
    ben.sync().await;
    scene.ends(&["a client is sent away…code=4400…a length is beyond its end"]).await;
}

#[tokio::test]
async fn random_messages_store_nothing_and_concern_their_connection_alone() {
    let mut scene = Scene::yjs().await;
    for seed in 1..=RANDOM_CONNECTIONS {
        let mut random = Random::new(seed);
        let bytes: Vec<u8> = (0..1 + random.below(60)).map(|_| random.below(256) as u8).collect();
        let message = match seed % 5 {
            0 => bytes,
            1 => [&[random.below(4) as u8, random.below(4) as u8], &bytes[..]].concat(),
            2 => sync(&Sync::Step1 { vector: &bytes }),
            3 => sync(&Sync::Step2 { update: &bytes }),
            _ => update(&bytes),
        };
        let mut guest = Guest::connect(scene.address(), ROOM).await;
        guest.say(message).await;
        guest.say(sync(&Sync::Step1 { vector: &[0] })).await;
        // Whatever it is taken for, the client is answered or sent away.
        let answered =
            |message: &[u8]| matches!(Message::read(message), Ok(Message::Sync(Sync::Step2 { .. })));
        while guest.hear().await.is_some_and(|message| !answered(&message)) {}
    }
    scene.is_untouched().await;
    scene.ends(&["an update of a client is refused…malformed update", "sent away…code=4400"]).await;
}

#[tokio::test]
async fn a_message_of_more_than_32_mib_ends_its_connection() {
    let mut scene = Scene::yjs().await;
    let mut large = Guest::connect(scene.address(), ROOM).await;
    large.begin(MAX_MESSAGE_BYTES + 1).await;
    let reason = "a frame of 33554433 bytes is over the limit of 33554432".to_owned();
    assert_eq!(large.goodbye().await, (1009, reason));
    scene.is_untouched().await;
    let mut largest = Editor::join(scene.address(), ROOM).await;
    largest.guest().say(vec![99; MAX_MESSAGE_BYTES]).await;
    largest.sync().await;
    scene.ends(&["a client is sent away…is over the limit"]).await;
}

#[tokio::test]
async fn an_update_with_gaps_is_answered_by_the_question_what_is_held() {
    let mut scene = Scene::yjs().await;
    let doc = Doc::with_client_id(5);
    let updates = [1, 2, 3].map(|value| put(&doc, "eve", value));
    let skipping = merge_updates_v1([&updates[0], &updates[2]]).unwrap();
    for gapped in [&updates[1], &skipping] {
        let mut eve = Guest::connect(scene.address(), ROOM).await;
        eve.wait_for("the first question", asks).await;
        eve.say(update(gapped)).await;
        eve.wait_for("the question again", asks).await;
        scene.is_untouched().await;
    }
    let mut eve = Guest::connect(scene.address(), ROOM).await;
    eve.say(update(&skipping)).await;
    for _ in 0..2 {
        eve.wait_for("the question", asks).await;
    }
    eve.say(sync(&Sync::Step2 { update: &whole(&doc) })).await;
    scene.editor().sees("eve", 3).await;
    // Who answers that with gaps has nothing else, and is not asked for ever.
    let other = Doc::with_client_id(6);
    let updates = [1, 2, 3].map(|value| put(&other, "other", value));
    let skipping = merge_updates_v1([&updates[0], &updates[2]]).unwrap();
    eve.say(sync(&Sync::Step2 { update: &skipping })).await;
    eve.say(sync(&Sync::Step1 { vector: &[0] })).await;
    let first = |message: &[u8]| match Message::read(message) {
        Ok(Message::Sync(Sync::Step1 { .. })) => Some("asked"),
        Ok(Message::Sync(Sync::Step2 { .. })) => Some("answered"),
        _ => None,
    };
    assert_eq!(eve.wait_for("an answer", first).await, "answered");
    // Whoever comes now is sent no gaps, which every client of these tests sees to.
    let mut ben = Editor::join(scene.address(), ROOM).await;
    ben.sees("eve", 3).await;
}

#[tokio::test]
async fn nobody_writes_as_a_store_of_ours_or_what_is_no_update() {
    let mut scene = Scene::yjs().await;
    let store = Terminal::with_relay(scene.relay().url());
    store.ok(["sync", DOC]);
    store.ok(["set", DOC, "/map/n", "100"]);
    store.ok(["sync", DOC]);
    let guests = scene.editor().writers();
    scene.editor().sees("n", 100).await;
    let mut writers = scene.editor().writers();
    writers.retain(|writer| !guests.contains(writer));
    assert_eq!(writers.len(), 1, "the store has written");
    let mallory = scene.editor().copy_as(writers[0]);
    let (code, reason) = ends_at(&scene, update(&put(&mallory, "mallory", 1))).await;
    assert_eq!(code, 1013, "the store may have to bring it first");
    assert!(reason.starts_with("the update writes as somebody else: "), "{reason}");
    for bytes in [&[][..], &[1], &[0xff; 40], b"\x01\x01\x05\x00\x04\x01\x03map"] {
        let (code, reason) = ends_at(&scene, update(bytes)).await;
        assert_eq!(code, 4400, "{reason}");
        assert!(reason.starts_with("malformed update: "), "{reason}");
    }
    scene.ends(&["an update of a client is refused…writes as somebody else"]).await;
}

#[tokio::test]
async fn a_document_of_automerge_is_not_opened_and_stays_as_it_is() {
    let scene = Scene::yjs().await;
    let mut other = scene.other();
    let mut guest = Guest::connect(scene.address(), "/yjs/other").await;
    let (code, reason) = guest.goodbye().await;
    assert_eq!(code, 4403);
    assert!(reason.contains("document other is of kind") && reason.contains("automerge"), "{reason}");
    other.is_untouched();
    scene.ends(&["sent away…code=4403…of kind"]).await;
}

#[tokio::test]
async fn a_client_id_belongs_to_the_connection_that_named_it_first() {
    let mut scene = Scene::yjs().await;
    let hers = (7, r#"{"user":"ada"}"#.to_owned());
    scene.editor().guest().say(awareness(&[(7, 1, &hers.1)])).await;
    scene.editor().sync().await;
    let mut mallory = Editor::join(scene.address(), ROOM).await;
    for (clock, state) in [(100, r#"{"user":"mallory"}"#), (101, "null"), (u64::from(u32::MAX / 2), "null")] {
        mallory.guest().say(awareness(&[(7, clock, state)])).await;
        mallory.sync().await;
        assert_eq!(present(&scene).await, std::slice::from_ref(&hers));
    }
    // He may say who he is, and is gone with his connection; she is not.
    mallory.guest().say(awareness(&[(7, 200, "null"), (8, 1, r#"{"user":"mallory"}"#)])).await;
    mallory.sync().await;
    assert_eq!(present(&scene).await, [hers.clone(), (8, r#"{"user":"mallory"}"#.to_owned())]);
    drop(mallory);
    let goes = |message: &[u8]| states(message)?.contains(&(8, "null".to_owned())).then_some(());
    scene.editor().wait_for(goes).await;
    assert_eq!(present(&scene).await, [hers]);
    scene.ends(&["passed over…peer=…what=\"a client of another connection\""]).await;
}

#[tokio::test]
async fn a_flood_of_client_ids_and_of_states_reaches_nobody() {
    let mut scene = Scene::yjs().await;
    let mut crowd = Editor::join(scene.address(), ROOM).await;
    let many: Vec<(u64, u64, &str)> = (1..=10_000).map(|client| (client, 1, "{}")).collect();
    crowd.guest().say(awareness(&many)).await;
    crowd.sync().await;
    let four = [1, 2, 3, 4].map(|client| (client, "{}".to_owned()));
    assert_eq!(present(&scene).await, four);
    let too_many: Vec<(u64, u64, &str)> = (1..=10_001).map(|client| (client, 1, "{}")).collect();
    crowd.guest().say(awareness(&too_many)).await;
    assert_eq!(crowd.guest().goodbye().await, bad_message("it tells of too many clients"));
    let sized = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    for (states, reason) in [
        (awareness(&[(9, 1, &sized((64 << 10) + 1))]), "the state of a client is too large"),
        (awareness(&[(9, 1, "no JSON")]), "the state of a client is not JSON"),
        (awareness(&[(9, 1 << 31, "{}")]), "the clock of a client is too large"),
    ] {
        assert_eq!(ends_at(&scene, states).await, bad_message(reason));
    }
    let mut loud = Editor::join(scene.address(), ROOM).await;
    loud.guest().say(awareness(&[(9, 1, &sized(64 << 10))])).await;
    loud.sync().await;
    assert_eq!(present(&scene).await, [(9, sized(64 << 10))]);
    scene.is_untouched().await;
    let told = [
        "sent away…code=4400…tells of too many clients",
        "passed over…peer=…what=\"too many clients of one connection\"",
    ];
    scene.ends(&told).await;
}
