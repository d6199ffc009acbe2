//! What happened in a run: as a hash, to see that two runs are one, and as lines for whoever looks for a cause.

use std::collections::VecDeque;
use std::fmt::Display;
use std::hash::Hasher;

use twox_hash::XxHash3_64;

/// How many lines are kept: what happened last is what matters.
const MAX_LINES: usize = 100_000;

/// The record of a run.
#[derive(Default)]
pub(super) struct Trace {
    hasher: XxHash3_64,
    lines: Option<VecDeque<String>>,
}

impl Trace {
    /// A record that keeps lines if they are wanted; making them costs more than the run itself.
    pub fn new(with_lines: bool) -> Self {
        Self { hasher: XxHash3_64::default(), lines: with_lines.then(VecDeque::new) }
    }

    /// Takes note of a happening: its parts go into the hash, `line` is made only if lines are kept.
    pub fn note<D: Display>(&mut self, now: u64, parts: &[u64], bytes: &[u8], line: impl FnOnce() -> D) {
        self.hasher.write_u64(now);
        parts.iter().for_each(|part| self.hasher.write_u64(*part));
        self.hasher.write(bytes);
        if let Some(lines) = &mut self.lines {
            if lines.len() >= MAX_LINES {
                lines.pop_front();
            }
            lines.push_back(format!("{:>9.3} {}", now as f64 / 1000.0, line()));
        }
    }

    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default().into()
    }
}
