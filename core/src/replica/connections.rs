//! All links of a replica, and which of them have something to do.
//!
//! Most of thousands of links have nothing to do most of the time, and a turn must not look at each of them. So it is kept when each
//! has something to do next; for those that may have changed since, that is found out when somebody asks. Those that have something
//! to do now are with the latter: most have done it the next time.

use std::collections::{BTreeMap, BTreeSet};

use super::connection::Connection;
use crate::id::ConnectionId;
use crate::time::Time;

/// The links, by their ids.
#[derive(Default)]
pub(super) struct Connections {
    all: BTreeMap<ConnectionId, Planned>,
    /// When each of the others has something to do.
    plan: BTreeSet<(Time, ConnectionId)>,
    /// Those that may have something to do now, or at another time than is planned.
    touched: Vec<ConnectionId>,
}

struct Planned {
    connection: Connection,
    /// Where it is in the plan; `None` if it is not there.
    at: Option<Time>,
    touched: bool,
}

impl Connections {
    pub fn get(&self, id: &ConnectionId) -> Option<&Connection> {
        self.all.get(id).map(|planned| &planned.connection)
    }

    pub fn get_mut(&mut self, id: &ConnectionId) -> Option<&mut Connection> {
        let planned = self.all.get_mut(id)?;
        if !std::mem::replace(&mut planned.touched, true) {
            self.touched.push(*id);
        }
        Some(&mut planned.connection)
    }

    pub fn contains_key(&self, id: &ConnectionId) -> bool {
        self.all.contains_key(id)
    }

    pub fn insert(&mut self, id: ConnectionId, connection: Connection) {
        self.remove(&id);
        self.all.insert(id, Planned { connection, at: None, touched: true });
        self.touched.push(id);
    }

    pub fn remove(&mut self, id: &ConnectionId) -> Option<Connection> {
        let Planned { connection, at, touched } = self.all.remove(id)?;
        at.into_iter().for_each(|at| _ = self.plan.remove(&(at, *id)));
        if touched {
            self.touched.retain(|other| other != id);
        }
        Some(connection)
    }

    pub fn keys(&self) -> impl Iterator<Item = ConnectionId> {
        self.all.keys().copied()
    }

    pub fn values(&self) -> impl Iterator<Item = &Connection> {
        self.all.values().map(|planned| &planned.connection)
    }

    pub fn iter(&self) -> impl Iterator<Item = (ConnectionId, &Connection)> {
        self.all.iter().map(|(id, planned)| (*id, &planned.connection))
    }

    /// Those that have something to do at this time, or had before, in the order of their ids.
    pub fn due(&mut self, now: Time) -> Vec<ConnectionId> {
        let Self { all, plan, touched } = self;
        // Those that are due now are not planned: they are looked at again the next time.
        touched.retain(|id| all.get_mut(id).is_some_and(|planned| planned.plan(*id, now, plan)));
        while let Some((_, id)) = plan.first().copied().filter(|(at, _)| *at <= now) {
            plan.pop_first();
            if let Some(planned) = all.get_mut(&id) {
                (planned.at, planned.touched) = (None, true);
                touched.push(id);
            }
        }
        let mut due = touched.clone();
        due.sort_unstable();
        due
    }

    /// When the next of them has something to do.
    pub fn next_due(&self) -> Option<Time> {
        let touched = self.touched.iter().filter_map(|id| self.all.get(id)?.connection.next_due());
        let others =
            self.plan.iter().find(|(_, id)| self.all.get(id).is_some_and(|planned| !planned.touched));
        touched.chain(others.map(|(at, _)| *at)).min()
    }
}

impl Planned {
    /// Plans when it has something to do next; true if that is now.
    fn plan(&mut self, id: ConnectionId, now: Time, plan: &mut BTreeSet<(Time, ConnectionId)>) -> bool {
        let due = self.connection.next_due();
        let at = due.filter(|at| *at > now);
        self.touched = due.is_some() && at.is_none();
        if self.at != at {
            self.at.into_iter().for_each(|at| _ = plan.remove(&(at, id)));
            plan.extend(at.map(|at| (at, id)));
            self.at = at;
        }
        self.touched
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;
    use crate::event::Side;
    use crate::id::DocId;
    use crate::wire::{Encoding, Message};

    /// Something that happens to one of a few links.
    fn step(connections: &mut Connections, now: Time, what: u8, id: ConnectionId) {
        let doc = DocId::new("notes").expect("a name");
        match what % 8 {
            0 => connections.insert(id, Connection::new(now, Side::Dialed, None, Encoding::Binary)),
            1 => _ = connections.remove(&id),
            what => {
                let Some(connection) = connections.get_mut(&id) else { return };
                match what {
                    2 => connection.say(&Message::Ping { token: 1 }),
                    3 => connection.mark(doc, now.after(20)),
                    4 => connection.mark_presence(&doc, now),
                    5 => connection.sent(now),
                    6 => connection.takes_more(),
                    _ => {
                        drop((connection.take_presence(now), connection.take_dirty()));
                        while connection.next_waiting(|_| true).is_some() {}
                    }
                }
            }
        }
    }

    fn due_by_looking_at_all(connections: &Connections, now: Time) -> Vec<ConnectionId> {
        let due = connections.iter().filter(|(_, link)| link.next_due().is_some_and(|due| due <= now));
        due.map(|(id, _)| id).collect()
    }

    quickcheck! {
        fn what_is_planned_is_what_there_is_to_do(steps: Vec<(u8, u8, u8)>) -> bool {
            let (mut connections, mut now) = (Connections::default(), Time(1));
            steps.into_iter().all(|(what, id, passed)| {
                now = now.after(u64::from(passed));
                step(&mut connections, now, what, ConnectionId(u64::from(id % 4)));
                let next = connections.values().filter_map(Connection::next_due).min();
                // The plan is brought up to date only now and then.
                let due = passed % 3 > 0 || connections.due(now) == due_by_looking_at_all(&connections, now);
                due && connections.next_due() == next
            })
        }
    }
}
