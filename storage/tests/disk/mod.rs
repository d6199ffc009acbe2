//! Disks that fail or lose power: a small C library between a child process and the system (`shim.c`).

#![allow(dead_code, reason = "every test file is a crate of its own and needs only some of this")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use syncline_core::random::Random;
use tempfile::TempDir;

/// A disk writes sectors whole, and any sector before any other.
const SECTOR: usize = 512;

/// Where the child keeps its store, and where it writes what the shim shall do.
pub const FOLDER: &str = "DISK_FOLDER";
const CONTROL: &str = "DISK_CONTROL";

/// A folder whose files the shim watches, and the shim, compiled.
pub struct Disk {
    home: TempDir,
}

impl Disk {
    pub fn new() -> Self {
        let home = tempfile::tempdir_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
        fs::create_dir(home.path().join("folder")).unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/disk/shim.c");
        // The compiler is there: the SQLite of this crate was built with it.
        let library = home.path().join("shim.so");
        let built =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status();
        assert!(built.unwrap().success(), "the C compiler cannot build {source}");
        Self { home }
    }

    pub fn folder(&self) -> PathBuf {
        self.home.path().join("folder")
    }

    pub fn trace(&self) -> PathBuf {
        self.home.path().join("trace")
    }

    /// Runs a test of this binary in a process of its own, on this disk.
    pub fn run(&self, test: &str, environment: &[(&str, String)]) {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env("LD_PRELOAD", self.home.path().join("shim.so"))
            .env(FOLDER, self.folder())
            .env(CONTROL, self.home.path().join("control"))
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .status()
            .unwrap();
        assert!(status.success(), "the process on the disk failed: {status}");
    }
}

/// In the child: tells the shim what to do.
pub fn command(text: &str) {
    fs::write(std::env::var_os(CONTROL).unwrap(), text).unwrap();
}

/// In the child: back to normal; gives the number of calls since the last command.
pub fn stop() -> u64 {
    command("stop");
    fs::read_to_string(std::env::var_os(CONTROL).unwrap()).unwrap().parse().unwrap()
}

/// One call that the shim recorded.
pub struct Call {
    pub file: String,
    pub kind: Kind,
}

pub enum Kind {
    Write { at: usize, data: Vec<u8> },
    Truncate { size: usize },
    Sync,
    FailedSync,
    Unlink,
}

/// The calls of a trace, in order.
pub fn calls(trace: &Path) -> Vec<Call> {
    let trace = fs::read(trace).unwrap();
    let mut rest = trace.as_slice();
    let mut take = |len: usize| {
        let (taken, left) = rest.split_at_checked(len)?;
        rest = left;
        Some(taken)
    };
    let mut calls = Vec::new();
    while let Some(&[op, len]) = take(2) {
        let file = String::from_utf8(take(len.into()).unwrap().into()).unwrap();
        let at = u64::from_le_bytes(take(8).unwrap().try_into().unwrap()) as usize;
        let len = u32::from_le_bytes(take(4).unwrap().try_into().unwrap()) as usize;
        let data = take(len).unwrap().to_vec();
        let kind = match op {
            1 => Kind::Write { at, data },
            2 => Kind::Sync,
            3 => Kind::Truncate { size: at },
            4 => Kind::Unlink,
            5 => Kind::FailedSync,
            other => panic!("a trace has no call {other}"),
        };
        calls.push(Call { file, kind });
    }
    calls
}

/// What is on a disk: what was synced, and what was only written.
#[derive(Clone, Default)]
pub struct Platter {
    files: BTreeMap<String, Sectors>,
}

#[derive(Clone, Default)]
struct Sectors {
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Data { at: usize, data: Vec<u8> },
    Size(usize),
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Size(size) => file.resize(*size, 0),
            Self::Data { at, data } => {
                file.resize(file.len().max(at + data.len()), 0);
                file[*at..][..data.len()].copy_from_slice(data);
            }
        }
    }
}

impl Platter {
    /// A file that is safely there before the trace begins.
    pub fn put(&mut self, file: &str, content: Vec<u8>) {
        self.files.insert(file.into(), Sectors { synced: content, unsynced: Vec::new() });
    }

    /// After a sync that failed the system takes what it could not write for written: it is never written again.
    pub fn perform(&mut self, call: &Call) {
        if let Kind::Unlink = call.kind {
            self.files.remove(&call.file);
            return;
        }
        let file = self.files.entry(call.file.clone()).or_default();
        match &call.kind {
            Kind::Write { at, data } => file.unsynced.push(Change::Data { at: *at, data: data.clone() }),
            Kind::Truncate { size } => file.unsynced.push(Change::Size(*size)),
            Kind::Sync => {
                let Sectors { synced, unsynced } = file;
                unsynced.drain(..).for_each(|change| change.apply(synced));
            }
            Kind::FailedSync => {
                file.unsynced.retain(|change| matches!(change, Change::Size(_)));
            }
            Kind::Unlink => {}
        }
    }

    /// The files as a power failure leaves them: of what was not synced nothing, everything, or some, in whole
    /// writes or in sectors.
    pub fn lose_power(&self, random: &mut Random) -> BTreeMap<String, Vec<u8>> {
        let (share, torn) = match random.below(4) {
            0 => (0.0, false),
            1 => (1.0, false),
            2 => (0.5, false),
            _ => (0.7, true),
        };
        let files = self.files.iter().map(|(name, file)| {
            let mut content = file.synced.clone();
            for change in &file.unsynced {
                match change {
                    Change::Data { at, data } if torn => {
                        for (number, sector) in data.chunks(SECTOR).enumerate() {
                            if random.chance(share) {
                                let at = at + number * SECTOR;
                                Change::Data { at, data: sector.to_vec() }.apply(&mut content);
                            }
                        }
                    }
                    change if random.chance(share) => change.apply(&mut content),
                    _ => {}
                }
            }
            (name.clone(), content)
        });
        files.collect()
    }
}
