//! Who is present: told to everybody else, in changes alone, and gone when it should be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod replicas;

use serde_json::json;

use replicas::world::World;
use replicas::{config, doc, frame, hello};
use syncline_core::entry::{Cursor, Digest, Family, Kind, Spec};
use syncline_core::event::{Input, Side};
use syncline_core::id::{ConnectionId, DocId, Epoch, Principal};
use syncline_core::operation::Operation;
use syncline_core::path::Path;
use syncline_core::presence::{
    HEARTBEAT, MAX_SESSIONS_OF_A_LINK, Metadata, PRESENCE_TICK, Presence, Selection, SessionId, Sighting,
    TIMEOUT,
};
use syncline_core::replica::{FULL_FRAME_BYTES, Policy, Replica};
use syncline_core::time::Time;
use syncline_core::visitor::{Access, Visitor};
use syncline_core::wire::Message;

const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Text };

/// A relay and some who have the document open.
struct Scene {
    world: World,
    relay: usize,
    clients: Vec<usize>,
    links: Vec<ConnectionId>,
    sessions: Vec<SessionId>,
}

impl Scene {
    fn new(clients: usize) -> Self {
        let mut world = World::default();
        let relay = world.add(Policy::relay());
        let mut scene = Self { world, relay, clients: Vec::new(), links: Vec::new(), sessions: Vec::new() };
        (0..clients).for_each(|_| scene.join());
        scene
    }

    fn join(&mut self) {
        let client = self.world.client(SPEC);
        self.links.push(self.world.connect(client, self.relay));
        self.clients.push(client);
        self.sessions.push(self.world.replicas[client].new_session());
    }

    /// Somebody comes whose name the relay knows.
    fn join_as(&mut self, name: &str) {
        let client = self.world.client(SPEC);
        let session = self.world.replicas[client].new_session();
        self.come(client, session, name);
    }

    fn come(&mut self, client: usize, session: SessionId, name: &str) {
        let connection = self.world.link(client, self.relay);
        let visitor = Some(Visitor::new(Principal::new(name).unwrap(), |_: &DocId| Access::Read));
        let now = self.world.now;
        let accepted = Input::Connected { connection, side: Side::Accepted, visitor };
        self.world.replicas[self.relay].handle(now, accepted);
        let dialed = Input::Connected { connection, side: Side::Dialed, visitor: None };
        self.world.replicas[client].handle(now, dialed);
        self.world.settle();
        self.links.push(connection);
        self.clients.push(client);
        self.sessions.push(session);
    }

    /// Time passes for everybody.
    fn pass(&mut self, millis: u64) {
        self.world.now = self.world.now.after(millis);
        let now = self.world.now;
        for replica in &mut self.world.replicas {
            replica.handle(now, Input::Tick);
        }
        self.world.settle();
    }

    fn show(&mut self, who: usize, name: &str) {
        let presence = Presence { name: name.to_owned(), ..of("someone") };
        self.announce(who, Some(presence));
    }

    fn announce(&mut self, who: usize, presence: Option<Presence>) {
        self.say(who, presence);
        self.pass(PRESENCE_TICK);
    }

    /// The same, before any time passes.
    fn say(&mut self, who: usize, presence: Option<Presence>) {
        let (client, session) = (self.clients[who], self.sessions[who]);
        self.world.replicas[client].announce(self.world.now, &doc(), session, presence);
        self.world.settle();
    }

    /// The names of those whom somebody sees.
    fn seen_by(&self, who: usize) -> Vec<String> {
        self.seen(self.clients[who])
    }

    fn seen(&self, index: usize) -> Vec<String> {
        let present = self.world.replicas[index].present(&doc());
        let mut names: Vec<String> = present.map(|(_, presence)| presence.name.clone()).collect();
        names.sort_unstable();
        names
    }
}

fn of(name: &str) -> Presence {
    Presence::of(Principal::new(name).unwrap())
}

#[test]
fn everybody_sees_everybody_and_who_comes_later_too() {
    let mut scene = Scene::new(2);
    scene.show(0, "ada");
    scene.show(1, "bob");
    scene.join();
    scene.pass(PRESENCE_TICK);
    for who in 0..3 {
        assert_eq!(scene.seen_by(who), ["ada", "bob"]);
    }
    scene.show(0, "ada lovelace");
    assert_eq!(scene.seen_by(2), ["ada lovelace", "bob"]);
}

#[test]
fn very_many_are_told_a_frame_at_a_time() {
    let mut scene = Scene::new(3);
    let many = |who: usize, scene: &mut Scene| {
        for number in 0..MAX_SESSIONS_OF_A_LINK {
            scene.sessions[who] = scene.world.replicas[scene.clients[who]].new_session();
            let metadata = Metadata::new(json!({"long": "x".repeat(4_000)})).unwrap();
            let presence = Presence { metadata, ..of(&format!("{who}-{number}")) };
            let (client, session) = (scene.clients[who], scene.sessions[who]);
            scene.world.replicas[client].announce(scene.world.now, &doc(), session, Some(presence));
        }
        scene.world.settle();
    };
    many(0, &mut scene);
    many(1, &mut scene);
    scene.join();
    let all = 2 * MAX_SESSIONS_OF_A_LINK;
    // 16 of them fill a frame.
    (0..all / 16).for_each(|_| scene.pass(PRESENCE_TICK));
    assert_eq!([2, 3].map(|who| scene.seen_by(who).len()), [all; 2]);
    assert!(scene.world.largest <= FULL_FRAME_BYTES + 8_192, "{} bytes", scene.world.largest);
}

#[test]
fn who_leaves_or_is_cut_off_is_gone_at_once() {
    let mut scene = Scene::new(3);
    (0..3).for_each(|who| scene.show(who, &who.to_string()));
    scene.announce(0, None);
    assert_eq!(scene.seen_by(2), ["1", "2"]);
    scene.world.cut(scene.links[1]);
    scene.pass(PRESENCE_TICK);
    assert_eq!(scene.seen_by(2), ["2"]);
    assert_eq!(scene.seen_by(1), ["1"], "it is alone");
}

#[test]
fn who_is_silent_is_gone_after_a_while_and_who_is_there_says_so_again() {
    let mut scene = Scene::new(2);
    scene.show(0, "ada");
    for _ in 0..2 * TIMEOUT / HEARTBEAT {
        scene.pass(HEARTBEAT);
    }
    assert_eq!(scene.seen_by(1), ["ada"], "it is still there");
    // Ada's time stands still.
    let stopped = scene.clients[0];
    for _ in 0..=TIMEOUT / HEARTBEAT {
        scene.world.now = scene.world.now.after(HEARTBEAT);
        for index in (0..scene.world.replicas.len()).filter(|index| *index != stopped) {
            let now = scene.world.now;
            scene.world.replicas[index].handle(now, Input::Tick);
        }
        scene.world.settle();
    }
    assert_eq!(scene.seen(scene.relay), Vec::<String>::new());
}

#[test]
fn many_moves_are_one_message_a_tick() {
    let mut scene = Scene::new(3);
    (0..3).for_each(|who| scene.show(who, &who.to_string()));
    let before = scene.world.sent;
    for step in 0..100 {
        scene.say(0, Some(Presence { name: step.to_string(), ..of("mover") }));
    }
    scene.pass(PRESENCE_TICK);
    scene.pass(PRESENCE_TICK);
    assert_eq!(scene.seen_by(2), ["1", "2", "99"]);
    assert!(scene.world.sent - before <= 9, "{} frames", scene.world.sent - before);
}

#[test]
fn nobody_speaks_for_another_or_for_too_many() {
    let mut scene = Scene::new(2);
    scene.show(0, "ada");
    let adas = scene.sessions[0];
    scene.sessions[1] = adas;
    scene.show(1, "mallory");
    assert_eq!(scene.seen(scene.relay), ["ada"]);
    for _ in 0..2 * MAX_SESSIONS_OF_A_LINK {
        let client = scene.clients[1];
        scene.sessions[1] = scene.world.replicas[client].new_session();
        scene.show(1, "many");
    }
    assert_eq!(scene.seen(scene.relay).len(), MAX_SESSIONS_OF_A_LINK + 1);
}

#[test]
fn a_relay_that_has_asked_says_who_it_is() {
    let mut scene = Scene::new(1);
    scene.join_as("bob");
    scene.announce(1, Some(of("the queen")));
    let users: Vec<_> = scene.world.replicas[scene.clients[0]]
        .present(&doc())
        .map(|(_, presence)| (presence.user.to_string(), presence.name.clone()))
        .collect();
    assert_eq!(users, [("bob".to_owned(), "the queen".to_owned())]);
}

#[test]
fn who_comes_back_before_his_old_link_is_seen_to_be_dead_is_seen_where_he_is() {
    let mut scene = Scene::new(1);
    scene.join_as("bob");
    scene.show(1, "bob at the top");
    for (name, place) in [("mallory", "bob at the top"), ("bob", "bob at the end")] {
        let (client, session) = (scene.world.client(SPEC), scene.sessions[1]);
        let presence = Presence { name: "bob at the end".to_owned(), ..of("bob") };
        scene.world.replicas[client].announce(scene.world.now, &doc(), session, Some(presence));
        scene.come(client, session, name);
        scene.pass(PRESENCE_TICK);
        assert_eq!(scene.seen_by(0), [place], "{name} says so");
    }
    scene.world.cut(scene.links[1]);
    scene.pass(PRESENCE_TICK);
    assert_eq!(scene.seen_by(0), ["bob at the end"], "he is on the other link");
}

#[test]
fn who_says_the_same_on_two_links_is_told_of_to_everybody_else() {
    const OLD: usize = 1;
    const NEW: usize = 2;
    const EVE: usize = 3;
    const READER: usize = 4;
    const ZOE: usize = 5;
    let mut scene = Scene::new(1);
    scene.join_as("bob");
    scene.world.cut(scene.links[0]);
    scene.show(OLD, "above");
    let (client, session) = (scene.world.client(SPEC), scene.sessions[OLD]);
    let above = Presence { name: "above".to_owned(), ..of("bob") };
    scene.world.replicas[client].announce(scene.world.now, &doc(), session, Some(above));
    scene.come(client, session, "bob");
    (EVE..=ZOE).for_each(|_| scene.join());
    scene.pass(PRESENCE_TICK);
    // All are told of the first at once, and of the others together, in the order of their links.
    for (who, name) in [(ZOE, "zoe"), (NEW, "below"), (OLD, "below"), (EVE, "eve")] {
        scene.say(who, Some(Presence { name: name.to_owned(), ..of("someone") }));
    }
    scene.pass(PRESENCE_TICK);
    assert_eq!(scene.seen_by(READER), ["below", "eve", "zoe"]);
}

#[test]
fn a_document_that_is_closed_and_opened_again_is_told_of_again() {
    let mut scene = Scene::new(2);
    scene.show(0, "ada");
    let client = scene.clients[1];
    for name in ["at the top", "below"] {
        scene.say(0, Some(Presence { name: name.to_owned(), ..of("ada") }));
        scene.world.replicas[client].close(&doc());
        scene.world.settle();
        scene.world.replicas[client].open(scene.world.now, &doc(), Some(SPEC));
        scene.world.settle();
        scene.pass(PRESENCE_TICK);
        assert_eq!(scene.seen_by(1), [name]);
    }
}

#[test]
fn who_was_refused_a_document_is_not_held_up_by_who_is_present_in_it() {
    let (refused, open) = (doc(), DocId::new("other").unwrap());
    let mut relay = Replica::new(config(0, Policy::relay()));
    let [mover, peer] = [ConnectionId(1), ConnectionId(2)];
    let now = Time(1);
    for connection in [mover, peer] {
        relay.handle(now, Input::Connected { connection, side: Side::Accepted, visitor: None });
    }
    let mut hear = |connection: ConnectionId, messages: &[Message]| {
        relay.handle(now, Input::Received { connection, frame: frame(messages) });
        replicas::settle(&mut relay, now)
    };
    let opened = |doc: &DocId, family: Family| {
        let log = Cursor { epoch: Epoch::new([7; 16]), offset: 0, digest: Digest::default() };
        Message::Open { doc: doc.clone(), spec: Spec { family, ..SPEC }, log, cursors: Vec::new() }
    };
    let shown = |doc: &DocId| Message::Presence {
        doc: doc.clone(),
        sightings: vec![Sighting { session: SessionId::new([9; 16]), presence: Some(of("ada").into()) }],
    };
    for (connection, family) in [(mover, Family::Yjs), (peer, Family::Automerge)] {
        hear(connection, &[hello(false), opened(&refused, family), opened(&open, Family::Yjs)]);
    }
    assert_eq!(hear(mover, &[shown(&refused)]), []);
    let told = hear(mover, &[shown(&open)]);
    assert!(told.iter().any(|(connection, _)| *connection == peer), "at once: {told:?}");
}

#[test]
fn a_place_in_a_text_stays_in_front_of_its_character() {
    for family in [Family::Yjs, Family::Automerge] {
        let mut world = World::default();
        let client = world.client(Spec { family, ..SPEC });
        world.write(client, "wörld 🦀!");
        let path = Path::root().child(Kind::TEXT_KEY);
        let document = world.replicas[client].document(&doc()).unwrap();
        let (crab, end) = (document.anchor(&path, 6).unwrap(), document.anchor(&path, 8).unwrap());
        assert_eq!(document.anchor(&path, 9), None);
        world.write(client, "hello, 🌍 ");
        let document = world.replicas[client].document(&doc()).unwrap();
        assert_eq!(document.locate(&path, &crab), Some(15), "{family}");
        assert_eq!(document.locate(&path, &end), Some(17), "{family}");
        let removed = Operation::Splice { path: path.clone(), at: 14, delete: 3, insert: String::new() };
        world.replicas[client].edit(world.now, &doc(), |editor| editor.perform(removed)).unwrap();
        let document = world.replicas[client].document(&doc()).unwrap();
        assert_eq!(document.locate(&path, &crab), Some(14), "{family}: where it was");
        for nonsense in ["", "{}", "99@zz", r#"{"item":{"client":1,"clock":9},"assoc":0}"#] {
            assert_eq!(document.locate(&path, &syncline_core::presence::Anchor(nonsense.into())), None);
        }
        let selection = Selection { path, anchor: crab.clone(), head: end };
        assert_eq!(Presence { selection: Some(selection), ..of("ada") }.excess(), None);
    }
}
