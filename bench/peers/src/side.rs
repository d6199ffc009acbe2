//! Who is measured: the relay by each of the protocols it speaks, its peers, and the floor.

use std::fmt;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value as Json;
use syncline_tests::process::child::Running;
use syncline_tests::process::clients::Kind;
use syncline_tests::process::relay::Relay;
use syncline_tests::process::servers::{Server, Settings};
use syncline_tests::process::{cpu, http, memory};

use std::time::Duration;

use crate::BoxError;
use crate::client::Place;
use crate::protocol::Protocol;

/// A server and the protocol that is spoken to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Floor,
    RelayYjs,
    RelayHocuspocus,
    RelayYSweet,
    YWebsocket,
    Hocuspocus,
    YSweet,
}

impl Side {
    pub const ALL: [Self; 7] = [
        Self::Floor,
        Self::RelayYjs,
        Self::RelayHocuspocus,
        Self::RelayYSweet,
        Self::YWebsocket,
        Self::Hocuspocus,
        Self::YSweet,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::RelayYjs => "syncline/yjs",
            Self::RelayHocuspocus => "syncline/hocuspocus",
            Self::RelayYSweet => "syncline/y-sweet",
            Self::YWebsocket => "y-websocket",
            Self::Hocuspocus => "hocuspocus",
            Self::YSweet => "y-sweet",
        }
    }

    const fn protocol(self) -> Protocol {
        match self {
            Self::Floor => Protocol::Plain,
            Self::RelayHocuspocus | Self::Hocuspocus => Protocol::Hocuspocus,
            Self::RelayYjs | Self::RelayYSweet | Self::YWebsocket | Self::YSweet => Protocol::Yjs,
        }
    }

    /// Starts it with an empty store.
    pub fn start(self) -> Result<Started, BoxError> {
        let process = match self {
            Self::Floor => Process::Floor(Floor::start()?),
            Self::RelayYjs | Self::RelayHocuspocus | Self::RelayYSweet => Process::Relay(Relay::start()),
            Self::YWebsocket => Process::Server(server(Kind::YWebsocket)?),
            Self::Hocuspocus => Process::Server(server(Kind::Hocuspocus)?),
            Self::YSweet => return Err("y-sweet is not installed".into()),
        };
        Ok(Started { side: self, process })
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn server(kind: Kind) -> Result<Server, BoxError> {
    let server = Server::start(kind, Settings::default());
    server.ok_or_else(|| format!("the server of {kind} is not installed").into())
}

/// A server that runs.
pub struct Started {
    side: Side,
    process: Process,
}

enum Process {
    Floor(Floor),
    Relay(Relay),
    Server(Server),
}

impl Started {
    /// A document there, for somebody who has not joined it.
    pub fn place(&self, doc: &str) -> Result<Place, BoxError> {
        let server = self.address();
        let path = match self.side {
            Side::Floor | Side::YWebsocket => doc.to_owned(),
            Side::RelayYjs => format!("yjs/{doc}"),
            Side::RelayHocuspocus => "hocuspocus".to_owned(),
            Side::Hocuspocus => String::new(),
            Side::RelayYSweet | Side::YSweet => y_sweet_path(server, doc)?,
        };
        Ok(Place { server, path, doc: doc.to_owned(), protocol: self.side.protocol() })
    }

    fn address(&self) -> SocketAddr {
        match &self.process {
            Process::Floor(floor) => floor.address,
            Process::Relay(relay) => relay.address(),
            Process::Server(server) => server.address(),
        }
    }

    fn pid(&mut self) -> u32 {
        match &mut self.process {
            Process::Floor(floor) => floor.process.pid(),
            Process::Relay(relay) => relay.process().pid(),
            Process::Server(server) => server.pid(),
        }
    }

    /// Processor time that it has taken so far.
    pub fn cpu(&mut self) -> Duration {
        cpu::taken(self.pid())
    }

    /// Memory that it has now, and the most it had, in bytes.
    pub fn memory(&mut self) -> (u64, u64) {
        let pid = self.pid();
        (memory::resident(pid), memory::peak(pid))
    }

    /// Kills it as `kill -9` does, and starts it again on what it has stored; false if it stores nothing.
    pub fn crash(&mut self) -> bool {
        match &mut self.process {
            Process::Floor(_) => return false,
            Process::Relay(relay) => {
                relay.kill();
                relay.restart();
            }
            Process::Server(server) => {
                server.kill();
                server.restart();
            }
        }
        true
    }
}

/// Makes a document of y-sweet, if it is not there, and a token for it.
fn y_sweet_path(server: SocketAddr, doc: &str) -> Result<String, BoxError> {
    let body = format!("{{\"docId\":\"{doc}\"}}");
    let made = http::ask(server, "POST /doc/new", None, body.as_bytes());
    if made.code != 200 {
        return Err(format!("{doc} cannot be made: {made:?}").into());
    }
    let answer = http::ask(server, &format!("POST /doc/{doc}/auth"), None, b"{}");
    let token: Json = serde_json::from_str(&answer.body)?;
    let token = token["token"].as_str().unwrap_or_default();
    Ok(format!("d/{doc}/ws/{doc}?token={token}"))
}

/// This program as the floor.
struct Floor {
    process: Running,
    address: SocketAddr,
}

impl Floor {
    fn start() -> Result<Self, BoxError> {
        let process = Running::start(Command::new(std::env::current_exe()?).arg(crate::FLOOR));
        let address = process.line().ok_or("the floor does not say where it listens")?.parse()?;
        Ok(Self { process, address })
    }
}
