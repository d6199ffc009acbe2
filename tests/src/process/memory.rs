//! How much memory a process has, as Linux counts it.

use std::fs;

/// Memory of a process now, in bytes.
///
/// # Panics
/// If the process is gone.
#[must_use]
pub fn resident(pid: u32) -> u64 {
    read(pid, "VmRSS:")
}

/// The most memory that a process has had, in bytes.
///
/// # Panics
/// If the process is gone.
#[must_use]
pub fn peak(pid: u32) -> u64 {
    read(pid, "VmHWM:")
}

fn read(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes =
        line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|count| count.parse::<u64>().ok());
    kibibytes.unwrap_or_else(|| panic!("no {field} in {status}")) << 10
}
