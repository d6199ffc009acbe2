//! A process whose output is read while it runs, and that never outlives its test.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

use super::PATIENCE;

/// How often a process is asked whether it has ended; the system has no event for it that std knows.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// A running process, killed when dropped.
pub struct Running {
    child: Child,
    name: String,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
}

/// How a process ended, and what it said that nobody has read.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// Lines of its standard output.
    pub lines: Vec<String>,
    /// Its standard error.
    pub errors: String,
}

impl Running {
    /// Starts a process.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut err = child.stderr.take().expect("it is piped");
        let (told, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            // A process that is killed ends its output in the middle.
            let _cut = err.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self { child, name, lines, errors: Some(errors) }
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its next line of output; `None` if it has ended.
    ///
    /// # Panics
    /// If there is none within [`PATIENCE`].
    pub fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{} said nothing for {PATIENCE:?}", self.name),
        }
    }

    /// Its next line of output, if there is one in time.
    #[must_use]
    pub fn line_within(&self, time: Duration) -> Option<String> {
        self.lines.recv_timeout(time).ok()
    }

    /// Lines of output that are there already.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.lines.try_iter()
    }

    /// The first line of output for which there is an answer.
    ///
    /// # Panics
    /// If there is none within [`PATIENCE`], or the process ends.
    pub fn wait_for<T>(&mut self, what: &str, mut answer: impl FnMut(&str) -> Option<T>) -> T {
        let mut said = Vec::new();
        while let Some(line) = self.line() {
            if let Some(found) = answer(&line) {
                return found;
            }
            said.push(line);
        }
        let ended = self.wait();
        panic!("{} ended with {} before it said {what}:\n{said:?}\n{}", self.name, ended.status, ended.errors)
    }

    /// Writes a line to its standard input.
    ///
    /// # Panics
    /// If it does not read.
    pub fn tell(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("it is piped");
        writeln!(input, "{line}").and_then(|()| input.flush()).expect("the process reads its input");
    }

    /// Ends its standard input.
    pub fn hang_up(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If the process has ended.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.expect("process numbers are positive");
        kill_process(pid, signal).unwrap_or_else(|error| panic!("{} cannot be told: {error}", self.name));
    }

    /// Kills it at once, as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) -> Ended {
        // A process that has ended by itself is gone too.
        let _ended_already = self.child.kill();
        self.wait()
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// If it has not within [`PATIENCE`].
    pub fn wait(&mut self) -> Ended {
        let since = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("a child can be waited for") {
                Some(status) => break status,
                None => std::thread::sleep(POLL_INTERVAL),
            }
            if since.elapsed() > PATIENCE {
                let _ending = self.child.kill();
                panic!("{} had not ended within {PATIENCE:?}", self.name);
            }
        };
        let errors = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
        Ended { status, lines: self.lines.iter().collect(), errors }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}
