//! Somebody writes under another one's name, first: nothing is lost, and all end equal.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod replicas;

use bytes::Bytes;
use replicas::doc;
use replicas::world::{World, entries, entry, forgery};
use syncline_core::entry::{Body, Entry, Family, Kind, Spec};
use syncline_core::event::Side;
use syncline_core::id::{ConnectionId, EntryId};
use syncline_core::replica::Policy;

const FAMILIES: [Family; 2] = [Family::Yjs, Family::Automerge];

/// A relay, Ada whose first edit is there, and somebody who keeps the document in the relay's memory, as nothing is
/// on disk in this world.
fn shared(family: Family) -> (World, Spec, [usize; 3], ConnectionId) {
    let spec = Spec { family, kind: Kind::Text };
    let mut world = World::default();
    let relay = world.add(Policy::relay());
    let (ada, cyd) = (world.client(spec), world.client(spec));
    world.connect(cyd, relay);
    let link = world.connect(ada, relay);
    world.write(ada, "one ");
    (world, spec, [relay, ada, cyd], link)
}

/// Gives a relay an entry from somebody without an engine.
fn forge(world: &mut World, relay: usize, spec: Spec, forged: Entry) {
    world.hear_mallory(relay, (false, Side::Accepted), spec, &[entries(vec![forged])]);
}

/// Mallory writes the entry that is to be Ada's second one.
fn rob(world: &mut World, spec: Spec, relay: usize, ada: usize) {
    let before = world.log(relay);
    let name = before[0].id.replica;
    assert_eq!(world.replicas[ada].writer(&doc()), Some(name));
    forge(world, relay, spec, forgery(spec, name, &before));
    assert_eq!(world.log(relay).len(), 2, "the gate admits the forgery");
}

/// Mallory writes while Ada is away.
fn robbed(family: Family) -> (World, Spec, [usize; 3]) {
    let (mut world, spec, [relay, ada, cyd], link) = shared(family);
    world.cut(link);
    rob(&mut world, spec, relay, ada);
    (world, spec, [relay, ada, cyd])
}

/// All hold the same, every edit once, and what Ada wrote is saved.
fn assert_nothing_lost(world: &World, ada: usize, others: &[usize]) {
    let text = world.text(ada);
    for word in ["one", "two", "three", "mallory"] {
        assert_eq!(text.matches(word).count(), 1, "{word} in {text:?}");
    }
    for other in others {
        assert_eq!(world.text(*other), text);
    }
    let progress = world.replicas[ada].progress(&doc()).unwrap();
    assert_eq!((progress.pending, progress.relay), (0, progress.local), "{progress:?}");
}

#[test]
fn what_was_written_under_a_stolen_name_is_made_again() {
    for family in FAMILIES {
        let (mut world, spec, [relay, ada, cyd]) = robbed(family);
        world.write(ada, "two ");
        world.write(ada, "three ");
        world.connect(ada, relay);
        let ben = world.client(spec);
        world.connect(ben, relay);
        assert_nothing_lost(&world, ada, &[ben, cyd]);
    }
}

#[test]
fn a_stolen_name_is_noticed_from_either_side() {
    for family in FAMILIES {
        let (mut world, spec, [relay, ada, cyd]) = robbed(family);
        let ben = world.client(spec);
        world.connect(ben, relay);
        world.write(ada, "two ");
        // Ben holds what the relay holds, and is dialled: Ada hears of the other entry before the relay hears of hers.
        world.connect(ben, ada);
        world.write(ada, "three ");
        world.connect(ada, relay);
        assert_nothing_lost(&world, ada, &[ben, cyd]);
    }
}

#[test]
fn whoever_took_the_right_entry_first_ends_as_all_others() {
    for family in FAMILIES {
        let (mut world, spec, [relay, ada, cyd]) = robbed(family);
        world.write(ada, "two ");
        let ben = world.client(spec);
        world.connect(ben, ada);
        assert_eq!(world.text(ben), world.text(ada));
        world.connect(ben, relay);
        world.write(ada, "three ");
        world.connect(ada, relay);
        assert_nothing_lost(&world, ada, &[ben, cyd]);
    }
}

#[test]
fn a_stolen_name_is_noticed_before_the_own_entry_is_sent() {
    for family in FAMILIES {
        let (mut world, spec, [relay, ada, cyd], _) = shared(family);
        world.slow = Some((ada, Vec::new()));
        world.write(ada, "two ");
        rob(&mut world, spec, relay, ada);
        world.finish_writes();
        world.write(ada, "three ");
        assert_nothing_lost(&world, ada, &[cyd]);
    }
}

#[test]
fn what_others_send_under_a_name_costs_its_owner_no_edit() {
    for family in FAMILIES {
        let (mut world, spec, [relay, ada, cyd], link) = shared(family);
        world.write(ada, "mallory ");
        world.cut(link);
        let before = world.log(relay);
        let replica = before[0].id.replica;
        let id = EntryId { replica, counter: before.len() as u64 + 1 };
        forge(&mut world, relay, spec, entry(id, Body::Update(Bytes::from_static(b"rubbish"))));
        assert_eq!(world.log(relay).len(), before.len(), "the gate refuses it");
        world.write(ada, "two ");
        world.write(ada, "three ");
        world.connect(ada, relay);
        assert_nothing_lost(&world, ada, &[cyd]);
    }
}
