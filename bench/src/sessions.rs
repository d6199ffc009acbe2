//! Recorded sessions of writing: how fast the edits can be made, and be kept; how long the document takes to read by a new
//! process, what memory that takes, and what disk.
//!
//! The engine writes each edit to the disk, in order, and has all of them there when it says so. The libraries by themselves
//! keep nothing until all is made, and then their encoding, so only the time for the edits can be compared with theirs. The
//! peer saves the whole document after every ten edits or so, without a sync; it is given some seconds for as many edits as it
//! can make.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};
use syncline::{BoxError, Family};

use crate::edits::{self, Session};
use crate::once::{self, Read, SIDES, Side, Written};
use crate::show::{bytes, goal, median, table, time, times};
use crate::{disk, peer};

/// How many times the bare library's time for the edits the engine may take.
const GOAL_EDITS: f64 = 1.3;

/// How many times what the peer takes the engine may take, of anything.
const GOAL_PEER: f64 = 1.0;

/// What one side did with a session, in each round.
struct Course {
    side: Side,
    written: Vec<Written>,
    read: Vec<Read>,
    /// What the folder takes on disk.
    taken: u64,
}

/// Has every side write and read every session in turn, and says what that took.
pub fn measure(base: &Path, rounds: usize, most: usize, json: Option<&Path>) -> Result<(), BoxError> {
    let mut told = Vec::new();
    for name in edits::sessions()? {
        let Session { mut edits, text } = edits::session(&name)?;
        let whole = (edits.len() <= most).then_some(text);
        edits.truncate(most);
        let file = base.join(format!("{name}.edits"));
        edits::write(&edits, &file)?;
        let courses = take_turns(&base.join(&name), &file, rounds, whole.as_deref())?;
        show(&name, edits.len(), rounds, &courses);
        judge(&courses)?;
        told.push(json!({ "session": name, "edits": edits.len(), "sides": courses.iter().map(Course::json).collect::<Vec<_>>() }));
    }
    match json {
        Some(path) => Ok(std::fs::write(path, serde_json::to_string_pretty(&told)?)?),
        None => Ok(()),
    }
}

/// Each round begins with another side.
fn take_turns(
    base: &Path,
    edits: &Path,
    rounds: usize,
    expected: Option<&str>,
) -> Result<Vec<Course>, BoxError> {
    let mut courses: Vec<Course> = SIDES.map(Course::new).into();
    for round in 0..rounds {
        for turn in 0..courses.len() {
            let side = (round + turn) % courses.len();
            courses[side].go(edits, &base.join(format!("{round}-{side}")), expected)?;
        }
    }
    Ok(courses)
}

impl Course {
    const fn new(side: Side) -> Self {
        Self { side, written: Vec::new(), read: Vec::new(), taken: 0 }
    }

    fn go(&mut self, edits: &Path, folder: &Path, expected: Option<&str>) -> Result<(), BoxError> {
        let written = once::write(self.side, edits, folder)?;
        if self.side.keeps() {
            self.taken = disk::size(folder)?.taken;
            let read = once::read(self.side, &written, folder)?;
            if expected.is_some_and(|expected| expected != read.text) {
                return Err(format!("{} does not hold what was written", self.side.name()).into());
            }
            self.read.push(read);
            std::fs::remove_dir_all(folder)?;
        }
        self.written.push(written);
        Ok(())
    }

    /// The median of what was taken for one edit, by one measure.
    fn an_edit(&self, taken: impl Fn(&Written) -> Duration) -> Duration {
        let each = |written: &Written| {
            let count = u32::try_from(written.edits.max(1)).unwrap_or(u32::MAX);
            taken(written) / count
        };
        median(&self.written.iter().map(each).collect::<Vec<_>>())
    }

    fn made(&self) -> Duration {
        self.an_edit(|written| written.made)
    }

    fn saved(&self) -> Duration {
        self.an_edit(|written| written.saved)
    }

    fn reading(&self) -> Duration {
        median(&self.read.iter().map(|read| read.took).collect::<Vec<_>>())
    }

    fn memory(&self) -> u64 {
        self.written.iter().map(|written| written.memory).max().unwrap_or(0)
    }

    fn reading_memory(&self) -> u64 {
        self.read.iter().map(|read| read.memory).max().unwrap_or(0)
    }

    fn timed(&self) -> usize {
        self.written.iter().map(|written| written.edits).min().unwrap_or(0)
    }

    fn json(&self) -> Json {
        let nanos = |time: Duration| time.as_secs_f64() * 1e9;
        let kept = |value: Json| if self.side.keeps() { value } else { Json::Null };
        json!({
            "side": self.side.name(),
            "rounds": self.written.len(),
            "timed_edits": self.timed(),
            "edit_nanos": nanos(self.made()),
            "saved_edit_nanos": nanos(self.saved()),
            "writing_memory_bytes": self.memory(),
            "reading_nanos": kept(json!(nanos(self.reading()))),
            "reading_memory_bytes": kept(json!(self.reading_memory())),
            "disk_bytes": kept(json!(self.taken)),
        })
    }
}

fn show(name: &str, count: usize, rounds: usize, courses: &[Course]) {
    let mut bare = Duration::ZERO;
    let rows: Vec<Vec<String>> = courses
        .iter()
        .map(|course| {
            if let Side::Bare(_) = course.side {
                bare = course.made();
            }
            row(course, bare)
        })
        .collect();
    table(
        &format!("{name}: {count} edits, one after the other (median of {rounds}, the most of memory)"),
        &[
            "",
            "edits",
            "an edit",
            "of the library",
            "edits/s",
            "edits/s, kept",
            "memory",
            "read in",
            "memory",
            "on disk",
        ],
        &rows,
    );
}

fn row(course: &Course, bare: Duration) -> Vec<String> {
    let kept = |cell: String| if course.side.keeps() { cell } else { "-".to_owned() };
    let rate = |an_edit: Duration| format!("{:.0}", 1.0 / an_edit.as_secs_f64());
    vec![
        course.side.name(),
        course.timed().to_string(),
        format!("{:.2} us", course.made().as_secs_f64() * 1e6),
        times(course.made().as_secs_f64(), bare.as_secs_f64()),
        rate(course.made()),
        kept(rate(course.saved())),
        bytes(course.memory()),
        kept(time(course.reading())),
        kept(bytes(course.reading_memory())),
        kept(bytes(course.taken)),
    ]
}

fn judge(courses: &[Course]) -> Result<(), BoxError> {
    let course = |side: Side| {
        courses
            .iter()
            .find(|course| course.side == side)
            .ok_or_else(|| format!("{} took no part", side.name()))
    };
    let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
    let peer = course(Side::Peer)?;
    for family in [Family::Yjs, Family::Automerge] {
        let memory = course(Side::Memory(family))?;
        for bare in [Side::Bare(family), Side::Updates(family)] {
            let what = format!("edits with memory storage, of {}", bare.name());
            goal(&what, ratio(memory.made(), course(bare)?.made()), GOAL_EDITS, "x");
        }
    }
    for family in [Family::Yjs, Family::Automerge] {
        let kept = course(Side::Disk(family))?;
        let goal =
            |what: &str, found| goal(&format!("{family}, {what}, of {}", peer::NAME), found, GOAL_PEER, "x");
        goal("time for an edit, durable", ratio(kept.saved(), peer.saved()));
        goal("time to read", ratio(kept.reading(), peer.reading()));
        goal("bytes on disk", kept.taken as f64 / peer.taken as f64);
    }
    Ok(())
}
