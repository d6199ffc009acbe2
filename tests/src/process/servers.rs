//! Servers of other people, unmodified, as `tests/clients/servers.mjs` starts them on Node.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use super::child::Running;

/// A server, killed when dropped.
pub struct Server {
    process: Running,
    address: SocketAddr,
}

impl Server {
    /// Starts a server that keeps its documents in a folder.
    ///
    /// # Panics
    /// If it does not say where it listens.
    #[must_use]
    pub fn start(name: &str, data: &Path) -> Self {
        let mut process =
            Running::start(Command::new(node()).arg(script()).arg(name).arg("--data").arg(data));
        let port = process
            .wait_for("its port", |line| serde_json::from_str::<Json>(line).ok()?.get("port")?.as_u64());
        let port = port.try_into().expect("a port is one");
        Self { process, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Asks it to store everything and to end, and waits until it has.
    pub fn stop(mut self) {
        self.process.end_input();
        self.process.wait();
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

fn node() -> PathBuf {
    folder().join("node_modules/.bin/node")
}

fn script() -> PathBuf {
    folder().join("servers.mjs")
}
