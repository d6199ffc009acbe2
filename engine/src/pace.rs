//! When the loop of a node turns: at once after a quiet time, and otherwise a moment later, so that what comes together is attended to
//! together.

use std::time::Duration;

use tokio::time::Instant;

/// Shortest time between turns for edits that nobody waits for: an application that edits without pause does not have to
/// make way for the loop at each of them, which takes longer than the edit.
pub const SHORTEST_TICK: Duration = Duration::from_millis(1);

/// What links bring so soon after other things is likely to be followed by more.
const BUSY_LINKS: Duration = Duration::from_millis(1);

/// How long things wait for each other where one follows the other closely. The first thing after a quiet time waits for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// Between turns for edits that nobody waits for.
    pub edits: Duration,
    /// From the first thing that links bring until the turn for it and for what has come meanwhile.
    pub inputs: Duration,
    /// Between commits.
    pub commits: Duration,
}

impl Rhythm {
    /// That of an application: its edits make way for each other, and everything else is attended to as it comes.
    pub const APPLICATION: Self =
        Self { edits: SHORTEST_TICK, inputs: Duration::ZERO, commits: Duration::ZERO };
}

/// When edits that nobody waits for have their turn, and their commits, and what links bring: at once after a quiet time,
/// otherwise with the next tick.
pub(crate) struct Pace {
    rhythm: Rhythm,
    /// Whether there are such edits.
    pub edits: bool,
    /// Whether links have brought something.
    inputs: bool,
    /// The tick that something waits for.
    pub waits: Option<Instant>,
    /// Whether that are edits.
    edits_wait: bool,
    /// Whether the last edits had to wait, so that more are to be expected.
    burst: bool,
    /// The next tick for edits.
    next: Instant,
    /// When inputs had their turn last, and when they have it next.
    last_inputs: Option<Instant>,
    next_inputs: Instant,
}

impl Pace {
    pub const fn new(rhythm: Rhythm, now: Instant) -> Self {
        let (edits, inputs, waits, edits_wait, burst) = (false, false, None, false, false);
        let (last_inputs, next_inputs) = (None, now);
        Self { rhythm, edits, inputs, waits, edits_wait, burst, next: now, last_inputs, next_inputs }
    }

    /// Whether edits, or what the store says of earlier ones, wait a little longer.
    pub fn holds_back(&mut self, now: Instant) -> bool {
        let holds = (self.edits || self.burst) && now < self.next;
        self.edits_wait |= holds;
        self.wait(holds, self.next)
    }

    /// Whether what links bring does.
    pub fn holds_inputs_back(&mut self, now: Instant) -> bool {
        if !std::mem::replace(&mut self.inputs, true) {
            let quiet = self.last_inputs.is_none_or(|last| now >= last + BUSY_LINKS);
            self.next_inputs = if quiet { now } else { now + self.rhythm.inputs };
        }
        let holds = now < self.next_inputs;
        self.wait(holds, self.next_inputs)
    }

    /// Somebody waits: what the store says of edits has not to wait for more of them.
    pub const fn hurry(&mut self) {
        self.burst = false;
    }

    fn wait(&mut self, holds: bool, tick: Instant) -> bool {
        if holds {
            self.waits = Some(self.waits.map_or(tick, |earlier| earlier.min(tick)));
        }
        holds
    }

    /// The loop turns, for whatever reason: everything goes along.
    pub fn turn(&mut self, now: Instant) {
        self.waits = None;
        let waited = std::mem::take(&mut self.edits_wait);
        if std::mem::take(&mut self.edits) {
            self.burst = waited;
            self.next = now + self.rhythm.edits;
        }
        if std::mem::take(&mut self.inputs) {
            self.last_inputs = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_links_bring_waits_for_more_where_it_follows_other_things_closely() {
        let (now, tick) = (Instant::now(), Duration::from_millis(1));
        let mut pace = Pace::new(Rhythm { inputs: tick, ..Rhythm::APPLICATION }, now);
        assert!(!pace.holds_inputs_back(now), "it was quiet");
        pace.turn(now);
        let soon = now + BUSY_LINKS / 2;
        assert!(pace.holds_inputs_back(soon));
        assert!(pace.holds_inputs_back(soon + tick / 2), "and for no longer when more has come");
        assert!(!pace.holds_inputs_back(soon + tick));
        pace.turn(soon + tick);
        assert!(!pace.holds_inputs_back(soon + tick + BUSY_LINKS), "it was quiet again");
        let mut application = Pace::new(Rhythm::APPLICATION, now);
        application.turn(now);
        assert!(!application.holds_inputs_back(now));
    }

    #[test]
    fn edits_that_go_along_with_what_links_bring_have_not_waited_for_each_other() {
        let (now, tick) = (Instant::now(), Duration::from_millis(1));
        let mut pace = Pace::new(Rhythm { inputs: tick, ..Rhythm::APPLICATION }, now);
        assert!(!pace.holds_inputs_back(now));
        pace.turn(now);
        assert!(pace.holds_inputs_back(now));
        pace.edits = true;
        pace.turn(now + tick);
        assert!(!pace.holds_back(now + tick), "their commit holds nobody up");
    }

    #[test]
    fn only_edits_that_nobody_waits_for_wait_and_only_for_a_tick() {
        let now = Instant::now();
        let mut pace = Pace::new(Rhythm::APPLICATION, now);
        pace.edits = true;
        assert!(!pace.holds_back(now), "it was quiet");
        pace.turn(now);
        assert!(!pace.holds_back(now), "the commit of an edit that came alone holds nobody up");
        pace.edits = true;
        assert!(pace.holds_back(now));
        assert!(!pace.holds_back(now + SHORTEST_TICK));
        pace.turn(now);
        assert!(pace.holds_back(now), "the commit of edits that follow each other waits for the next ones");
        pace.turn(now + SHORTEST_TICK);
        assert!(!pace.holds_back(now + SHORTEST_TICK), "nothing waits longer than a tick");
    }
}
