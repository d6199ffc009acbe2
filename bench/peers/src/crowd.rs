//! All connections of the generator, on one thread: the system says where something has come.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::time::Timespec;

use crate::BoxError;
use crate::socket::{Event, Outbox, Socket};

/// What is read at once, from one socket.
const BUFFER_BYTES: usize = 256 << 10;

/// Most sockets that are told of at once.
const MAX_EVENTS: usize = 1_024;

/// Which connection: their numbers are given in order.
pub type Number = usize;

/// Everybody who is connected.
pub struct Crowd {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
    sockets: Vec<Option<Socket>>,
    lost: Vec<Ended>,
}

/// A connection that ended against our will.
#[derive(Clone, Debug)]
pub struct Ended {
    pub number: Number,
    pub reason: String,
}

impl Crowd {
    /// Nobody yet.
    pub fn new() -> Result<Self, BoxError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let events = Vec::with_capacity(MAX_EVENTS);
        Ok(Self { epoll, events, buffer: vec![0; BUFFER_BYTES], sockets: Vec::new(), lost: Vec::new() })
    }

    /// Connects somebody to a path of a server.
    pub fn connect(&mut self, server: SocketAddr, path: &str) -> Result<Number, BoxError> {
        let number = self.sockets.len();
        let mut socket = Socket::connect(server, path)?;
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
        epoll::add(&self.epoll, socket.stream(), EventData::new_u64(number as u64), flags)?;
        socket.flush()?;
        self.sockets.push(Some(socket));
        Ok(number)
    }

    /// Has somebody say something, if he is still there.
    pub fn say(&mut self, number: Number, say: impl FnOnce(&mut Outbox)) {
        let Some(socket) = &mut self.sockets[number] else { return };
        say(socket.out());
        if let Err(error) = socket.flush() {
            self.lose(number, &error);
        }
    }

    /// Whose connection has ended against our will, and why.
    pub fn lost(&self) -> &[Ended] {
        &self.lost
    }

    fn lose(&mut self, number: Number, error: &BoxError) {
        self.sockets[number] = None;
        self.lost.push(Ended { number, reason: error.to_string() });
    }

    /// Waits until something comes, but not beyond a time, and tells what happened to whom, each with its time and the way to
    /// answer.
    pub fn turn(
        &mut self,
        until: Instant,
        mut hear: impl FnMut(Number, Event<'_>, Instant, &mut Outbox) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        self.events.clear();
        let wait = timespec(until.saturating_duration_since(Instant::now()));
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&wait)) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        for at in 0..self.events.len() {
            let number = usize::try_from(self.events[at].data.u64()).expect("it was a usize");
            let Some(socket) = &mut self.sockets[number] else { continue };
            let now = Instant::now();
            let ended = socket.read(&mut self.buffer, |event, out| hear(number, event, now, out));
            if let Err(error) = ended.and_then(|()| socket.flush()) {
                self.lose(number, &error);
            }
        }
        Ok(())
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: time.subsec_nanos().into() }
}
