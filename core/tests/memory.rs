//! Documents leave the memory of a relay, stay open, and come back when they are spoken of.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod replicas;

use replicas::world::World;
use replicas::{config, written};
use syncline_core::entry::{Family, Kind, Spec};
use syncline_core::event::{Input, Output, StoreFault};
use syncline_core::id::{ConnectionId, DocId};
use syncline_core::operation::EditError;
use syncline_core::replica::{Compaction, Editor, MAX_LOADS, Policy, Replica};
use syncline_core::time::Time;
use syncline_core::wire::{ErrorCode, Message};

const FAMILIES: [Family; 2] = [Family::Yjs, Family::Automerge];
const DOCUMENTS: usize = 6;

/// Two clients, each with every document open, and a relay between them.
struct Scene {
    world: World,
    relay: usize,
    clients: [usize; 2],
    spec: Spec,
}

fn named(number: usize) -> DocId {
    DocId::new(&format!("doc{number}")).unwrap()
}

impl Scene {
    fn new(family: Family, loaded_bytes: usize) -> Self {
        let (mut world, spec) = (World::default(), Spec { family, kind: Kind::Text });
        let compaction = Compaction { least_bytes: 1, ratio: 0, keep_entries: 2 };
        let relay = world.add(Policy { loaded_bytes, compaction, ..Policy::relay() });
        let clients = [world.add(Policy::client()), world.add(Policy::client())];
        for client in clients {
            for number in 0..DOCUMENTS {
                world.replicas[client].open(Time(1), &named(number), Some(spec));
            }
            world.settle();
            world.connect(client, relay);
        }
        Self { world, relay, clients, spec }
    }

    fn relay(&self) -> &Replica {
        &self.world.replicas[self.relay]
    }

    fn write(&mut self, client: usize, number: usize) {
        let edit = |editor: &mut Editor<'_>| editor.perform(written(&format!("{client} ")));
        let replica = &mut self.world.replicas[self.clients[client]];
        replica.edit::<(), EditError>(Time(2), &named(number), edit).unwrap();
        self.world.settle();
    }

    /// Whether both clients hold the same of every document, and a relay has acknowledged it.
    fn assert_equal(&self) {
        for number in 0..DOCUMENTS {
            let [one, other] = self.clients.map(|client| {
                let replica = &self.world.replicas[client];
                assert_eq!(replica.progress(&named(number)).unwrap().pending, 0);
                replica.log(&named(number)).unwrap().have().clone()
            });
            assert_eq!(one, other, "{} {number}", self.spec);
        }
    }
}

#[test]
fn what_is_open_beyond_the_bound_is_unloaded_and_comes_back() {
    for family in FAMILIES {
        let mut scene = Scene::new(family, 0);
        for round in 0..10 {
            for number in 0..DOCUMENTS {
                scene.write((round + number) % 2, number);
                assert_eq!(scene.relay().loaded(), 1, "the one that was used last");
                assert!(scene.relay().log(&named(number)).is_some());
            }
        }
        assert_eq!(scene.relay().links(&named(0)), 2, "it is open all the same");
        scene.assert_equal();
    }
}

#[test]
fn what_fits_stays_and_what_was_used_least_recently_goes_first() {
    let mut scene = Scene::new(Family::Yjs, usize::MAX >> 1);
    (0..DOCUMENTS).for_each(|number| scene.write(0, number));
    assert_eq!(scene.relay().loaded(), DOCUMENTS);
    let bytes = scene.relay().loaded_bytes();
    assert!(bytes > DOCUMENTS * 4_096, "{bytes}");

    // Room for all but one, give or take what else is written.
    let mut scene = Scene::new(Family::Yjs, bytes - bytes / DOCUMENTS / 2);
    (0..DOCUMENTS).for_each(|number| scene.write(0, number));
    let loaded = |scene: &Scene| {
        (0..DOCUMENTS).filter(|number| scene.relay().log(&named(*number)).is_some()).collect::<Vec<_>>()
    };
    assert_eq!(loaded(&scene), [1, 2, 3, 4, 5]);
    scene.write(1, 1);
    scene.write(1, 0);
    assert_eq!(loaded(&scene), [0, 1, 3, 4, 5]);
    scene.assert_equal();
}

#[test]
fn a_relay_counts_what_it_finds_in_memory_and_what_it_has_to_read() {
    let documents = DOCUMENTS as u64;
    let mut scene = Scene::new(Family::Yjs, usize::MAX >> 1);
    (0..DOCUMENTS).for_each(|number| scene.write(0, number));
    let counts = scene.relay().counts();
    let lookups = (counts.found, counts.loaded, counts.unloaded);
    assert_eq!(lookups, (documents, documents, 0), "what the first client opens, the other finds");
    assert_eq!((counts.entries_in, counts.entries_out), (documents, documents), "to the other one");
    assert_eq!((scene.relay().census().open, scene.relay().census().loaded), (DOCUMENTS, DOCUMENTS));

    let mut scene = Scene::new(Family::Yjs, 0);
    (0..DOCUMENTS).for_each(|number| scene.write(0, number));
    let counts = scene.relay().counts();
    assert!(counts.loaded > documents, "what rests is read again: {counts:?}");
    assert_eq!(counts.loaded - counts.unloaded, 1, "one is there");
    let census = scene.relay().census();
    assert_eq!((census.open, census.loaded, census.built, census.behind), (DOCUMENTS, 1, 0, 0));
}

#[test]
fn who_goes_while_a_document_rests_need_not_wake_it() {
    let mut scene = Scene::new(Family::Yjs, 0);
    (0..DOCUMENTS).for_each(|number| scene.write(0, number));
    let first = scene.clients[0];
    scene.world.replicas[first].close(&named(0));
    scene.world.settle();
    assert_eq!((scene.relay().links(&named(0)), scene.relay().loaded()), (1, 1));
    let links: Vec<ConnectionId> = scene.world.links.keys().copied().collect();
    links.into_iter().for_each(|link| scene.world.cut(link));
    assert_eq!((scene.relay().documents().count(), scene.relay().loaded_bytes()), (0, 0), "nobody is there");
    for client in scene.clients {
        scene.world.connect(client, scene.relay);
    }
    scene.world.replicas[first].open(Time(3), &named(0), Some(scene.spec));
    scene.world.settle();
    scene.write(1, 0);
    scene.assert_equal();
}

#[test]
fn what_rests_is_compacted_when_asked_for() {
    let mut scene = Scene::new(Family::Yjs, 0);
    (0..5).for_each(|_| scene.write(0, 0));
    scene.write(0, 1);
    let relay = &mut scene.world.replicas[scene.relay];
    assert!(relay.log(&named(0)).is_none());
    relay.compact(&named(0));
    scene.world.settle();
    let relay = &scene.world.replicas[scene.relay];
    assert_eq!(relay.log(&named(0)).unwrap().base_offset(), 5);
}

#[test]
fn what_waits_for_the_disk_stays() {
    let mut scene = Scene::new(Family::Yjs, 0);
    scene.world.slow = Some((scene.relay, Vec::new()));
    scene.write(0, 0);
    scene.write(0, 1);
    assert_eq!(scene.relay().loaded(), 2);
    scene.world.finish_writes();
    assert_eq!(scene.relay().loaded(), 1);
    scene.assert_equal();
}

#[test]
fn who_takes_nothing_keeps_nothing_in_memory() {
    let mut scene = Scene::new(Family::Yjs, 0);
    scene.world.stuck = Some((ConnectionId(2), Vec::new()));
    for number in 0..DOCUMENTS {
        scene.write(0, number);
        assert_eq!(scene.relay().loaded(), 1);
    }
    scene.world.free();
    scene.assert_equal();
}

#[test]
fn a_resting_document_that_cannot_be_read_is_shut() {
    let mut scene = Scene::new(Family::Yjs, 0);
    (0..2).for_each(|number| scene.write(0, number));
    let relay = &mut scene.world.replicas[scene.relay];
    let [link, _] = [1, 2].map(ConnectionId);
    let frame = replicas::frame(&[Message::NeedHave { doc: named(0) }]);
    relay.handle(Time(3), Input::Received { connection: link, frame });
    assert!(matches!(relay.poll(), Some(Output::Load { .. })));
    let fault = StoreFault("unreadable".to_owned());
    relay.handle(Time(3), Input::Loaded { doc: named(0), result: Err(fault) });
    assert_eq!(relay.links(&named(0)), 0);
    let mut told = Vec::new();
    while let Some(output) = relay.poll() {
        if let Output::Send { connection, frame, .. } = output {
            let messages = syncline_core::wire::Codec::decode(&frame).unwrap();
            told.extend(messages.into_iter().map(|message| (connection, message)));
        }
    }
    let [(one, first), (other, second)] = &told[..] else { panic!("{told:?}") };
    assert_ne!(one, other, "each is told once");
    for message in [first, second] {
        assert!(matches!(message, Message::Failure { code: ErrorCode::Unavailable, .. }), "{message:?}");
    }
}

#[test]
fn few_documents_are_read_at_the_same_time() {
    let spec = Spec { family: Family::Toy, kind: Kind::Text };
    let mut replica = Replica::new(config(1, Policy::client()));
    (0..3 * MAX_LOADS).for_each(|number| replica.open(Time(1), &named(number), Some(spec)));
    // One that was not asked for yet is deleted, one that was as well; both are opened again.
    for number in [0, MAX_LOADS] {
        replica.delete(&named(number));
        replica.open(Time(1), &named(number), Some(spec));
    }
    let (mut asked, mut most) = (Vec::new(), 0);
    loop {
        let loads = std::iter::from_fn(|| replica.poll()).filter_map(|output| match output {
            Output::Load { doc } => Some(doc),
            _ => None,
        });
        asked.extend(loads);
        most = most.max(asked.len());
        let Some(doc) = asked.pop() else { break };
        replica.handle(Time(1), Input::Loaded { doc, result: Ok(None) });
    }
    assert_eq!(most, MAX_LOADS);
    assert!((0..3 * MAX_LOADS).all(|number| replica.log(&named(number)).is_some()));
}
