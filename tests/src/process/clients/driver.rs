//! A process that holds clients by name and does what it is asked, in lines of JSON.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::Kind;
use crate::process::PATIENCE;
use crate::process::child::{Running, Signal};

/// A driver.
pub struct Driver {
    process: Running,
    last: u64,
    answers: BTreeMap<u64, Result<Json, String>>,
    reports: Vec<String>,
}

/// Something that a driver was asked and has perhaps not answered yet.
#[derive(Debug)]
#[must_use]
pub struct Request {
    number: u64,
    what: String,
}

impl Driver {
    /// Starts a driver for clients of a kind; `None` where its packages are not installed.
    #[must_use]
    pub fn start(kind: Kind) -> Option<Self> {
        let process = Running::start(&mut kind.driver()?);
        Some(Self { process, last: 0, answers: BTreeMap::new(), reports: Vec::new() })
    }

    /// Asks something of a client, with more fields. Requests are served in the order in which they are made, as far as
    /// they have not to wait.
    ///
    /// # Panics
    /// If the fields are not an object.
    pub fn send(&mut self, what: &str, client: &str, mut fields: Json) -> Request {
        self.last += 1;
        let request = fields.as_object_mut().expect("fields are an object");
        request.insert("id".to_owned(), self.last.into());
        request.insert("do".to_owned(), what.into());
        request.insert("client".to_owned(), client.into());
        self.process.tell(&fields.to_string());
        Request { number: self.last, what: format!("{what} of {client}") }
    }

    /// Waits for an answer; an error is what the driver says went wrong.
    ///
    /// # Panics
    /// If the driver ends, or says nothing for too long.
    pub fn outcome(&mut self, request: Request) -> Result<Json, String> {
        loop {
            if let Some(answer) = self.answers.remove(&request.number) {
                return answer.map_err(|error| format!("{}: {error}", request.what));
            }
            let line = self.process.line();
            match line {
                Some(line) => self.hear(&line),
                None => panic!("the driver ended: {}", self.process.wait().errors),
            }
        }
    }

    /// Waits for an answer.
    ///
    /// # Panics
    /// If something went wrong.
    #[track_caller]
    pub fn answer(&mut self, request: Request) -> Json {
        self.outcome(request).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Asks something of a client, and waits for the answer.
    ///
    /// # Panics
    /// If something went wrong.
    #[track_caller]
    pub fn ask(&mut self, what: &str, client: &str, fields: Json) -> Json {
        let request = self.send(what, client, fields);
        self.answer(request)
    }

    /// Asks to be told when something holds of a client.
    pub fn await_that(&mut self, client: &str, until: &Json) -> Request {
        self.send("wait", client, json!({ "until": until, "timeout": patience() }))
    }

    /// Asks to have a process killed the moment that something holds of a client, and to be told then.
    pub fn kill_when(&mut self, client: &str, until: &Json, process: u32) -> Request {
        self.send("wait", client, json!({ "until": until, "timeout": patience(), "kill": process }))
    }

    fn hear(&mut self, line: &str) {
        let mut answer: Json = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        let error = answer["error"].as_str().unwrap_or_default().to_owned();
        match (answer["id"].as_u64(), answer["ok"].as_bool()) {
            (Some(id), Some(true)) => _ = self.answers.insert(id, Ok(answer.take())),
            (Some(id), Some(false) | None) => _ = self.answers.insert(id, Err(error)),
            (None, _) => self.reports.push(error),
        }
    }

    /// What libraries have complained of by themselves since this was asked last.
    pub fn reports(&mut self) -> Vec<String> {
        let lines: Vec<String> = self.process.lines().collect();
        lines.iter().for_each(|line| self.hear(line));
        std::mem::take(&mut self.reports)
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// Stops it where it is: its sockets stay open and say nothing.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }
}

/// How many milliseconds a driver waits: a little less than whoever asks it, as it can say what was instead.
fn patience() -> u64 {
    u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX) * 4 / 5
}
