//! The real `sync-server`, with a data folder of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::Value as Json;
use tempfile::TempDir;

use super::child::{Ended, Running, Signal};
use super::{PATIENCE, binary, http};

/// A relay: its folder, its address, and its process while it runs.
pub struct Relay {
    folder: TempDir,
    address: SocketAddr,
    arguments: Vec<String>,
    process: Option<Running>,
}

impl Relay {
    /// Starts a relay without configuration but for its folder and a free port.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a relay with more arguments.
    ///
    /// # Panics
    /// If there is no room for its folder.
    #[must_use]
    pub fn with(arguments: &[&str]) -> Self {
        let folder = TempDir::new().expect("there is room for a folder");
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut relay = Self { folder, address, arguments, process: None };
        relay.restart();
        relay
    }

    /// Starts it again, on the same folder and port.
    pub fn restart(&mut self) {
        let mut command = self.command();
        self.run(&mut command);
    }

    /// Starts it again under another program, such as a tracer, which is given its command line.
    pub fn restart_under(&mut self, mut tracer: Command) {
        let command = self.command();
        tracer.arg(command.get_program()).args(command.get_args());
        self.run(&mut tracer);
    }

    fn run(&mut self, command: &mut Command) {
        drop(self.process.take());
        command.env("SYNCLINE_LOG", "debug");
        let since = Instant::now();
        let process = loop {
            let mut process = Running::start(command);
            if let Some(address) = address(&process) {
                self.address = address;
                break process;
            }
            let Ended { status, errors, .. } = process.wait();
            // While the relay was away, the system may have lent its port to an outgoing connection.
            let may_pass = errors.contains("cannot listen on") && since.elapsed() < PATIENCE;
            assert!(may_pass, "the relay ended with {status}: {errors}");
        };
        self.process = Some(process);
    }

    fn command(&self) -> Command {
        let mut command = command();
        command.args(["--listen", &self.address.to_string()]);
        command.arg("--data").arg(self.data()).args(&self.arguments);
        command
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}/sync", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Its store.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.data().join("relay.db")
    }

    /// The folder around its data, for what belongs to the same test.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills it, and keeps its folder.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        let Self { folder, process, .. } = self;
        drop(process);
        folder.keep()
    }

    /// Its process.
    ///
    /// # Panics
    /// If it does not run.
    pub fn process(&mut self) -> &mut Running {
        self.process.as_mut().expect("the relay runs")
    }

    /// Kills it at once.
    pub fn kill(&mut self) {
        self.process().kill();
        self.process = None;
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(&mut self) -> Ended {
        self.process().signal(Signal::TERM);
        let ended = self.process().wait();
        self.process = None;
        ended
    }

    /// What `/status.json` says.
    ///
    /// # Panics
    /// If it is not JSON.
    #[must_use]
    pub fn status(&self) -> Json {
        let answer = http::get(self.address, "/status.json");
        serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body))
    }

    /// One number of `/status.json`.
    ///
    /// # Panics
    /// If it is not there.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.status()[name].as_u64().unwrap_or_else(|| panic!("there is no number {name:?} in the status"))
    }
}

/// The address that a relay prints; `None` if it ends instead.
fn address(process: &Running) -> Option<SocketAddr> {
    loop {
        let line = process.line()?;
        let address = line.trim().strip_prefix("clients  ws://").and_then(|rest| rest.strip_suffix("/sync"));
        if let Some(address) = address {
            return Some(address.parse().expect("it prints where it listens"));
        }
    }
}

/// The relay's command without arguments.
#[must_use]
pub fn command() -> Command {
    let mut command = Command::new(binary::path("sync-server"));
    for name in [
        "SYNCLINE_LISTEN",
        "SYNCLINE_DATA_DIR",
        "SYNCLINE_DURABILITY",
        "SYNCLINE_MEMORY",
        "SYNCLINE_AUTH",
        "SYNCLINE_LOG",
    ] {
        command.env_remove(name);
    }
    // What a library panics at is contained; with a backtrace of it the relay would have its symbols in memory, more than all
    // that tests allow it.
    command.env("RUST_BACKTRACE", "0");
    command
}
