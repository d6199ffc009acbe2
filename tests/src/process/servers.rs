//! Servers of other people, unmodified, as `tests/clients/servers.mjs` starts them on Node.

use std::net::SocketAddr;

use serde_json::Value as Json;
use tempfile::TempDir;

use super::child::Running;
use super::clients::Kind;
use super::clients::kind::{NODE, program};

/// What starts them.
const SCRIPT: &str = "servers.mjs";

/// What a server is started with.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What clients must show; nothing if anybody may come.
    pub token: Option<String>,
    /// What lets clients of Hocuspocus read.
    pub read_token: Option<String>,
    /// Whether it forgets everything when it ends.
    pub forgets: bool,
}

/// A server that keeps documents in a folder of its own, under the same address all its lives. It is killed when dropped.
pub struct Server {
    kind: Kind,
    settings: Settings,
    folder: TempDir,
    port: u16,
    running: Option<Running>,
}

impl Server {
    /// Starts the server that clients of a kind come with; `None` where it is not installed.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(kind: Kind, settings: Settings) -> Option<Self> {
        program(NODE, SCRIPT)?;
        let folder = TempDir::new().expect("there is room for a folder");
        let mut server = Self { kind, settings, folder, port: 0, running: None };
        server.restart();
        Some(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Where its clients find it, without what stands in front for Syncline.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}", self.address())
    }

    /// Its process number.
    ///
    /// # Panics
    /// If it has been ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("it runs").pid()
    }

    /// Asks it to store everything and to end, and waits until it has.
    pub fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.end_input();
            running.wait();
        }
    }

    /// Kills it.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill();
        }
    }

    /// Starts it again, with what it has stored.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self) {
        self.stop();
        let mut command = program(NODE, SCRIPT).expect("it was installed when this one was first started");
        command.args([self.kind.name(), "--port", &self.port.to_string()]);
        if !self.settings.forgets {
            command.arg("--data").arg(self.folder.path());
        }
        let Settings { token, read_token, .. } = &self.settings;
        for (name, token) in [("--token", token), ("--read-token", read_token)] {
            command.args(token.iter().flat_map(|token| [name, token]));
        }
        let mut running = Running::start(&mut command);
        let port = running
            .wait_for("where it listens", |line| serde_json::from_str::<Json>(line).ok()?["port"].as_u64());
        self.port = u16::try_from(port).expect("a port");
        self.running = Some(running);
    }
}
