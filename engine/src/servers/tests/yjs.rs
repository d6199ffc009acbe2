//! Documents of Yjs at a server of y-websocket.

use std::collections::VecDeque;

use syncline_core::entry::{Family, Kind, Spec};
use syncline_core::event::Event;
use syncline_core::protocol::y_websocket::{Message, Sync, write_denied};
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Doc, GetString, ReadTxn, StateVector, Text, Transact, Update};

use super::super::y_websocket::YWebsocket;
use super::super::yjs::{FIRST_DOUBT, LOADING_TIME, LONGEST_DOUBT, MAX_UNSHOWN};
use super::{Effect, Scene, complaints, doc, frames};

pub(super) const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Text };

/// A server as y-websocket is one: it sends everybody what is new to it, the author included.
pub(super) struct Room {
    doc: Doc,
    /// Whether it takes in what it is sent.
    pub takes: bool,
    /// Whether it sends it back.
    pub echoes: bool,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { doc: Doc::with_client_id(1), takes: true, echoes: true }
    }

    /// Somebody else writes. Returns what the server sends to everybody.
    pub(super) fn write(&self, at: u32, words: &str) -> Vec<u8> {
        let text = self.doc.get_or_insert_text(Kind::TEXT_KEY);
        let mut txn = self.doc.transact_mut();
        text.insert(&mut txn, at, words);
        txn.encode_update_v1()
    }

    pub(super) fn erase(&self, at: u32, count: u32) -> Vec<u8> {
        let text = self.doc.get_or_insert_text(Kind::TEXT_KEY);
        let mut txn = self.doc.transact_mut();
        text.remove_range(&mut txn, at, count);
        txn.encode_update_v1()
    }

    pub(super) fn text(&self) -> String {
        let text = self.doc.get_or_insert_text(Kind::TEXT_KEY);
        text.get_string(&self.doc.transact())
    }

    pub(super) fn vector(&self) -> Vec<u8> {
        self.doc.transact().state_vector().encode_v1()
    }

    /// What it says to a message, and to everybody.
    pub(super) fn hear(&self, said: &Sync<'_>) -> Option<Vec<u8>> {
        match said {
            Sync::Step1 { vector } => {
                let vector = StateVector::decode_v1(vector).unwrap();
                let update = self.doc.transact().encode_diff_v1(&vector);
                Some(step2(&update))
            }
            Sync::Step2 { update } | Sync::Update { update } if self.takes => {
                let mut txn = self.doc.transact_mut();
                txn.apply_update(Update::decode_v1(update).unwrap()).unwrap();
                assert!(!txn.has_missing_updates(), "it builds on what was not sent");
                (self.echoes && txn.has_changes())
                    .then(|| written(&Sync::Update { update: &txn.encode_update_v1() }))
            }
            Sync::Step2 { .. } | Sync::Update { .. } => None,
        }
    }
}

pub(super) fn written(said: &Sync<'_>) -> Vec<u8> {
    let mut frame = Vec::new();
    said.write(&mut frame);
    frame
}

fn step2(update: &[u8]) -> Vec<u8> {
    written(&Sync::Step2 { update })
}

fn update(update: &[u8]) -> Vec<u8> {
    written(&Sync::Update { update })
}

fn scene() -> Scene<YWebsocket> {
    Scene::new(SPEC, |party| YWebsocket::new(doc(), party))
}

impl Scene<YWebsocket> {
    /// Brings frames to the server and back until nobody says anything. Returns what else there was.
    fn talk(&mut self, room: &Room, effects: Vec<Effect>) -> Vec<Effect> {
        let (mut waiting, mut others) = (VecDeque::from(effects), Vec::new());
        while let Some(effect) = waiting.pop_front() {
            let Effect::Send(frame) = effect else {
                others.push(effect);
                continue;
            };
            let Ok(Message::Sync(said)) = Message::read(&frame) else { panic!("{frame:?}") };
            if let Some(answer) = room.hear(&said) {
                waiting.extend(self.receive(&answer));
            }
        }
        others
    }

    /// The server says first what it holds, then both talk.
    fn meet(&mut self, room: &Room) -> Vec<Effect> {
        let mut effects = self.begin();
        effects.extend(self.receive(&written(&Sync::Step1 { vector: &room.vector() })));
        self.talk(room, effects)
    }

    fn send_on(&mut self, room: &Room) -> Vec<Effect> {
        let effects = self.attend();
        self.talk(room, effects)
    }
}

#[test]
fn what_was_written_on_both_sides_is_brought_together_and_applied() {
    let (mut scene, room) = (scene(), Room::new());
    scene.write(0, "ours ");
    room.write(0, "theirs ");
    assert_eq!(scene.meet(&room), [Effect::Greeted]);
    assert_eq!(scene.text(), room.text());
    assert_eq!((scene.text().len(), scene.pending()), (12, 0));
    assert!(scene.in_sync());
    scene.write(0, "more ");
    assert_eq!((scene.pending(), scene.in_sync()), (1, false));
    assert_eq!(scene.send_on(&room), []);
    assert_eq!((scene.text(), scene.pending()), (room.text(), 0));
    let in_sync = |event: &&Event| matches!(event, Event::InSync { .. });
    assert_eq!(scene.events.iter().filter(in_sync).count(), 2);
}

#[test]
fn what_others_write_is_taken_in_and_not_sent_back() {
    let (mut scene, room) = (scene(), Room::new());
    room.write(0, "begun ");
    scene.meet(&room);
    let theirs = room.write(6, "theirs");
    assert_eq!(scene.receive(&update(&theirs)), []);
    assert_eq!(scene.attend(), []);
    assert_eq!(scene.text(), "begun theirs");
    assert!(scene.in_sync());
}

#[test]
fn nothing_leaves_before_it_is_on_disk() {
    let (mut scene, room) = (scene(), Room::new());
    scene.unwritten = Some(Vec::new());
    scene.write(0, "first ");
    let asked = scene.begin();
    assert_eq!(frames(&asked).len(), 1, "what is held is no secret");
    assert_eq!(scene.receive(&written(&Sync::Step1 { vector: &room.vector() })), []);
    scene.finish_writes();
    assert_eq!(scene.send_on(&room), []);
    assert_eq!(room.text(), "first ");
    scene.unwritten = Some(Vec::new());
    scene.write(0, "second ");
    assert_eq!(scene.attend(), []);
    scene.finish_writes();
    scene.send_on(&room);
    assert_eq!(room.text(), "second first ");
}

#[test]
fn what_was_deleted_on_both_sides_is_applied_though_it_changes_nothing() {
    let (mut scene, room) = (scene(), Room::new());
    scene.write(0, "abcdef");
    scene.meet(&room);
    let theirs = room.erase(0, 4);
    scene.erase(1, 2);
    assert_eq!(scene.send_on(&room), [], "the server has nothing to tell");
    assert_eq!(scene.pending(), 1);
    scene.receive(&update(&theirs));
    assert_eq!((scene.pending(), scene.text().as_str()), (0, "ef"));
}

#[test]
fn a_server_that_sends_nothing_back_is_asked_what_it_holds() {
    let (mut scene, mut room) = (scene(), Room::new());
    room.echoes = false;
    scene.write(0, "words");
    scene.meet(&room);
    assert_eq!((room.text().as_str(), scene.pending()), ("words", 1));
    assert_eq!(scene.pass(FIRST_DOUBT - 1), []);
    let question = scene.pass(1);
    assert_eq!(frames(&question).len(), 1);
    assert_eq!(scene.talk(&room, question), []);
    assert_eq!(scene.pending(), 0);
    assert!(scene.pass(LONGEST_DOUBT).is_empty(), "there is no doubt any more");
    assert!(scene.in_sync());
}

#[test]
fn a_server_that_loses_what_it_is_sent_is_sent_it_again_now_and_then() {
    let (mut scene, mut room) = (scene(), Room::new());
    room.takes = false;
    scene.write(0, "words");
    scene.meet(&room);
    let mut questions = 0;
    for _ in 0..600 {
        let question = scene.pass(1_000);
        if !question.is_empty() {
            questions += 1;
            let said = scene.talk(&room, question);
            assert_eq!(complaints(&said).1.len(), 1, "{said:?}");
        }
    }
    assert!((8..=20).contains(&questions), "{questions}");
    assert_eq!((scene.pending(), scene.in_sync()), (1, false));
    room.takes = true;
    let question = scene.pass(LONGEST_DOUBT);
    scene.talk(&room, question);
    assert_eq!((room.text().as_str(), scene.pending()), ("words", 0));
}

#[test]
fn what_is_refused_stays_pending_and_is_not_sent_again() {
    let (mut scene, room) = (scene(), Room::new());
    scene.meet(&room);
    scene.write(0, "words");
    scene.attend();
    let mut denied = Vec::new();
    write_denied("read only", &mut denied);
    let said = scene.receive(&denied);
    assert_eq!(complaints(&said).0, ["read only"]);
    scene.write(0, "more ");
    assert_eq!(scene.attend(), []);
    assert!(scene.pass(LONGEST_DOUBT).is_empty());
    scene.receive(&update(&room.write(0, "theirs ")));
    assert!(scene.text().contains("theirs ") && scene.text().contains("more words"), "{}", scene.text());
    assert_eq!(scene.pending(), 2);
}

#[test]
fn an_update_without_what_it_builds_on_is_asked_for_as_a_whole() {
    let (mut scene, room) = (scene(), Room::new());
    scene.meet(&room);
    let (_lost, second) = (room.write(0, "one "), room.write(4, "two"));
    let question = scene.receive(&update(&second));
    assert_eq!(scene.talk(&room, question), []);
    assert_eq!(scene.text(), "one two");
}

#[test]
fn a_server_that_sends_nonsense_is_told_from_one_that_does_not() {
    let (mut scene, room) = (scene(), Room::new());
    scene.write(0, "ours");
    scene.meet(&room);
    let said = scene.receive(&update(&[1, 1, 1, 0, 99]));
    assert_eq!(complaints(&said).0.len(), 1, "{said:?}");
    assert_eq!(scene.receive(&update(&room.write(0, "theirs "))), [], "nothing more is taken");
    assert_eq!(scene.text(), "ours");
    let (done, _) = scene.try_work(|session, desk| super::Session::on_frame(session, desk, &[0, 0]));
    assert!(done.is_err());
}

#[test]
fn no_more_is_under_way_than_the_server_has_to_show() {
    let (mut scene, room) = (scene(), Room::new());
    scene.meet(&room);
    for _ in 0..=MAX_UNSHOWN {
        scene.write(0, "x");
    }
    let first = scene.attend();
    assert_eq!(frames(&first).len(), MAX_UNSHOWN);
    assert_eq!(scene.attend(), []);
    scene.talk(&room, first);
    assert_eq!((room.text().len(), scene.pending()), (MAX_UNSHOWN + 1, 0));
}

#[test]
fn a_log_that_was_merged_meanwhile_is_sent_as_a_whole() {
    let (mut scene, room) = (scene(), Room::new());
    scene.meet(&room);
    scene.write(0, "more ");
    let unsent = scene.replica.log(&doc()).unwrap().head();
    // What the server would be sent next is gone from the log once it is merged.
    scene.replica.applied(
        scene.now,
        &doc(),
        syncline_core::replica::Server::at("another", super::LINK),
        unsent,
    );
    scene.replica.compact(&doc());
    scene.settle();
    assert_eq!(scene.replica.log(&doc()).unwrap().base_offset(), unsent);
    scene.send_on(&room);
    assert_eq!((room.text(), scene.pending()), (scene.text(), 0));
}

#[test]
fn a_server_that_holds_nothing_may_be_about_to_read_it_from_its_disk() {
    let (mut scene, room, disk) = (scene(), Room::new(), Room::new());
    scene.write(0, "ours ");
    scene.meet(&room);
    assert_eq!((scene.pending(), scene.in_sync()), (0, false));
    let kept = disk.write(0, "kept ");
    scene.receive(&update(&kept));
    assert!(scene.text().contains("kept "));
    scene.attend();
    scene.pass(LOADING_TIME - 1);
    assert!(!scene.in_sync());
    scene.pass(1);
    assert!(scene.in_sync());
}

#[test]
fn what_was_once_written_here_and_is_lost_here_comes_back() {
    let (mut scene, room) = (scene(), Room::new());
    scene.write(0, "kept ");
    let backup = scene.backup();
    scene.write(5, "and lost");
    scene.meet(&room);
    let mut restored = Scene::over(Some(backup), SPEC, |party| YWebsocket::new(doc(), party));
    assert_eq!(restored.text(), "kept ");
    restored.meet(&room);
    assert_eq!((restored.text().as_str(), restored.pending()), ("kept and lost", 0));
}
