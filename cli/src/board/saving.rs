//! What the board tells of the relay and of what is saved.

use syncline::{Connection, Document, Engine, Promise, Status};

use crate::failure::counted;

/// Where the edits of the board are, and what hinders them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saving {
    /// How the relay can be reached.
    pub relay: Relay,
    /// What is promised of edits that are saved there.
    pub promise: Option<Promise>,
    /// How many edits no relay has acknowledged.
    pub pending: u64,
    /// Whether every edit is in the store.
    pub is_stored: bool,
    /// Edits that a relay refused, and why, until somebody has seen it.
    pub lost: Option<(usize, String)>,
    /// Why the relay does not take the document.
    pub obstacle: Option<String>,
    /// What is wrong with the store.
    pub fault: Option<String>,
}

/// How the relay can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Relay {
    /// None is named.
    #[default]
    Unnamed,
    /// An attempt is under way.
    Connecting(String),
    /// It is there.
    Connected(String),
    /// It is not, for this reason.
    Offline(String),
}

/// How much there is to worry about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Nothing.
    Good,
    /// Something takes its time.
    Waiting,
    /// Somebody should do something.
    Bad,
}

impl Saving {
    /// What an engine tells of an open document.
    #[must_use]
    pub fn of(engine: &Engine, document: &Document) -> Self {
        let (status, progress) = (engine.status(), document.progress());
        Self {
            relay: Relay::of(&status),
            promise: engine.promise(),
            pending: progress.pending,
            is_stored: progress.local >= progress.made,
            lost: document.loss().map(|loss| (loss.count, loss.reason)),
            obstacle: document.obstacle(),
            fault: status.store.map(|fault| fault.to_string()),
        }
    }

    /// The state in a line, what matters most first.
    #[must_use]
    pub fn line(&self) -> (Mood, String) {
        if let Some(fault) = &self.fault {
            return (Mood::Bad, format!("✖ NOT SAVED: {fault}"));
        }
        if let Some((count, reason)) = &self.lost {
            let lost = counted(*count as u64, "change");
            return (Mood::Bad, format!("✖ {lost} refused by the relay and lost: {reason} (Esc: seen)"));
        }
        if let Some(reason) = &self.obstacle {
            return (Mood::Bad, format!("✖ saved here only, the relay does not take it: {reason}"));
        }
        let saved = self.saved();
        match &self.relay {
            Relay::Unnamed => (self.mood(Mood::Good), format!("○ no relay · {saved}")),
            Relay::Connecting(to) => (Mood::Waiting, format!("◌ connecting · {saved} · {to}")),
            Relay::Connected(to) => {
                let mood = if self.pending == 0 { Mood::Good } else { Mood::Waiting };
                (self.mood(mood), format!("● connected · {saved} · {to}"))
            }
            Relay::Offline(reason) => (Mood::Waiting, format!("○ offline · {saved} · {reason}")),
        }
    }

    fn mood(&self, stored: Mood) -> Mood {
        if self.is_stored { stored } else { Mood::Waiting }
    }

    fn saved(&self) -> String {
        let applied = self.promise == Some(Promise::Applied);
        match (&self.relay, self.is_stored, self.pending) {
            (_, false, _) => "saving…".to_owned(),
            (Relay::Connected(_), true, 0) if applied => "saved here, applied at the server".to_owned(),
            (_, true, 0) if applied => "saved here, applied".to_owned(),
            (Relay::Unnamed, true, _) => "saved here".to_owned(),
            (Relay::Connected(_), true, 0) => "saved here and at the relay".to_owned(),
            (_, true, 0) => "saved".to_owned(),
            (_, true, pending) => format!("saved here, {} pending", counted(pending, "edit")),
        }
    }
}

impl Relay {
    /// The best of the connections; of those that are not there, the first.
    fn of(status: &Status) -> Self {
        let connected = status.connections.iter().find(|connection| connection.is_connected());
        match connected.or(status.connections.first()) {
            None => Self::Unnamed,
            // There is a connection as soon as the board is open.
            Some(Connection::Connecting { endpoint } | Connection::Idle { endpoint }) => {
                Self::Connecting(endpoint.clone())
            }
            Some(Connection::Connected { endpoint, .. }) => Self::Connected(endpoint.clone()),
            Some(Connection::Offline { error, .. }) => Self::Offline(error.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(saving: Saving) -> String {
        saving.line().1
    }

    #[test]
    fn what_matters_most_is_said_first() {
        let to = "ws://relay/sync".to_owned();
        let mut saving = Saving { relay: Relay::Connected(to), is_stored: true, ..Saving::default() };
        assert_eq!(line(saving.clone()), "● connected · saved here and at the relay · ws://relay/sync");
        saving.promise = Some(Promise::Applied);
        assert_eq!(line(saving.clone()), "● connected · saved here, applied at the server · ws://relay/sync");
        saving.pending = 2;
        assert_eq!(saving.line().0, Mood::Waiting);
        saving.relay = Relay::Offline("refused".to_owned());
        assert_eq!(line(saving.clone()), "○ offline · saved here, 2 edits pending · refused");
        saving.lost = Some((1, "no room".to_owned()));
        assert!(line(saving.clone()).starts_with("✖ 1 change refused by the relay and lost: no room"));
        saving.fault = Some("disk full".to_owned());
        assert_eq!(saving.line(), (Mood::Bad, "✖ NOT SAVED: disk full".to_owned()));
    }
}
