//! People who type, and people who read: the workloads (a), (b) and (c).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, LocalSet, spawn_local};

use crate::BoxError;
use crate::client::{Ear, Mouth, Place, say};
use crate::protocol::Heard;
use crate::side::{Side, Started};
use crate::tally::Tally;
use crate::update::{self, Typist};

/// How often it is seen to it who has to type.
const TICK: Duration = Duration::from_millis(1);

/// How long what was typed last may take to arrive.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often it is looked whether everything has arrived.
const LOOK: Duration = Duration::from_millis(50);

/// What is done.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub documents: usize,
    /// Clients of each document, of which the first so many type.
    pub clients: usize,
    pub typists: usize,
    /// How many characters each of them types in a second.
    pub rate: f64,
    /// How long that goes on before it counts, and then.
    pub warming: Duration,
    pub time: Duration,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub expected: u64,
    pub delivered: u64,
    pub twice: u64,
    /// Half of what arrived took no longer, 95 and 99 in a hundred, and all.
    pub latency: [Duration; 4],
    /// Processor time of the server for all that was delivered.
    pub cpu: Duration,
    /// Memory before anybody came, with all connected, and at most, in bytes.
    pub memory: [u64; 3],
    /// How many characters were there after the server was killed at the end, of how many; none if it keeps nothing.
    pub kept: Option<(u64, u64)>,
}

impl Load {
    /// Does it with a server that has just been started.
    pub async fn run(self, side: Side) -> Result<Figures, BoxError> {
        let mut started = side.start()?;
        LocalSet::new().run_until(self.play(&mut started)).await
    }

    async fn play(self, server: &mut Started) -> Result<Figures, BoxError> {
        let (idle, _) = server.memory();
        let mut rooms = Vec::new();
        for number in 0..self.documents {
            rooms.push(Room::open(self, server.place(&format!("doc-{number}"))?).await?);
        }
        let (connected, _) = server.memory();
        self.types(&mut rooms, self.warming).await?;
        let (begun, cpu) = (Instant::now(), server.cpu());
        rooms.iter().for_each(|room| room.tally.borrow_mut().begin(begun));
        self.types(&mut rooms, self.time).await?;
        self.drain(&rooms).await;
        let cpu = server.cpu() - cpu;
        let (_, peak) = server.memory();
        let mut figures = Figures { cpu, memory: [idle, connected, peak], ..Figures::of(&rooms) };
        figures.kept = self.kept(server, rooms).await?;
        Ok(figures)
    }

    /// Has everybody type for a time, each at his own moments.
    async fn types(self, rooms: &mut [Room], time: Duration) -> Result<(), BoxError> {
        let begun = Instant::now();
        let interval = Duration::from_secs_f64(1.0 / self.rate);
        let typists = rooms.len() * self.typists;
        let mut due: Vec<Instant> =
            (0..typists).map(|number| begun + interval.mul_f64(number as f64 / typists as f64)).collect();
        let mut tick = tokio::time::interval(TICK);
        while begun.elapsed() < time {
            tick.tick().await;
            let now = Instant::now();
            for (number, due) in due.iter_mut().enumerate() {
                while *due <= now {
                    *due += interval;
                    rooms[number / self.typists].types(number % self.typists).await?;
                }
            }
        }
        Ok(())
    }

    async fn drain(self, rooms: &[Room]) {
        let begun = Instant::now();
        let all = |room: &Room| room.tally.borrow().delivered() >= room.tally.borrow().expected();
        while !rooms.iter().all(all) && begun.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Kills the server, and counts what somebody new is given.
    async fn kept(self, server: &mut Started, rooms: Vec<Room>) -> Result<Option<(u64, u64)>, BoxError> {
        let typed: Vec<Vec<u64>> = rooms.iter().map(|room| room.tally.borrow().typed()).collect();
        drop(rooms);
        if !server.crash() {
            return Ok(None);
        }
        let mut kept = 0;
        for number in 0..self.documents {
            let mut clocks = vec![0; self.typists];
            let hear = |bytes: &[u8]| {
                let note = |brought: update::Brought| {
                    if let Some(clock) = clocks.get_mut(brought.typist) {
                        *clock = brought.to.max(*clock);
                    }
                };
                // What cannot be read is not there.
                let _unreadable = update::read(bytes, note);
            };
            let _gone = server.place(&format!("doc-{number}"))?.join(hear).await?;
            kept += clocks.iter().sum::<u64>();
        }
        Ok(Some((kept, typed.iter().flatten().sum())))
    }
}

/// A document, and everybody who has it open.
struct Room {
    place: Place,
    tally: Rc<RefCell<Tally>>,
    typists: Vec<(Typist, Mouth)>,
    ears: Vec<JoinHandle<()>>,
    _readers: Vec<Mouth>,
}

impl Room {
    async fn open(load: Load, place: Place) -> Result<Self, BoxError> {
        let tally = Rc::new(RefCell::new(Tally::new(load.typists, load.clients)?));
        let (mut typists, mut readers, mut ears) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..load.clients {
            let (mouth, ear) = place.join(|_| {}).await?;
            ears.push(spawn_local(hear(place.clone(), number, ear, tally.clone())));
            match number < load.typists {
                true => typists.push((Typist::new(number), mouth)),
                false => readers.push(mouth),
            }
        }
        Ok(Self { place, tally, typists, ears, _readers: readers })
    }

    async fn types(&mut self, number: usize) -> Result<(), BoxError> {
        let (typist, mouth) = &mut self.typists[number];
        let frame = self.place.protocol.update(&self.place.doc, &typist.types());
        self.tally.borrow_mut().sent(number, Instant::now());
        say(mouth, frame).await
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.ears.iter().for_each(JoinHandle::abort);
    }
}

/// Listens until there is nothing more to hear.
async fn hear(place: Place, client: usize, mut ear: Ear, tally: Rc<RefCell<Tally>>) {
    while let Ok(frame) = ear.frame().await {
        if let Heard::Update(update) | Heard::Whole(update) = place.protocol.hear(&frame) {
            let now = Instant::now();
            // What a server makes of updates that cannot be read has not arrived.
            let _unreadable =
                update::read(update, |brought| tally.borrow_mut().arrived(client, brought, now));
        }
    }
}

impl Figures {
    fn of(rooms: &[Room]) -> Self {
        let tallies: Vec<_> = rooms.iter().map(|room| room.tally.borrow()).collect();
        let latency = [0.5, 0.95, 0.99, 1.0]
            .map(|part| tallies.iter().map(|tally| tally.latency(part)).max().unwrap_or_default());
        Self {
            expected: tallies.iter().map(|tally| tally.expected()).sum(),
            delivered: tallies.iter().map(|tally| tally.delivered()).sum(),
            twice: tallies.iter().map(|tally| tally.twice()).sum(),
            latency,
            ..Self::default()
        }
    }
}
