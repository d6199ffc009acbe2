//! How much processor time a process has taken, as Linux counts it.

use std::fs;
use std::time::Duration;

/// Where in `/proc/PID/stat`, behind the name, the ticks in user mode and in the kernel are (proc(5)).
const USER_TICKS: usize = 11;
const KERNEL_TICKS: usize = 12;

/// Time that all threads of a process have run so far.
///
/// # Panics
/// If the process is gone.
#[must_use]
pub fn taken(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process is there");
    // The name may contain anything, also parentheses.
    let (_, behind_name) = stat.rsplit_once(')').expect("a process has a name");
    let ticks = |field| behind_name.split_whitespace().nth(field).and_then(|ticks| ticks.parse::<u64>().ok());
    let ticks = ticks(USER_TICKS).zip(ticks(KERNEL_TICKS)).map(|(user, kernel)| user + kernel);
    let ticks = ticks.unwrap_or_else(|| panic!("no times in {stat}"));
    Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second()).expect("they are few")
}
