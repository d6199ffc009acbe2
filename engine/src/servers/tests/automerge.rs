//! Documents of Automerge at a server of automerge-repo.

use ::automerge::sync::{Message as SyncMessage, State, SyncDoc};
use ::automerge::transaction::Transactable;
use ::automerge::{ActorId, AutoCommit, Automerge as Library, ObjType, ROOT, ReadDoc};
use syncline_core::crdt::automerge::DocumentId;
use syncline_core::entry::{Family, Kind, Spec};
use syncline_core::protocol::automerge_repo::{Message, VERSION, Writer};

use super::super::automerge_repo::AutomergeRepo;
use super::super::session::Fault;
use super::{Effect, Scene, complaints, doc, frames, text};

const SPEC: Spec = Spec { family: Family::Automerge, kind: Kind::Tree };

/// A server that has the document, or nothing of it.
struct Store {
    document: Library,
    state: State,
}

impl Store {
    fn empty() -> Self {
        Self { document: Library::new(), state: State::new() }
    }

    /// Always the same changes: filters, by which peers tell each other what they hold, err once in a hundred of them.
    fn with_text(words: &str) -> Self {
        let mut document = AutoCommit::new().with_actor(ActorId::from([1; 16]));
        let text = document.put_object(ROOT, Kind::TEXT_KEY, ObjType::Text).unwrap();
        document.splice_text(&text, 0, 0, words).unwrap();
        let document = Library::load(&document.save()).unwrap().with_actor(ActorId::from([2; 16]));
        Self { document, state: State::new() }
    }

    fn text(&self) -> String {
        match self.document.get(ROOT, Kind::TEXT_KEY).unwrap() {
            Some((_, text)) => self.document.text(text).unwrap(),
            None => String::new(),
        }
    }

    fn hear(&mut self, frame: &[u8]) -> String {
        let message = Message::read(frame).unwrap();
        assert_eq!(message.document, Some(DocumentId::of(&doc())));
        let sync = SyncMessage::decode(message.data.unwrap()).unwrap();
        self.document.receive_sync_message(&mut self.state, sync).unwrap();
        message.kind.to_owned()
    }

    fn speak(&mut self) -> Option<Vec<u8>> {
        let message = self.document.generate_sync_message(&mut self.state)?;
        Some(about("sync").bytes("data", &message.encode()).done())
    }
}

fn about(kind: &str) -> Writer {
    let fields = if kind == "sync" { 5 } else { 4 };
    Writer::new(fields, kind, "server")
        .text("targetId", "us")
        .text("documentId", &DocumentId::of(&doc()).to_string())
}

fn scene() -> Scene<AutomergeRepo> {
    Scene::new(SPEC, |party| AutomergeRepo::new(party, "us".to_owned()))
}

impl Scene<AutomergeRepo> {
    /// Both say who they are. Returns what we say next.
    fn greet(&mut self) -> Vec<Effect> {
        let join = self.begin();
        assert_eq!(Message::read(&frames(&join)[0]).unwrap().kind, "join");
        assert_eq!(frames(&join).len(), 1, "nothing is said before the server has said who it is");
        let peer =
            Writer::new(5, "peer", "server").text("targetId", "us").text("selectedProtocolVersion", VERSION);
        let mut effects = self.receive(&peer.metadata("store").done());
        assert_eq!(effects.remove(0), Effect::Greeted);
        effects
    }

    /// Both talk until nobody has anything to say. Returns what kinds of messages we sent, and what else there was.
    fn talk(&mut self, store: &mut Store, effects: Vec<Effect>) -> (Vec<String>, Vec<Effect>) {
        let (mut kinds, mut others, mut said) = (Vec::new(), Vec::new(), effects);
        loop {
            kinds.extend(frames(&said).iter().map(|frame| store.hear(frame)));
            others.extend(said.into_iter().filter(|effect| !matches!(effect, Effect::Send(_))));
            let answer = store.speak();
            said = answer.iter().flat_map(|frame| self.receive(frame)).collect();
            // What was taken in is on disk by now.
            said.extend(self.attend());
            if answer.is_none() && said.is_empty() {
                return (kinds, others);
            }
        }
    }

    fn meet(&mut self, store: &mut Store) -> (Vec<String>, Vec<Effect>) {
        let effects = self.greet();
        self.talk(store, effects)
    }
}

#[test]
fn a_document_that_only_the_server_has_is_asked_for() {
    let (mut scene, mut store) = (scene(), Store::with_text("theirs"));
    let (kinds, others) = scene.meet(&mut store);
    assert_eq!((kinds.first().map(String::as_str), others), (Some("request"), vec![]));
    assert_eq!(scene.text(), "theirs");
    assert!(scene.in_sync());
}

#[test]
fn a_document_that_is_only_here_is_brought_to_the_server_and_applied() {
    let (mut scene, mut store) = (scene(), Store::empty());
    scene.make_text();
    scene.write(0, "ours");
    let (kinds, _) = scene.meet(&mut store);
    assert!(kinds.iter().all(|kind| kind == "sync"), "{kinds:?}");
    assert_eq!((store.text().as_str(), scene.pending()), ("ours", 0));
    scene.write(0, "more ");
    assert_eq!((scene.pending(), scene.in_sync()), (1, false));
    let effects = scene.attend();
    scene.talk(&mut store, effects);
    assert_eq!((store.text(), scene.pending()), (scene.text(), 0));
    assert!(scene.in_sync());
}

#[test]
fn what_was_written_on_both_sides_meanwhile_is_brought_together() {
    let (mut scene, mut store) = (scene(), Store::with_text("theirs "));
    scene.meet(&mut store);
    scene.write(0, "ours ");
    let text = store.document.get(ROOT, Kind::TEXT_KEY).unwrap().unwrap().1;
    let mut edit = store.document.transaction();
    edit.splice_text(&text, 0, 0, "more ").unwrap();
    edit.commit();
    let mut effects = scene.attend();
    effects.extend(store.speak().map(|frame| scene.receive(&frame)).unwrap_or_default());
    scene.talk(&mut store, effects);
    assert_eq!((scene.text(), scene.pending()), (store.text(), 0));
    assert_eq!(scene.text().len(), 17);
}

#[test]
fn nothing_leaves_before_it_is_on_disk() {
    let (mut scene, mut store) = (scene(), Store::with_text("theirs "));
    scene.meet(&mut store);
    scene.unwritten = Some(Vec::new());
    scene.write(0, "ours ");
    assert_eq!(scene.attend(), []);
    scene.finish_writes();
    let effects = scene.attend();
    scene.talk(&mut store, effects);
    assert_eq!((store.text(), scene.pending()), ("ours theirs ".to_owned(), 0));
}

#[test]
fn what_the_server_does_not_have_is_an_error_only_where_nothing_is_here_either() {
    let mut scene = scene();
    scene.greet();
    let effects = scene.receive(&about("doc-unavailable").done());
    assert!(complaints(&effects).0[0].contains("nothing in it here"), "{effects:?}");
    assert!(!scene.in_sync());
    // It may come yet.
    let mut store = Store::with_text("theirs");
    let effects = store.speak().map(|frame| scene.receive(&frame)).unwrap();
    scene.talk(&mut store, effects);
    assert_eq!(scene.text(), "theirs");
    assert!(scene.in_sync());
}

#[test]
fn what_the_server_says_of_an_error_ends_the_connection() {
    let mut scene = scene();
    scene.greet();
    let error = Writer::new(3, "error", "server").text("message", "go away").done();
    let (done, _) = scene.try_work(|session, desk| super::Session::on_frame(session, desk, &error));
    assert_eq!(done, Err(Fault::Told("go away".to_owned())));
    let (done, _) = scene.try_work(|session, desk| super::Session::on_frame(session, desk, &[1]));
    assert!(matches!(done, Err(Fault::Server(_))), "{done:?}");
}

#[test]
fn documents_that_are_not_open_here_are_passed_over() {
    let mut scene = scene();
    scene.greet();
    let other = DocumentId([7; 16]).to_string();
    let offer = Writer::new(5, "sync", "server").text("targetId", "us").text("documentId", &other);
    assert_eq!(scene.receive(&offer.bytes("data", &[1]).done()), []);
    for kind in ["ephemeral", "remote-heads-changed", "leave", "something-new"] {
        assert_eq!(scene.receive(&Writer::new(2, kind, "server").done()), []);
    }
}

#[test]
fn changes_that_cannot_be_taken_in_are_said_and_end_nothing_else() {
    let (mut scene, mut store) = (scene(), Store::with_text("theirs "));
    scene.meet(&mut store);
    let effects = scene.receive(&about("sync").bytes("data", &[0x42, 9, 9]).done());
    assert_eq!(complaints(&effects).0.len(), 1, "{effects:?}");
    assert_eq!(scene.text(), "theirs ");
}

impl Scene<AutomergeRepo> {
    fn make_text(&mut self) {
        let operation = syncline_core::operation::Operation::Put {
            path: text(),
            value: syncline_core::value::Value::Text(String::new()),
        };
        self.replica.edit(self.now, &doc(), |editor| editor.perform(operation)).map(drop).unwrap();
        self.settle();
    }
}
