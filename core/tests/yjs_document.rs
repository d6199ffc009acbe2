//! Yjs documents against the reference model, against each other, and against what Yjs made.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use quickcheck::{TestResult, quickcheck};
use syncline_core::crdt::yjs::{Yjs, YjsGate};
use syncline_core::crdt::{Crdt, Gate, Writer};
use syncline_core::entry::Kind;
use syncline_core::id::ReplicaId;
use syncline_core::model::Model;
use syncline_core::operation::Operation;
use syncline_core::path::Path;
use syncline_core::random::Random;
use syncline_core::scripts::{Scripts, Shape};
use syncline_core::value::Value;

/// An operation that suits what a document holds, or does not.
fn operation(random: &mut Random, root: &Value) -> Operation {
    Scripts::new(Shape::Tree).operation(random, root)
}

fn replica(number: u8) -> ReplicaId {
    ReplicaId::new([number; 16])
}

fn document(number: u8) -> Yjs {
    let mut document = Yjs::create(Kind::Tree);
    document.write_as(replica(number));
    document
}

fn root_of(document: &Yjs) -> Value {
    document.value(&Path::root()).unwrap()
}

fn reloaded(document: &Yjs) -> Yjs {
    Yjs::load(Kind::Tree, &document.snapshot().unwrap()).unwrap()
}

quickcheck! {
    fn sequential_edits_mean_what_the_model_says(seed: u64) -> bool {
        let mut random = Random::new(seed);
        let (mut model, mut document) = (Model::new(), document(1));
        for _ in 0..60 {
            let root = model.value(&Path::root()).unwrap().clone();
            let operation = operation(&mut random, &root);
            assert_eq!(document.perform(&operation), model.perform(&operation), "{operation:?}\non {root:?}");
            assert_eq!(&root_of(&document), model.value(&Path::root()).unwrap(), "after {operation:?}");
            let path = operation.path();
            assert_eq!(document.value(path).as_ref(), model.value(path), "{path}");
            assert_eq!(document.kind(path), model.kind(path));
            assert_eq!(document.len(path), model.len(path));
            assert_eq!(document.keys(path), model.keys(path));
            if random.chance(0.05) {
                document.take_local().unwrap();
                document = reloaded(&document);
                document.write_as(ReplicaId::new(random.bytes()));
                assert_eq!(&root_of(&document), model.value(&Path::root()).unwrap());
            }
        }
        true
    }

    fn replicas_converge_in_any_causal_order(seed: u64) -> bool {
        let mut random = Random::new(seed);
        let mut replicas: Vec<Yjs> = (1..=3).map(document).collect();
        // The updates of each replica, and how many of everybody's each has applied.
        let mut logs: [Vec<(Vec<u8>, [usize; 3])>; 3] = Default::default();
        let mut seen = [[0_usize; 3]; 3];
        for _ in 0..80 {
            let who = random.index(3);
            if random.chance(0.6) {
                for _ in 0..=random.below(3) {
                    let root = root_of(&replicas[who]);
                    let _ = replicas[who].perform(&operation(&mut random, &root));
                }
                if let Some(update) = replicas[who].take_local().unwrap() {
                    logs[who].push((update.to_vec(), seen[who]));
                    seen[who][who] += 1;
                }
            } else {
                deliver_one(&mut replicas, &logs, &mut seen, who, random.index(3));
            }
        }
        while (0..3).any(|who| (0..3).any(|from| seen[who][from] < logs[from].len())) {
            let (who, from) = (random.index(3), random.index(3));
            deliver_one(&mut replicas, &logs, &mut seen, who, from);
        }
        let expected = root_of(&replicas[0]);
        for replica in &replicas {
            assert_eq!(root_of(replica), expected);
            assert_eq!(root_of(&reloaded(replica)), expected);
        }
        true
    }

    fn an_update_applied_again_changes_nothing(seed: u64) -> bool {
        let mut random = Random::new(seed);
        let (mut writer, mut reader) = (document(1), document(2));
        for _ in 0..20 {
            let root = root_of(&writer);
            let _ = writer.perform(&operation(&mut random, &root));
            let Some(update) = writer.take_local().unwrap() else { continue };
            reader.admit(&Writer::Replica(replica(1)), &update).unwrap();
            reader.apply(&[&update]).unwrap();
            let before = (root_of(&reader), reader.snapshot().unwrap());
            reader.admit(&Writer::STRANGER, &update).unwrap();
            reader.apply(&[&update]).unwrap();
            assert_eq!((root_of(&reader), reader.snapshot().unwrap()), before);
        }
        assert_eq!(root_of(&reader), root_of(&writer));
        true
    }

    fn a_snapshot_merges_with_what_is_there(seed: u64) -> bool {
        let mut random = Random::new(seed);
        let (mut one, mut other) = (document(1), document(2));
        for document in [&mut one, &mut other] {
            for _ in 0..20 {
                let root = root_of(document);
                let _ = document.perform(&operation(&mut random, &root));
            }
            document.take_local().unwrap();
        }
        let (from_one, from_other) = (one.snapshot().unwrap(), other.snapshot().unwrap());
        one.admit_snapshot(&from_other).unwrap();
        one.merge(&from_other).unwrap();
        other.admit_snapshot(&from_one).unwrap();
        other.merge(&from_one).unwrap();
        assert_eq!(root_of(&one), root_of(&other));
        true
    }

    fn a_gate_alone_admits_what_a_document_makes(seed: u64) -> TestResult {
        let mut random = Random::new(seed);
        let mut document = document(1);
        let mut gate = YjsGate::new();
        let mut updates = 0;
        for _ in 0..30 {
            let root = root_of(&document);
            let _ = document.perform(&operation(&mut random, &root));
            let Some(update) = document.take_local().unwrap() else { continue };
            assert_eq!(gate.clone().admit(&Writer::Replica(replica(1)), &update), Ok(()));
            assert!(gate.clone().admit(&Writer::Replica(replica(2)), &update).is_err() || update[0] == 0);
            gate.admit(&Writer::Replica(replica(1)), &update).unwrap();
            updates += 1;
        }
        if updates == 0 { TestResult::discard() } else { TestResult::passed() }
    }
}

fn deliver_one(
    replicas: &mut [Yjs],
    logs: &[Vec<(Vec<u8>, [usize; 3])>; 3],
    seen: &mut [[usize; 3]; 3],
    who: usize,
    from: usize,
) {
    let Some((update, needs)) = logs[from].get(seen[who][from]) else { return };
    if (0..3).all(|other| seen[who][other] >= needs[other]) {
        let writer = Writer::Replica(replica(u8::try_from(from).unwrap() + 1));
        replicas[who].admit(&writer, update).unwrap();
        replicas[who].apply(&[update]).unwrap();
        seen[who][from] += 1;
    }
}
