//! A document of a quarter of a million edits: how long it takes to open, and what it takes on disk.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use automerge::Automerge;
use syncline::{BoxError, Family};
use tokio::runtime::Runtime;

use crate::edits::{Edit, Session};
use crate::ours::{self, NAME};
use crate::show::{bytes, goal, median, table, time, times};
use crate::{bare, disk, edits, peer};

/// How many times the bare library's time opening may take.
const GOAL_TIME: f64 = 1.3;

/// How many times the library's own encoding the folder may take.
const GOAL_SIZE: f64 = 2.0;

const FAMILIES: [Family; 2] = [Family::Yjs, Family::Automerge];

/// Writes the document everywhere, opens it in turns, and says what that took.
pub fn measure(runtime: &Runtime, base: &Path, openings: usize) -> Result<(), BoxError> {
    let (Session { edits, text: expected }, origin) = edits::long()?;
    let folder = |family: Family| base.join(format!("long-{family}"));
    let peers = base.join("long-peer");
    let (encodings, name) = std::thread::scope(|scope| {
        // yrs takes a minute for the edits, here as in the engine.
        let edits = &edits;
        let encode = |family| bare::encoding(family, edits).map_err(|error| error.to_string());
        let bare = FAMILIES.map(|family| scope.spawn(move || encode(family)));
        for family in FAMILIES {
            runtime.block_on(write(&folder(family), family, edits))?;
        }
        let [yjs, automerge] = bare.map(|thread| thread.join().map_err(|_| "a library panicked"));
        let encodings = [Arc::<[u8]>::from(yjs??), Arc::<[u8]>::from(automerge??)];
        let document = Automerge::load(&encodings[1]).map_err(BoxError::from);
        let names = runtime.block_on(peer::write(&peers, std::iter::once(document)))?;
        Ok::<_, BoxError>((encodings, names.concat()))
    })?;

    let [yjs, automerge] = &encodings;
    let bare = |family, encoding: &Arc<[u8]>| {
        let encoding = encoding.clone();
        // On a thread of the runtime, as the engine loads on one: each thread has memory of its own to allocate from.
        runtime.block_on(runtime.spawn(async move { bare::load(family, &encoding) }))?
    };
    let engine = |family| runtime.block_on(ours::load(&folder(family), NAME));
    // Apart, as the one family leaves memory and caches behind that would cost the other more than opening does.
    let of_yjs = take_turns(openings, &expected, [&|| bare(Family::Yjs, yjs), &|| engine(Family::Yjs)])?;
    let of_automerge = take_turns(
        openings,
        &expected,
        [&|| bare(Family::Automerge, automerge), &|| engine(Family::Automerge), &|| {
            runtime.block_on(peer::load(&peers, &name))
        }],
    )?;
    let medians = [of_yjs[0], of_yjs[1], of_automerge[0], of_automerge[1], of_automerge[2]];
    let folders = [folder(Family::Yjs), folder(Family::Automerge), peers];
    show(edits.len(), origin, openings, medians, encodings.map(|encoding| encoding.len() as u64), &folders)
}

/// One way to open the document: how long that took, and its text.
type Opening<'a> = &'a dyn Fn() -> Result<(Duration, String), BoxError>;

/// Opens the document in every way as often, each round beginning with another one, and gives the medians.
fn take_turns<const N: usize>(
    openings: usize,
    expected: &str,
    sides: [Opening<'_>; N],
) -> Result<[Duration; N], BoxError> {
    let mut taken = [const { Vec::new() }; N];
    for round in 0..openings {
        for turn in 0..N {
            let side = (round + turn) % N;
            let (time, text) = sides[side]()?;
            if text != expected {
                return Err("a side does not hold what was written".into());
            }
            taken[side].push(time);
        }
    }
    Ok(taken.map(|times| median(&times)))
}

/// Writes the document and compacts it.
async fn write(folder: &Path, family: Family, edits: &[Edit]) -> Result<(), BoxError> {
    let started = Instant::now();
    ours::write(folder, family, std::iter::once((NAME.to_owned(), edits.to_vec()))).await?;
    let (written, before) = (started.elapsed(), disk::size(folder)?);
    let started = Instant::now();
    ours::compact(folder, std::iter::once(NAME.to_owned())).await?;
    let (compacted, after) = (started.elapsed(), disk::size(folder)?);
    println!(
        "{family}: written in {}, which takes {}; compacted in {}, which takes {}",
        time(written),
        bytes(before.taken),
        time(compacted),
        bytes(after.taken)
    );
    Ok(())
}

fn show(
    edits: usize,
    origin: &str,
    openings: usize,
    [yrs, yjs, library, automerge, peer]: [Duration; 5],
    [yrs_bytes, library_bytes]: [u64; 2],
    folders: &[std::path::PathBuf; 3],
) -> Result<(), BoxError> {
    let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
    let size = |folder: &Path| disk::size(folder).map(|size| size.taken);
    let [yjs_bytes, automerge_bytes, peer_bytes] =
        [size(&folders[0])?, size(&folders[1])?, size(&folders[2])?];
    let row = |name: &str, taken: Duration, bare: Duration, size: u64, encoded: u64| {
        let (slower, larger) =
            (times(taken.as_secs_f64(), bare.as_secs_f64()), times(size as f64, encoded as f64));
        vec![name.to_owned(), time(taken), slower, bytes(size), larger]
    };
    table(
        &format!("a document of {edits} edits ({origin}), store open, compacted (median of {openings})"),
        &["", "opens in", "of the library", "on disk", "of the encoding"],
        &[
            row("yrs", yrs, yrs, yrs_bytes, yrs_bytes),
            row("syncline, yjs", yjs, yrs, yjs_bytes, yrs_bytes),
            row("automerge", library, library, library_bytes, library_bytes),
            row("syncline, automerge", automerge, library, automerge_bytes, library_bytes),
            row(peer::NAME, peer, library, peer_bytes, library_bytes),
        ],
    );
    goal("yjs, opening", ratio(yjs, yrs), GOAL_TIME, "x");
    goal("automerge, opening", ratio(automerge, library), GOAL_TIME, "x");
    goal("yjs, on disk", yjs_bytes as f64 / yrs_bytes as f64, GOAL_SIZE, "x");
    goal("automerge, on disk", automerge_bytes as f64 / library_bytes as f64, GOAL_SIZE, "x");
    Ok(())
}
