//! What is written: the recorded writing of a paper, or generated writing where that is not at hand; and small notes.

use std::fs::File;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value as Json;
use syncline::BoxError;
use syncline_core::random::Random;

/// The recorded session, in the folder of real data: 259,778 edits, all of them ASCII.
const TRACE: &str = "traces/sequential/automerge-paper.json.gz";

/// Edits of generated writing.
const GENERATED: usize = 260_000;

/// How often the generated writer goes to another place.
const JUMPS: f64 = 400.0;

/// Edits of a small document, and the words of each.
const NOTE_EDITS: usize = 5;
const NOTE_WORDS: usize = 4;

/// One edit of a text: where, how many characters go, what comes.
#[derive(Clone, Debug)]
pub struct Edit {
    pub at: usize,
    pub delete: usize,
    pub insert: String,
}

/// A long text being written, and where that comes from.
pub fn long() -> Result<(Vec<Edit>, &'static str), BoxError> {
    let folder =
        std::env::var_os("SYNCLINE_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    let trace = folder.join(TRACE);
    match trace.is_file() {
        true => Ok((recorded(&trace)?, "the recorded automerge-paper")),
        false => Ok((generated(), "generated, as there is no real data")),
    }
}

fn recorded(path: &Path) -> Result<Vec<Edit>, BoxError> {
    let trace: Json = serde_json::from_reader(GzDecoder::new(File::open(path)?))?;
    let unexpected = || format!("{} is not a recorded session as it should be", path.display());
    let patches = trace["txns"].as_array().into_iter().flatten().flat_map(|txn| txn["patches"].as_array());
    let edit = |patch: &Json| {
        let number = |index: usize| patch[index].as_u64().and_then(|number| usize::try_from(number).ok());
        let insert = patch[2].as_str().filter(|insert| insert.is_ascii())?.to_owned();
        Some(Edit { at: number(0)?, delete: number(1)?, insert })
    };
    let edits: Option<Vec<Edit>> = patches.flatten().map(edit).collect();
    Ok(edits.filter(|edits| !edits.is_empty()).ok_or_else(unexpected)?)
}

/// Mostly a character behind the last one, sometimes a jump, sometimes some characters deleted.
fn generated() -> Vec<Edit> {
    let (mut random, mut len, mut cursor) = (Random::new(7), 0, 0);
    let mut edits = Vec::with_capacity(GENERATED);
    for _ in 0..GENERATED {
        if random.chance(JUMPS / GENERATED as f64) {
            cursor = random.index(len + 1);
        }
        let delete = if random.chance(0.1) { random.index(4).min(len - cursor) } else { 0 };
        edits.push(Edit { at: cursor, delete, insert: letter(&mut random).to_string() });
        len = len - delete + 1;
        cursor += 1;
    }
    edits
}

/// The edits of the small document of this number: a few words each, one behind the other.
pub fn note(number: usize) -> Vec<Edit> {
    let mut random = Random::new(number as u64);
    let mut len = 0;
    let mut edit = || {
        let insert: String = (0..NOTE_WORDS).map(|_| word(&mut random)).collect();
        let at = len;
        len += insert.len();
        Edit { at, delete: 0, insert }
    };
    (0..NOTE_EDITS).map(|_| edit()).collect()
}

fn word(random: &mut Random) -> String {
    let letters = 2 + random.index(7);
    (0..letters).map(|_| letter(random)).chain([' ']).collect()
}

fn letter(random: &mut Random) -> char {
    char::from(b'a' + u8::try_from(random.below(26)).unwrap_or_default())
}

/// The text that edits end in.
pub fn text(edits: &[Edit]) -> String {
    let mut text = Vec::new();
    for Edit { at, delete, insert } in edits {
        text.splice(at..&(at + delete), insert.bytes());
    }
    String::from_utf8_lossy(&text).into_owned()
}
