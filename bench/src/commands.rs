//! The terminal over the large store, and the store's way to a relay and into a new store.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use syncline::{BoxError, Family};

use crate::process::{Ended, peak, run};
use crate::show::{bytes, table, time};
use crate::{disk, many, ours};

/// How long a synchronisation may take, in seconds.
const PATIENCE: &str = "3600";

/// Runs the commands on the stores of both families.
pub fn measure(base: &Path, programs: &Path, documents: usize) -> Result<(), BoxError> {
    let mut rows = Vec::new();
    for family in [Family::Yjs, Family::Automerge] {
        let folder = many::folder(base, family);
        let terminal = Terminal { program: programs.join("syncline"), store: ours::store(&folder) };
        let mut show = |what: &str, ended: Ended| {
            rows.push(vec![format!("{family}: {what}"), time(ended.took), bytes(ended.peak)]);
        };
        show("list", terminal.run(&["list"])?);
        show("status", terminal.run(&["status"])?);
        let relay = Relay::start(&programs.join("sync-server"), &base.join(format!("relay-{family}")))?;
        show("sync to a new relay", terminal.sync(&relay, &[])?);
        show("sync again", terminal.sync(&relay, &[])?);
        let fresh = base.join(format!("fresh-{family}.db"));
        let other = Terminal { program: terminal.program.clone(), store: fresh };
        let names: Vec<String> = (0..documents).map(many::name).collect();
        show("sync into a new store", other.sync(&relay, &names)?);
        rows.push(vec![format!("{family}: the relay meanwhile"), String::new(), bytes(relay.stop()?)]);
        let mut show = |what: &str, ended: Ended| {
            rows.push(vec![format!("{family}: {what}"), time(ended.took), bytes(ended.peak)]);
        };
        let before = disk::size(&folder)?;
        show("compact", terminal.run(&["compact"])?);
        let after = disk::size(&folder)?;
        println!(
            "{family}: {} before it is compacted, {} afterwards",
            bytes(before.taken),
            bytes(after.taken)
        );
        show("list, compacted", terminal.run(&["list"])?);
        show("status, compacted", terminal.run(&["status"])?);
    }
    table(&format!("{documents} documents in the terminal"), &["", "took", "peak memory"], &rows);
    Ok(())
}

struct Terminal {
    program: PathBuf,
    store: PathBuf,
}

impl Terminal {
    fn run(&self, arguments: &[&str]) -> Result<Ended, BoxError> {
        run(self.command().args(arguments))
    }

    fn sync(&self, relay: &Relay, documents: &[String]) -> Result<Ended, BoxError> {
        run(self.command().args(["--relay", &relay.url, "sync", "--timeout", PATIENCE]).args(documents))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--store").arg(&self.store);
        command
    }
}

/// A relay on a free port. It is killed if it was not stopped.
struct Relay {
    process: Child,
    url: String,
}

impl Relay {
    fn start(program: &Path, data: &Path) -> Result<Self, BoxError> {
        let mut command = Command::new(program);
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(data).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let said = process.stdout.take().ok_or("a relay without a voice")?;
        let mut relay = Self { process, url: String::new() };
        let mut lines = BufReader::new(said).lines();
        for line in &mut lines {
            let line = line?;
            if let Some(at) = line.find("ws://") {
                relay.url = line[at..].split_whitespace().next().unwrap_or_default().to_owned();
                break;
            }
        }
        // What it says further is of no interest, but must be taken for it to go on.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        match relay.url.is_empty() {
            true => Err(format!("{} did not say where it listens", program.display()).into()),
            false => Ok(relay),
        }
    }

    /// Ends it, and says how much memory it had.
    fn stop(self) -> Result<u64, BoxError> {
        peak(&self.process).ok_or_else(|| "the relay is gone".into())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}
