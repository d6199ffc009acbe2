//! The gate in front of Automerge documents.
//!
//! An update is a row of changes, deflated or not, each after those it depends on. Every byte of it is read
//! here, within limits, before Automerge sees any: framing, checksums, header, and every operation.

use super::change::{Change, MAX_OPS};
use super::chunk::{ChunkKind, Chunks};
use super::inflate::Budget;
use super::judge::judge;
use super::known::{Knowledge, Known, Layered};
use super::reader::malformed;
use super::roots::{self, Root};
use super::snapshot;
use crate::crdt::{Gate, GateError, Writer};
use crate::entry::{Kind, MAX_UPDATE_BYTES};
use crate::id::ReplicaId;

/// Judges updates without holding the document: it knows the names of changes, the operations of each actor
/// by their numbers, and which of them made objects.
#[derive(Clone, Debug)]
pub struct AutomergeGate {
    known: Known,
}

impl AutomergeGate {
    /// A gate that knows the genesis of such a document.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let mut gate = Self { known: Known::default() };
        if let Some(genesis) = genesis(kind) {
            gate.admit(&Writer::STRANGER, &genesis).expect("the genesis is well-formed");
        }
        gate
    }
}

impl Gate for AutomergeGate {
    fn admit(&mut self, writer: &Writer<'_>, update: &[u8]) -> Result<(), GateError> {
        let new = admit(&self.known, writer, update)?;
        self.known.merge(new);
        Ok(())
    }

    fn admit_snapshot(&mut self, snapshot: &[u8]) -> Result<(), GateError> {
        let document = snapshot::load(snapshot)?;
        let mut known = self.known.clone();
        snapshot::knowledge(&document, &mut known)?;
        self.known = known;
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.known.bytes()
    }
}

/// The change that a document of this kind starts with.
pub fn genesis(kind: Kind) -> Option<Vec<u8>> {
    match kind {
        Kind::Tree | Kind::Board | Kind::Chart => None,
        Kind::Text => Some(roots::creation(Root::Text, Kind::TEXT_KEY)),
    }
}

/// Judges an update on top of what is `known`; what it adds is returned.
pub fn admit(known: &dyn Knowledge, writer: &Writer<'_>, update: &[u8]) -> Result<Known, GateError> {
    if update.len() > MAX_UPDATE_BYTES {
        return Err(GateError::Limit { what: "the update", limit: MAX_UPDATE_BYTES as u64 });
    }
    if update.is_empty() {
        return Err(malformed("an update without changes"));
    }
    let mut layers = Layered { below: known, above: Known::default() };
    let mut ops = 0;
    for chunk in Chunks::new(update, &mut Budget::new(update.len())) {
        let chunk = chunk?;
        if chunk.kind != ChunkKind::Change {
            return Err(malformed("a whole document is no update"));
        }
        if layers.change(&chunk.hash).is_some() {
            continue;
        }
        let change = Change::parse(&chunk.body)?;
        let creates_root = roots::check(&change, &chunk.body)?;
        if !creates_root {
            check_actor(&change, writer)?;
        }
        let admitted = judge(chunk.hash, change, &layers)?;
        ops += admitted.ops as usize;
        if ops > MAX_OPS {
            return Err(GateError::Limit { what: "the operations of an update", limit: MAX_OPS as u64 });
        }
        layers.above.insert(admitted);
    }
    Ok(layers.above)
}

fn check_actor(change: &Change<'_>, writer: &Writer<'_>) -> Result<(), GateError> {
    let actor = <[u8; 16]>::try_from(change.actor()).map(ReplicaId::new).ok();
    let reason = match (writer, actor) {
        (Writer::Replica(replica), actor) if actor != Some(*replica) => {
            format!("a change of another actor than {replica}")
        }
        (Writer::Foreign(replicas), Some(actor)) if replicas.counter(&actor) > 0 => {
            format!("a change of replica {actor}, by somebody else")
        }
        (Writer::Replica(_) | Writer::Foreign(_), _) => return Ok(()),
    };
    Err(GateError::Impostor { reason })
}
