//! Inputs to start fuzzing from, made by the code itself: valid ones, so that a fuzzer begins behind the parsers.

use super::Choices;
use crate::board::Board;
use crate::chart::Chart;
use crate::crdt::automerge::fuzzing::steps;
use crate::entry::{Blame, Cursor, Digest, Family, Kind, Spec};
use crate::id::{DocId, EntryId, Epoch, Have, ReplicaId};
use crate::random::Random;
use crate::schema::Schema;
use crate::scripts::{board_operation, chart_operation};
use crate::wire::{Codec, Compression, Encoding, Hello, Message, OLDEST_VERSION, VERSION};

/// The names of the targets.
pub const TARGETS: [&str; 7] = [
    "automerge_change",
    "frame_decode",
    "guest_messages",
    "guest_updates",
    "imported_files",
    "replica_inputs",
    "yjs_update",
];

/// How many seeds of decisions each target that takes them gets, and how long they are.
const DECISIONS: usize = 48;
const DECISION_BYTES: usize = 400;

/// From how many boards and charts seeds are made, and after how many operations.
const FILES: u64 = 12;
const FILE_OPERATIONS: usize = 40;

/// Inputs for a target; none for one that does not exist.
#[must_use]
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "automerge_change" => injuries(),
        "frame_decode" => frames(),
        "guest_messages" => super::messages::some_messages(),
        "guest_updates" => (0..3).flat_map(|first| decisions(&[first])).collect(),
        "imported_files" => files(),
        "replica_inputs" => decisions(&[]),
        "yjs_update" => yjs_updates(),
        _ => Vec::new(),
    }
}

/// Bytes that decide: every way is open from the first byte on.
fn decisions(prefix: &[u8]) -> Vec<Vec<u8>> {
    let mut random = Choices::of_seed(1);
    let one = |_| {
        let some = (0..DECISION_BYTES).map(|_| u8::try_from(random.below(256)).unwrap_or(0));
        prefix.iter().copied().chain(some).collect()
    };
    (0..DECISIONS).map(one).collect()
}

/// The real updates behind the number of their document, and decisions about others.
fn yjs_updates() -> Vec<Vec<u8>> {
    let numbered = |(number, step): (usize, &super::yjs::Step)| {
        let first = u8::try_from(2 * number + 1).ok()?;
        Some([&[first], step.update.as_slice()].concat())
    };
    let real = super::yjs::history().iter().enumerate().filter_map(numbered);
    real.chain(decisions(&[0])).collect()
}

/// Every change and every document, whole, and with one injury.
fn injuries() -> Vec<Vec<u8>> {
    let steps = 0..u8::try_from(steps()).unwrap_or(u8::MAX);
    steps.flat_map(|step| [vec![0, step], vec![1, step], vec![0, step, 5, 1, 2, 1]]).collect()
}

/// Random boards and charts in the formats that can hold them.
fn files() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for seed in 0..FILES {
        let mut random = Random::new(seed);
        let (mut board, mut chart) = (Board::default(), Chart::default());
        for _ in 0..FILE_OPERATIONS {
            board.apply(&board_operation(&mut random, &board)).expect("it was drawn for this board");
            chart.apply(&chart_operation(&mut random, &chart)).expect("it was drawn for this chart");
        }
        files.push(board.to_json_lines());
        files.push(chart.to_vega_lite().to_string());
        let tables = [board.to_csv(), board.to_todo_txt()];
        files.extend(tables.into_iter().flatten().map(|exported| exported.text));
    }
    files.into_iter().map(String::into_bytes).collect()
}

/// Messages of several sorts, in both encodings and each compression.
fn frames() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for encoding in [Encoding::Binary, Encoding::Json] {
        for compression in [Compression::None, Compression::Gzip, Compression::Brotli] {
            let codec = Codec { encoding, compression };
            let all: Vec<_> = messages().iter().map(|message| codec.encode(message)).collect();
            frames.push(codec.frame(&all).bytes.to_vec());
            frames.extend(all.chunks(1).map(|one| codec.frame(one).bytes.to_vec()));
        }
    }
    frames.sort_unstable();
    frames.dedup();
    frames
}

fn messages() -> Vec<Message> {
    let doc = DocId::new("team/board").expect("a name");
    let spec = Spec { family: Family::Yjs, kind: Kind::Tree };
    let cursor = Cursor { epoch: Epoch::new([3; 16]), offset: 7, digest: Digest(0x1234) };
    let id = EntryId { replica: ReplicaId::new([7; 16]), counter: 2 };
    let have: Have = [id].into_iter().collect();
    let entries = super::replica::some_entries();
    let hello = Hello {
        oldest: OLDEST_VERSION,
        newest: VERSION,
        agent: "seed".to_owned(),
        relay: true,
        acks: true,
        compression: vec![Compression::Brotli, Compression::Gzip],
    };
    vec![
        Message::Hello(hello),
        Message::Describe { doc: doc.clone() },
        Message::Described { doc: doc.clone(), spec: Some(spec) },
        Message::Open { doc: doc.clone(), spec, log: cursor, cursors: vec![cursor] },
        Message::Have { doc: doc.clone(), have: have.clone() },
        Message::Entries { doc: doc.clone(), entries },
        Message::Durable { doc: doc.clone(), cursor },
        Message::SnapshotPart {
            doc: doc.clone(),
            cursor,
            covers: Some(have),
            total: 9,
            bytes: vec![0; 5].into(),
        },
        Message::Refused { doc, id, blame: Blame::Entry, reason: "no".to_owned() },
        Message::Ping { token: 1 },
    ]
}
