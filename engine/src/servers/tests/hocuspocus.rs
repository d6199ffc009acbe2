//! Documents at a server of Hocuspocus: who is let in, and what is said before.

use syncline_core::id::DocId;
use syncline_core::protocol::hocuspocus::{Auth, Body, Frame};
use syncline_core::protocol::y_websocket::Sync;

use super::super::hocuspocus::{Hocuspocus, MAX_ASKING, READMISSION_WAIT, SIGN_OF_LIFE};
use super::yjs::{Room, SPEC};
use super::{Effect, Scene, complaints, frames};

const NAME: &str = "notes";

fn scene() -> Scene<Hocuspocus> {
    Scene::new(SPEC, |party| Hocuspocus::new(party, Some("secret".to_owned())))
}

/// What frames say.
fn bodies(effects: &[Effect]) -> Vec<String> {
    let say = |frame: &bytes::Bytes| {
        let Frame { address, body } = Frame::read(frame).unwrap();
        let body = match body {
            Body::Auth(Auth::Token { token, says_version: true }) => format!("token {token}"),
            Body::Sync(Sync::Step1 { .. }) => "step 1".to_owned(),
            Body::Sync(Sync::Step2 { .. }) => "step 2".to_owned(),
            Body::Sync(Sync::Update { .. }) => "update".to_owned(),
            Body::Close(_) => "close".to_owned(),
            Body::QueryAwareness => "query".to_owned(),
            other => panic!("{other:?}"),
        };
        format!("{address}: {body}")
    };
    frames(effects).iter().map(say).collect()
}

impl Scene<Hocuspocus> {
    fn let_in(&mut self) -> Vec<Effect> {
        self.receive(&Frame::authenticated(NAME, true))
    }

    fn hear(&mut self, said: &Sync<'_>) -> Vec<Effect> {
        self.receive(&Frame::sync(NAME, said))
    }

    /// The server hears frames, and says what it says.
    fn talk(&mut self, room: &Room, effects: &[Effect]) {
        let answers: Vec<Vec<u8>> = frames(effects)
            .iter()
            .filter_map(|frame| match Frame::read(frame).unwrap().body {
                Body::Sync(said) => room.hear(&said),
                _ => None,
            })
            .collect();
        for answer in answers {
            let mut reader = syncline_core::protocol::lib0::Reader::new(&answer);
            reader.number().unwrap();
            let said = Sync::read(&mut reader).unwrap();
            let effects = self.hear(&said);
            self.talk(room, &effects);
        }
    }
}

#[test]
fn a_document_is_asked_for_with_the_token_and_then_brought_together() {
    let (mut scene, room) = (scene(), Room::new());
    scene.write(0, "ours ");
    room.write(0, "theirs ");
    assert_eq!(bodies(&scene.begin()), ["notes: token secret"]);
    assert_eq!(scene.attend(), [], "nothing else is said before we are let in");
    let effects = scene.let_in();
    assert_eq!(
        (bodies(&effects), effects.contains(&Effect::Greeted)),
        (vec!["notes: step 1".to_owned()], true)
    );
    scene.talk(&room, &effects);
    assert_eq!((scene.text().len(), scene.pending()), (12, 1), "the server has not said what it lacks");
    let effects = scene.hear(&Sync::Step1 { vector: &room.vector() });
    assert_eq!(bodies(&effects), ["notes: step 2"]);
    scene.talk(&room, &effects);
    assert_eq!((scene.text(), scene.pending()), (room.text(), 0));
    assert!(scene.in_sync());
}

#[test]
fn who_is_not_let_in_is_told_and_tries_again_later() {
    let mut scene = scene();
    scene.write(0, "ours");
    scene.begin();
    let effects = scene.receive(&Frame::denied(NAME, "permission-denied"));
    assert_eq!(complaints(&effects).0, ["the server does not let us in: permission-denied"]);
    assert!(effects.contains(&Effect::Greeted), "it is a server all the same");
    assert_eq!((scene.attend(), scene.pass(READMISSION_WAIT - 1)), (vec![], vec![]));
    assert_eq!(bodies(&scene.pass(1)), ["notes: token secret"]);
    assert_eq!(scene.pending(), 1);
}

#[test]
fn a_document_that_the_server_closes_is_opened_again_later() {
    let (mut scene, room) = (scene(), Room::new());
    scene.begin();
    let effects = scene.let_in();
    scene.talk(&room, &effects);
    let effects = scene.receive(&Frame::closed(NAME, "maintenance"));
    assert_eq!(complaints(&effects).1, ["the server has closed it: maintenance"]);
    assert_eq!(scene.attend(), []);
    assert_eq!(bodies(&scene.pass(READMISSION_WAIT)), ["notes: token secret"]);
}

#[test]
fn a_refusal_leaves_edits_pending() {
    let (mut scene, room) = (scene(), Room::new());
    scene.begin();
    let effects = scene.receive(&Frame::authenticated(NAME, false));
    scene.talk(&room, &effects);
    let effects = scene.hear(&Sync::Step1 { vector: &room.vector() });
    scene.talk(&room, &effects);
    scene.write(0, "ours");
    assert_eq!(bodies(&scene.attend()), ["notes: update"]);
    let effects = scene.receive(&Frame::status(NAME, false));
    assert_eq!(complaints(&effects).0.len(), 1);
    scene.write(0, "more ");
    assert_eq!((scene.attend(), scene.pending()), (vec![], 2));
}

#[test]
fn a_server_that_asks_for_the_token_again_gets_it() {
    let mut scene = scene();
    scene.begin();
    scene.let_in();
    let question = [&Frame::token(NAME, "", "")[..NAME.len() + 1], &[2, 0]].concat();
    assert_eq!(bodies(&scene.receive(&question)), ["notes: token secret"]);
}

#[test]
fn not_too_many_documents_wait_to_be_let_in() {
    let mut scene = scene();
    let name = |number: usize| DocId::new(&format!("doc {number}")).unwrap();
    let mut asked = 0;
    for number in 0..MAX_ASKING + 2 {
        let effects = scene.work(|session, desk| super::Session::attend(session, desk, &name(number)));
        asked += frames(&effects).len();
    }
    assert_eq!(asked, MAX_ASKING);
    let effects = scene.receive(&Frame::denied("doc 3", "no"));
    assert_eq!(bodies(&effects), [format!("doc {MAX_ASKING}: token secret")]);
    let effects = scene.work(|session, desk| {
        super::Session::leave(session, desk, &name(5));
        Ok(())
    });
    assert_eq!(
        bodies(&effects),
        ["doc 5: close".to_owned(), format!("doc {}: token secret", MAX_ASKING + 1)]
    );
}

#[test]
fn a_quiet_connection_shows_that_it_is_alive() {
    let mut scene = scene();
    scene.begin();
    scene.let_in();
    assert_eq!(scene.pass(SIGN_OF_LIFE - 1), []);
    assert_eq!(bodies(&scene.pass(1)), ["notes: query"]);
    assert_eq!(scene.pass(SIGN_OF_LIFE - 1), []);
    assert_eq!(frames(&scene.receive(&[9])), [vec![10]]);
}

#[test]
fn frames_about_other_documents_are_passed_over() {
    let mut scene = scene();
    scene.begin();
    for frame in [
        Frame::authenticated("other", true),
        Frame::status("other", false),
        Frame::closed("other", "gone"),
        Frame::denied("other", "no"),
        Frame::stateless(NAME, b"hello"),
        Frame::nobody(NAME),
    ] {
        assert_eq!(scene.receive(&frame), []);
    }
}
