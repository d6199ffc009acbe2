//! Servers of other people, and clients of theirs, as Node runs them: `tests/clients/servers.mjs` and `driver.mjs`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::child::Running;

/// The folder with the programs and the packages that they need.
const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");

/// Node, as npm brought it; `None` where it did not, which is said aloud.
#[must_use]
pub fn node() -> Option<PathBuf> {
    let node = Path::new(CLIENTS).join("node_modules/.bin/node");
    if node.exists() {
        return Some(node);
    }
    println!("SKIPPED: {} is not there; run `npm ci --prefix tests/clients`", node.display());
    None
}

fn program(node: &Path, name: &str) -> Command {
    let mut command = Command::new(node);
    command.current_dir(CLIENTS).arg(name);
    command
}

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

/// A server that keeps documents in a folder of its own, under the same address all its lives.
pub struct OtherServer {
    node: PathBuf,
    kind: String,
    settings: Settings,
    folder: TempDir,
    port: u16,
    running: Option<Running>,
}

impl OtherServer {
    /// Starts one.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(node: &Path, kind: &str, settings: Settings) -> Self {
        let folder = TempDir::new().expect("there is room for a folder");
        let (node, kind) = (node.to_owned(), kind.to_owned());
        let mut server = Self { node, kind, settings, folder, port: 0, running: None };
        server.restart();
        server
    }

    /// Where it is, without what stands in front for Syncline.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// Ends it in good order.
    pub fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.hang_up();
            running.wait();
        }
    }

    /// Kills it.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill();
        }
    }

    /// Starts it again.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self) {
        let mut command = program(&self.node, "servers.mjs");
        command.args([&self.kind, "--port", &self.port.to_string()]);
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

/// Clients of other people, by name, in one process.
pub struct TheirClients {
    running: Running,
    requests: u64,
}

impl TheirClients {
    /// Starts the process, without any client.
    #[must_use]
    pub fn start(node: &Path) -> Self {
        Self { running: Running::start(&mut program(node, "driver.mjs")), requests: 0 }
    }

    /// Asks a client for something. What went wrong is an error.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn try_ask(&mut self, client: &str, what: &str, with: &Json) -> Result<Json, String> {
        self.requests += 1;
        let mut request = json!({ "id": self.requests, "do": what, "client": client });
        let fields = request.as_object_mut().expect("it is an object");
        fields.extend(with.as_object().cloned().unwrap_or_default());
        self.running.tell(&request.to_string());
        let id = self.requests;
        let answer = self.running.wait_for("an answer", |line| {
            let answer: Json = serde_json::from_str(line).expect("lines are JSON");
            (answer["id"] == id).then_some(answer)
        });
        match answer["ok"].as_bool() {
            Some(true) => Ok(answer),
            _ => Err(answer["error"].as_str().unwrap_or_default().to_owned()),
        }
    }

    /// Asks a client for something that it must be able to do.
    ///
    /// # Panics
    /// If it cannot.
    #[track_caller]
    pub fn ask(&mut self, client: &str, what: &str, with: &Json) -> Json {
        self.try_ask(client, what, with)
            .unwrap_or_else(|error| panic!("{client} cannot {what} {with}: {error}"))
    }

    /// A client's document, in the one spelling that all have.
    ///
    /// # Panics
    /// If it has none.
    #[track_caller]
    pub fn read(&mut self, client: &str) -> String {
        self.ask(client, "read", &json!({}))["json"].as_str().expect("a text").to_owned()
    }
}
