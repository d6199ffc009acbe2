//! A relay that lies: what its clients lost by it comes back with the next honest relay.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod replicas;

use std::sync::Arc;

use quickcheck::QuickCheck;
use replicas::doc;
use replicas::world::{MALLORYS_LOG, World, entries, entry, forgery};
use syncline_core::entry::{Blame, Body, Cursor, Digest, Entry, Family, Kind, Spec};
use syncline_core::event::Side;
use syncline_core::id::{EntryId, ReplicaId};
use syncline_core::random::Random;
use syncline_core::replica::Policy;
use syncline_core::wire::Message;

const FAMILIES: [Family; 2] = [Family::Yjs, Family::Automerge];

/// An honest relay, Ada and Cyd who write there by turns, and Ben who has read it all and written between them. Then
/// Mallory's relay says something to Ben, and he comes back to the honest one.
fn ben_was_told(family: Family, lie: impl Fn(Spec, &World, usize) -> Vec<Message>) -> (World, usize, usize) {
    let spec = Spec { family, kind: Kind::Text };
    let mut world = World::default();
    let relay = world.add(Policy::relay());
    let [ada, ben, cyd] = [world.client(spec), world.client(spec), world.client(spec)];
    world.connect(ada, relay);
    world.connect(cyd, relay);
    let link = world.connect(ben, relay);
    for (writer, word) in [(ada, "one "), (cyd, "two "), (ben, "three "), (ada, "four "), (cyd, "five ")] {
        world.write(writer, word);
    }
    assert_eq!(world.text(ben), "five four three two one ");
    world.cut(link);
    let lies = lie(spec, &world, ben);
    world.hear_mallory(ben, (true, Side::Dialed), spec, &lies);
    assert_ne!(world.text(ben), world.text(ada), "the lie does harm");
    world.connect(ben, relay);
    (world, ada, ben)
}

/// How often each word is in a text.
fn assert_words(text: &str, words: &[(&str, usize)], family: Family) {
    for (word, times) in words {
        assert_eq!(text.matches(word).count(), *times, "{word} of {family} in {text}");
    }
}

fn refused(id: EntryId) -> Message {
    Message::Refused { doc: doc(), id, blame: Blame::Context, reason: "no reason".to_owned() }
}

#[test]
fn refusals_that_it_invents_are_not_remembered_without_bound() {
    let spec = Spec { family: Family::Yjs, kind: Kind::Text };
    let mut world = World::default();
    let ben = world.client(spec);
    let invented = |number: usize| {
        let mut name = [66; 16];
        name[..8].copy_from_slice(&number.to_be_bytes());
        refused(EntryId { replica: ReplicaId::new(name), counter: 1 })
    };
    let fences = world.count_writes(|world| {
        for thousand in 0..20 {
            let lies: Vec<Message> = (0..1_000).map(|number| invented(thousand * 1_000 + number)).collect();
            world.hear_mallory(ben, (true, Side::Dialed), spec, &lies);
        }
    });
    assert!((16_000..18_000).contains(&fences), "{fences}");
}

#[test]
fn what_it_voided_comes_back() {
    let void_all = |_: Spec, world: &World, ben: usize| {
        let ids = world.log(ben).into_iter().map(|entry| entry.id);
        let void =
            |(counter, id)| entry(EntryId { replica: ReplicaId::new([66; 16]), counter }, Body::Void(id));
        vec![entries((1..).zip(ids).map(void).collect())]
    };
    for family in FAMILIES {
        let (world, ada, ben) = ben_was_told(family, void_all);
        assert_eq!(world.text(ben), world.text(ada), "{family}");
        assert_eq!(world.text(ben), "five four three two one ", "{family}");
    }
}

#[test]
fn what_it_refused_comes_back() {
    let refuse = |_: Spec, world: &World, ben: usize| vec![refused(world.log(ben)[0].id)];
    for family in FAMILIES {
        let (world, ada, ben) = ben_was_told(family, refuse);
        assert_eq!(world.text(ben), world.text(ada), "{family}");
        // Ben made his own again, which the honest relay had.
        let there = [("one", 1), ("two", 1), ("three", 2), ("four", 1), ("five", 1)];
        assert_words(&world.text(ben), &there, family);
    }
}

#[test]
fn what_it_replaced_comes_back() {
    let replace = |spec: Spec, world: &World, ben: usize| {
        let first = world.log(ben)[0].id;
        vec![entries(vec![forgery(spec, first.replica, &[])])]
    };
    for family in FAMILIES {
        let (world, ada, ben) = ben_was_told(family, replace);
        assert_eq!(world.text(ben), world.text(ada), "{family}");
        let there = [("one", 1), ("two", 1), ("three", 2), ("four", 1), ("five", 1), ("mallory", 0)];
        assert_words(&world.text(ben), &there, family);
    }
}

#[test]
fn what_builds_on_what_it_withheld_waits_for_that() {
    for family in FAMILIES {
        let spec = Spec { family, kind: Kind::Text };
        let (mut world, ada, relay) = (World::default(), 0, 1);
        assert_eq!((world.client(spec), world.add(Policy::relay()), world.client(spec)), (ada, relay, 2));
        world.connect(ada, relay);
        world.connect(2, relay);
        world.write(ada, "one ");
        world.write(2, "two ");
        let told = world.log(ada);
        let withheld = told[0].id.replica;
        let rest =
            told.into_iter().filter(|entry| entry.id.replica != withheld).map(|entry| (*entry).clone());
        let durable = Cursor { epoch: MALLORYS_LOG, offset: 1, digest: Digest(7) };
        let says = [entries(rest.collect()), Message::Durable { doc: doc(), cursor: durable }];
        let ben = world.client(spec);
        world.hear_mallory(ben, (true, Side::Dialed), spec, &says);
        assert_eq!(world.text(ben), "");
        world.replicas[ben].compact(&doc());
        world.settle();
        world.connect(ben, relay);
        assert_eq!(world.text(ben), "two one ", "{family}");
        // Whoever has it from Ben gets it in an order that makes sense.
        let (other, cyd) = (world.add(Policy::relay()), world.client(spec));
        world.connect(ben, other);
        world.connect(cyd, other);
        assert_eq!(world.text(cyd), "two one ", "{family}");
        assert_eq!(world.log(other).len(), 2, "{family}");
    }
}

/// One of the first `kinds` lies above, about some of what Ben has or others have.
fn any_lie(
    random: &mut Random,
    kinds: u64,
    spec: Spec,
    told: &[Arc<Entry>],
    others: &[Arc<Entry>],
) -> Message {
    let Some(last) = told.len().checked_sub(1) else { return entries(Vec::new()) };
    let any = |random: &mut Random| told[random.index(last + 1)].id;
    match random.below(kinds) {
        0 => {
            let ids = (0..3).map(|_| any(random)).collect::<Vec<_>>();
            let author = ReplicaId::new(random.bytes());
            let void = |(counter, id)| entry(EntryId { replica: author, counter }, Body::Void(id));
            entries((1..).zip(ids).map(void).collect())
        }
        1 => refused(any(random)),
        2 => {
            let mut some = others.to_vec();
            some.retain(|_| random.chance(0.5));
            entries(some.iter().map(|entry| (**entry).clone()).collect())
        }
        _ => entries(vec![forgery(spec, any(random).replica, &[])]),
    }
}

/// Ben meets an honest relay and a liar by turns, and everybody writes.
fn ben_is_lied_to(family: Family, random: &mut Random) -> Result<(), String> {
    let spec = Spec { family, kind: Kind::Text };
    let mut world = World::default();
    let relay = world.add(Policy::relay());
    let writers @ [ada, ben, cyd] = [world.client(spec), world.client(spec), world.client(spec)];
    world.connect(ada, relay);
    world.connect(cyd, relay);
    world.write(ada, "<0>");
    world.write(ben, "<1>");
    let mut words = vec![(ada, "<0>".to_owned()), (ben, "<1>".to_owned())];
    // What was merged into a snapshot under a name cannot be told from another one's entry any more.
    let compacts = random.chance(0.5);
    let kinds = if compacts { 3 } else { 4 };
    for _ in 0..random.below(4) + 1 {
        let link = world.connect(ben, relay);
        for _ in 0..random.below(4) {
            let (writer, word) = (writers[random.index(3)], format!("<{}>", words.len()));
            world.write(writer, &word);
            words.push((writer, word));
        }
        world.cut(link);
        for _ in 0..random.below(3) {
            let lie = any_lie(random, kinds, spec, &world.log(ben), &world.log(ada));
            world.hear_mallory(ben, (true, Side::Dialed), spec, &[lie]);
            if random.chance(0.3) {
                world.restart(ben);
            }
            if compacts && random.chance(0.3) {
                world.replicas[ben].compact(&doc());
                world.settle();
            }
        }
        for writer in writers {
            let word = format!("<{}>", words.len());
            world.write(writer, &word);
            words.push((writer, word));
        }
    }
    world.connect(ben, relay);
    let (text, honest) = (world.text(ben), world.text(ada));
    let missing = words.iter().filter(|(_, word)| !text.contains(word.as_str()));
    let twice =
        words.iter().filter(|(writer, word)| *writer != ben && text.matches(word.as_str()).count() > 1);
    match missing.chain(twice).next() {
        None if text == honest && text == world.text(cyd) => Ok(()),
        wrong => Err(format!("{wrong:?} is missing or there twice: Ben has {text}, Ada {honest}")),
    }
}

#[test]
fn whatever_it_says_all_end_equal() {
    fn property(seed: u64) -> Result<(), String> {
        let told = |family| {
            ben_is_lied_to(family, &mut Random::new(seed)).map_err(|wrong| format!("{family}: {wrong}"))
        };
        FAMILIES.into_iter().try_for_each(told)
    }
    QuickCheck::new().tests(300).quickcheck(property as fn(u64) -> Result<(), String>);
}
