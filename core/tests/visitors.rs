//! Peers that were asked who they are: what they may not do, a relay does not let them, and says so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod replicas;

use replicas::doc;
use replicas::world::World;
use syncline_core::entry::{Family, Kind, Spec};
use syncline_core::event::{Event, Input, Side};
use syncline_core::id::{DocId, Principal};
use syncline_core::replica::Policy;
use syncline_core::time::Time;
use syncline_core::visitor::{Access, Visitor};
use syncline_core::wire::ErrorCode;

const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Text };

/// A relay and somebody who has the document open.
struct Scene {
    world: World,
    relay: usize,
    client: usize,
}

impl Scene {
    fn new() -> Self {
        let mut world = World::default();
        let relay = world.add(Policy::relay());
        let client = world.client(SPEC);
        Self { world, relay, client }
    }

    /// A client connects, of whom this is known.
    fn connect(&mut self, client: usize, access: Access) {
        let name = Principal::new("visitor").unwrap();
        let visitor = Visitor::new(name, move |_: &DocId| access);
        let connection = self.world.link(client, self.relay);
        let (side, visitor) = (Side::Accepted, Some(visitor));
        self.world.replicas[self.relay].handle(Time(1), Input::Connected { connection, side, visitor });
        let (side, visitor) = (Side::Dialed, None);
        self.world.replicas[client].handle(Time(1), Input::Connected { connection, side, visitor });
        self.world.settle();
    }
}

#[test]
fn who_may_write_writes() {
    let mut scene = Scene::new();
    scene.connect(scene.client, Access::Write);
    scene.world.write(scene.client, "taken ");
    assert_eq!(scene.world.log(scene.relay).len(), 1);
}

#[test]
fn who_may_only_read_reads_and_is_told_that_edits_are_not_taken() {
    let mut scene = Scene::new();
    let reader = scene.world.client(SPEC);
    scene.connect(scene.client, Access::Write);
    scene.connect(reader, Access::Read);
    scene.world.write(scene.client, "one ");
    assert_eq!(scene.world.text(reader), "one ");
    scene.world.write(reader, "two ");
    assert_eq!((scene.world.text(reader), scene.world.text(scene.client)), ("one ".into(), "one ".into()));
    let refused = |event: &Event| matches!(event, Event::Refused { lost, .. } if lost.len() == 1);
    assert!(scene.world.events[reader].iter().any(refused));
    scene.world.write(scene.client, "three ");
    assert_eq!(scene.world.text(reader), "three one ", "it reads on");
}

#[test]
fn who_may_nothing_is_not_told_whether_there_is_anything() {
    let mut scene = Scene::new();
    let stranger = scene.world.client(SPEC);
    scene.connect(scene.client, Access::Write);
    scene.world.write(scene.client, "secret ");
    scene.connect(stranger, Access::Nothing);
    assert_eq!(scene.world.text(stranger), "");
    let forbidden = |event: &Event| matches!(event, Event::PeerError { code: ErrorCode::Forbidden, .. });
    assert!(scene.world.events[stranger].iter().any(forbidden));
    let connection = *scene.world.links.keys().last().unwrap();
    scene.world.replicas[stranger].describe(connection, &doc());
    scene.world.settle();
    let unknown = |event: &Event| matches!(event, Event::Described { spec: None, .. });
    assert!(scene.world.events[stranger].iter().any(unknown));
}

#[test]
fn who_may_only_read_makes_no_document() {
    let mut scene = Scene::new();
    scene.connect(scene.client, Access::Read);
    assert!(scene.world.replicas[scene.relay].log(&doc()).is_none());
    let missing = |event: &Event| match event {
        Event::PeerError { code: ErrorCode::NotFound, message, .. } => {
            message.ends_with("you may not make it here")
        }
        _ => false,
    };
    assert!(scene.world.events[scene.client].iter().any(missing));
}

#[test]
fn who_may_only_read_brings_no_snapshot_either() {
    let mut scene = Scene::new();
    scene.connect(scene.client, Access::Write);
    scene.world.write(scene.client, "one ");
    let reader = scene.world.add(Policy { awaits_relay: false, ..Policy::client() });
    scene.world.replicas[reader].open(Time(1), &doc(), Some(SPEC));
    scene.world.settle();
    scene.world.write(reader, "two ");
    scene.world.replicas[reader].compact(&doc());
    scene.world.settle();
    assert!(scene.world.replicas[reader].log(&doc()).unwrap().base().is_some());
    scene.connect(reader, Access::Read);
    let have = scene.world.replicas[scene.relay].log(&doc()).unwrap().have().len();
    assert_eq!((have, scene.world.text(scene.client)), (1, "one ".into()));
    scene.world.write(scene.client, "three ");
    let read = scene.world.text(reader);
    assert!(read.contains("one ") && read.contains("three ") && read.contains("two "), "it reads on: {read}");
}
