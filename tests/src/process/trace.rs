//! System calls of a process, as `strace` saw them: which bytes went into a store's write-ahead log, when that was
//! synced, and which messages left for whom. From that it is told whether anything was called durable too early.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use syncline_core::entry::Body;
use syncline_core::wire::{Codec, Frame, Message};

use super::PATIENCE;

/// Most bytes of a call that are traced; frames and pages are smaller here.
const MAX_TRACED_BYTES: usize = 1 << 20;

/// Whether there is an `strace` that may trace. Where there is none, that is said aloud.
#[must_use]
pub fn is_possible() -> bool {
    let traced = Command::new("strace").args(["-D", "-f", "-o", "/dev/null", "true"]).output();
    let possible = traced.is_ok_and(|traced| traced.status.success());
    if !possible {
        println!("SKIPPED: strace is not here or may not trace; the gate installs it where it may");
    }
    possible
}

/// A tracer that writes to `log`; the program and its arguments follow. The process it starts is the traced one,
/// so that signals meet the right one.
#[must_use]
pub fn tracer(log: &Path) -> Command {
    let mut tracer = Command::new("strace");
    tracer.args(["-D", "-f", "-yy", "-xx", "-s", &MAX_TRACED_BYTES.to_string(), "-o"]).arg(log);
    tracer.args(["-e", "trace=write,writev,pwrite64,sendto,sendmsg,fsync,fdatasync"]);
    tracer
}

/// What a process did that matters here, in order.
#[derive(Debug, Default)]
pub struct Trace {
    events: Vec<Event>,
}

#[derive(Debug)]
struct Event {
    /// The lines of the log where the call begins and ends; one that never returned has no end.
    began: usize,
    ended: Option<usize>,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Bytes were written to the write-ahead log.
    Logged(Vec<u8>),
    /// The write-ahead log was synced.
    Synced,
    /// A message was handed to a socket.
    Sent(Message),
    /// A line was printed.
    Printed(String),
}

/// One call of the log.
struct Call<'a> {
    name: &'a str,
    /// What the first argument, a file, is.
    file: String,
    /// All buffers of the call.
    bytes: Vec<u8>,
}

impl Trace {
    /// Reads the log of a process that has ended.
    ///
    /// # Panics
    /// If the tracer does not finish its log.
    #[must_use]
    pub fn read(log: &Path, pid: u32) -> Self {
        let text = finished(log, pid);
        let mut reading = Reading::default();
        text.lines().enumerate().for_each(|(number, line)| reading.line(number, line));
        Self { events: reading.events }
    }

    /// How often the write-ahead log was synced.
    #[must_use]
    pub fn syncs(&self) -> usize {
        self.events.iter().filter(|event| matches!(event.what, What::Synced)).count()
    }

    /// Checks that what contains `marker` was written to the log and synced before the first event that relies on
    /// it.
    fn synced_before(
        &self,
        marker: &str,
        relying: &str,
        relies: impl Fn(&What) -> bool,
    ) -> Result<(), String> {
        let holds = |event: &&Event| matches!(&event.what, What::Logged(bytes) if contains(bytes, marker));
        let written = self.events.iter().find(holds).ok_or_else(|| format!("{marker} was never written"))?;
        let first = self.events.iter().find(|event| relies(&event.what));
        let first = first.ok_or_else(|| format!("there is no {relying} for {marker}"))?;
        let between = |event: &&Event| {
            matches!(event.what, What::Synced)
                && written.ended.is_some_and(|written| event.began > written)
                && event.ended.is_some_and(|ended| ended < first.began)
        };
        match self.events.iter().find(between) {
            Some(_) => Ok(()),
            None => Err(format!(
                "{marker} was written in line {} and no sync had ended before its {relying} in line {}",
                written.began, first.began
            )),
        }
    }

    /// A relay synced the entry with this marker, the `offset`th of its log and of its author's, before it told
    /// anybody that it is durable.
    pub fn acknowledged_after_sync(&self, marker: &str, offset: u64) -> Result<(), String> {
        self.synced_before(marker, "acknowledgement", |what| match what {
            What::Sent(Message::Ack { offset: told, .. }) => *told >= offset,
            _ => false,
        })?;
        self.synced_before(marker, "durable cursor", |what| match what {
            What::Sent(Message::Durable { cursor, .. }) => cursor.offset >= offset,
            _ => false,
        })
    }

    /// A client synced its edit with this marker before it sent it.
    pub fn sent_after_sync(&self, marker: &str) -> Result<(), String> {
        self.synced_before(marker, "frame", |what| match what {
            What::Sent(Message::Entries { entries, .. }) => entries.iter().any(
                |numbered| matches!(&numbered.entry.body, Body::Update(update) if contains(update, marker)),
            ),
            _ => false,
        })
    }

    /// A client synced its edit with this marker before it printed a line that reports it saved.
    pub fn printed_after_sync(&self, marker: &str, reports: impl Fn(&str) -> bool) -> Result<(), String> {
        self.synced_before(marker, "report", |what| matches!(what, What::Printed(line) if reports(line)))
    }
}

/// The log, once the tracer has noted the end of the process.
fn finished(log: &Path, pid: u32) -> String {
    let since = Instant::now();
    loop {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let is_end = |line: &str| line.starts_with(&format!("{pid} ")) && line.contains(" +++ ");
        if text.ends_with('\n') && text.lines().rev().take(20).any(is_end) {
            return text;
        }
        assert!(since.elapsed() < PATIENCE, "the tracer does not finish {}", log.display());
        std::thread::yield_now();
    }
}

fn contains(bytes: &[u8], marker: &str) -> bool {
    // What follows must not be a digit: edit 1 is not edit 10.
    let mut windows = bytes.windows(marker.len()).enumerate();
    windows.any(|(at, window)| {
        window == marker.as_bytes() && !bytes.get(at + marker.len()).is_some_and(u8::is_ascii_digit)
    })
}

/// A log being read.
#[derive(Default)]
struct Reading {
    events: Vec<Event>,
    /// Events of each thread that have begun and not ended.
    unfinished: HashMap<String, Vec<usize>>,
    sockets: HashMap<String, Socket>,
}

impl Reading {
    fn line(&mut self, number: usize, line: &str) {
        let Some((pid, rest)) = line.split_once(char::is_whitespace) else { return };
        let rest = rest.trim_start();
        if rest.starts_with("<... ") {
            for index in self.unfinished.remove(pid).unwrap_or_default() {
                self.events[index].ended = Some(number);
            }
            return;
        }
        let Some(call) = Call::read(rest) else { return };
        let first = self.events.len();
        for what in self.meaning(&call) {
            self.events.push(Event { began: number, ended: Some(number), what });
        }
        if rest.ends_with("<unfinished ...>") {
            let begun: Vec<usize> = (first..self.events.len()).collect();
            begun.iter().for_each(|index| self.events[*index].ended = None);
            self.unfinished.insert(pid.to_owned(), begun);
        }
    }

    fn meaning(&mut self, call: &Call<'_>) -> Vec<What> {
        let is_log = call.file.ends_with("-wal");
        match call.name {
            "fsync" | "fdatasync" if is_log => vec![What::Synced],
            "pwrite64" | "write" | "writev" if is_log => vec![What::Logged(call.bytes.clone())],
            "write" | "writev" if call.file.starts_with("1<") => {
                let text = String::from_utf8_lossy(&call.bytes).into_owned();
                text.lines().map(|line| What::Printed(line.to_owned())).collect()
            }
            "write" | "writev" | "sendto" | "sendmsg" if call.file.contains("TCP") => {
                let socket = self.sockets.entry(call.file.clone()).or_default();
                socket.write(&call.bytes).into_iter().map(What::Sent).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl<'a> Call<'a> {
    /// `name(FD<FILE>, "BYTES", …`, of which everything but the name may be written in hexadecimal.
    fn read(text: &'a str) -> Option<Self> {
        let (name, rest) = text.split_once('(')?;
        let file = rest.split_once('>')?.0;
        let file = match file.split_once('<') {
            Some((number, path)) => format!("{number}<{}", String::from_utf8_lossy(&unescaped(path))),
            None => file.to_owned(),
        };
        let buffers = rest.split('"').skip(1).step_by(2);
        Some(Self { name, file, bytes: buffers.flat_map(unescaped).collect() })
    }
}

/// `\x41b` is `Ab`.
fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(part.len().min(2));
        bytes.extend(u8::from_str_radix(digits, 16));
        bytes.extend(rest.bytes());
    }
    bytes
}

/// What was written to one socket: a request or an answer, and then the frames of a WebSocket.
#[derive(Default)]
struct Socket {
    upgraded: bool,
    pending: Vec<u8>,
}

impl Socket {
    /// The messages that are complete with these bytes.
    fn write(&mut self, bytes: &[u8]) -> Vec<Message> {
        if bytes.starts_with(b"HTTP/1.1 ") || bytes.starts_with(b"GET ") {
            self.upgraded = bytes.starts_with(b"HTTP/1.1 101") || bytes.starts_with(b"GET /sync");
            self.pending.clear();
            return Vec::new();
        }
        if !self.upgraded {
            return Vec::new();
        }
        self.pending.extend(bytes);
        let mut messages = Vec::new();
        while let Some((length, frame)) = read_frame(&self.pending) {
            self.pending.drain(..length);
            messages.extend(frame.and_then(|frame| Codec::decode(&frame).ok()).unwrap_or_default());
        }
        messages
    }
}

/// The first WebSocket frame (RFC 6455, section 5.2) and its length; without content if it controls the connection.
fn read_frame(bytes: &[u8]) -> Option<(usize, Option<Frame>)> {
    const MASKED: u8 = 0x80;
    let [first, second, ..] = *bytes else { return None };
    let (at, length) = match second & !MASKED {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        short => (2, usize::from(short)),
    };
    let (at, mask) = match second & MASKED {
        0 => (at, [0; 4]),
        _ => (at + 4, bytes.get(at..at + 4)?.try_into().ok()?),
    };
    let masked = bytes.get(at..at + length)?.iter().zip(mask.iter().cycle());
    let content: Vec<u8> = masked.map(|(byte, mask)| byte ^ mask).collect();
    let frame = match first & 0x0F {
        kind @ 1..=2 => Some(Frame { bytes: content.into(), text: kind == 1 }),
        _ => None,
    };
    Some((at + length, frame))
}
