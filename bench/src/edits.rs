//! What is written: recorded sessions, or a generated one where those are not at hand; and small notes.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value as Json;
use syncline::BoxError;
use syncline_core::random::Random;

/// Where recorded sessions are, in the folder of real data.
const TRACES: &str = "traces/sequential";

/// The session of one paper: 259,778 edits.
const PAPER: &str = "automerge-paper";

/// What the name of a recorded session ends in, as a file.
const RECORDED: &str = ".json.gz";

/// The name of the generated session.
const WRITTEN_HERE: &str = "generated";

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

/// A session of writing, and the text that it ends in.
pub struct Session {
    pub edits: Vec<Edit>,
    pub text: String,
}

/// The longest session, and where that comes from.
pub fn long() -> Result<(Session, &'static str), BoxError> {
    match folder().join(format!("{PAPER}{RECORDED}")).is_file() {
        true => Ok((session(PAPER)?, "the recorded automerge-paper")),
        false => Ok((session(WRITTEN_HERE)?, "generated, as there is no real data")),
    }
}

/// The names of all recorded sessions; of the generated one, if there are none.
pub fn sessions() -> Result<Vec<String>, BoxError> {
    if !folder().is_dir() {
        return Ok(vec![WRITTEN_HERE.to_owned()]);
    }
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder())? {
        let file = file?.file_name();
        names.extend(file.to_str().and_then(|file| file.strip_suffix(RECORDED)).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// The session of a name.
pub fn session(name: &str) -> Result<Session, BoxError> {
    if name == WRITTEN_HERE {
        let edits = generated();
        return Ok(Session { text: text(&edits), edits });
    }
    let path = folder().join(format!("{name}{RECORDED}"));
    let recorded: Json = serde_json::from_reader(GzDecoder::new(File::open(&path)?))?;
    let unexpected = || format!("{} is not a recorded session as it should be", path.display());
    Ok(as_session(&recorded).ok_or_else(unexpected)?)
}

fn folder() -> PathBuf {
    let data = std::env::var_os("SYNCLINE_DATA").map_or_else(|| "../shared/data".into(), PathBuf::from);
    data.join(TRACES)
}

/// Positions count code points; in texts without characters beyond U+FFFF these are what Yjs counts in, too.
fn as_session(recorded: &Json) -> Option<Session> {
    let patches = recorded["txns"].as_array()?.iter().flat_map(|txn| txn["patches"].as_array());
    let edit = |patch: &Json| {
        let number = |index: usize| patch[index].as_u64().and_then(|number| usize::try_from(number).ok());
        let insert = patch[2].as_str().filter(|insert| insert.chars().all(|c| c.len_utf16() == 1))?;
        Some(Edit { at: number(0)?, delete: number(1)?, insert: insert.to_owned() })
    };
    let edits: Vec<Edit> = patches.flatten().map(edit).collect::<Option<_>>()?;
    let begins_empty = recorded["startContent"] == "" && !edits.is_empty();
    begins_empty.then_some(Session { edits, text: recorded["endContent"].as_str()?.to_owned() })
}

/// Puts edits into a file, a line each.
pub fn write(edits: &[Edit], path: &Path) -> Result<(), BoxError> {
    let mut file = BufWriter::new(File::create(path)?);
    for Edit { at, delete, insert } in edits {
        serde_json::to_writer(&mut file, &(at, delete, insert))?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}

/// The edits in a file, read without taking more memory than they need.
pub fn read(path: &Path) -> Result<Vec<Edit>, BoxError> {
    let lines = BufReader::new(File::open(path)?).lines();
    lines
        .map(|line| {
            let (at, delete, insert) = serde_json::from_str(&line?)?;
            Ok(Edit { at, delete, insert })
        })
        .collect()
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

/// The text that edits of letters end in.
pub fn text(edits: &[Edit]) -> String {
    let mut text = Vec::new();
    for Edit { at, delete, insert } in edits {
        text.splice(at..&(at + delete), insert.bytes());
    }
    String::from_utf8_lossy(&text).into_owned()
}
