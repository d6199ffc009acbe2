//! Everybody at the documents of a server: they join, type and show where they are at their own moments, and all that arrives is
//! tallied.

use std::time::{Duration, Instant};

use crate::BoxError;
use crate::crowd::Crowd;
use crate::figures::{Figures, Metric};
use crate::process::{self, Process};
use crate::session::{Heard, Session};
use crate::side::{Place, Server};
use crate::tally::{Latencies, Tally};

/// How long a server may take to let people in and tell them what it holds.
const JOIN_TIME: Duration = Duration::from_secs(120);

/// How many may be about to join at once.
const JOINING: usize = 32;

/// After so long a time in which nothing has arrived, nothing more will; nor after so long a time in all.
const QUIET: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(60);

/// What somebody has shown may be told after this time, or not at all where he has shown something newer since.
const SHOWN_TIME: Duration = Duration::from_millis(500);

/// After so long a time in which somebody new is told nothing more, he has been told all.
const TELLING: Duration = Duration::from_secs(1);

/// How often it is looked whether everything has arrived.
const LOOK: Duration = Duration::from_millis(20);

/// Who is where, and what they do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    pub documents: usize,
    /// Clients of each document, of which the first so many type.
    pub clients: usize,
    pub typists: usize,
    /// How many characters each of them types in a second.
    pub typing: f64,
    /// How many of his characters each leaves standing.
    pub leaves: u64,
    /// How often in a second each client shows where he is; zero for never.
    pub showing: f64,
}

/// Who does nothing anywhere.
pub const NOBODY: Shape =
    Shape { documents: 0, clients: 0, typists: 0, typing: 0.0, leaves: u64::MAX, showing: 0.0 };

/// They.
pub struct Team {
    shape: Shape,
    crowd: Crowd,
    sessions: Vec<Box<dyn Session>>,
    joined: usize,
    ears: Ears,
    late: Latencies,
}

/// What is made of what they hear.
struct Ears {
    /// At which document each is, and the how-manieth there.
    seats: Vec<(usize, usize)>,
    has_joined: Vec<bool>,
    typed: Tally,
    shown: Tally,
    unreadable: u64,
}

/// Moments at equal distances, at which one after the other does something.
struct Rota {
    begun: Instant,
    step: Duration,
    members: usize,
    done: u64,
}

impl Team {
    /// Everybody joins. Whoever holds a document already may have more of it told than was typed by this team.
    pub fn open(server: &Server, shape: Shape) -> Result<Self, BoxError> {
        let mut team = Self::new(shape)?;
        for document in 0..shape.documents {
            let place = server.place(&document_name(document))?;
            for client in 0..shape.clients {
                team.enter(&place, (document, client))?;
            }
        }
        team.wait_for_all(0)?;
        Ok(team)
    }

    fn new(shape: Shape) -> Result<Self, BoxError> {
        let Shape { documents, clients, typists, .. } = shape;
        let ears = Ears {
            seats: Vec::new(),
            has_joined: Vec::new(),
            typed: Tally::new(documents, typists, clients)?,
            shown: Tally::new(documents, if shape.showing > 0.0 { clients } else { 0 }, clients)?,
            unreadable: 0,
        };
        let (crowd, late) = (Crowd::new()?, Latencies::new()?);
        Ok(Self { shape, crowd, sessions: Vec::new(), joined: 0, ears, late })
    }

    fn enter(&mut self, place: &Place, seat: (usize, usize)) -> Result<(), BoxError> {
        self.wait_for_all(JOINING)?;
        self.crowd.connect(place.server, &place.path)?;
        self.sessions.push(place.session(seat.1, self.shape.leaves)?);
        self.ears.seats.push(seat);
        self.ears.has_joined.push(false);
        Ok(())
    }

    /// Listens until all but so many have joined.
    fn wait_for_all(&mut self, but: usize) -> Result<(), BoxError> {
        let since = Instant::now();
        loop {
            while self.ears.has_joined.get(self.joined) == Some(&true) {
                self.joined += 1;
            }
            if self.joined + but >= self.sessions.len() {
                return Ok(());
            }
            if let Some(lost) = self.crowd.lost().first() {
                return Err(format!("not everybody could join: {}", lost.reason).into());
            }
            if since.elapsed() > JOIN_TIME {
                return Err(format!("client {} has not joined in {JOIN_TIME:?}", self.joined).into());
            }
            self.listen(Instant::now() + LOOK)?;
        }
    }

    fn listen(&mut self, until: Instant) -> Result<(), BoxError> {
        let Self { crowd, sessions, ears, .. } = self;
        crowd.turn(until, |number, event, now, out| {
            sessions[number].on_event(event, out, &mut |heard| ears.hear(number, &heard, now))
        })
    }

    /// Lets some time go by, in which everybody does what he does.
    pub fn play(&mut self, time: Duration) -> Result<(), BoxError> {
        let begun = Instant::now();
        let shape = self.shape;
        let mut typing = Rota::new(begun, shape.typing, shape.documents * shape.typists);
        let mut showing = Rota::new(begun, shape.showing, shape.documents * shape.clients);
        while begun.elapsed() < time {
            while let Some((member, late)) = typing.due() {
                self.late.note(late);
                self.types(member / shape.typists, member % shape.typists);
            }
            while let Some((member, _)) = showing.due() {
                self.shows(member);
            }
            let next = typing.next().into_iter().chain(showing.next()).min().unwrap_or(begun + time);
            self.listen(next.min(begun + time))?;
        }
        Ok(())
    }

    fn types(&mut self, document: usize, typist: usize) {
        let number = document * self.shape.clients + typist;
        self.ears.typed.done(document, typist, Instant::now());
        let session = &mut self.sessions[number];
        self.crowd.say(number, |out| session.types(out));
    }

    fn shows(&mut self, number: usize) {
        let (document, client) = (number / self.shape.clients, number % self.shape.clients);
        self.ears.shown.done(document, client, Instant::now());
        let session = &mut self.sessions[number];
        self.crowd.say(number, |out| session.shows(out));
    }

    /// Lets some time go by, in which nobody does anything.
    pub fn rest(&mut self, time: Duration) -> Result<(), BoxError> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.listen(end)?;
        }
        Ok(())
    }

    /// Listens until everything has arrived that was typed, as long as there is hope, and returns when the last of it came.
    fn drain(&mut self) -> Result<Instant, BoxError> {
        let since = Instant::now();
        let (mut last, mut delivered) = (since, self.delivered());
        loop {
            let is_typed = self.ears.typed.delivered() >= self.ears.typed.expected();
            let is_shown = self.ears.shown.delivered() >= self.ears.shown.expected();
            let is_over = is_typed && (is_shown || since.elapsed() > SHOWN_TIME);
            if is_over || last.elapsed() > QUIET || since.elapsed() > PATIENCE {
                return Ok(last);
            }
            self.listen(Instant::now() + LOOK)?;
            if self.delivered() > delivered {
                (last, delivered) = (Instant::now(), self.delivered());
            }
        }
    }

    /// Plays for a while, and measures what happens then.
    pub fn measure(
        &mut self,
        process: &Process,
        warming: Duration,
        time: Duration,
    ) -> Result<Figures, BoxError> {
        self.play(warming)?;
        let (begun, cpu, own) = (Instant::now(), process.cpu()?, process::own_cpu()?);
        self.ears.typed.begin(begun);
        self.ears.shown.begin(begun);
        self.late = Latencies::new()?;
        self.play(time)?;
        let last = (self.drain()? - begun).as_secs_f64();
        if self.ears.unreadable > 0 {
            return Err(format!("{} messages could not be read", self.ears.unreadable).into());
        }
        let cpu = (process.cpu()? - cpu).as_secs_f64();
        let own = (process::own_cpu()? - own).as_secs_f64();
        let (elapsed, delivered) = (begun.elapsed().as_secs_f64(), self.delivered() as f64);
        Ok(self
            .figures()
            .with(Metric::Rate, delivered / last)
            .with(Metric::Cpu, cpu * 1e6 / delivered.max(1.0))
            .with(Metric::CpuCores, cpu / elapsed)
            .with(Metric::GeneratorCpu, own * 1e6 / delivered.max(1.0))
            .with(Metric::GeneratorCores, own / elapsed))
    }

    fn delivered(&self) -> u64 {
        self.ears.typed.delivered() + self.ears.shown.delivered()
    }

    fn figures(&self) -> Figures {
        let Ears { typed, shown, .. } = &self.ears;
        let tally = if self.shape.typists > 0 { typed } else { shown };
        let millis = |latencies: &Latencies, part| latencies.quantile(part).as_secs_f64() * 1e3;
        Figures::default()
            .with(Metric::Expected, tally.expected() as f64)
            .with(Metric::Delivered, tally.delivered() as f64)
            .with(Metric::Missing, tally.expected().saturating_sub(tally.delivered()) as f64)
            .with(Metric::Twice, tally.twice() as f64)
            .with(Metric::Lost, self.crowd.lost().len() as f64)
            .with(Metric::LatencyHalf, millis(tally.latencies(), 0.5))
            .with(Metric::Latency95, millis(tally.latencies(), 0.95))
            .with(Metric::Latency99, millis(tally.latencies(), 0.99))
            .with(Metric::LatencyMost, millis(tally.latencies(), 1.0))
            .with(Metric::Late, millis(&self.late, 0.99))
    }

    /// How much was typed from the beginning.
    pub fn all_typed(&self) -> u64 {
        self.ears.typed.all_done()
    }
}

/// How much of what typists of a shape have typed a server tells somebody new.
pub fn count(server: &Server, shape: Shape) -> Result<u64, BoxError> {
    let newcomer = shape.typists;
    let mut team = Team::new(Shape { clients: newcomer + 1, showing: 0.0, ..shape })?;
    for document in 0..shape.documents {
        team.enter(&server.place(&document_name(document))?, (document, newcomer))?;
    }
    team.wait_for_all(0)?;
    let held =
        |team: &Team| (0..shape.documents).map(|document| team.ears.typed.held(document, newcomer)).sum();
    let mut told: u64 = held(&team);
    // Some servers say that this was all before they have read what they hold.
    loop {
        team.rest(TELLING)?;
        match held(&team) {
            more if more > told => told = more,
            _ => return Ok(told),
        }
    }
}

impl Ears {
    fn hear(&mut self, number: usize, heard: &Heard<'_>, now: Instant) {
        let (document, client) = self.seats[number];
        match heard {
            Heard::Content(content) => {
                let read = content.read(&mut |brought| self.typed.arrived(document, client, brought, now));
                self.unreadable += u64::from(read.is_err());
            }
            Heard::Shown(brought) => self.shown.arrived(document, client, *brought, now),
            Heard::Joined => self.has_joined[number] = true,
            Heard::Saved(_) => {}
        }
    }
}

impl Rota {
    /// From a moment on so many members do something, each so often in a second.
    fn new(begun: Instant, rate: f64, members: usize) -> Self {
        let all = rate * members as f64;
        let step = if all > 0.0 { Duration::from_secs_f64(1.0 / all) } else { Duration::MAX };
        Self { begun, step, members, done: 0 }
    }

    /// When the next of them is due; never, if nobody is.
    fn next(&self) -> Option<Instant> {
        let nanos = self.step.as_nanos().checked_mul(self.done.into())?;
        (self.step != Duration::MAX)
            .then(|| self.begun + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Who is due now, and how late that is found out.
    fn due(&mut self) -> Option<(usize, Duration)> {
        let late = Instant::now().checked_duration_since(self.next()?)?;
        let member = usize::try_from(self.done).expect("it is counted one by one") % self.members;
        self.done += 1;
        Some((member, late))
    }
}

/// What the how-manieth document is called.
pub fn document_name(number: usize) -> String {
    format!("doc-{number}")
}
