//! What is said with a server about one document of Yjs, in y-websocket and in Hocuspocus alike.
//!
//! Both sides say what they hold and answer with what the other lacks; from then on each update is passed on as it comes.
//! An edit has been applied when the server has shown that it holds it ([`Holdings`]): these servers send every update to
//! everybody, its author included. A server that does not show it for a while is asked what it holds, and is sent again
//! what it lacks.

use std::collections::VecDeque;

use bytes::Bytes;
use syncline_core::crdt::yjs::Holdings;
use syncline_core::id::{DocId, Have};
use syncline_core::protocol::hocuspocus::Frame;
use syncline_core::protocol::y_websocket::{HOLDS_NOTHING, NOTHING, Sync};
use syncline_core::time::Time;

use super::MAX_MESSAGE_BYTES;
use super::session::{Desk, Fault, Party, Taken};

/// Most updates on their way that the server has not shown to hold; more wait in the log.
pub const MAX_UNSHOWN: usize = 1_024;

/// How long a server may take to show that it holds something before it is asked, in milliseconds; twice as long each time
/// that it does not.
pub const FIRST_DOUBT: u64 = 2_000;

/// The longest time between such questions, in milliseconds.
pub const LONGEST_DOUBT: u64 = 60_000;

/// How long a server of y-websocket that says it holds nothing may have something all the same, in milliseconds: it answers
/// while it still reads the document from its disk.
pub const LOADING_TIME: u64 = 1_000;

/// One document on one connection.
pub(super) struct Dialogue {
    doc: DocId,
    party: Party,
    /// How frames name the document; nothing in y-websocket, which has one document a connection.
    address: Option<String>,
    /// What the server has shown to hold.
    holdings: Holdings,
    ours: Ours,
    theirs: Theirs,
    /// What was sent: up to where in the log, and what the server has to show.
    unshown: VecDeque<(u64, Holdings)>,
    /// Up to where in the log the server holds everything.
    applied: u64,
    doubt: Option<Doubt>,
}

/// Our log on its way to the server.
#[derive(Debug)]
enum Ours {
    /// The server has not said what it holds.
    Unasked,
    /// What it lacks must be on this disk before it may leave.
    Answering { update: Bytes, offset: u64 },
    /// Everything up to here was sent.
    Sent { offset: u64 },
    /// The server does not take it.
    Refused,
}

/// What the server holds on its way here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theirs {
    /// It was asked.
    Asked,
    /// It says that it holds nothing, which need not be so before this time.
    Loading { until: Time },
    /// It has told.
    Heard,
    /// It cannot be taken in.
    Unusable,
}

/// The server takes its time to show that it holds something.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    /// When it is asked.
    due: Time,
    wait: u64,
    /// Whether it was asked.
    asked: bool,
}

impl Dialogue {
    pub fn new(doc: DocId, party: Party, address: Option<String>) -> Self {
        Self {
            doc,
            party,
            address,
            holdings: Holdings::default(),
            ours: Ours::Unasked,
            theirs: Theirs::Asked,
            unshown: VecDeque::new(),
            applied: 0,
            doubt: None,
        }
    }

    /// Whether the server has answered.
    pub fn is_answered(&self) -> bool {
        self.theirs != Theirs::Asked
    }

    /// Asks for what the server holds and is not here.
    pub fn ask(&mut self, desk: &mut Desk<'_>) -> Result<(), Fault> {
        let Some(vector) = desk.replica.version(&self.doc) else { return Ok(()) };
        self.say(desk, &Sync::Step1 { vector: &vector });
        Ok(())
    }

    /// The server says something.
    pub fn hear(&mut self, desk: &mut Desk<'_>, said: &Sync<'_>) -> Result<(), Fault> {
        if self.theirs == Theirs::Unusable {
            return Ok(());
        }
        match said {
            Sync::Step1 { vector } => {
                self.holdings.note_vector(vector)?;
                self.answer(desk, vector)?;
            }
            Sync::Step2 { update } => self.take_whole(desk, update)?,
            Sync::Update { update } => match self.take(desk, update)? {
                Taken::Gap => self.ask(desk)?,
                Taken::Yes(()) | Taken::Never(_) | Taken::Closed => {}
            },
        }
        self.follow(desk)
    }

    /// The answer to a question.
    fn take_whole(&mut self, desk: &mut Desk<'_>, update: &[u8]) -> Result<(), Fault> {
        match self.take(desk, update)? {
            Taken::Yes(()) => self.on_whole(desk.now, update),
            Taken::Gap => self.give_up(desk, "the server sends updates that build on what it does not send"),
            Taken::Never(_) | Taken::Closed => {}
        }
        self.settle(desk)?;
        match self.doubt {
            Some(Doubt { asked: true, .. }) => self.send_again(desk),
            Some(Doubt { asked: false, .. }) | None => Ok(()),
        }
    }

    /// The server has told what it holds, unless it may not know yet.
    fn on_whole(&mut self, now: Time, update: &[u8]) {
        let holds_nothing = update == NOTHING && *self.holdings.vector() == *HOLDS_NOTHING;
        self.theirs = match self.theirs == Theirs::Asked && self.address.is_none() && holds_nothing {
            true => Theirs::Loading { until: now.after(LOADING_TIME) },
            false => Theirs::Heard,
        };
    }

    fn take(&mut self, desk: &mut Desk<'_>, update: &[u8]) -> Result<Taken<()>, Fault> {
        let taken = desk.take(&self.party, &self.doc, |document| {
            document.receive(Have::NONE, update).map(|updates| (updates, ()))
        })?;
        match &taken {
            Taken::Yes(()) => self.holdings.add(Holdings::of(update)?)?,
            Taken::Never(reason) => self.give_up(desk, reason),
            Taken::Gap | Taken::Closed => {}
        }
        Ok(taken)
    }

    /// What the server sends cannot be taken in, so nothing can be shared with it.
    fn give_up(&mut self, desk: &mut Desk<'_>, reason: &str) {
        self.theirs = Theirs::Unusable;
        self.refuse(desk, reason);
    }

    /// The server does not take what is written here. Nothing more is sent on this connection, and everything stays pending.
    pub fn refuse(&mut self, desk: &mut Desk<'_>, reason: &str) {
        self.ours = Ours::Refused;
        self.unshown.clear();
        self.doubt = None;
        desk.not_taken(&self.doc, reason);
    }

    /// Prepares what somebody lacks who holds `vector`.
    fn answer(&mut self, desk: &mut Desk<'_>, vector: &[u8]) -> Result<(), Fault> {
        if matches!(self.ours, Ours::Refused) {
            return Ok(());
        }
        let Some((document, offset)) = desk.document(&self.doc) else { return Ok(()) };
        let update = document.missing(vector)?;
        if update.len() > MAX_MESSAGE_BYTES {
            let bytes = update.len();
            self.refuse(desk, &format!("{bytes} bytes are to be sent, and {MAX_MESSAGE_BYTES} is the most"));
        } else {
            self.ours = Ours::Answering { update, offset };
        }
        Ok(())
    }

    /// The server has been asked, and has not shown everything that it was sent.
    fn send_again(&mut self, desk: &mut Desk<'_>) -> Result<(), Fault> {
        desk.not_now(
            &self.doc,
            "the server does not show that it has applied what it was sent; it is sent again",
        );
        self.unshown.clear();
        self.answer(desk, &self.holdings.vector())
    }

    /// Sends what may leave, and finds out what has been applied.
    pub fn follow(&mut self, desk: &mut Desk<'_>) -> Result<(), Fault> {
        self.send_answer(desk)?;
        if let Ours::Sent { offset } = self.ours {
            self.send_on(desk, offset)?;
        }
        self.settle(desk)
    }

    /// Sends what the server lacks, if that is on this disk.
    fn send_answer(&mut self, desk: &mut Desk<'_>) -> Result<(), Fault> {
        let durable = desk.durable(&self.doc);
        if let Ours::Answering { update, offset } = &self.ours
            && *offset <= durable
        {
            let (update, offset) = (update.clone(), *offset);
            self.send(desk, &Sync::Step2 { update: &update }, &update, offset)?;
            self.ours = Ours::Sent { offset };
        }
        Ok(())
    }

    /// Sends what follows an offset of the log.
    fn send_on(&mut self, desk: &mut Desk<'_>, offset: u64) -> Result<(), Fault> {
        let room = MAX_UNSHOWN.saturating_sub(self.unshown.len());
        let Some((updates, end)) = desk.updates(&self.party, &self.doc, offset, room) else {
            // The log begins behind that. It was merged, or made again.
            self.answer(desk, &self.holdings.vector())?;
            return self.send_answer(desk);
        };
        for (offset, update) in updates {
            self.send(desk, &Sync::Update { update: &update }, &update, offset)?;
        }
        self.ours = Ours::Sent { offset: end };
        Ok(())
    }

    fn send(
        &mut self,
        desk: &mut Desk<'_>,
        said: &Sync<'_>,
        update: &[u8],
        offset: u64,
    ) -> Result<(), Fault> {
        self.say(desk, said);
        self.unshown.push_back((offset, Holdings::of(update)?));
        Ok(())
    }

    /// Notes what the server has shown to hold.
    fn settle(&mut self, desk: &mut Desk<'_>) -> Result<(), Fault> {
        while let Some((offset, update)) = self.unshown.front() {
            if !self.holdings.include(update)? {
                break;
            }
            self.applied = *offset;
            self.unshown.pop_front();
            self.doubt = None;
        }
        match (&self.ours, self.unshown.is_empty()) {
            (Ours::Sent { offset }, true) => self.applied = *offset,
            (Ours::Sent { .. }, false) => self.expect(desk.now),
            (Ours::Unasked | Ours::Answering { .. } | Ours::Refused, _) => {}
        }
        desk.replica.applied(desk.now, &self.doc, self.party.server, self.applied);
        if self.theirs == Theirs::Heard {
            desk.replica.heard_out(desk.now, &self.doc, self.party.server);
        }
        Ok(())
    }

    /// The server is expected to show what it was sent, in a while.
    fn expect(&mut self, now: Time) {
        let (due, wait) = (now.after(FIRST_DOUBT), FIRST_DOUBT);
        self.doubt.get_or_insert(Doubt { due, wait, asked: false });
    }

    /// Time has passed.
    pub fn on_tick(&mut self, desk: &mut Desk<'_>) -> Result<(), Fault> {
        if let Theirs::Loading { until } = self.theirs
            && until <= desk.now
        {
            self.theirs = Theirs::Heard;
            self.settle(desk)?;
        }
        if let Some(doubt) = self.doubt.as_mut().filter(|doubt| doubt.due <= desk.now) {
            let wait = (2 * doubt.wait).min(LONGEST_DOUBT);
            *doubt = Doubt { due: desk.now.after(wait), wait, asked: true };
            let vector = self.holdings.vector();
            self.say(desk, &Sync::Step1 { vector: &vector });
        }
        Ok(())
    }

    fn say(&self, desk: &mut Desk<'_>, said: &Sync<'_>) {
        desk.send(match &self.address {
            Some(address) => Frame::sync(address, said),
            None => {
                let mut frame = Vec::new();
                said.write(&mut frame);
                frame
            }
        });
    }
}
