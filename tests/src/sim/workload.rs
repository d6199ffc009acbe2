//! What applications do: edits that can be found again.
//!
//! Every edit puts a marker, a key of its own that nobody ever writes again, so that an edit is visible exactly
//! when its marker is. Beside it an edit does some of: counting, where nothing may count twice; registers that
//! are fought over; keys and list elements of its own, some of which later edits remove; text.

use syncline_core::board::Board;
use syncline_core::chart::Chart;
use syncline_core::crdt::Crdt;
use syncline_core::crdt::toy::POISON_KEY;
use syncline_core::entry::{Family, Kind};
use syncline_core::operation::Operation;
use syncline_core::path::Path;
use syncline_core::random::Random;
use syncline_core::schema;
use syncline_core::scripts::{board_operation, chart_operation};
use syncline_core::value::{NodeKind, Value};
use syncline_core::wire::decode_operations;

/// Keys that begin with this are refused by relays.
pub(super) const FORBIDDEN: &str = "forbidden";

/// How many registers are fought over, and how many counters there are.
const REGISTERS: usize = 4;
pub(super) const COUNTERS: usize = 2;

/// The map that holds markers and unique keys: the root where nothing nests.
fn holder(family: Family) -> Path {
    match family {
        Family::Toy => Path::root(),
        Family::Yjs | Family::Automerge => Path::root().child("all"),
    }
}

/// Where counter `n` is: at the top level, where a counter made by two replicas at once is one counter.
pub(super) fn counter(n: usize) -> Path {
    Path::root().child(format!("c{n}"))
}

fn marker_path(family: Family, marker: u64) -> Path {
    holder(family).child(format!("e{marker}"))
}

/// The marker among the operations of an edit.
pub(super) fn marker_of(operations: &[Operation]) -> Option<u64> {
    markers(operations).next()
}

/// The markers among the operations of several edits.
pub(super) fn markers(operations: &[Operation]) -> impl Iterator<Item = u64> + '_ {
    operations.iter().filter_map(|operation| match operation {
        Operation::Put { path, .. } => number(path.tokens().last()?, 'e'),
        _ => None,
    })
}

/// The number behind a letter.
fn number(key: &str, letter: char) -> Option<u64> {
    key.strip_prefix(letter)?.parse().ok()
}

/// The numbers of all keys of the document that begin with a letter.
pub(super) fn numbered(document: &dyn Crdt, family: Family, letter: char) -> Vec<u64> {
    let keys = document.keys(&holder(family)).unwrap_or_default();
    keys.iter().filter_map(|key| number(key, letter)).collect()
}

/// An edit's key of its own, put by it or removed by a later one.
pub(super) fn unique_put(operation: &Operation) -> Option<u64> {
    let Operation::Put { path, .. } = operation else { return None };
    number(path.tokens().last()?, 'd')
}

/// The key of an earlier edit that this operation removes.
pub(super) fn unique_removed(operation: &Operation) -> Option<u64> {
    let Operation::Remove { path } = operation else { return None };
    number(path.tokens().last()?, 'd')
}

/// Whether a relay refuses what is done there.
pub(super) fn is_forbidden(path: &Path) -> bool {
    path.tokens().iter().any(|token| token.starts_with(FORBIDDEN))
}

/// Whether the operation makes an update that others cannot apply.
pub(super) fn is_poison(operation: &Operation) -> bool {
    operation.path().tokens().first().is_some_and(|token| token == POISON_KEY)
}

/// How unusual edits are.
pub(super) struct Taste {
    pub family: Family,
    pub kind: Kind,
    pub forbidden: f64,
    pub poison: f64,
}

/// The operations of an edit.
pub(super) fn operations(
    random: &mut Random,
    document: &dyn Crdt,
    taste: &Taste,
    marker: u64,
) -> Vec<Operation> {
    let put = |path: Path, value: Value| Operation::Put { path, value };
    let family = taste.family;
    let mut operations = vec![put(marker_path(family, marker), Value::Int(1))];
    for _ in 0..random.index(3) {
        operations.push(common(random, document, family, marker));
    }
    match family {
        Family::Toy => {}
        Family::Yjs | Family::Automerge => {
            operations.extend(nested(random, document, taste.kind, marker));
            operations.extend(typed(random, document, taste.kind));
        }
    }
    if random.chance(taste.forbidden) {
        operations.push(put(holder(family).child(format!("{FORBIDDEN}{marker}")), Value::Int(1)));
    }
    if random.chance(taste.poison) {
        operations.push(put(Path::root().child(POISON_KEY), Value::Int(1)));
    }
    operations
}

/// What all families can do.
fn common(random: &mut Random, document: &dyn Crdt, family: Family, marker: u64) -> Operation {
    let register = holder(family).child(format!("r{}", random.index(REGISTERS)));
    match random.index(6) {
        0 | 1 => {
            Operation::Increment { path: counter(random.index(COUNTERS)), by: random.below(9) as i64 - 3 }
        }
        2 => Operation::Put { path: register, value: Value::String(format!("by {marker}")) },
        3 if document.kind(&register).is_some() => Operation::Remove { path: register },
        4 => {
            let unique = numbered(document, family, 'd');
            match unique.get(random.index(unique.len())) {
                Some(number) => Operation::Remove { path: holder(family).child(format!("d{number}")) },
                None => Operation::Put { path: register, value: Value::Null },
            }
        }
        _ => Operation::Put {
            path: holder(family).child(format!("d{marker}")),
            value: Value::Int(marker as i64),
        },
    }
}

/// What only families with lists and texts can do.
fn nested(random: &mut Random, document: &dyn Crdt, kind: Kind, marker: u64) -> Vec<Operation> {
    let text = Path::root().child(Kind::TEXT_KEY);
    let list = Path::root().child("list");
    let mut operations = Vec::new();
    if kind == Kind::Text || random.chance(0.3) {
        operations.push(splice(random, document, text, marker));
    }
    if random.chance(0.3) {
        operations.push(Operation::Insert { path: list.child("-"), values: vec![Value::Int(marker as i64)] });
    }
    let len = document.len(&list).unwrap_or(0);
    if len > 0 && random.chance(0.1) {
        operations.push(Operation::Remove { path: list.child(random.index(len)) });
    }
    operations
}

/// What the applications of boards and charts do.
fn typed(random: &mut Random, document: &dyn Crdt, kind: Kind) -> Vec<Operation> {
    let operations = match kind {
        Kind::Board => schema::lower::<Board>(&board_operation(random, &schema::read(document)), document),
        Kind::Chart => schema::lower::<Chart>(&chart_operation(random, &schema::read(document)), document),
        Kind::Tree | Kind::Text => Ok(Vec::new()),
    };
    operations.expect("the operation was drawn for this document")
}

/// Texts with what is known to break indices: characters beyond the basic plane and combining ones.
fn splice(random: &mut Random, document: &dyn Crdt, path: Path, marker: u64) -> Operation {
    const PIECES: [&str; 5] = ["a", "word ", "\u{1F980}", "e\u{301}", "\u{1F468}\u{200D}\u{1F469}"];
    let is_text = document.kind(&path) == Some(NodeKind::Text);
    let len = if is_text { document.len(&path).unwrap_or(0) } else { 0 };
    let at = random.index(len + 1);
    let delete = if random.chance(0.3) { random.index((len - at).min(5) + 1) } else { 0 };
    Operation::Splice { path, at, delete, insert: format!("{}{marker}", PIECES[random.index(PIECES.len())]) }
}

/// The marker in the operations that a store keeps beside an entry.
pub(super) fn marker_in(operations: &[u8]) -> Option<u64> {
    marker_of(&decode_operations(operations).ok()?)
}
