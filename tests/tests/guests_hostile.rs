//! Updates made to kill CRDT libraries, and saved documents that are broken, sent to the endpoints for other people's clients,
//! in each of their ways, while somebody who behaves is there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;

use automerge::AutoCommit;
use automerge::sync::{Message as SyncMessage, State, SyncDoc};
use futures_util::future::join_all;
use serde_json::Value as Json;
use syncline_core::crdt::automerge::DocumentId;
use syncline_core::protocol::automerge_repo::Message as AboutDocument;
use syncline_core::protocol::hocuspocus::{Body, Frame};
use syncline_core::protocol::y_websocket::{HOLDS_NOTHING, Message, Sync};
use syncline_tests::process::guests::automerge_repo::{joined, question, sync as about};
use syncline_tests::process::guests::scene::Scene;
use syncline_tests::process::guests::yjs::{Editor, sync};
use syncline_tests::process::guests::{Behaved, Guest};
use syncline_tests::process::{http, memory, real_data};

/// How much more memory than before the relay may ever have had.
const MAX_GROWTH: u64 = 96 << 20;

/// What came of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Refused,
    /// It was taken, or what it builds on is asked for.
    Served,
}

/// The question of a Yjs client that holds nothing: its answer tells that all before it has been dealt with.
const ASKS: Sync<'_> = Sync::Step1 { vector: HOLDS_NOTHING };

/// Files of these sorts, by name.
fn files(sorts: &[&str]) -> Option<Vec<(String, Vec<u8>)>> {
    let folder = fs::read_dir(real_data("hostile")?).unwrap().map(|file| file.unwrap());
    let mut files: Vec<_> = folder
        .map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()))
        .filter(|(name, _)| sorts.iter().any(|sort| name.starts_with(sort)))
        .collect();
    files.sort();
    Some(files)
}

/// Automerge's own files that do not load.
fn broken_documents() -> Option<Vec<(String, Vec<u8>)>> {
    let folder = real_data("fixtures/automerge")?;
    let expected: Json = serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let expected = expected.as_object().unwrap();
    let broken = expected.iter().filter(|(_, expected)| expected["loads"] == false);
    Some(broken.map(|(name, _)| (name.clone(), fs::read(folder.join(name)).unwrap())).collect())
}

/// What a relay that is asked something says to it: an answer, or goodbye.
async fn verdict(guest: &mut Guest, is_answer: impl Fn(&[u8]) -> Option<Verdict>) -> Verdict {
    loop {
        match guest.hear().await {
            None => return Verdict::Refused,
            Some(message) => {
                if let Some(verdict) = is_answer(&message) {
                    return verdict;
                }
            }
        }
    }
}

async fn by_y_websocket(scene: &Scene, room: &str, update: &Sync<'_>) -> Verdict {
    let mut guest = Guest::connect(scene.address(), &format!("/yjs/{room}")).await;
    guest.say(sync(update)).await;
    guest.say(sync(&ASKS)).await;
    let answers = |message: &[u8]| {
        matches!(Message::read(message), Ok(Message::Sync(Sync::Step2 { .. }))).then_some(Verdict::Served)
    };
    verdict(&mut guest, answers).await
}

async fn by_hocuspocus(scene: &Scene, room: &str, update: &Sync<'_>) -> Verdict {
    let mut guest = Guest::connect(scene.address(), "/hocuspocus").await;
    guest.say(Frame::token(room, "", "4.8.0")).await;
    guest.say(Frame::sync(room, update)).await;
    guest.say(Frame::sync(room, &ASKS)).await;
    let answers = |frame: &[u8]| match Frame::read(frame).ok()?.body {
        Body::Sync(Sync::Step2 { .. }) => Some(Verdict::Served),
        Body::Close(_) => Some(Verdict::Refused),
        _ => None,
    };
    verdict(&mut guest, answers).await
}

fn by_y_sweet(scene: &Scene, room: &str, update: &[u8]) -> Verdict {
    match http::ask(scene.address(), &format!("POST /d/{room}/update"), None, update).code {
        200 | 503 => Verdict::Served,
        400 | 413 => Verdict::Refused,
        other => panic!("{other}"),
    }
}

/// As a sync message that brings something, or is itself what is hostile.
async fn by_automerge_repo(scene: &Scene, id: DocumentId, data: &[u8]) -> Verdict {
    let known = DocumentId(*b"everybody's word");
    let mut guest = joined(scene.address(), "/automerge", "eve").await;
    guest.say(about("sync", "eve", id, data)).await;
    guest.say(about("request", "eve", known, &question())).await;
    let answers = |message: &[u8]| {
        let message = AboutDocument::read(message).ok()?;
        (message.kind == "sync" && message.document == Some(known)).then_some(Verdict::Served)
    };
    verdict(&mut guest, answers).await
}

/// By document, whether somebody new who asks for it is sent it. All ask at the same time, as each waits a while for what is not
/// there.
async fn all_come(scene: &Scene, documents: &[(String, DocumentId)]) -> BTreeMap<String, bool> {
    let comes = |(name, id): (String, DocumentId)| async move { (name, comes(scene, id).await) };
    join_all(documents.iter().cloned().map(comes)).await.into_iter().collect()
}

async fn comes(scene: &Scene, id: DocumentId) -> bool {
    let mut guest = joined(scene.address(), "/automerge", &format!("ben-{id}")).await;
    guest.say(about("request", &format!("ben-{id}"), id, &question())).await;
    let answer = |message: &[u8]| {
        let message = AboutDocument::read(message).ok().filter(|message| message.document == Some(id))?;
        Some(message.kind == "sync")
    };
    guest.wait_for("an answer", answer).await
}

fn bringing(chunk: &[u8]) -> Vec<u8> {
    let mut message: SyncMessage = AutoCommit::new().sync().generate_sync_message(&mut State::new()).unwrap();
    message.changes = vec![chunk.to_vec()].into();
    message.encode()
}

/// Says how many of which verdict there were, and that the relay lived through all of it.
fn conclude(scene: &mut Scene, before: (u32, u64), verdicts: &[Verdict]) {
    let refused = verdicts.iter().filter(|verdict| **verdict == Verdict::Refused).count();
    let (pid, resident) = before;
    let growth = memory::peak(pid).saturating_sub(resident);
    println!("{refused} of {} refused; at the most {} KiB more memory", verdicts.len(), growth >> 10);
    assert_eq!(scene.relay().process().pid(), pid, "the relay lives");
    assert!(growth < MAX_GROWTH, "{growth} bytes more memory");
    assert!(refused > verdicts.len() / 2, "most are refused");
}

fn begin(scene: &mut Scene) -> (u32, u64) {
    let pid = scene.relay().process().pid();
    (pid, memory::resident(pid))
}

#[tokio::test]
async fn no_hostile_update_of_yjs_hurts_anybody() {
    let Some(files) = files(&["y1-", "y2-"]) else { return };
    let mut scene = Scene::yjs().await;
    let before = begin(&mut scene);
    let mut verdicts = Vec::new();
    for (number, (name, update)) in files.iter().enumerate() {
        let room = format!("hostile-{number}");
        for message in [Sync::Update { update }, Sync::Step2 { update }] {
            verdicts.push(by_y_websocket(&scene, &room, &message).await);
            verdicts.push(by_hocuspocus(&scene, &room, &message).await);
        }
        verdicts.push(by_y_sweet(&scene, &room, update));
        if name.starts_with("y2-") {
            assert_eq!(verdicts.last(), Some(&Verdict::Refused), "{name}");
        }
        // Whatever was taken, others can read, and go on.
        Editor::join(scene.address(), &format!("/yjs/{room}")).await.put("n", number as i64).await;
    }
    scene.is_untouched().await;
    conclude(&mut scene, before, &verdicts);
    scene.relay().kill();
    scene.relay().restart();
    for number in 0..files.len() {
        let mut editor = Editor::join(scene.address(), &format!("/yjs/hostile-{number}")).await;
        editor.sees("n", number as i64).await;
    }
}

#[tokio::test]
async fn no_hostile_chunk_or_message_of_automerge_hurts_anybody() {
    let (Some(chunks), Some(broken), Some(messages)) =
        (files(&["am-"]), broken_documents(), files(&["sync-"]))
    else {
        return;
    };
    let mut scene = Scene::automerge().await;
    let before = begin(&mut scene);
    let chunks = chunks.into_iter().chain(broken).map(|(name, chunk)| (name, bringing(&chunk)));
    let (mut verdicts, mut documents) = (Vec::new(), Vec::new());
    for (number, (name, data)) in chunks.chain(messages).enumerate() {
        let mut id = *b"hostile number..";
        id[14..].copy_from_slice(&(number as u16).to_be_bytes());
        verdicts.push(by_automerge_repo(&scene, DocumentId(id), &data).await);
        documents.push((name, DocumentId(id)));
    }
    let come = all_come(&scene, &documents).await;
    for (verdict, (name, _)) in verdicts.iter().zip(&documents) {
        assert!(*verdict == Verdict::Served || !come[name], "{name} was refused and stored");
    }
    scene.is_untouched().await;
    conclude(&mut scene, before, &verdicts);
    scene.relay().kill();
    scene.relay().restart();
    let after = all_come(&scene, &documents).await;
    assert_eq!(after, come, "the same documents are there after the relay was away");
}
