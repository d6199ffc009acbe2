//! A server as a process: started, watched through `/proc`, killed.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::BoxError;

/// How long a server may take until it listens.
const START_TIME: Duration = Duration::from_secs(60);

/// How long it may take to end in good order, or to come to rest.
const STOP_TIME: Duration = Duration::from_secs(60);

/// Who takes no more than this part of such a time is at rest.
const REST_INTERVAL: Duration = Duration::from_millis(500);
const RESTING: f64 = 0.02;

/// How often it is asked whether it does: that is the one event all servers have.
const ASK_INTERVAL: Duration = Duration::from_millis(5);

/// Longest end of what a server has printed that is shown when it fails.
const SHOWN_BYTES: usize = 2_000;

/// Where in `/proc/PID/stat`, behind the name, the ticks in user mode and in the kernel are (proc(5)).
const TICKS: [usize; 2] = [11, 12];

/// A process, killed when dropped.
pub struct Process {
    child: Child,
}

/// A port that nobody listens at.
pub fn free_port() -> Result<SocketAddr, BoxError> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

impl Process {
    /// Starts a server and waits until it listens. What it prints goes to a file.
    pub fn start(command: &mut Command, address: SocketAddr, log: &Path) -> Result<Self, BoxError> {
        let file = File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|error| format!("{name} cannot be started: {error}"))?;
        let mut process = Self { child };
        let since = Instant::now();
        while TcpStream::connect(address).is_err() {
            if process.child.try_wait()?.is_some() || since.elapsed() > START_TIME {
                return Err(format!("{name} does not listen at {address}: {}", end_of(log)).into());
            }
            std::thread::sleep(ASK_INTERVAL);
        }
        Ok(process)
    }

    /// Kills it at once, and waits until it is gone.
    pub fn kill(&mut self) -> Result<(), BoxError> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end in good order, and waits until it has.
    pub fn stop(&mut self) -> Result<(), BoxError> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.ok_or("process numbers are positive")?, Signal::TERM)?;
        let since = Instant::now();
        while self.child.try_wait()?.is_none() {
            if since.elapsed() > STOP_TIME {
                return Err(format!("the server has not ended in {STOP_TIME:?}").into());
            }
            std::thread::sleep(ASK_INTERVAL);
        }
        Ok(())
    }

    /// Waits until it does nothing more.
    pub fn rest(&self) -> Result<(), BoxError> {
        let since = Instant::now();
        while since.elapsed() < STOP_TIME {
            let before = self.cpu()?;
            std::thread::sleep(REST_INTERVAL);
            if self.cpu()? - before < REST_INTERVAL.mul_f64(RESTING) {
                return Ok(());
            }
        }
        Err(format!("the server is still at work after {STOP_TIME:?}").into())
    }

    /// Processor time that it has taken so far.
    pub fn cpu(&self) -> Result<Duration, BoxError> {
        cpu(&self.child.id().to_string())
    }

    /// Memory that it has now, in bytes.
    pub fn resident(&self) -> Result<u64, BoxError> {
        self.memory("VmRSS:")
    }

    /// The most memory that it has had, in bytes.
    pub fn peak(&self) -> Result<u64, BoxError> {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> Result<u64, BoxError> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(kibibytes.ok_or_else(|| format!("the server has ended: no {field}"))? << 10)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.kill();
    }
}

/// What a program prints in its first line; none if it cannot be run.
pub fn printed(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned())
}

/// Processor time that this process has taken so far.
pub fn own_cpu() -> Result<Duration, BoxError> {
    cpu("self")
}

/// The scheduler knows it to the nanosecond, but of threads that run; what all have taken is known in ticks. Neither is more
/// than the truth.
fn cpu(pid: &str) -> Result<Duration, BoxError> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end meanwhile.
        let schedule = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        nanos += schedule.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
    }
    let ticks =
        ticks(&fs::read_to_string(format!("/proc/{pid}/stat"))?).ok_or("the kernel tells no times")?;
    let all = Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second())?;
    Ok(all.max(Duration::from_nanos(nanos)))
}

/// The name may contain anything, also parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    TICKS.into_iter().map(|field| fields.get(field)?.parse::<u64>().ok()).sum()
}

fn end_of(log: &Path) -> String {
    let printed = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&printed[printed.len().saturating_sub(SHOWN_BYTES)..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "12 (a) (b 1) S 1 12 12 0 -1 4194560 100 0 0 0 31 11 0 0 20 0 1 0";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("nothing"), None);
    }

    #[test]
    fn time_passes_for_whoever_works() {
        let before = own_cpu().expect("there is a /proc");
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(30) {}
        assert!(own_cpu().expect("there is a /proc") > before);
    }
}
