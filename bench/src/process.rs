//! Other processes: how long they run, how much memory they have, what they print.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use syncline::BoxError;

/// How often the memory of a process is looked at; the system remembers the most that it had.
const GLANCE: Duration = Duration::from_millis(2);

/// A process that has ended.
pub struct Ended {
    pub took: Duration,
    /// The most memory that it was seen to have, in bytes.
    pub peak: u64,
    pub said: String,
}

/// Runs a program to its end; that it fails is an error.
pub fn run(command: &mut Command) -> Result<Ended, BoxError> {
    let started = Instant::now();
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let mut out = child.stdout.take().ok_or("a process without output")?;
    let reading = thread::spawn(move || {
        let mut said = String::new();
        out.read_to_string(&mut said).map(|_| said)
    });
    let mut most = 0;
    let status = loop {
        most = peak(&child).unwrap_or(0).max(most);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(GLANCE);
    };
    let took = started.elapsed();
    let said = reading.join().map_err(|_| "what a process said could not be read")??;
    if !status.success() {
        return Err(format!("{command:?} ended with {status}: {said}").into());
    }
    Ok(Ended { took, peak: most, said })
}

/// The most memory that a running process has had, in bytes.
pub fn peak(child: &Child) -> Option<u64> {
    memory(child.id(), "VmHWM:")
}

/// The memory that this process has now, and the most that it has had, in bytes.
pub fn own_memory() -> Result<(u64, u64), BoxError> {
    let read = |what| memory(std::process::id(), what);
    Ok(read("VmRSS:")
        .zip(read("VmHWM:"))
        .ok_or("the system does not tell how much memory there is in use")?)
}

fn memory(process: u32, what: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(what))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}
