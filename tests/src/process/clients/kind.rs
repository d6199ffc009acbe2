//! What sorts of clients there are, and how each finds the relay.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use syncline::Family;

/// A library in one of its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// y-websocket 3.
    YWebsocket,
    /// y-websocket 2.
    YWebsocket2,
    /// pycrdt, with its own provider for WebSockets.
    Pycrdt,
    /// The provider of Hocuspocus 4.
    Hocuspocus,
    /// That of Hocuspocus 3.
    Hocuspocus3,
    /// That of Hocuspocus 2.
    Hocuspocus2,
    /// y-sweet's client, with its SDK for tokens.
    YSweet,
    /// automerge-repo with its adapter for WebSockets.
    Automerge,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::YWebsocket,
        Self::YWebsocket2,
        Self::Pycrdt,
        Self::Hocuspocus,
        Self::Hocuspocus3,
        Self::Hocuspocus2,
        Self::YSweet,
        Self::Automerge,
    ];

    /// What the drivers call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::YWebsocket => "y-websocket",
            Self::YWebsocket2 => "y-websocket-2",
            Self::Pycrdt => "pycrdt",
            Self::Hocuspocus => "hocuspocus",
            Self::Hocuspocus3 => "hocuspocus-3",
            Self::Hocuspocus2 => "hocuspocus-2",
            Self::YSweet => "y-sweet",
            Self::Automerge => "automerge",
        }
    }

    /// What its documents are made of.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::Automerge => Family::Automerge,
            Self::YWebsocket
            | Self::YWebsocket2
            | Self::Pycrdt
            | Self::Hocuspocus
            | Self::Hocuspocus3
            | Self::Hocuspocus2
            | Self::YSweet => Family::Yjs,
        }
    }

    /// The address that it is given.
    #[must_use]
    pub fn url(self, relay: SocketAddr) -> String {
        match self {
            Self::YWebsocket | Self::YWebsocket2 | Self::Pycrdt => format!("ws://{relay}/yjs"),
            Self::Hocuspocus | Self::Hocuspocus3 | Self::Hocuspocus2 => format!("ws://{relay}/hocuspocus"),
            Self::YSweet => format!("http://{relay}"),
            Self::Automerge => format!("ws://{relay}/automerge"),
        }
    }

    /// Whether it counts what the server has not confirmed yet.
    #[must_use]
    pub const fn counts(self) -> bool {
        match self {
            Self::YWebsocket | Self::YWebsocket2 | Self::Pycrdt => false,
            Self::Hocuspocus | Self::Hocuspocus3 | Self::Hocuspocus2 | Self::YSweet | Self::Automerge => true,
        }
    }

    /// Whether it connects again by itself.
    #[must_use]
    pub const fn comes_back(self) -> bool {
        !matches!(self, Self::Pycrdt)
    }

    /// What starts a driver for it; `None` where its packages are not installed, which is said aloud.
    #[must_use]
    pub fn driver(self) -> Option<Command> {
        match self {
            Self::Pycrdt => program(PYTHON, "driver.py"),
            Self::YWebsocket
            | Self::YWebsocket2
            | Self::Hocuspocus
            | Self::Hocuspocus3
            | Self::Hocuspocus2
            | Self::YSweet
            | Self::Automerge => program(NODE, "driver.mjs"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where Node is in the folder of the drivers.
pub const NODE: &str = "node_modules/.bin/node";
/// Where Python is there.
pub const PYTHON: &str = "venv/bin/python";

/// A program beside the drivers; `None` where what runs it is not installed, which is said aloud.
#[must_use]
pub fn program(interpreter: &str, name: &str) -> Option<Command> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/clients"));
    let interpreter = folder.join(interpreter);
    if !interpreter.exists() {
        println!("SKIPPED: {} is not there; `cargo xtask test tests` installs it", interpreter.display());
        return None;
    }
    let mut command = Command::new(interpreter);
    command.arg(folder.join(name));
    Some(command)
}
