//! What the gate of Automerge documents lets through, and that it judges alike with and without a document.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId};
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, Change, ExpandedChange, ObjType, ROOT};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use syncline_core::crdt::automerge::{Automerge, AutomergeGate};
use syncline_core::crdt::{Crdt, Gate, GateError, Writer};
use syncline_core::entry::{Kind, MAX_UPDATE_BYTES};
use syncline_core::id::ReplicaId;
use syncline_core::operation::{EditError, Operation};
use syncline_core::path::Path;
use syncline_core::value::Value;

const HEADER_BYTES: usize = 4 + 4 + 1;

fn replica(number: u8) -> ReplicaId {
    ReplicaId::new([number; 16])
}

fn document(writer: u8) -> Automerge {
    let mut document = Automerge::create(Kind::Tree);
    document.write_as(replica(writer));
    document
}

fn put(path: &str, number: i64) -> Operation {
    Operation::Put { path: path.parse().unwrap(), value: Value::Int(number) }
}

fn splice(path: &str, text: &str) -> Operation {
    Operation::Splice { path: path.parse().unwrap(), at: 0, delete: 0, insert: text.to_owned() }
}

fn edit(document: &mut Automerge, operations: &[Operation]) -> Bytes {
    operations.iter().for_each(|operation| document.perform(operation).unwrap());
    document.take_local().unwrap().unwrap()
}

/// Changes by another program: one for each key, each on top of the one before.
fn foreign(actor: u8, keys: &[&str]) -> Vec<Change> {
    let mut document = AutoCommit::new().with_actor(ActorId::from([actor; 16]));
    for key in keys {
        document.put(ROOT, *key, 1).unwrap();
        document.commit();
    }
    document.get_changes(&[])
}

fn join(changes: &[Change]) -> Vec<u8> {
    changes.iter().flat_map(Change::raw_bytes).copied().collect()
}

/// Sends updates to a gate and to a document, which must agree; gives the answer to the last one.
fn admit(updates: &[(Writer<'_>, &[u8])]) -> Result<(), GateError> {
    let (mut gate, mut document) = (AutomergeGate::new(Kind::Tree), Automerge::create(Kind::Tree));
    let mut answer = Ok(());
    for (writer, update) in updates {
        answer = gate.admit(writer, update);
        assert_eq!(document.admit(writer, update), answer);
        if answer.is_ok() {
            document.apply(&[update]).unwrap();
        }
    }
    answer
}

fn admit_foreign(update: &[u8]) -> Result<(), GateError> {
    admit(&[(Writer::STRANGER, update)])
}

fn malformed(answer: Result<(), GateError>) -> bool {
    matches!(answer, Err(GateError::Malformed { .. }))
}

fn gap(answer: Result<(), GateError>) -> bool {
    matches!(answer, Err(GateError::Gap { .. }))
}

/// A chunk of this type around a body, with the right checksum.
fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut hashed = vec![kind];
    let mut len = body.len();
    while len >= 0x80 {
        hashed.push(u8::try_from(len & 0x7f).unwrap() | 0x80);
        len >>= 7;
    }
    hashed.push(u8::try_from(len).unwrap());
    hashed.extend(body);
    let checksum = Sha256::digest(&hashed);
    [&[0x85, 0x6f, 0x4a, 0x83], &checksum[..4], &hashed].concat()
}

#[test]
fn changes_are_admitted_after_those_they_depend_on() {
    let changes = foreign(1, &["a", "b", "c"]);
    assert_eq!(admit_foreign(&join(&changes)), Ok(()));
    let (first, second) = (changes[0].raw_bytes(), changes[1].raw_bytes());
    assert_eq!(admit(&[(Writer::STRANGER, first), (Writer::STRANGER, second)]), Ok(()));
    assert!(gap(admit_foreign(second)));
    assert!(gap(admit_foreign(&[second, first].concat())), "not even within one update");
}

#[test]
fn known_changes_may_come_again() {
    let changes = foreign(1, &["a", "b"]);
    let (all, first) = (join(&changes), changes[0].raw_bytes());
    assert_eq!(
        admit(&[(Writer::STRANGER, &all), (Writer::STRANGER, &all), (Writer::STRANGER, first)]),
        Ok(())
    );
}

#[test]
fn a_deflated_change_is_the_same_change() {
    let mut change = foreign(1, &[&"long key ".repeat(100)]).remove(0);
    let deflated = change.bytes().into_owned();
    assert!(deflated.len() < change.raw_bytes().len());
    assert_eq!(admit(&[(Writer::STRANGER, &deflated), (Writer::STRANGER, change.raw_bytes())]), Ok(()));
}

#[test]
fn a_replica_writes_only_as_itself() {
    let update = edit(&mut document(1), &[put("/a", 1)]);
    assert_eq!(admit(&[(Writer::Replica(replica(1)), &update)]), Ok(()));
    let answer = admit(&[(Writer::Replica(replica(2)), &update)]);
    assert!(matches!(answer, Err(GateError::Impostor { .. })), "{answer:?}");
    assert_eq!(admit_foreign(&update), Ok(()));
}

#[test]
fn everybody_may_make_a_top_level_container_in_the_one_way() {
    let (one, two) = (edit(&mut document(1), &[put("/m/a", 1)]), edit(&mut document(2), &[put("/m/b", 2)]));
    let writers = [Writer::Replica(replica(1)), Writer::Replica(replica(2))];
    assert_eq!(admit(&[(writers[0], &one), (writers[1], &two)]), Ok(()));
}

#[test]
fn nobody_makes_a_top_level_container_in_another_way() {
    let update = edit(&mut document(1), &[put("/m/a", 1)]);
    let key = update.windows(2).position(|pair| pair == [1, b'm']).unwrap() + 1;
    let len = usize::from(update[HEADER_BYTES]);
    let mut body = update[HEADER_BYTES + 1..][..len].to_vec();
    body[key - HEADER_BYTES - 1] = b'n';
    assert!(malformed(admit_foreign(&chunk(1, &body))), "the container of another key");
    assert!(malformed(admit(&[(Writer::Replica(replica(1)), &chunk(1, &body))])));
}

#[test]
fn two_changes_of_one_number_are_not_both_admitted() {
    let (one, other) = (foreign(1, &["a"]), foreign(1, &["b"]));
    let answer = admit(&[(Writer::STRANGER, &join(&one)), (Writer::STRANGER, &join(&other))]);
    assert!(malformed(answer));
}

#[test]
fn counters_cannot_be_used_up() {
    let mut ahead = AutoCommit::new().with_actor(ActorId::from([1; 16]));
    ahead.put(ROOT, "a", 1).unwrap();
    ahead.commit();
    let honest = ahead.get_changes(&[]).remove(0);
    let mut expanded = honest.decode();
    expanded.start_op = 1_000.try_into().unwrap();
    let skipping = Change::from(expanded);
    assert_eq!(admit_foreign(honest.raw_bytes()), Ok(()));
    assert!(gap(admit_foreign(skipping.raw_bytes())));
}

#[test]
fn what_is_no_change_is_no_update() {
    let changes = foreign(1, &["a"]);
    let good = changes[0].raw_bytes();
    let body = &good[HEADER_BYTES + 1..];
    assert_eq!(good, chunk(1, body));
    for kind in [0, 3, 4, 255] {
        assert!(malformed(admit_foreign(&chunk(kind, body))), "type {kind}");
    }
    assert!(malformed(admit_foreign(&[])));
    assert!(malformed(admit_foreign(&good[..good.len() - 1])));
    assert!(malformed(admit_foreign(&[good, &[0]].concat())));
    let mut corrupt = good.to_vec();
    *corrupt.last_mut().unwrap() ^= 1;
    assert!(malformed(admit_foreign(&corrupt)));
    let huge = vec![0; MAX_UPDATE_BYTES + 1];
    assert!(matches!(admit_foreign(&huge), Err(GateError::Limit { .. })));
}

#[test]
fn a_refused_update_leaves_no_trace() {
    let (mine, other) = (foreign(1, &["a", "b"]), foreign(2, &["c", "d"]));
    let (mut gate, mut document) = (AutomergeGate::new(Kind::Tree), document(9));
    let half = [mine[0].raw_bytes(), other[1].raw_bytes()].concat();
    for gate in [&mut gate as &mut dyn Gate, &mut document] {
        assert!(gap(gate.admit(&Writer::STRANGER, &half)));
        assert!(gap(gate.admit(&Writer::STRANGER, mine[1].raw_bytes())), "the first change was not noted");
        assert_eq!(gate.admit(&Writer::STRANGER, mine[0].raw_bytes()), Ok(()));
    }
}

#[test]
fn what_was_admitted_counts_before_it_is_applied() {
    let changes = foreign(1, &["a", "b"]);
    let mut document = document(9);
    for change in &changes {
        assert_eq!(document.admit(&Writer::STRANGER, change.raw_bytes()), Ok(()));
    }
    changes.iter().for_each(|change| document.apply(&[change.raw_bytes()]).unwrap());
    assert_eq!(document.keys(&Path::root()), Some(vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn a_snapshot_teaches_a_gate_what_a_document_knows() {
    let mut source = document(1);
    let before = edit(&mut source, &[put("/m/a", 1), splice("/t", "text")]);
    let snapshot = source.snapshot().unwrap();
    let after = edit(&mut source, &[put("/m/b", 2), splice("/t", "more ")]);
    let mut gate = AutomergeGate::new(Kind::Tree);
    assert!(gap(gate.admit(&Writer::STRANGER, &after)));
    assert_eq!(gate.admit_snapshot(&snapshot), Ok(()));
    assert_eq!(gate.admit(&Writer::STRANGER, &before), Ok(()), "it is known");
    assert_eq!(gate.admit(&Writer::Replica(replica(1)), &after), Ok(()));
}

#[test]
fn a_text_document_starts_from_one_text() {
    let spec = Kind::Text;
    let (mut one, mut two) = (Automerge::create(spec), Automerge::create(spec));
    one.write_as(replica(1));
    two.write_as(replica(2));
    assert_eq!(one.snapshot(), two.snapshot(), "the genesis is one");
    let (first, second) = (edit(&mut one, &[splice("/text", "a")]), edit(&mut two, &[splice("/text", "b")]));
    let mut gate = AutomergeGate::new(spec);
    assert_eq!(gate.admit(&Writer::Replica(replica(1)), &first), Ok(()));
    assert_eq!(gate.admit(&Writer::Replica(replica(2)), &second), Ok(()));
    assert!(gap(AutomergeGate::new(Kind::Tree).admit(&Writer::STRANGER, &first)), "a tree has no such text");
}

#[test]
fn edits_in_progress_survive_what_comes_in_between() {
    let mut document = document(1);
    document.perform(&put("/a", 1)).unwrap();
    let other = join(&foreign(2, &["b"]));
    document.admit(&Writer::STRANGER, &other).unwrap();
    document.apply(&[&other]).unwrap();
    document.perform(&put("/c", 3)).unwrap();
    let update = document.take_local().unwrap().unwrap();
    assert_eq!(document.take_local(), Ok(None));
    assert_eq!(admit(&[(Writer::STRANGER, &other), (Writer::Replica(replica(1)), &update)]), Ok(()));
    assert_eq!(document.keys(&Path::root()).unwrap(), ["a", "b", "c"]);
}

/// A list with one element, and a change that puts another value in its place.
fn list_and_put() -> (Vec<u8>, ExpandedChange) {
    let mut other = AutoCommit::new().with_actor(ActorId::from([1; 16]));
    let list = other.put_object(ROOT, "l", ObjType::List).unwrap();
    other.insert(&list, 0, 1).unwrap();
    other.commit();
    other.put(&list, 0, 2).unwrap();
    let changes = other.get_changes(&[]);
    (changes[0].raw_bytes().to_vec(), changes[1].decode())
}

/// The answer to the change of [`list_and_put`] after something was done to its operation.
fn admit_altered(alter: impl Fn(&mut Op)) -> Result<(), GateError> {
    let (before, mut change) = list_and_put();
    alter(&mut change.operations[0]);
    let change = Change::from(change);
    admit(&[(Writer::STRANGER, &before), (Writer::STRANGER, change.raw_bytes())])
}

fn op_id(counter: u64) -> OpId {
    OpId::new(counter, &ActorId::from([1; 16]))
}

#[test]
fn operations_refer_to_what_is_there() {
    assert_eq!(admit_altered(|_| {}), Ok(()));
    let nowhere = |op: &mut Op| op.obj = ObjectId::Id(op_id(2));
    assert!(malformed(admit_altered(nowhere)), "an element is no object");
    let root = |op: &mut Op| op.obj = ObjectId::Root;
    assert!(malformed(admit_altered(root)), "the root has keys, not elements");
    let keyed = |op: &mut Op| op.key = Key::Map("a".into());
    assert!(malformed(admit_altered(keyed)), "a list has elements, not keys");
    let later = |op: &mut Op| op.key = Key::Seq(ElementId::Id(op_id(7)));
    assert!(malformed(admit_altered(later)), "an element of the future");
    let head = |op: &mut Op| op.key = Key::Seq(ElementId::Head);
    assert!(malformed(admit_altered(head)), "there is no element in front of the first");
    let replacing = |op: &mut Op| op.pred = [op_id(3)].into_iter().collect();
    assert!(malformed(admit_altered(replacing)), "it replaces itself");
    let inserting = |op: &mut Op| op.insert = true;
    assert!(malformed(admit_altered(inserting)), "an insertion replaces nothing");
    let stranger = |op: &mut Op| op.pred = [OpId::new(1, &ActorId::from([9; 16]))].into_iter().collect();
    assert!(gap(admit_altered(stranger)), "an operation of somebody unknown");
}

#[test]
fn what_only_the_document_can_tell_is_contained() {
    let (before, mut change) = list_and_put();
    change.operations[0].key = Key::Seq(ElementId::Id(op_id(1)));
    let change = Change::from(change);
    let mut document = document(2);
    document.admit(&Writer::STRANGER, &before).unwrap();
    document.apply(&[&before]).unwrap();
    if document.admit(&Writer::STRANGER, change.raw_bytes()).is_ok() {
        assert!(document.apply(&[change.raw_bytes()]).is_err(), "the list itself is none of its elements");
        assert_eq!(document.value(&Path::root()), None, "the document is lost");
        assert!(matches!(document.perform(&put("/a", 1)), Err(EditError::Damaged(_))));
    }
}

/// A relay that had passed on a guest's changes and lost them got them again from the guest, with later ones, and then the
/// first ones from who had been passed them. Whoever read its log afterwards believed that the later ones were missing.
#[test]
fn a_change_that_comes_again_among_others_takes_nobody_back() {
    let put = |document: &mut Automerge, key: &str| {
        let path = Path::root().child(key);
        document.perform(&Operation::Put { path, value: Value::Int(1) }).unwrap();
        document.take_local().unwrap().unwrap()
    };
    let mut author = Automerge::create(Kind::Tree);
    author.write_as(ReplicaId::new([7; 16]));
    let [first, second, third] = ["a", "b", "c"].map(|key| put(&mut author, key));
    let mut reader = Automerge::create(Kind::Tree);
    for update in [&first, &second, &first] {
        reader.admit(&Writer::STRANGER, update).unwrap();
    }
    reader.apply(&[&first, &second, &first]).unwrap();
    assert_eq!(reader.admit(&Writer::STRANGER, &third), Ok(()));
}
