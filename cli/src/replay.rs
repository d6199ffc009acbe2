//! Playing recorded editing traces through the engine.
//!
//! A sequential trace is one author; a concurrent one is several, each with an engine of its own, whose incoming
//! links let in exactly what the author had seen when it made its next edit, so that the recorded
//! concurrency really happens again.

mod concurrent;
mod gate;
mod sequential;
mod switch;
mod trace;

use std::path::Path as FilePath;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use syncline::{Document, Family, Kind, Operation, Path, Saved, Spec, Value};
use syncline_core::replica::EditFailure;

use crate::args::Global;
use crate::failure::Failure;
use crate::progress;
use trace::{Patch, Trace};

/// Most operations in one edit; longer transactions of a trace are several edits.
const MAX_PATCHES: usize = syncline_core::operation::MAX_OPERATIONS;

/// Edits that may wait for the disk before the replay waits too.
const MAX_IN_FLIGHT: u64 = 1_024;

/// Plays a trace and compares the end.
pub async fn run(
    global: &Global,
    trace: &FilePath,
    doc: &str,
    family: Family,
    offline_every: Option<usize>,
) -> Result<(), Failure> {
    let spec = Spec { family, kind: Kind::Text };
    match trace::read(trace)? {
        Trace::Sequential(trace) => sequential::play(global, &trace, doc, spec, offline_every).await,
        Trace::Concurrent(trace) => concurrent::play(global, &trace, doc, spec, offline_every).await,
    }
}

fn progress_bar(len: usize) -> ProgressBar {
    progress::bar(len, "edits, {per_sec}, {eta} left {msg}")
}

/// Makes one transaction of a trace.
async fn perform(document: &Document, patches: &[Patch]) -> Result<(), Failure> {
    for patches in patches.chunks(MAX_PATCHES) {
        loop {
            let edited =
                document.edit(|editor| patches.iter().try_for_each(|patch| editor.perform(splice(patch))));
            match edited {
                Err(syncline::EditError::Failed(EditFailure::Busy)) => document.saved(Saved::Local).await?,
                edited => break edited?,
            }
        }
    }
    let progress = document.progress();
    if progress.made - progress.local > MAX_IN_FLIGHT {
        document.saved(Saved::Local).await?;
    }
    Ok(())
}

fn splice(Patch(at, delete, insert): &Patch) -> Operation {
    Operation::Splice { path: text_path(), at: *at, delete: *delete, insert: insert.clone() }
}

fn text_path() -> Path {
    Path::root().child(Kind::TEXT_KEY)
}

fn text(document: &Document) -> String {
    match document.value(&text_path()) {
        Some(Value::Text(text)) => text,
        _ => String::new(),
    }
}

/// Compares the end with the recorded one, and tells how fast it was reached.
fn conclude(who: &str, document: &Document, end: &str) -> Result<(), Failure> {
    let text = text(document);
    if text == end {
        return Ok(());
    }
    let differs =
        text.chars().zip(end.chars()).position(|(a, b)| a != b).unwrap_or(text.len().min(end.len()));
    Err(Failure::Trace(format!(
        "{who}: the document ends different from the trace, first at character {differs} ({} bytes instead of {})",
        text.len(),
        end.len()
    )))
}

fn summary(edits: usize, started: Instant, saved: Duration) {
    let seconds = started.elapsed().as_secs_f64();
    let rate = edits as f64 / seconds;
    eprintln!(
        "{edits} edits in {seconds:.1} s ({rate:.0}/s), the last {:.1} s to save them; the end is as recorded",
        saved.as_secs_f64()
    );
}
