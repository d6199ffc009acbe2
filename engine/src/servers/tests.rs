//! Sessions as tests drive them: a replica whose disk is done at once or waits, and servers made of the libraries that real
//! ones are made of.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod automerge;
mod hocuspocus;
mod yjs;

use bytes::Bytes;
use syncline_core::entry::{Kind, Spec};
use syncline_core::event::{Event, Input, Output, StoredDocument};
use syncline_core::id::{ConnectionId, DocId, Principal, WriteId};
use syncline_core::operation::Operation;
use syncline_core::path::Path;
use syncline_core::replica::{Config, Policy, Replica, Server};
use syncline_core::time::Time;
use syncline_core::value::Value;
use syncline_core::wire::Encoding;

use super::session::{Desk, Effect, Fault, Party, Session};

const LINK: ConnectionId = ConnectionId(9);

/// One document, open, and one session about it.
struct Scene<S> {
    replica: Replica,
    session: S,
    now: Time,
    /// Writes that the disk has not done; `None` where it does each at once.
    unwritten: Option<Vec<WriteId>>,
    /// What the disk holds at the beginning.
    stored: Option<StoredDocument>,
    events: Vec<Event>,
}

fn doc() -> DocId {
    DocId::new("notes").unwrap()
}

fn text() -> Path {
    Path::root().child(Kind::TEXT_KEY)
}

impl<S: Session> Scene<S> {
    fn new(spec: Spec, session: impl FnOnce(Party) -> S) -> Self {
        Self::over(None, spec, session)
    }

    fn over(stored: Option<StoredDocument>, spec: Spec, session: impl FnOnce(Party) -> S) -> Self {
        let mut replica = Replica::new(Config {
            agent: "test".to_owned(),
            principal: Principal::new("ada").unwrap(),
            encoding: Encoding::Binary,
            compression: Vec::new(),
            seed: if stored.is_some() { 2 } else { 1 },
            policy: Policy::client(),
        });
        let guest = replica.new_guest();
        let party = Party::new(Server::at("ws://server", LINK), guest, Principal::new("server").unwrap());
        let (session, now, events) = (session(party), Time(1_000), Vec::new());
        let mut scene = Self { replica, session, now, unwritten: None, stored, events };
        scene.replica.open(Time(1), &doc(), Some(spec));
        scene.settle();
        scene.replica.host(Time(1), &doc(), None);
        scene.settle();
        scene
    }

    fn settle(&mut self) {
        while let Some(output) = self.replica.poll() {
            match output {
                Output::Write { id, .. } => match &mut self.unwritten {
                    Some(unwritten) => unwritten.push(id),
                    None => self.replica.handle(self.now, Input::Written { write: id }),
                },
                Output::Load { doc } => {
                    let result = Ok(self.stored.take());
                    self.replica.handle(self.now, Input::Loaded { doc, result });
                }
                Output::Merge(merge) => self.replica.handle(self.now, Input::Merged(merge.run())),
                Output::Event(event) => self.events.push(event),
                Output::Send { .. } | Output::Close { .. } => panic!("there are no peers"),
            }
        }
    }

    /// What is on the disk now.
    fn backup(&self) -> StoredDocument {
        let log = self.replica.log(&doc()).unwrap();
        StoredDocument {
            spec: self.replica.spec(&doc()).unwrap(),
            epoch: log.epoch(),
            snapshot: None,
            entries: log.after(0).cloned().collect(),
            peers: Vec::new(),
            fences: Vec::new(),
            quarantined: Vec::new(),
        }
    }

    /// The disk does what it has to do.
    fn finish_writes(&mut self) {
        for write in self.unwritten.take().unwrap_or_default() {
            self.replica.handle(self.now, Input::Written { write });
        }
        self.settle();
    }

    fn write(&mut self, at: usize, insert: &str) {
        self.splice(at, 0, insert);
    }

    fn erase(&mut self, at: usize, delete: usize) {
        self.splice(at, delete, "");
    }

    fn splice(&mut self, at: usize, delete: usize, insert: &str) {
        let operation = Operation::Splice { path: text(), at, delete, insert: insert.to_owned() };
        self.replica.edit(self.now, &doc(), |editor| editor.perform(operation)).map(drop).unwrap();
        self.settle();
    }

    fn text(&self) -> String {
        match self.replica.document(&doc()).unwrap().value(&text()) {
            Some(Value::Text(text)) => text,
            None => String::new(),
            other => panic!("no text: {other:?}"),
        }
    }

    fn pending(&self) -> u64 {
        self.replica.progress(&doc()).unwrap().pending
    }

    fn in_sync(&self) -> bool {
        self.replica.in_sync(LINK, &doc())
    }

    fn try_work(
        &mut self,
        work: impl FnOnce(&mut S, &mut Desk<'_>) -> Result<(), Fault>,
    ) -> (Result<(), Fault>, Vec<Effect>) {
        let mut effects = Vec::new();
        let desk = &mut Desk { replica: &mut self.replica, now: self.now, effects: &mut effects };
        let done = work(&mut self.session, desk);
        self.settle();
        (done, effects)
    }

    fn work(&mut self, work: impl FnOnce(&mut S, &mut Desk<'_>) -> Result<(), Fault>) -> Vec<Effect> {
        let (done, effects) = self.try_work(work);
        done.unwrap();
        effects
    }

    fn begin(&mut self) -> Vec<Effect> {
        let mut effects = self.work(|session, desk| session.begin(desk));
        effects.extend(self.attend());
        effects
    }

    fn attend(&mut self) -> Vec<Effect> {
        self.work(|session, desk| session.attend(desk, &doc()))
    }

    fn receive(&mut self, frame: &[u8]) -> Vec<Effect> {
        self.work(|session, desk| session.on_frame(desk, frame))
    }

    /// So many milliseconds pass.
    fn pass(&mut self, millis: u64) -> Vec<Effect> {
        self.now = self.now.after(millis);
        self.work(|session, desk| session.on_tick(desk))
    }
}

/// The frames among effects.
fn frames(effects: &[Effect]) -> Vec<Bytes> {
    let frame = |effect: &Effect| match effect {
        Effect::Send(frame) => Some(frame.clone()),
        Effect::Greeted | Effect::NotTaken(..) | Effect::NotNow(..) => None,
    };
    effects.iter().filter_map(frame).collect()
}

/// Why a server does not take the document, for good or for now.
fn complaints(effects: &[Effect]) -> (Vec<&str>, Vec<&str>) {
    let (mut for_good, mut for_now) = (Vec::new(), Vec::new());
    for effect in effects {
        match effect {
            Effect::NotTaken(_, reason) => for_good.push(&**reason),
            Effect::NotNow(_, reason) => for_now.push(&**reason),
            Effect::Send(_) | Effect::Greeted => {}
        }
    }
    (for_good, for_now)
}
