//! Servers that are no replicas: what they have applied is not pending, also after a restart.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod replicas;

use syncline_core::entry::{Family, Kind, Spec};
use syncline_core::id::ConnectionId;
use syncline_core::replica::Server;
use syncline_core::time::Time;

use replicas::doc;
use replicas::world::World;

const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Text };
const LINK: ConnectionId = ConnectionId(7);

fn apply(world: &mut World, client: usize, server: Server, offset: u64) {
    world.replicas[client].applied(Time(1), &doc(), server, offset);
    world.settle();
}

fn pending(world: &World, client: usize) -> u64 {
    world.replicas[client].progress(&doc()).unwrap().pending
}

#[test]
fn what_a_server_applied_is_not_pending_any_more_nor_after_a_restart() {
    let mut world = World::default();
    let client = world.client(SPEC);
    let server = Server::at("yjs+ws://there", LINK);
    for text in ["one ", "two ", "three "] {
        world.write(client, text);
    }
    assert_eq!(pending(&world, client), 3);
    apply(&mut world, client, server, 2);
    assert_eq!(pending(&world, client), 1);
    assert_eq!(world.replicas[client].progress(&doc()).unwrap().relay, 2);
    world.restart(client);
    assert_eq!(pending(&world, client), 1, "the same server is remembered");
    apply(&mut world, client, Server::at("yjs+ws://there", ConnectionId(8)), 3);
    world.write(client, "four ");
    world.restart(client);
    assert_eq!(pending(&world, client), 1);
}

#[test]
fn what_a_server_applied_stays_applied_whatever_it_says_later() {
    let mut world = World::default();
    let client = world.client(SPEC);
    let server = Server::at("yjs+ws://there", LINK);
    world.write(client, "one ");
    world.write(client, "two ");
    apply(&mut world, client, server, 2);
    let writes = world.count_writes(|world| apply(world, client, server, 1));
    assert_eq!((pending(&world, client), writes), (0, 0));
    apply(&mut world, client, server, 99);
    world.write(client, "three ");
    assert_eq!(pending(&world, client), 1, "nobody applies what is not there");
}

#[test]
fn a_server_is_in_sync_while_it_is_there_and_has_applied_everything() {
    let mut world = World::default();
    let client = world.client(SPEC);
    let server = Server::at("yjs+ws://there", LINK);
    let in_sync = |world: &World| world.replicas[client].in_sync(LINK, &doc());
    apply(&mut world, client, server, 0);
    assert!(!in_sync(&world), "it has not told what it holds");
    world.replicas[client].heard_out(Time(1), &doc(), server);
    assert!(in_sync(&world), "both hold nothing");
    world.write(client, "one ");
    assert!(!in_sync(&world));
    apply(&mut world, client, server, 1);
    assert!(in_sync(&world));
    world.replicas[client].server_left(LINK);
    assert!(!in_sync(&world));
}
