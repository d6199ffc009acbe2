//! A small CRDT for simulations: registers and counters at the top level of a document, nothing below it.
//!
//! It exists so that thousands of simulated networks run in the time that one with a real library takes, and
//! it keeps the properties that make syncing hard: concurrent writes conflict (the later Lamport stamp wins),
//! removing leaves a tombstone, a snapshot must carry both, and an update applied ahead of what its author
//! had seen is refused. Whatever else an operation asks for is [`EditError::Unsupported`].
//!
//! An update that writes [`POISON_KEY`] passes every gate and then damages whoever applies it, except its
//! author, as a bug in a real library would.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::crdt::{Crdt, Damaged, Gate, GateError, Writer};
use crate::entry::Family;
use crate::id::{EntryId, Have, ReplicaId};
use crate::operation::{EditError, Operation};
use crate::path::Path;
use crate::value::{NodeKind, Value};

/// Writing this top-level key makes the update a poison for everybody else.
pub const POISON_KEY: &str = "\u{2620}";

/// Highest Lamport clock a gate admits, so that no clock can be driven to its end.
const MAX_CLOCK: u64 = 1 << 48;

/// The later one wins; no two are equal, since a replica never gives a stamp twice.
type Stamp = (u64, ReplicaId);

/// What one replica added to a counter, up to and with its update of that number.
type Share = (u64, i64);

#[derive(Serialize, Deserialize)]
struct Update {
    id: EntryId,
    /// What the author admitted since its previous update.
    after: Have,
    changes: Vec<Change>,
}

#[derive(Clone, Serialize, Deserialize)]
enum Change {
    Write(String, u64, Content),
    /// The author's share of the counter from here on; a share rather than a step, so that applying it twice
    /// changes nothing.
    Count(String, i64),
}

#[derive(Clone, Serialize, Deserialize)]
enum Content {
    Scalar(serde_json::Value),
    Tombstone,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct State {
    gate: ToyGate,
    clock: u64,
    registers: BTreeMap<String, (Stamp, Content)>,
    counters: BTreeMap<String, BTreeMap<ReplicaId, Share>>,
}

/// Knows which updates were admitted; a toy update names those it was made after.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ToyGate {
    admitted: Have,
}

impl ToyGate {
    /// A gate that has admitted nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn check(&self, writer: &Writer<'_>, update: &Update) -> Result<(), GateError> {
        if let Writer::Replica(replica) = writer
            && *replica != update.id.replica
        {
            return Err(GateError::Impostor {
                reason: format!("{} instead of {replica}", update.id.replica),
            });
        }
        if update
            .changes
            .iter()
            .any(|change| matches!(change, Change::Write(_, clock, _) if *clock > MAX_CLOCK))
        {
            return Err(GateError::Limit { what: "the clock of a write", limit: MAX_CLOCK });
        }
        let held = self.admitted.counter(&update.id.replica);
        if update.id.counter > held.saturating_add(1) || !self.admitted.includes(&update.after) {
            return Err(GateError::Gap { reason: format!("{} comes after {:?}", update.id, update.after) });
        }
        Ok(())
    }
}

impl Gate for ToyGate {
    fn admit(&mut self, writer: &Writer<'_>, update: &[u8]) -> Result<(), GateError> {
        let update: Update = parse(update)?;
        self.check(writer, &update)?;
        self.admitted.insert(update.id);
        Ok(())
    }

    fn admit_snapshot(&mut self, snapshot: &[u8]) -> Result<(), GateError> {
        let state: State = parse(snapshot)?;
        self.admitted.merge(&state.gate.admitted);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.admitted.len() * size_of::<(ReplicaId, u64)>()
    }
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, GateError> {
    serde_json::from_slice(bytes).map_err(|error| GateError::Malformed { reason: error.to_string() })
}

/// A toy document.
pub struct Toy {
    state: State,
    writer: ReplicaId,
    /// What was admitted since the last update of our own.
    fresh: Have,
    pending: Vec<Change>,
}

impl Toy {
    /// An empty document.
    #[must_use]
    pub fn create() -> Self {
        Self::of(State::default())
    }

    /// The document that a snapshot holds.
    pub fn load(snapshot: &[u8]) -> Result<Self, Damaged> {
        parse(snapshot).map(Self::of).map_err(|error| damaged(&error))
    }

    fn of(state: State) -> Self {
        Self { state, writer: ReplicaId::new([0; 16]), fresh: Have::default(), pending: Vec::new() }
    }

    /// A live register hides a counter of the same name.
    fn get(&self, key: &str) -> Option<Value> {
        if let Some((_, Content::Scalar(json))) = self.state.registers.get(key) {
            return Value::from_json(json).ok();
        }
        let shares = self.state.counters.get(key)?;
        Some(Value::Counter(shares.values().fold(0, |sum: i64, (_, share)| sum.wrapping_add(*share))))
    }

    fn root(&self) -> BTreeMap<String, Value> {
        let keys = self.state.registers.keys().chain(self.state.counters.keys());
        keys.filter_map(|key| Some((key.clone(), self.get(key)?))).collect()
    }

    fn write(&mut self, key: &str, content: Content) {
        let change = Change::Write(key.to_owned(), self.state.clock.saturating_add(1), content);
        self.change(change);
    }

    fn count(&mut self, path: &Path, key: &str, by: i64) -> Result<(), EditError> {
        let sum = match self.get(key) {
            None => 0,
            Some(Value::Counter(sum)) => sum,
            Some(other) => return Err(wrong_kind(path, other.kind(), NodeKind::Counter)),
        };
        sum.checked_add(by).ok_or_else(|| EditError::Overflow { path: path.to_string() })?;
        let shares = self.state.counters.get(key);
        let own = shares.and_then(|shares| shares.get(&self.writer)).map_or(0, |(_, share)| *share);
        self.change(Change::Count(key.to_owned(), own.wrapping_add(by)));
        Ok(())
    }

    fn change(&mut self, change: Change) {
        let id = self.next_id();
        self.state.apply(id, change.clone());
        self.pending.push(change);
    }

    fn next_id(&self) -> EntryId {
        EntryId { replica: self.writer, counter: self.state.gate.admitted.counter(&self.writer) + 1 }
    }
}

impl State {
    fn apply(&mut self, id: EntryId, change: Change) {
        match change {
            Change::Write(key, clock, content) => self.write(key, (clock, id.replica), content),
            Change::Count(key, share) => self.count(key, id.replica, (id.counter, share)),
        }
    }

    fn write(&mut self, key: String, stamp: Stamp, content: Content) {
        self.clock = self.clock.max(stamp.0);
        if self.registers.get(&key).is_none_or(|(held, _)| *held < stamp) {
            self.registers.insert(key, (stamp, content));
        }
    }

    fn count(&mut self, key: String, replica: ReplicaId, share: Share) {
        let held = self.counters.entry(key).or_default().entry(replica).or_insert(share);
        if held.0 <= share.0 {
            *held = share;
        }
    }

    fn merge(&mut self, other: Self) {
        self.gate.admitted.merge(&other.gate.admitted);
        self.clock = self.clock.max(other.clock);
        for (key, (stamp, content)) in other.registers {
            self.write(key, stamp, content);
        }
        for (key, shares) in other.counters {
            shares.into_iter().for_each(|(replica, share)| self.count(key.clone(), replica, share));
        }
    }
}

impl Toy {
    fn apply_one(&mut self, update: &[u8]) -> Result<(), Damaged> {
        let Update { id, changes, .. } = parse(update).map_err(|error| damaged(&error))?;
        for change in changes {
            if matches!(&change, Change::Write(key, ..) if key == POISON_KEY) {
                return Err(damaged(&"poison"));
            }
            self.state.apply(id, change);
        }
        Ok(())
    }
}

impl Gate for Toy {
    fn admit(&mut self, writer: &Writer<'_>, update: &[u8]) -> Result<(), GateError> {
        self.state.gate.admit(writer, update)?;
        self.fresh.insert(parse::<Update>(update)?.id);
        Ok(())
    }

    fn admit_snapshot(&mut self, snapshot: &[u8]) -> Result<(), GateError> {
        self.state.gate.admit_snapshot(snapshot)?;
        self.fresh.merge(&parse::<State>(snapshot)?.gate.admitted);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.state.gate.bytes()
    }
}

impl Crdt for Toy {
    fn write_as(&mut self, replica: ReplicaId) {
        self.writer = replica;
        self.fresh = self.state.gate.admitted.clone();
    }

    fn apply(&mut self, updates: &[&[u8]]) -> Result<(), Damaged> {
        updates.iter().try_for_each(|update| self.apply_one(update))
    }

    fn merge(&mut self, snapshot: &[u8]) -> Result<(), Damaged> {
        self.state.merge(parse(snapshot).map_err(|error| damaged(&error))?);
        Ok(())
    }

    fn perform(&mut self, operation: &Operation) -> Result<(), EditError> {
        operation.check()?;
        let [key] = operation.path().tokens() else { return Err(unsupported()) };
        let held = self.get(key);
        match operation {
            Operation::Increment { path, by } => self.count(path, key, *by)?,
            Operation::Insert { .. } | Operation::Splice { .. } => return Err(unsupported()),
            Operation::Put { value, .. } if value.kind() != NodeKind::Register => return Err(unsupported()),
            Operation::Put { .. } | Operation::Remove { .. } if matches!(held, Some(Value::Counter(_))) => {
                return Err(unsupported());
            }
            Operation::Remove { path } if held.is_none() => {
                return Err(EditError::NotFound { path: path.to_string() });
            }
            Operation::Put { value, .. } => self.write(key, Content::Scalar(value.to_json())),
            Operation::Remove { .. } => self.write(key, Content::Tombstone),
        }
        Ok(())
    }

    fn take_local(&mut self) -> Result<Option<Bytes>, Damaged> {
        if self.pending.is_empty() {
            return Ok(None);
        }
        let id = self.next_id();
        let changes = std::mem::take(&mut self.pending);
        let update = Update { id, after: std::mem::take(&mut self.fresh), changes };
        self.state.gate.admitted.insert(id);
        encode(&update).map(Some)
    }

    fn snapshot(&self) -> Result<Bytes, Damaged> {
        encode(&self.state)
    }

    fn value(&self, path: &Path) -> Option<Value> {
        match path.tokens() {
            [] => Some(Value::Map(self.root())),
            [key] => self.get(key),
            [_, _, ..] => None,
        }
    }

    fn kind(&self, path: &Path) -> Option<NodeKind> {
        self.value(path).map(|value| value.kind())
    }

    fn len(&self, path: &Path) -> Option<usize> {
        path.is_root().then(|| self.root().len())
    }

    fn keys(&self, path: &Path) -> Option<Vec<String>> {
        path.is_root().then(|| self.root().into_keys().collect())
    }
}

fn encode(value: &impl Serialize) -> Result<Bytes, Damaged> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| damaged(&error))
}

fn damaged(reason: &impl ToString) -> Damaged {
    Damaged { family: Family::Toy, reason: reason.to_string() }
}

fn wrong_kind(path: &Path, found: NodeKind, expected: NodeKind) -> EditError {
    EditError::WrongKind { path: path.to_string(), found, expected }
}

fn unsupported() -> EditError {
    EditError::Unsupported {
        reason: "toy documents hold scalars and counters at the top level only".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: ReplicaId = ReplicaId::new([1; 16]);
    const BOB: ReplicaId = ReplicaId::new([2; 16]);

    fn toy(writer: ReplicaId) -> Toy {
        let mut toy = Toy::create();
        toy.write_as(writer);
        toy
    }

    fn put(toy: &mut Toy, key: &str, value: i64) -> Bytes {
        toy.perform(&Operation::Put { path: Path::root().child(key), value: Value::Int(value) }).unwrap();
        toy.take_local().unwrap().unwrap()
    }

    fn remove(toy: &mut Toy, key: &str) -> Bytes {
        toy.perform(&Operation::Remove { path: Path::root().child(key) }).unwrap();
        toy.take_local().unwrap().unwrap()
    }

    fn count(toy: &mut Toy, by: i64) -> Bytes {
        toy.perform(&Operation::Increment { path: Path::root().child("n"), by }).unwrap();
        toy.take_local().unwrap().unwrap()
    }

    fn receive(toy: &mut Toy, update: &[u8]) {
        toy.admit(&Writer::STRANGER, update).unwrap();
        toy.apply(&[update]).unwrap();
    }

    #[test]
    fn concurrent_writes_end_alike_and_counts_add_up() {
        let (mut alice, mut bob) = (toy(ALICE), toy(BOB));
        let from_alice = [put(&mut alice, "k", 1), count(&mut alice, 5)];
        let from_bob = [put(&mut bob, "k", 2), count(&mut bob, -1), count(&mut bob, -1)];
        from_bob.iter().for_each(|update| receive(&mut alice, update));
        from_alice.iter().chain(&from_alice).for_each(|update| receive(&mut bob, update));
        assert_eq!(alice.root(), bob.root());
        assert_eq!((alice.get("k"), alice.get("n")), (Some(Value::Int(2)), Some(Value::Counter(3))));
    }

    #[test]
    fn a_snapshot_carries_tombstones_and_what_was_admitted() {
        let (mut alice, mut bob) = (toy(ALICE), toy(BOB));
        receive(&mut bob, &put(&mut alice, "k", 1));
        remove(&mut alice, "k");
        let snapshot = alice.snapshot().unwrap();
        bob.admit_snapshot(&snapshot).unwrap();
        bob.merge(&snapshot).unwrap();
        assert_eq!(bob.get("k"), None);
        let after = put(&mut bob, "k", 3);
        assert!(matches!(toy(ALICE).admit(&Writer::STRANGER, &after), Err(GateError::Gap { .. })));
        let mut loaded = Toy::load(&snapshot).unwrap();
        receive(&mut loaded, &after);
        assert_eq!(loaded.get("k"), Some(Value::Int(3)));
    }

    #[test]
    fn the_gate_refuses_gaps_impostors_and_rubbish() {
        let (mut alice, mut bob, mut gate) = (toy(ALICE), toy(BOB), ToyGate::new());
        let (first, second) = (put(&mut alice, "k", 1), put(&mut alice, "k", 2));
        let gap = |answer| matches!(answer, Err(GateError::Gap { .. }));
        assert!(gap(gate.admit(&Writer::Replica(ALICE), &second)));
        receive(&mut bob, &first);
        assert!(gap(gate.admit(&Writer::Replica(BOB), &put(&mut bob, "l", 1))));
        assert!(matches!(gate.admit(&Writer::Replica(BOB), &first), Err(GateError::Impostor { .. })));
        assert!(matches!(gate.admit(&Writer::STRANGER, b"{"), Err(GateError::Malformed { .. })));
        assert_eq!(gate.admit(&Writer::Replica(ALICE), &first), Ok(()));
        assert_eq!(gate.admit(&Writer::Replica(ALICE), &second), Ok(()));
    }

    #[test]
    fn a_clock_cannot_be_driven_to_its_end() {
        let changes = vec![Change::Write("k".into(), MAX_CLOCK + 1, Content::Tombstone)];
        let id = EntryId { replica: ALICE, counter: 1 };
        let update = encode(&Update { id, after: Have::default(), changes }).unwrap();
        assert!(matches!(ToyGate::new().admit(&Writer::STRANGER, &update), Err(GateError::Limit { .. })));
    }

    #[test]
    fn poison_passes_the_gate_and_damages_whoever_applies_it() {
        let poison = put(&mut toy(ALICE), POISON_KEY, 1);
        let mut bob = toy(BOB);
        assert_eq!(bob.admit(&Writer::Replica(ALICE), &poison), Ok(()));
        assert!(bob.apply(&[&poison]).is_err());
    }
}
