//! Judges one change: does it follow from what is known, and is it one that Automerge could have written?
//!
//! Automerge itself takes a great deal on trust. A change that names an object, element or predecessor that
//! is not there makes it panic half way through, or is accepted and lost when the document is saved, after which
//! the saved document does not load. What can be told without the document is told here; the rest, such as
//! whether an element belongs to the object it is looked for in, shows when the change is applied.

use super::change::{Action, Change, Key, MAX_OPS, Op, Scalar};
use super::chunk::Hash;
use super::known::{Admitted, Knowledge, ObjectKind, OpId};
use super::reader::malformed;
use crate::crdt::GateError;

/// Highest operation counter. Automerge counts in 32 bits and panics at the end of them.
const MAX_COUNTER: u32 = u32::MAX / 2;

/// Judges a change that is not known yet.
pub fn judge(hash: Hash, change: Change<'_>, known: &dyn Knowledge) -> Result<Admitted, GateError> {
    check_sequence(&change, known)?;
    check_counters(&change, known)?;
    Judge::new(change, known).run(hash)
}

fn check_sequence(change: &Change<'_>, known: &dyn Knowledge) -> Result<(), GateError> {
    let held = known.progress(change.actor()).seq;
    if change.seq > held + 1 {
        return Err(gap(format!("change {} of an actor of which {held} are known", change.seq)));
    }
    if change.seq <= held {
        return Err(malformed(format!("a second change {} of one actor", change.seq)));
    }
    Ok(())
}

/// Counters grow along dependencies and are used once. That no counter is skipped keeps an author from using
/// them up for everybody.
fn check_counters(change: &Change<'_>, known: &dyn Knowledge) -> Result<(), GateError> {
    let mut last = known.progress(change.actor()).last_op;
    for dependency in &change.dependencies {
        last = last.max(known.change(dependency).ok_or_else(|| gap("a change it was made on top of"))?);
    }
    if change.start_op <= last {
        return Err(malformed("the counters of a change are used already"));
    }
    if change.start_op - 1 > known.highest_op() {
        return Err(gap("the operations that it counts from"));
    }
    Ok(())
}

/// An operation of the change itself, as later ones of the same change may refer to it.
struct Own<'a> {
    object: Option<OpId<u32>>,
    /// The key or element whose value it is.
    register: Key<'a>,
    insert: bool,
    action: Action,
    begins_mark: bool,
}

struct Judge<'a, 'k> {
    change: Change<'a>,
    known: &'k dyn Knowledge,
    own: Vec<Own<'a>>,
    used: Vec<bool>,
    objects: Vec<(u32, ObjectKind)>,
}

/// What an operation refers to.
enum Reference<'r, 'a> {
    /// An earlier operation of the same change.
    Own(&'r Own<'a>),
    /// An operation of an earlier change.
    Known,
}

impl<'a, 'k> Judge<'a, 'k> {
    fn new(change: Change<'a>, known: &'k dyn Knowledge) -> Self {
        let used = vec![false; change.actors.len()];
        Self { change, known, own: Vec::new(), used, objects: Vec::new() }
    }

    fn run(mut self, hash: Hash) -> Result<Admitted, GateError> {
        while let Some(op) = self.change.ops.next()? {
            let own = self.judge(&op)?;
            if let Some(kind) = made(op.action) {
                self.objects.push((self.counter(), kind));
            }
            self.own.push(own);
        }
        if !self.used[1..].iter().all(|used| *used) {
            return Err(malformed("a change names an actor it has nothing of"));
        }
        Ok(Admitted {
            hash,
            actor: self.change.actor().to_vec(),
            seq: self.change.seq,
            start_op: self.change.start_op,
            ops: u32::try_from(self.own.len()).map_err(|_| too_many())?,
            objects: self.objects,
        })
    }

    /// The counter of the operation being judged.
    fn counter(&self) -> u32 {
        u32::try_from(self.own.len()).map_or(u32::MAX, |done| self.change.start_op.saturating_add(done))
    }

    fn judge(&mut self, op: &Op<'a>) -> Result<Own<'a>, GateError> {
        if self.own.len() >= MAX_OPS {
            return Err(too_many());
        }
        if self.counter() > MAX_COUNTER {
            return Err(GateError::Limit { what: "the operations of a document", limit: MAX_COUNTER.into() });
        }
        check_form(op)?;
        op.value.check_count(op.action)?;
        let kind = self.object(op.object)?;
        self.check_key(op, kind)?;
        let register = match op.insert {
            true => Key::Element(OpId { counter: self.counter(), actor: 0 }),
            false => op.key,
        };
        self.check_predecessors(op, register)?;
        let begins_mark = self.check_mark(op)?;
        Ok(Own { object: op.object, register, insert: op.insert, action: op.action, begins_mark })
    }

    fn object(&mut self, id: Option<OpId<u32>>) -> Result<ObjectKind, GateError> {
        let Some(id) = id else { return Ok(ObjectKind::Map) };
        match self.reference(id)? {
            Reference::Own(own) => made(own.action),
            Reference::Known => self.known.object(self.global(id)),
        }
        .ok_or_else(|| malformed("an operation takes place in something that is no object"))
    }

    fn check_key(&mut self, op: &Op<'a>, kind: ObjectKind) -> Result<(), GateError> {
        match (kind, op.key) {
            (ObjectKind::Map, Key::Text(_)) if !op.insert => Ok(()),
            (ObjectKind::List | ObjectKind::Text, Key::Head) if op.insert => Ok(()),
            (ObjectKind::List | ObjectKind::Text, Key::Element(id)) => match self.reference(id)? {
                Reference::Own(own) if !own.insert || own.object != op.object => {
                    Err(malformed("an element is looked for where it is not"))
                }
                Reference::Own(_) | Reference::Known => Ok(()),
            },
            (ObjectKind::Map | ObjectKind::List | ObjectKind::Text, _) => {
                Err(malformed("an operation does not fit its object"))
            }
        }
    }

    fn check_predecessors(&mut self, op: &Op<'a>, register: Key<'a>) -> Result<(), GateError> {
        for id in &op.predecessors {
            if let Reference::Own(own) = self.reference(*id)? {
                let stored = !matches!(own.action, Action::Delete | Action::Increment | Action::Mark);
                if !stored || own.object != op.object || own.register != register {
                    return Err(malformed("an operation replaces one that is somewhere else"));
                }
            }
        }
        let order = |id: &OpId<u32>| (id.counter, self.change.actors[id.actor as usize]);
        if op.predecessors.is_sorted_by(|a, b| order(a) < order(b)) {
            return Ok(());
        }
        Err(malformed("replaced operations are not in order"))
    }

    /// The end of a mark is the operation right behind its beginning.
    fn check_mark(&self, op: &Op<'a>) -> Result<bool, GateError> {
        if op.action != Action::Mark || op.mark.is_some() {
            return Ok(op.action == Action::Mark);
        }
        match self.own.last() {
            Some(own) if own.begins_mark && own.object == op.object => Ok(false),
            Some(_) | None => Err(malformed("a mark ends that did not begin")),
        }
    }

    /// Looks up an operation that this one refers to. Whatever an author had seen has a lower counter.
    fn reference(&mut self, id: OpId<u32>) -> Result<Reference<'_, 'a>, GateError> {
        let used = usize::try_from(id.actor).ok().and_then(|actor| self.used.get_mut(actor));
        *used.ok_or_else(|| malformed("an actor that the change does not name"))? = true;
        if id.counter < self.change.start_op {
            let known = self.known.has_op(self.global(id));
            return if known { Ok(Reference::Known) } else { Err(gap("an operation it refers to")) };
        }
        let index = usize::try_from(id.counter - self.change.start_op).ok();
        let own = index.filter(|_| id.actor == 0).and_then(|index| self.own.get(index));
        own.map(Reference::Own).ok_or_else(|| malformed("an operation refers to a later one"))
    }

    fn global(&self, id: OpId<u32>) -> OpId<&'a [u8]> {
        OpId { counter: id.counter, actor: self.change.actors[id.actor as usize] }
    }
}

/// What every operation of its sort looks like.
fn check_form(op: &Op<'_>) -> Result<(), GateError> {
    let bare = op.value == Scalar::Null;
    let fits = match op.action {
        Action::MakeMap | Action::MakeList | Action::MakeText | Action::MakeTable => bare,
        Action::Set => true,
        Action::Delete => bare && !op.insert && !op.predecessors.is_empty(),
        Action::Increment => {
            matches!(op.value, Scalar::Integer(_)) && !op.insert && !op.predecessors.is_empty()
        }
        Action::Mark => op.insert && (op.mark.is_some() || bare),
    };
    let plain = !op.expand && op.mark.is_none();
    let replaces = !op.insert || op.predecessors.is_empty();
    if fits && replaces && (plain || op.action == Action::Mark) {
        return Ok(());
    }
    Err(malformed("an operation that no Automerge would write"))
}

/// What an operation makes.
pub const fn made(action: Action) -> Option<ObjectKind> {
    match action {
        Action::MakeMap | Action::MakeTable => Some(ObjectKind::Map),
        Action::MakeList => Some(ObjectKind::List),
        Action::MakeText => Some(ObjectKind::Text),
        Action::Set | Action::Delete | Action::Increment | Action::Mark => None,
    }
}

fn gap(reason: impl Into<String>) -> GateError {
    GateError::Gap { reason: reason.into() }
}

const fn too_many() -> GateError {
    GateError::Limit { what: "the operations of an update", limit: MAX_OPS as u64 }
}
