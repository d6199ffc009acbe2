//! The relay comes back to people who have gone on without it: the workload (g).
//!
//! While it is away, everybody types into a log of his own and dials again and again, waiting as the engine does. It is over when the
//! relay has acknowledged everything as durable and everybody has got everything; what it keeps is counted after a `kill -9`.

use std::time::{Duration, Instant};

use syncline_core::random::Random;
use syncline_core::replica::Backoff;

use super::{Case, mebibytes};
use crate::BoxError;
use crate::arguments::Settings;
use crate::crowd::Crowd;
use crate::figures::{Figures, Metric};
use crate::process;
use crate::session::{Heard, Session, Syncline};
use crate::side::{Place, Server, Side};
use crate::socket::{Event, Outbox};
use crate::tally::Tally;
use crate::team::{self, Shape};

/// Who has which documents open, and types how much while the relay is away.
const DOCUMENTS: usize = 500;
const CLIENTS: usize = 2;
const EDITS: usize = 100;

/// Longest wait before dialling again, in milliseconds.
const LONGEST_WAIT: u64 = 2_000;

/// How long the relay is away: everybody waits as long as he ever does by then.
const AWAY: Duration = Duration::from_secs(6);

/// How long it may take until all is well again.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked who is due.
const LOOK: Duration = Duration::from_millis(5);

/// Which figures are shown.
pub const COLUMNS: &[Metric] = &[
    Metric::Recovery,
    Metric::Delivered,
    Metric::Expected,
    Metric::Missing,
    Metric::Twice,
    Metric::Kept,
    Metric::Typed,
    Metric::Unkept,
    Metric::CpuSeconds,
    Metric::Peak,
    Metric::GeneratorSeconds,
];

pub fn cases(_settings: &Settings) -> Vec<Case> {
    let name = format!("{} clients, {DOCUMENTS} documents", DOCUMENTS * CLIENTS);
    vec![Case { name, sides: vec![Side::Relay], run: Box::new(run) }]
}

fn run(side: Side) -> Result<Figures, BoxError> {
    let mut server = side.start()?;
    let mut clients = Clients::join(&server)?;
    server.kill()?;
    clients.go_on_alone()?;
    server.come_back()?;
    let (back, own) = (Instant::now(), process::own_cpu()?);
    clients.recover(back)?;
    let recovery = back.elapsed();
    let (cpu, own) = (server.process().cpu()?, process::own_cpu()? - own);
    let peak = server.process().peak()?;
    let figures = Figures::default()
        .with(Metric::Recovery, recovery.as_secs_f64())
        .with(Metric::Expected, clients.tally.expected() as f64)
        .with(Metric::Delivered, clients.tally.delivered() as f64)
        .with(Metric::Missing, (clients.tally.expected() - clients.tally.delivered()) as f64)
        .with(Metric::Twice, clients.tally.twice() as f64)
        .with(Metric::Typed, clients.tally.all_done() as f64)
        .with(Metric::CpuSeconds, cpu.as_secs_f64())
        .with(Metric::GeneratorSeconds, own.as_secs_f64())
        .with(Metric::Peak, mebibytes(peak));
    let typed = clients.tally.all_done();
    drop(clients);
    server.crash()?;
    let shape = Shape { documents: DOCUMENTS, clients: CLIENTS, typists: CLIENTS, ..team::NOBODY };
    let kept = team::count(&server, shape)?;
    Ok(figures.with(Metric::Kept, kept as f64).with(Metric::Unkept, typed.saturating_sub(kept) as f64))
}

/// Everybody.
struct Clients {
    crowd: Crowd,
    members: Vec<Member>,
    /// Who holds which connection, by its number.
    owners: Vec<usize>,
    tally: Tally,
}

struct Member {
    place: Place,
    document: usize,
    number: usize,
    session: Syncline,
    backoff: Backoff,
    random: Random,
    joined: bool,
    saved: u64,
    line: Line,
}

/// Whether somebody is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Up,
    /// He dials again then.
    Down(Instant),
}

impl Clients {
    fn join(server: &Server) -> Result<Self, BoxError> {
        let mut clients = Self {
            crowd: Crowd::new()?,
            members: Vec::new(),
            owners: Vec::new(),
            tally: Tally::new(DOCUMENTS, CLIENTS, CLIENTS)?,
        };
        let begun = Instant::now();
        for at in 0..DOCUMENTS * CLIENTS {
            clients.members.push(Member::new(server, at, begun)?);
            clients.dial()?;
            clients.listen()?;
        }
        while !clients.members.iter().all(|member| member.joined) {
            clients.dial()?;
            clients.listen()?;
            if begun.elapsed() > PATIENCE {
                return Err("not everybody could join".into());
            }
        }
        Ok(clients)
    }

    /// Has everybody dial who is due.
    fn dial(&mut self) -> Result<(), BoxError> {
        let now = Instant::now();
        for (at, member) in self.members.iter_mut().enumerate() {
            if !matches!(member.line, Line::Down(due) if due <= now) {
                continue;
            }
            match self.crowd.connect(member.place.server, &member.place.path) {
                Ok(_) => {
                    member.line = Line::Up;
                    self.owners.push(at);
                }
                // Nobody is there.
                Err(_refused) => member.wait(now),
            }
        }
        Ok(())
    }

    fn listen(&mut self) -> Result<(), BoxError> {
        let Self { crowd, members, owners, tally } = self;
        let lost = crowd.lost().len();
        crowd.turn(Instant::now() + LOOK, |number, event, now, out| {
            members[owners[number]].hear(event, out, tally, now)
        })?;
        let now = Instant::now();
        for ended in &crowd.lost()[lost..] {
            members[owners[ended.number]].lose(now);
        }
        Ok(())
    }

    /// The relay is away: everybody types, and dials in vain.
    fn go_on_alone(&mut self) -> Result<(), BoxError> {
        let begun = Instant::now();
        while self.members.iter().any(|member| member.line == Line::Up) && begun.elapsed() < PATIENCE {
            self.listen()?;
        }
        self.tally.begin(Instant::now());
        let mut nowhere = Outbox::default();
        for member in &mut self.members {
            for _ in 0..EDITS {
                self.tally.done(member.document, member.number, Instant::now());
                member.session.types(&mut nowhere);
            }
        }
        while begun.elapsed() < AWAY {
            self.dial()?;
            self.listen()?;
        }
        Ok(())
    }

    /// Until everything is durable and with everybody.
    fn recover(&mut self, since: Instant) -> Result<(), BoxError> {
        while !self.is_well() {
            if since.elapsed() > PATIENCE {
                let saved: u64 = self.members.iter().map(|member| member.saved).sum();
                return Err(format!("after {PATIENCE:?} {saved} edits are durable").into());
            }
            self.dial()?;
            self.listen()?;
        }
        Ok(())
    }

    fn is_well(&self) -> bool {
        self.tally.delivered() == self.tally.expected()
            && self.members.iter().all(|member| member.saved == EDITS as u64)
    }
}

impl Member {
    fn new(server: &Server, at: usize, now: Instant) -> Result<Self, BoxError> {
        let (document, number) = (at / CLIENTS, at % CLIENTS);
        let doc = team::document_name(document);
        Ok(Self {
            place: server.place(&doc)?,
            document,
            number,
            session: Syncline::new(&doc, number, u64::MAX)?,
            backoff: Backoff::up_to(LONGEST_WAIT),
            random: Random::new(at as u64),
            joined: false,
            saved: 0,
            line: Line::Down(now),
        })
    }

    fn hear(
        &mut self,
        event: Event<'_>,
        out: &mut Outbox,
        tally: &mut Tally,
        now: Instant,
    ) -> Result<(), BoxError> {
        let Self { session, document, number, joined, saved, backoff, .. } = self;
        backoff.reset();
        session.on_event(event, out, &mut |heard| match heard {
            Heard::Content(content) => {
                // What cannot be read has not arrived, and is missed at the end.
                let _unreadable =
                    content.read(&mut |brought| tally.arrived(*document, *number, brought, now));
            }
            Heard::Joined => *joined = true,
            Heard::Saved(count) => *saved = count,
            Heard::Shown(_) => {}
        })
    }

    fn lose(&mut self, now: Instant) {
        self.session.leave();
        self.wait(now);
    }

    fn wait(&mut self, now: Instant) {
        self.line = Line::Down(now + Duration::from_millis(self.backoff.after_failure(&mut self.random)));
    }
}
