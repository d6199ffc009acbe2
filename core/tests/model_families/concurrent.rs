//! Several writers: whoever has received the same updates reads the same, in whatever causal order they came.

use bytes::Bytes;
use syncline_core::crdt::{Crdt, create};
use syncline_core::entry::Spec;
use syncline_core::operation::Operation;
use syncline_core::path::Path;
use syncline_core::random::Random;
use syncline_core::scripts::Scripts;
use syncline_core::value::Value;

use crate::families::{REAL, document, read, receive, reloaded, scripts};

mod replicas_converge_in_any_causal_order {
    crate::families::for_every_family!(converge);
}

/// Replicas edit, and pass on what they have in a random but causal order; in the end everybody gets the rest.
fn converge(spec: Spec, seed: u64, steps: usize) {
    let mut random = Random::new(seed);
    let writers = 2 + random.index(2);
    let mut network = Network::new(spec, writers);
    let scripts = scripts(spec);
    for _ in 0..steps {
        let at = random.index(writers);
        match random.below(10) {
            0..=5 => network.edit(&mut random, &scripts, at),
            6..=8 => network.deliver_some(&mut random, at),
            _ => network.reload(at),
        }
    }
    network.settle(&mut random);
}

/// An update and how many updates of each writer its author had received.
struct Sent {
    writer: u64,
    after: Vec<usize>,
    update: Bytes,
}

struct Replica {
    document: Box<dyn Crdt>,
    writer: u64,
    /// How many updates of each place were received.
    received: Vec<usize>,
}

struct Network {
    spec: Spec,
    replicas: Vec<Replica>,
    /// Per place, what was sent from there.
    sent: Vec<Vec<Sent>>,
    writers: u64,
}

impl Network {
    fn new(spec: Spec, places: usize) -> Self {
        let mut network = Self { spec, replicas: Vec::new(), sent: Vec::new(), writers: 0 };
        for _ in 0..places {
            let writer = network.next_writer();
            let document = document(spec, writer);
            network.replicas.push(Replica { document, writer, received: vec![0; places] });
            network.sent.push(Vec::new());
        }
        network
    }

    fn next_writer(&mut self) -> u64 {
        self.writers += 1;
        self.writers
    }

    /// Up to four operations that become one update.
    fn edit(&mut self, random: &mut Random, scripts: &Scripts, at: usize) {
        let replica = &mut self.replicas[at];
        for _ in 0..=random.index(4) {
            let operation = scripts.operation(random, &read(&*replica.document));
            replica.document.perform(&operation).ok();
        }
        self.send(at);
    }

    fn send(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        if let Some(update) = replica.document.take_local().expect("local edits can be taken") {
            self.sent[at].push(Sent { writer: replica.writer, after: replica.received.clone(), update });
            replica.received[at] += 1;
        }
    }

    fn deliver_some(&mut self, random: &mut Random, at: usize) {
        for _ in 0..=random.index(4) {
            let ready = self.ready(at);
            if let Some(from) = ready.get(random.index(ready.len())) {
                self.deliver(*from, at);
            }
        }
    }

    /// Places whose next update depends on nothing that is missing here.
    fn ready(&self, at: usize) -> Vec<usize> {
        let received = &self.replicas[at].received;
        let known = |sent: &Sent| sent.after.iter().zip(received).all(|(needed, held)| needed <= held);
        let next = |from: usize| self.sent[from].get(received[from]);
        (0..self.sent.len()).filter(|from| next(*from).is_some_and(known)).collect()
    }

    fn deliver(&mut self, from: usize, to: usize) {
        let replica = &mut self.replicas[to];
        let sent = &self.sent[from][replica.received[from]];
        receive(&mut *replica.document, sent.writer, &sent.update);
        replica.received[from] += 1;
    }

    /// The replica closes and opens its document; it goes on writing under a new id.
    fn reload(&mut self, at: usize) {
        let writer = self.next_writer();
        let replica = &mut self.replicas[at];
        let before = read(&*replica.document);
        replica.document = reloaded(self.spec, &*replica.document);
        assert_eq!(read(&*replica.document), before, "a snapshot holds the document");
        replica.document.write_as(crate::families::replica(writer));
        replica.writer = writer;
    }

    fn settle(mut self, random: &mut Random) {
        let late = self.snapshot_of_first();
        for at in 0..self.replicas.len() {
            self.deliver_all(random, at);
        }
        let everything = read(&*self.replicas[0].document);
        for replica in &self.replicas {
            assert_eq!(read(&*replica.document), everything, "replicas read alike");
            assert_eq!(read(&*reloaded(self.spec, &*replica.document)), everything, "snapshots read alike");
        }
        let (old, new) = (late.0.clone(), self.snapshot_of_first().0);
        self.join_late(random, late, &everything);
        self.merge_known(&old, &everything);
        self.merge_known(&new, &everything);
    }

    fn deliver_all(&mut self, random: &mut Random, at: usize) {
        loop {
            let ready = self.ready(at);
            let Some(from) = ready.get(random.index(ready.len())) else { break };
            self.deliver(*from, at);
        }
        let sent: Vec<usize> = self.sent.iter().map(Vec::len).collect();
        assert_eq!(self.replicas[at].received, sent, "causal order leaves nothing behind");
    }

    fn snapshot_of_first(&self) -> (Bytes, Vec<usize>) {
        let first = &self.replicas[0];
        (first.document.snapshot().expect("a document can be saved"), first.received.clone())
    }

    /// Somebody who starts from a snapshot of another replica and receives the rest reads the same.
    fn join_late(
        &mut self,
        random: &mut Random,
        (snapshot, received): (Bytes, Vec<usize>),
        everything: &Value,
    ) {
        let mut document = create(self.spec);
        document.admit_snapshot(&snapshot).expect("a snapshot is admitted");
        document.merge(&snapshot).expect("an admitted snapshot is merged");
        self.replicas.push(Replica { document, writer: 0, received });
        let last = self.replicas.len() - 1;
        self.deliver_all(random, last);
        assert_eq!(&read(&*self.replicas[last].document), everything, "latecomers read alike");
        self.replicas.pop();
    }

    /// A snapshot that brings nothing new changes nothing.
    fn merge_known(&mut self, snapshot: &Bytes, everything: &Value) {
        for replica in &mut self.replicas {
            replica.document.admit_snapshot(snapshot).expect("a snapshot is admitted");
            replica.document.merge(snapshot).expect("an admitted snapshot is merged");
            assert_eq!(&read(&*replica.document), everything, "a known snapshot changes nothing");
        }
    }
}

fn path(pointer: &str) -> Path {
    pointer.parse().expect("a test names valid paths")
}

fn put(at: &str, value: impl Into<i64>) -> Operation {
    Operation::Put { path: path(at), value: Value::Int(value.into()) }
}

fn insert(at: &str, value: i64) -> Operation {
    Operation::Insert { path: path(at), values: vec![Value::Int(value)] }
}

fn splice(at: &str, insert: &str) -> Operation {
    Operation::Splice { path: path(at), at: 0, delete: 0, insert: insert.to_owned() }
}

fn remove(at: &str) -> Operation {
    Operation::Remove { path: path(at) }
}

fn increment(at: &str, by: i64) -> Operation {
    Operation::Increment { path: path(at), by }
}

/// Alice and Bob start from `before`, perform their operations unseen by each other, and meet; both families
/// must then read as one of `outcomes`, in canonical JSON.
#[track_caller]
fn meet(before: &[Operation], alice: &[Operation], bob: &[Operation], outcomes: &[&str]) {
    for spec in REAL {
        let mut documents = [document(spec, 1), document(spec, 2)];
        let start = write(&mut *documents[0], before);
        start.iter().for_each(|update| receive(&mut *documents[1], 1, update));
        let (from_alice, from_bob) = (write(&mut *documents[0], alice), write(&mut *documents[1], bob));
        from_bob.iter().for_each(|update| receive(&mut *documents[0], 2, update));
        from_alice.iter().for_each(|update| receive(&mut *documents[1], 1, update));
        let [a, b] = documents.map(|document| syncline_core::json::to_canonical_json(&read(&*document)));
        assert_eq!(a, b, "{spec}: both read alike");
        assert!(outcomes.contains(&a.as_str()), "{spec}: {a} is none of {outcomes:?}");
    }
}

fn write(document: &mut dyn Crdt, operations: &[Operation]) -> Option<Bytes> {
    operations.iter().for_each(|operation| document.perform(operation).expect("the document allows it"));
    document.take_local().expect("local edits can be taken")
}

#[test]
fn a_container_made_by_two_is_one() {
    meet(&[], &[put("/m/a", 1)], &[put("/m/b", 2)], &[r#"{"m":{"a":1,"b":2}}"#]);
    meet(&[], &[insert("/l/0", 1)], &[insert("/l/0", 2)], &[r#"{"l":[1,2]}"#, r#"{"l":[2,1]}"#]);
    meet(&[], &[splice("/t", "a")], &[splice("/t", "b")], &[r#"{"t":"ab"}"#, r#"{"t":"ba"}"#]);
    meet(&[], &[increment("/c", 2)], &[increment("/c", 3)], &[r#"{"c":5}"#]);
}

#[test]
fn what_is_added_while_another_empties_the_container_stays() {
    meet(&[put("/m/a", 1)], &[remove("/m")], &[put("/m/b", 2)], &[r#"{"m":{"b":2}}"#]);
    meet(&[insert("/l/0", 1)], &[remove("/l")], &[insert("/l/1", 2)], &[r#"{"l":[2]}"#]);
    meet(&[splice("/t", "a")], &[remove("/t")], &[splice("/t", "b")], &[r#"{"t":"b"}"#]);
}

#[test]
fn a_container_replaced_by_two_holds_what_both_put_there() {
    let list = |value| Operation::Put { path: path("/l"), value: Value::List(vec![Value::Int(value)]) };
    meet(&[insert("/l/0", 1)], &[list(2)], &[list(3)], &[r#"{"l":[2,3]}"#, r#"{"l":[3,2]}"#]);
    let text = |text: &str| Operation::Put { path: path("/t"), value: Value::Text(text.to_owned()) };
    meet(&[splice("/t", "a")], &[text("b")], &[splice("/t", "c")], &[r#"{"t":"bc"}"#, r#"{"t":"cb"}"#]);
}

/// Documents remember which text was edited last.
#[test]
fn a_text_that_takes_the_place_of_another_is_the_one_that_is_edited() {
    let text = |text: &str| Operation::Put { path: path("/m/t"), value: Value::Text(text.to_owned()) };
    let alone = [text("a"), splice("/m/t", "b"), text("c"), splice("/m/t", "d")];
    meet(&alone, &[], &[], &[r#"{"m":{"t":"dc"}}"#]);
    for spec in REAL {
        let [mut alice, mut bob] = [document(spec, 1), document(spec, 2)];
        let first = write(&mut *alice, &[text("a"), splice("/m/t", "b")]);
        first.iter().for_each(|update| receive(&mut *bob, 1, update));
        let second = write(&mut *bob, &[text("c")]);
        second.iter().for_each(|update| receive(&mut *alice, 2, update));
        _ = write(&mut *alice, &[splice("/m/t", "d")]);
        assert_eq!(alice.value(&path("/m/t")), Some(Value::Text("dc".to_owned())), "{spec}");
    }
}

#[test]
fn one_of_two_written_values_wins() {
    meet(&[], &[put("/a", 1)], &[put("/a", 2)], &[r#"{"a":1}"#, r#"{"a":2}"#]);
    meet(&[put("/m/a", 0)], &[put("/m/a", 1)], &[put("/m/a", 2)], &[r#"{"m":{"a":1}}"#, r#"{"m":{"a":2}}"#]);
}

#[test]
fn counters_below_the_top_add_up_too() {
    let list = Operation::Insert { path: path("/l/0"), values: vec![Value::Counter(1)] };
    meet(&[list], &[increment("/l/0", 2)], &[increment("/l/0", 3)], &[r#"{"l":[6]}"#]);
}
