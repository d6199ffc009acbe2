//! People who come to a large document of Yjs: the workload (f). The floor holds no documents, and sides of Automerge none of these.
//!
//! The document is written by one author, and the server is stopped in good order and started again, so that it has the document on
//! disk alone. Those who come hold nothing; all of them must be given the same, and that must be the document. The time begins before
//! anything is asked of the server: y-sweet loads a document when it is asked for a token, without which nobody joins.

use std::cell::OnceCell;
use std::hash::Hasher;
use std::rc::Rc;
use std::time::{Duration, Instant};

use memchr::memmem;
use syncline_core::protocol::y_websocket::NOTHING;
use syncline_tests::process::joins::document::{MARK, Written};
use twox_hash::XxHash3_64;

use super::{Case, mebibytes};
use crate::BoxError;
use crate::arguments::Settings;
use crate::crowd::{Crowd, Number};
use crate::figures::{Figures, Metric};
use crate::process;
use crate::session::{Heard, Session};
use crate::side::{Server, Side};
use crate::socket::{Event, Outbox};
use crate::update;

/// The document, and one without content.
const DOC: &str = "large";
const SMALL_DOC: &str = "small";

/// How long a server may take until it has, or has told, all of it.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often it is asked whether it has.
const ASK_INTERVAL: Duration = Duration::from_millis(500);

/// The number of the author, and the first of those who come later.
const AUTHOR: usize = 0;
const GUEST: usize = 1;

/// Which figures are shown.
pub const COLUMNS: &[Metric] = &[
    Metric::Size,
    Metric::JoinFirst,
    Metric::JoinHalf,
    Metric::JoinAll,
    Metric::CpuSeconds,
    Metric::Idle,
    Metric::Peak,
    Metric::Extra,
    Metric::GeneratorSeconds,
];

pub fn cases(settings: &Settings) -> Vec<Case> {
    let mut cases = Vec::new();
    for size in &settings.sizes {
        let written = Rc::new(OnceCell::new());
        for joins in [1, settings.joins] {
            let (written, bytes) = (written.clone(), size * (1 << 20));
            cases.push(Case {
                name: name(*size, joins),
                sides: Side::ALL.into_iter().filter(|side| side.keeps_yjs()).collect(),
                run: Box::new(move |side| run(side, written.get_or_init(|| document(bytes)), joins)),
            });
        }
    }
    cases
}

/// What a case is called.
pub fn name(size: usize, joins: usize) -> String {
    match joins {
        1 => format!("{size} MiB alone"),
        joins => format!("{size} MiB, {joins} at once"),
    }
}

/// What everybody joins.
fn document(bytes: usize) -> Written {
    let mut written = Written::new(update::client(AUTHOR), bytes);
    written.mark();
    written
}

fn run(side: Side, written: &Written, joins: usize) -> Result<Figures, BoxError> {
    let mut server = side.start()?;
    write(&server, written, side.settling())?;
    server.restart()?;
    Joining::of(&server, SMALL_DOC, GUEST, 1, b"")?.finish()?;
    let (idle, cpu, own) = (server.process().resident()?, server.process().cpu()?, process::own_cpu()?);
    let joined = Joining::of(&server, DOC, GUEST, joins, MARK.as_bytes())?.finish()?;
    let (cpu, own) = (server.process().cpu()? - cpu, process::own_cpu()? - own);
    let peak = server.process().peak()?;
    joined.check(written)?;
    let times = joined.times();
    let millis = |time: Option<&Duration>| time.map_or(f64::NAN, Duration::as_secs_f64) * 1e3;
    Ok(Figures::default()
        .with(Metric::Size, mebibytes(written.size()))
        .with(Metric::JoinFirst, millis(times.first()))
        .with(Metric::JoinHalf, millis(times.get(times.len() / 2)))
        .with(Metric::JoinAll, millis(times.last()))
        .with(Metric::CpuSeconds, cpu.as_secs_f64())
        .with(Metric::GeneratorSeconds, own.as_secs_f64())
        .with(Metric::Idle, mebibytes(idle))
        .with(Metric::Peak, mebibytes(peak))
        .with(Metric::Extra, peak.saturating_sub(idle) as f64 / written.size() as f64))
}

/// Writes the document by the hand of its author, and waits until it is told to somebody new, and stored.
fn write(server: &Server, written: &Written, settling: Duration) -> Result<(), BoxError> {
    let mut author = Joining::of(server, DOC, AUTHOR, 1, b"")?.finish()?;
    for update in &written.updates {
        let member = &mut author.members[0];
        let mut written = Ok(());
        author.crowd.say(member.number, |out| written = member.session.writes(update, out));
        written?;
        author.listen(Instant::now())?;
    }
    let since = Instant::now();
    loop {
        author.listen_for(ASK_INTERVAL)?;
        let mut guest = Joining::of(server, DOC, GUEST, 1, MARK.as_bytes())?;
        guest.listen_for(ASK_INTERVAL)?;
        if guest.has_all() {
            break;
        }
        if since.elapsed() > PATIENCE {
            return Err(format!("the document is not there after {PATIENCE:?}").into());
        }
    }
    author.listen_for(settling)?;
    server.process().rest()
}

/// Some who join at once.
struct Joining {
    crowd: Crowd,
    members: Vec<Member>,
    begun: Instant,
    /// What each must have been told, however early a server says that this was all.
    mark: &'static [u8],
}

struct Member {
    number: Number,
    session: Box<dyn Session>,
    /// What stands for all that it was told, and all that, for the first member.
    digest: XxHash3_64,
    content: Vec<Vec<u8>>,
    keeps: bool,
    has_joined: bool,
    has_mark: bool,
    took: Option<Duration>,
}

impl Joining {
    fn of(
        server: &Server,
        doc: &str,
        first: usize,
        joins: usize,
        mark: &'static [u8],
    ) -> Result<Self, BoxError> {
        let mut joining =
            Self { crowd: Crowd::new()?, members: Vec::with_capacity(joins), begun: Instant::now(), mark };
        let place = server.place(doc)?;
        for at in 0..joins {
            let session = place.session(first + at, u64::MAX)?;
            let number = joining.crowd.connect(place.server, &place.path)?;
            let digest = XxHash3_64::with_seed(0);
            joining.members.push(Member {
                number,
                session,
                digest,
                content: Vec::new(),
                keeps: at == 0,
                has_joined: false,
                has_mark: mark.is_empty(),
                took: None,
            });
        }
        Ok(joining)
    }

    fn listen(&mut self, until: Instant) -> Result<(), BoxError> {
        let Self { crowd, members, begun, mark } = self;
        crowd.turn(until, |number, event, _, out| members[number].hear(event, out, *begun, mark))?;
        match crowd.lost().first() {
            Some(lost) => Err(lost.reason.as_str().into()),
            None => Ok(()),
        }
    }

    /// Listens for some time.
    fn listen_for(&mut self, time: Duration) -> Result<(), BoxError> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.listen(until)?;
        }
        Ok(())
    }

    fn has_all(&self) -> bool {
        self.members.iter().all(|member| member.took.is_some())
    }

    /// Listens until everybody has been told everything.
    fn finish(mut self) -> Result<Self, BoxError> {
        while !self.has_all() {
            if self.begun.elapsed() > PATIENCE {
                return Err(format!("not everybody has joined in {PATIENCE:?}").into());
            }
            self.listen(self.begun + PATIENCE)?;
        }
        Ok(self)
    }

    /// How long it took each of them, in order.
    fn times(&self) -> Vec<Duration> {
        let mut times: Vec<Duration> = self.members.iter().filter_map(|member| member.took).collect();
        times.sort_unstable();
        times
    }

    fn check(&self, written: &Written) -> Result<(), BoxError> {
        if !written.is_told_by(&self.members[0].content) {
            return Err("what was told is not the document".into());
        }
        match self.members.iter().all(|member| member.digest.finish() == self.members[0].digest.finish()) {
            true => Ok(()),
            false => Err("not everybody was told the same".into()),
        }
    }
}

impl Member {
    fn hear(
        &mut self,
        event: Event<'_>,
        out: &mut Outbox,
        begun: Instant,
        mark: &[u8],
    ) -> Result<(), BoxError> {
        let Self { session, digest, content, keeps, has_joined, has_mark, took, .. } = self;
        if took.is_some() {
            return session.on_event(event, out, &mut |_| {});
        }
        session.on_event(event, out, &mut |heard| match heard {
            // Some servers tell that there is nothing, before they have looked.
            Heard::Content(piece) if piece.bytes() == NOTHING => {}
            Heard::Content(piece) => {
                digest.write(piece.bytes());
                *has_mark |= memmem::find(piece.bytes(), mark).is_some();
                if *keeps {
                    content.push(piece.bytes().to_vec());
                }
            }
            Heard::Joined => *has_joined = true,
            Heard::Shown(_) | Heard::Saved(_) => {}
        })?;
        if *has_joined && *has_mark {
            *took = Some(begun.elapsed());
        }
        Ok(())
    }
}
