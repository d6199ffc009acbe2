//! One writer: a document of any family is indistinguishable from the model.

use bytes::Bytes;
use syncline_core::crdt::Writer;
use syncline_core::crdt::{Crdt, create, gate};
use syncline_core::entry::{Family, Spec};
use syncline_core::model::Model;
use syncline_core::operation::{EditError, Operation};
use syncline_core::path::Path;
use syncline_core::random::Random;
use syncline_core::value::Value;

use crate::families::{document, read, receive, reloaded, replica, scripts};

mod every_family_means_what_the_model_means {
    crate::families::for_every_family!(follow);
}

/// Follows a script, taking updates, saving and loading now and then, and compares after every operation.
fn follow(spec: Spec, seed: u64, len: usize) {
    let mut random = Random::new(seed);
    let mut run =
        Run { spec, document: document(spec, 0), model: Model::new(), writer: 0, updates: Vec::new() };
    for operation in scripts(spec).script(seed, len) {
        run.perform(&operation);
        if random.chance(0.3) {
            run.take();
        }
        if random.chance(0.1) {
            run.reload();
        }
    }
    run.replay();
}

struct Run {
    spec: Spec,
    document: Box<dyn Crdt>,
    model: Model,
    writer: u64,
    updates: Vec<(u64, Bytes)>,
}

impl Run {
    fn perform(&mut self, operation: &Operation) {
        let answer = self.document.perform(operation);
        let beyond_toy =
            self.spec.family == Family::Toy && matches!(answer, Err(EditError::Unsupported { .. }));
        if !beyond_toy {
            assert_eq!(answer, self.model.perform(operation), "{operation:?} on {:?}", self.model.root());
        }
        assert_eq!(&read(&*self.document), self.model.root(), "after {operation:?}");
        compare_reads(&*self.document, &self.model, &Path::root(), self.model.root());
    }

    fn take(&mut self) {
        if let Some(update) = self.document.take_local().expect("local edits can be taken") {
            self.updates.push((self.writer, update));
        }
        assert_eq!(self.document.take_local(), Ok(None), "everything was taken");
    }

    fn reload(&mut self) {
        self.take();
        self.document = reloaded(self.spec, &*self.document);
        self.writer += 1;
        self.document.write_as(replica(self.writer));
        assert_eq!(&read(&*self.document), self.model.root(), "after loading the snapshot");
    }

    /// The updates alone make the same document, past a gate of its own.
    fn replay(mut self) {
        self.take();
        let (mut copy, mut gate) = (create(self.spec), gate(self.spec));
        for (writer, update) in &self.updates {
            assert_eq!(gate.admit(&Writer::Replica(replica(*writer)), update), Ok(()));
            receive(&mut *copy, *writer, update);
        }
        assert_eq!(&read(&*copy), self.model.root(), "after replaying the updates");
        for (_, update) in &self.updates {
            copy.apply(&[update]).expect("an update may be applied twice");
        }
        assert_eq!(&read(&*copy), self.model.root(), "after replaying the updates twice");
    }
}

/// The other ways to read agree with the value, at every path.
fn compare_reads(document: &dyn Crdt, model: &Model, path: &Path, value: &Value) {
    assert_eq!(document.value(path).as_ref(), Some(value), "value of {path}");
    assert_eq!(document.kind(path), model.kind(path), "kind of {path}");
    assert_eq!(document.len(path), model.len(path), "length of {path}");
    assert_eq!(document.keys(path), model.keys(path), "keys of {path}");
    for missing in [path.child("nothing here"), path.child("-"), path.child("01")] {
        assert_eq!(document.value(&missing).as_ref(), model.value(&missing), "value of {missing}");
        assert_eq!(document.kind(&missing), model.kind(&missing), "kind of {missing}");
    }
    match value {
        Value::Map(map) => {
            map.iter().for_each(|(key, value)| compare_reads(document, model, &path.child(key), value));
        }
        Value::List(list) => {
            let elements = list.iter().enumerate();
            elements.for_each(|(index, value)| compare_reads(document, model, &path.child(index), value));
        }
        _ => {}
    }
}
