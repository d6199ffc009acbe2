//! Replicas of a document that edit apart and then exchange what they did.

use bytes::Bytes;
use syncline_core::crdt::{Crdt, Writer, create};
use syncline_core::entry::{Family, Spec};
use syncline_core::id::ReplicaId;
use syncline_core::operation::EditError;
use syncline_core::path::Path;
use syncline_core::schema::{self, Schema};
use syncline_core::value::Value;

/// The families that applications use.
pub const FAMILIES: [Family; 2] = [Family::Yjs, Family::Automerge];

/// A replica, and what it did since it last told the others.
pub struct Replica {
    id: ReplicaId,
    pub document: Box<dyn Crdt>,
    untold: Vec<Bytes>,
}

impl Replica {
    /// Replicas of one new document.
    pub fn all<S: Schema, const N: usize>(family: Family) -> [Self; N] {
        std::array::from_fn(|number| Self::new(Spec { family, kind: S::KIND }, number as u8))
    }

    fn new(spec: Spec, number: u8) -> Self {
        let id = ReplicaId::new([number + 1; 16]);
        let mut document = create(spec);
        document.write_as(id);
        Self { id, document, untold: Vec::new() }
    }

    /// Performs an operation of a schema, as one update.
    pub fn perform<S: Schema>(&mut self, operation: &S::Operation) -> Result<(), EditError> {
        for operation in schema::lower::<S>(operation, &*self.document)? {
            operation.check()?;
            self.document.perform(&operation)?;
        }
        self.untold.extend(self.document.take_local().unwrap());
        Ok(())
    }

    /// What the document reads as.
    pub fn state<S: Schema>(&self) -> S {
        schema::read(&*self.document)
    }

    /// The value tree itself.
    pub fn value(&self) -> Value {
        self.document.value(&Path::root()).unwrap()
    }

    fn receive(&mut self, from: ReplicaId, updates: &[Bytes]) {
        for update in updates {
            self.document.admit(&Writer::Replica(from), update).unwrap();
            self.document.apply(&[update]).unwrap();
        }
    }
}

/// Everybody tells everybody. All must then be equal.
pub fn exchange(replicas: &mut [&mut Replica]) {
    let told: Vec<(ReplicaId, Vec<Bytes>)> =
        replicas.iter_mut().map(|replica| (replica.id, std::mem::take(&mut replica.untold))).collect();
    for replica in &mut *replicas {
        let own = replica.id;
        told.iter()
            .filter(|(from, _)| *from != own)
            .for_each(|(from, updates)| replica.receive(*from, updates));
    }
    assert!(replicas.windows(2).all(|pair| pair[0].value() == pair[1].value()), "all replicas are equal");
}

/// Runs an outcome in both families and with either replica being the one whose id is larger: which of two values wins
/// may depend on both, what is promised may not.
pub fn everywhere<S: Schema>(check: impl Fn(&mut Replica, &mut Replica)) {
    for family in FAMILIES {
        let [mut one, mut other] = Replica::all::<S, 2>(family);
        check(&mut one, &mut other);
        let [mut one, mut other] = Replica::all::<S, 2>(family);
        check(&mut other, &mut one);
    }
}
