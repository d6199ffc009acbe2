//! Clients of other protocols at a relay: what they send is appended in their name, and replicas and they see the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod replicas;

use bytes::Bytes;
use syncline_core::crdt::GateError;
use syncline_core::entry::{Body, Family, Kind, Seen, Spec};
use syncline_core::event::Event;
use syncline_core::id::{DocId, Principal};
use syncline_core::path::Path;
use syncline_core::replica::{ContributeError, Contributed, Guest, Replica};
use syncline_core::time::Time;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Doc, GetString, ReadTxn, StateVector, Text, Transact, Update};

use replicas::doc;
use replicas::world::World;
use syncline_core::replica::Policy;

const YJS: Spec = Spec { family: Family::Yjs, kind: Kind::Text };
const AUTOMERGE: Spec = Spec { family: Family::Automerge, kind: Kind::Text };

/// A relay that hosts the document, and a client of it.
struct Scene {
    world: World,
    relay: usize,
    client: usize,
}

impl Scene {
    fn new(spec: Spec) -> Self {
        Self::with(spec, Policy::relay())
    }

    fn with(spec: Spec, relay: Policy) -> Self {
        let mut world = World::default();
        let relay = world.add(relay);
        let client = world.client(spec);
        world.connect(client, relay);
        let mut scene = Self { world, relay, client };
        scene.host(spec);
        scene
    }

    fn host(&mut self, spec: Spec) {
        self.relay().host(Time(1), &doc(), Some(spec));
        self.world.settle();
        self.build();
    }

    fn build(&mut self) {
        self.relay().build(Time(1), &doc());
        self.world.settle();
        assert!(self.relay().exchange(&doc()).is_some(), "it is ready");
    }

    fn relay(&mut self) -> &mut Replica {
        &mut self.world.replicas[self.relay]
    }

    fn guest(&mut self) -> Guest {
        let author = Principal::new("guest").unwrap();
        Guest { replica: self.relay().new_guest(), author, seen: Seen::default() }
    }

    fn send(&mut self, guest: &Guest, update: &[u8]) -> Result<Contributed<()>, ContributeError> {
        let sent = self.relay().contribute(Time(3), &doc(), guest, |exchange, replicas| {
            exchange.receive(replicas, update).map(|updates| (updates, ()))
        });
        self.world.settle();
        sent
    }

    fn missing(&mut self, version: &[u8]) -> Vec<u8> {
        self.relay().exchange(&doc()).unwrap().missing(version).unwrap().to_vec()
    }

    fn updates(&mut self, after: u64) -> Vec<Bytes> {
        let doc = doc();
        let entries = self.relay().for_guests(&doc, after).unwrap();
        entries.filter_map(|(_, entry)| entry.body.update().cloned()).collect()
    }
}

/// A Yjs client of somebody else.
fn stranger(client: u64) -> Doc {
    Doc::with_client_id(client)
}

fn text(stranger: &Doc) -> String {
    let text = stranger.get_or_insert_text("text");
    text.get_string(&stranger.transact())
}

fn type_at(stranger: &Doc, at: u32, words: &str) -> Vec<u8> {
    let text = stranger.get_or_insert_text("text");
    let mut txn = stranger.transact_mut();
    text.insert(&mut txn, at, words);
    txn.encode_update_v1()
}

fn whole(stranger: &Doc) -> Vec<u8> {
    stranger.transact().encode_state_as_update_v1(&StateVector::default())
}

fn receive(stranger: &Doc, update: &[u8]) {
    stranger.transact_mut().apply_update(Update::decode_v1(update).unwrap()).unwrap();
}

#[test]
fn replicas_and_yjs_clients_see_the_same() {
    let mut scene = Scene::new(YJS);
    let (guest, stranger) = (scene.guest(), stranger(77));
    let sent = scene.send(&guest, &type_at(&stranger, 0, "hello")).unwrap();
    assert_eq!((sent.entries, sent.offset), (1, 1));
    assert_eq!(scene.world.text(scene.client), "hello");
    scene.world.write(scene.client, "oh, ");
    let updates = scene.updates(sent.offset);
    updates.iter().for_each(|update| receive(&stranger, update));
    assert_eq!(text(&stranger), "oh, hello");
    let entry = scene.world.log(scene.client)[0].clone();
    assert_eq!((entry.author.as_str(), entry.id.replica), ("guest", guest.replica));
    assert!(matches!(entry.body, Body::Foreign(_)));
}

#[test]
fn what_is_held_already_makes_no_entry() {
    let mut scene = Scene::new(YJS);
    let (guest, stranger) = (scene.guest(), stranger(77));
    scene.send(&guest, &type_at(&stranger, 0, "one ")).unwrap();
    type_at(&stranger, 4, "two");
    let sent = scene.send(&guest, &whole(&stranger)).unwrap();
    assert_eq!((sent.entries, sent.offset), (1, 2));
    assert_eq!(scene.send(&guest, &whole(&stranger)).unwrap().entries, 0);
    let last = scene.updates(1).remove(0);
    assert!(last.len() < whole(&stranger).len(), "only what was new");
    let other = stranger_of(&scene.missing(&[0]));
    assert_eq!(text(&other), "one two");
}

fn stranger_of(update: &[u8]) -> Doc {
    let stranger = stranger(78);
    receive(&stranger, update);
    stranger
}

#[test]
fn a_guest_writes_as_no_replica_and_builds_on_nothing_unknown() {
    let mut scene = Scene::new(YJS);
    scene.world.write(scene.client, "mine");
    let victim = scene.world.log(scene.client)[0].id.replica;
    let mallory = stranger(victim.yjs_client());
    receive(&mallory, &scene.missing(&[0]));
    let forged = type_at(&mallory, 0, "theirs");
    let guest = scene.guest();
    let refused = scene.send(&guest, &forged);
    assert!(matches!(refused, Err(ContributeError::Refused(GateError::Impostor { .. }))), "{refused:?}");
    let stranger = stranger(5);
    type_at(&stranger, 0, "a");
    let refused = scene.send(&guest, &type_at(&stranger, 1, "b"));
    assert!(matches!(refused, Err(ContributeError::Refused(GateError::Gap { .. }))), "{refused:?}");
    assert_eq!(scene.world.text(scene.client), "mine");
    assert_eq!(scene.world.log(scene.relay).len(), 1, "nothing was stored");
}

#[test]
fn what_a_replica_wrote_reaches_guests_when_it_is_durable_and_what_a_guest_wrote_before() {
    let mut scene = Scene::new(YJS);
    let (guest, stranger) = (scene.guest(), stranger(77));
    scene.world.slow = Some((scene.relay, Vec::new()));
    scene.send(&guest, &type_at(&stranger, 0, "early")).unwrap();
    assert_eq!(scene.updates(0).len(), 1);
    scene.world.write(scene.client, "late ");
    assert_eq!(scene.updates(0).len(), 1);
    scene.world.finish_writes();
    assert_eq!(scene.updates(0).len(), 2);
}

#[test]
fn a_hosted_document_is_there_after_a_restart() {
    for spec in [YJS, AUTOMERGE] {
        let mut scene = Scene::new(spec);
        scene.world.write(scene.client, "kept");
        let guest = scene.guest();
        if spec == YJS {
            scene.send(&guest, &type_at(&stranger(77), 0, "and ")).unwrap();
        }
        let before = scene.missing(&[]).len();
        scene.world.restart(scene.relay);
        scene.host(spec);
        assert_eq!(scene.missing(&[]).len(), before, "{spec}");
    }
}

#[test]
fn a_document_is_built_beside_what_comes_meanwhile_and_is_let_go() {
    let mut scene = Scene::new(YJS);
    scene.world.write(scene.client, "one ");
    scene.relay().unhost(&doc());
    assert!(scene.relay().document(&doc()).is_none(), "a relay holds the gate alone");
    scene.relay().host(Time(1), &doc(), None);
    scene.relay().build(Time(1), &doc());
    scene.relay().build(Time(1), &doc());
    scene.world.write(scene.client, "two ");
    let other = stranger_of(&scene.missing(&[0]));
    assert_eq!(text(&other), "two one ");
}

#[test]
fn who_holds_nothing_needs_no_document_built() {
    let mut scene = Scene::new(YJS);
    scene.relay().unhost(&doc());
    scene.world.write(scene.client, "one ");
    scene.relay().compact(&doc());
    scene.world.settle();
    scene.world.write(scene.client, "two ");
    scene.relay().host(Time(1), &doc(), None);
    scene.world.settle();
    let log = scene.relay().log(&doc()).unwrap();
    let (base, offset) = (log.base().unwrap().state.clone(), log.base_offset());
    let updates = scene.updates(offset);
    let other = stranger(78);
    [base].iter().chain(&updates).for_each(|update| receive(&other, update));
    assert_eq!(text(&other), "two one ");
    let version = other.transact().state_vector().encode_v1();
    assert_eq!(scene.relay().version(&doc()).unwrap(), version);
    assert!(scene.relay().document(&doc()).is_none(), "a relay holds the gate alone");
    let guest = scene.guest();
    let early = scene.send(&guest, &type_at(&other, 0, "three "));
    assert_eq!(early, Err(ContributeError::NotBuilt(doc())));
    scene.build();
    assert_eq!(scene.send(&guest, &whole(&other)).unwrap().entries, 1);
}

#[test]
fn a_document_is_built_for_guests_as_long_as_there_is_memory() {
    let mut scene = Scene::with(YJS, Policy { loaded_bytes: 100_000, ..Policy::relay() });
    let guest = scene.guest();
    scene.send(&guest, &type_at(&stranger(77), 0, &"much ".repeat(10_000))).unwrap();
    let other = DocId::new("other").unwrap();
    scene.relay().host(Time(4), &other, Some(YJS));
    scene.world.settle();
    assert!(scene.relay().exchange(&doc()).is_none(), "the other one was used last");
    assert!(scene.relay().log(&doc()).is_some(), "who comes is given what is there");
    scene.build();
    assert_eq!((scene.relay().counts().built, scene.relay().counts().unbuilt), (2, 1));
    assert_eq!(scene.relay().census().built, 1);
    scene.relay().build(Time(5), &other);
    scene.world.settle();
    assert!(scene.relay().exchange(&other).is_some());
    assert_eq!(scene.relay().census().built, 1, "there is room for one");
}

#[test]
fn a_document_that_is_not_there_is_made_or_is_not_found() {
    let mut world = World::default();
    let relay = world.add(Policy::relay());
    let replica = &mut world.replicas[relay];
    replica.host(Time(1), &doc(), None);
    let mut failed = false;
    while let Some(output) = replica.poll() {
        use syncline_core::event::{Input, Output};
        match output {
            Output::Load { doc } => replica.handle(Time(1), Input::Loaded { doc, result: Ok(None) }),
            Output::Event(Event::Failed { .. }) => failed = true,
            other => panic!("{other:?}"),
        }
    }
    assert!(failed && replica.exchange(&doc()).is_none());
}

mod automerge_clients {
    use automerge::sync::{Message, State, SyncDoc};
    use automerge::transaction::Transactable;
    use automerge::{ActorId, Automerge, ReadDoc};
    use syncline_core::crdt::automerge::Conversation;

    use super::*;

    struct Peer {
        document: Automerge,
        state: State,
        conversation: Conversation,
        guest: Guest,
    }

    impl Peer {
        fn new(scene: &mut Scene, actor: u8) -> Self {
            let document = Automerge::new().with_actor(ActorId::from([actor; 16]));
            Self {
                document,
                state: State::new(),
                conversation: Conversation::default(),
                guest: scene.guest(),
            }
        }

        /// Both say what they have to say, until neither has anything. Returns how often something was missing.
        fn talk(&mut self, scene: &mut Scene) -> usize {
            let mut gaps = 0;
            for _ in 0..20 {
                let here = self.document.generate_sync_message(&mut self.state);
                if let Some(message) = &here {
                    match self.hear(scene, message.clone()) {
                        Err(ContributeError::Refused(GateError::Gap { .. })) => {
                            gaps += 1;
                            self.conversation.start_again();
                        }
                        heard => drop(heard.unwrap()),
                    }
                    scene.world.settle();
                }
                let document = scene.relay().exchange(&doc()).unwrap().automerge().unwrap();
                let there = document.speak(&mut self.conversation).unwrap();
                if let Some(message) = &there {
                    let message = Message::decode(message).unwrap();
                    self.document.receive_sync_message(&mut self.state, message).unwrap();
                }
                if here.is_none() && there.is_none() {
                    return gaps;
                }
            }
            panic!("they do not come to an end");
        }

        /// The relay hears something of the client.
        fn hear(&mut self, scene: &mut Scene, message: Message) -> Result<Contributed<()>, ContributeError> {
            let (message, conversation) = (message.encode(), &mut self.conversation);
            scene.relay().contribute(Time(3), &doc(), &self.guest, |exchange, replicas| {
                let document = exchange.automerge().unwrap();
                let heard = document.hear(conversation, replicas, &message)?;
                Ok((heard.updates, ()))
            })
        }

        /// Connects anew: both say by filters what they hold.
        fn reconnect(&mut self) {
            (self.state, self.conversation) = (State::new(), Conversation::default());
        }

        fn write(&mut self, words: &str) {
            let text = self.document.get(automerge::ROOT, "text").unwrap().unwrap().1;
            let mut transaction = self.document.transaction();
            transaction.splice_text(&text, 0, 0, words).unwrap();
            transaction.commit();
        }

        fn text(&self) -> String {
            let text = self.document.get(automerge::ROOT, "text").unwrap().unwrap().1;
            self.document.text(&text).unwrap()
        }
    }

    #[test]
    fn replicas_and_automerge_clients_see_the_same() {
        let mut scene = Scene::new(AUTOMERGE);
        scene.world.write(scene.client, "one ");
        let (mut ann, mut bob) = (Peer::new(&mut scene, 1), Peer::new(&mut scene, 2));
        ann.talk(&mut scene);
        bob.talk(&mut scene);
        ann.write("two ");
        bob.write("three ");
        scene.world.write(scene.client, "four ");
        for peer in [&mut ann, &mut bob] {
            peer.talk(&mut scene);
        }
        ann.talk(&mut scene);
        let all = scene.world.text(scene.client);
        assert_eq!(all.len(), "one two three four ".len());
        assert_eq!((ann.text(), bob.text()), (all.clone(), all));
    }

    /// Found by `cargo xtask clients --kills`: the relay waits for its disk before it answers, and the client said meanwhile once
    /// more what it held. Then it waited for ever to hear that its change had arrived.
    #[test]
    fn what_is_said_while_an_answer_waits_does_not_stand_for_it() {
        let mut scene = Scene::new(AUTOMERGE);
        let mut ann = Peer::new(&mut scene, 1);
        ann.talk(&mut scene);
        ann.write("arrives ");
        let change = ann.document.generate_sync_message(&mut ann.state).unwrap();
        ann.hear(&mut scene, change.clone()).unwrap();
        ann.hear(&mut scene, Message { changes: Vec::<Vec<u8>>::new().into(), ..change }).unwrap();
        let document = scene.relay().exchange(&doc()).unwrap().automerge().unwrap();
        let answer = document.speak(&mut ann.conversation).unwrap().expect("the client is told");
        assert_eq!(Message::decode(&answer).unwrap().heads, ann.document.get_heads());
        assert_eq!(document.speak(&mut ann.conversation).unwrap(), None, "once is enough");
    }

    /// Found by `cargo xtask clients --scripts`, automerge, seeds 1063, 3139 and 9821: the relay asked for the change that it had
    /// refused, and was sent it again, for ever.
    #[test]
    fn what_a_filter_takes_for_held_is_asked_for() {
        const ROUNDS: usize = 400;
        let mut scene = Scene::new(AUTOMERGE);
        let mut ann = Peer::new(&mut scene, 1);
        ann.talk(&mut scene);
        let mut gaps = 0;
        for _ in 0..ROUNDS {
            scene.world.write(scene.client, "r");
            (0..3).for_each(|_| ann.write("a"));
            ann.reconnect();
            gaps += ann.talk(&mut scene);
            assert_eq!(ann.text(), scene.world.text(scene.client));
        }
        assert!(gaps > 0, "no filter erred");
        assert_eq!(ann.text().len(), 4 * ROUNDS);
    }

    #[test]
    fn a_whole_document_of_a_client_becomes_changes() {
        let mut scene = Scene::new(Spec { family: Family::Automerge, kind: Kind::Tree });
        let mut ann = Peer::new(&mut scene, 1);
        for number in 0..50 {
            let mut transaction = ann.document.transaction();
            transaction.put(automerge::ROOT, format!("k{number}"), number).unwrap();
            transaction.commit();
        }
        let saved = ann.document.save();
        let guest = ann.guest.clone();
        assert_eq!(scene.send(&guest, &saved).unwrap().entries, 1);
        assert_eq!(scene.send(&guest, &saved).unwrap().entries, 0);
        let value = scene.world.replicas[scene.client].document(&doc()).unwrap().len(&Path::root());
        assert_eq!(value, Some(50));
    }

    #[test]
    fn a_client_that_writes_as_a_replica_is_refused_and_may_go_on() {
        let mut scene = Scene::new(AUTOMERGE);
        scene.world.write(scene.client, "mine ");
        let victim = scene.world.log(scene.client)[0].id.replica;
        let mut mallory = Peer::new(&mut scene, 1);
        mallory.talk(&mut scene);
        mallory.document = mallory.document.with_actor(ActorId::from(*victim.as_bytes()));
        mallory.write("theirs ");
        let changes = mallory.document.get_last_local_change().unwrap().raw_bytes().to_vec();
        let guest = mallory.guest.clone();
        let refused = scene.send(&guest, &changes);
        assert!(matches!(refused, Err(ContributeError::Refused(GateError::Impostor { .. }))), "{refused:?}");
        scene.world.write(scene.client, "go on ");
        assert_eq!(scene.world.text(scene.client), "go on mine ");
    }
}
