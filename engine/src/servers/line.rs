//! One connection at work: frames to the session and back, until it ends.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use syncline_core::id::ConnectionId;
use syncline_core::wire::ErrorCode;
use syncline_transports::{Close, Frame, Link, LinkError, LinkReceiver};
use tokio::time::{Instant, interval, sleep};

use super::docket::{Docket, News};
use super::session::{Desk, Effect, Fault, Session};
use super::shown::Sign;
use crate::dial::Lost;
use crate::node::Node;
use crate::observers::{Complaint, Observers};
use crate::status::{Connection, Promise};

/// How long a server may take until it first answers sensibly.
pub const SERVER_GREETING_TIME: Duration = Duration::from_secs(30);

/// How often a session hears that time passes.
pub const SESSION_TICK: Duration = Duration::from_millis(500);

/// A connection that lasted this long after the greeting was a good one: the next may be dialled at once.
pub const STEADY_TIME: Duration = Duration::from_secs(5);

/// The session is gone when the connection is: nothing that the server said of itself holds any longer.
pub(super) struct Contact<'a> {
    pub node: &'a Node,
    pub observers: &'a Observers,
    pub connection: ConnectionId,
}

impl<'a> Contact<'a> {
    pub fn begin(node: &'a Node, observers: &'a Observers, connection: ConnectionId) -> Self {
        observers.on_server(connection);
        Self { node, observers, connection }
    }
}

impl Drop for Contact<'_> {
    fn drop(&mut self) {
        self.node.with(|replica, _| replica.server_left(self.connection));
        self.observers.on_link_ended(self.connection);
    }
}

/// A session and what it works with.
pub(super) struct Line<'a> {
    session: Box<dyn Session>,
    contact: &'a Contact<'a>,
    docket: &'a Docket,
    sign: &'a Sign,
    endpoint: String,
    /// Frames that the link has not taken. While there are any, no news are attended to, so there are no more of them than
    /// answers to what comes.
    outgoing: VecDeque<Bytes>,
    greeted: Option<Instant>,
}

impl<'a> Line<'a> {
    pub fn new(
        session: Box<dyn Session>,
        contact: &'a Contact<'a>,
        docket: &'a Docket,
        sign: &'a Sign,
        endpoint: String,
    ) -> Self {
        Self { session, contact, docket, sign, endpoint, outgoing: VecDeque::new(), greeted: None }
    }

    /// Runs the connection to its end. Says why it ended, and whether it was a good one.
    pub async fn run(mut self, link: Link) -> (Lost, bool) {
        let lost = match self.serve(link).await {
            Ok(lost) => lost,
            Err(fault) => Lost::for_now(format!("{}: {fault}", self.endpoint)),
        };
        (lost, self.greeted.is_some_and(|greeted| greeted.elapsed() >= STEADY_TIME))
    }

    async fn serve(&mut self, link: Link) -> Result<Lost, Fault> {
        let (mut sender, mut receiver) = link.split();
        let (docket, mut tick) = (self.docket, interval(SESSION_TICK));
        let patience = sleep(SERVER_GREETING_TIME);
        tokio::pin!(patience);
        docket.begin();
        self.work(|session, desk| session.begin(desk))?;
        loop {
            tokio::select! {
                frame = receiver.receive() => match frame {
                    Ok(Some(frame)) => self.on_frame(&frame)?,
                    Ok(None) | Err(_) => return Ok(self.ended(&receiver)),
                },
                permit = sender.reserve(), if !self.outgoing.is_empty() => {
                    let sent = permit.and_then(|permit| {
                        self.outgoing.pop_front().map_or(Ok(()), |frame| permit.send(Frame::Binary(frame)))
                    });
                    if let Err(error) = sent {
                        return Ok(self.broken(&error));
                    }
                }
                news = docket.news(), if self.outgoing.is_empty() => self.attend(news)?,
                _ = tick.tick() => self.work(|session, desk| session.on_tick(desk))?,
                () = &mut patience, if self.greeted.is_none() => {
                    return Ok(Lost::for_now(format!("{}: no sensible answer in time", self.endpoint)));
                }
            }
        }
    }

    fn on_frame(&mut self, frame: &Frame) -> Result<(), Fault> {
        self.contact.node.heard(frame.len());
        self.work(|session, desk| session.on_frame(desk, frame.as_bytes()))
    }

    fn attend(&mut self, news: Vec<News>) -> Result<(), Fault> {
        news.iter().try_for_each(|news| {
            self.work(|session, desk| match news {
                News::Open(doc) => session.attend(desk, doc),
                News::Closed(doc) => {
                    session.leave(desk, doc);
                    Ok(())
                }
            })
        })
    }

    /// Has the session do something, and does what it leaves to do.
    fn work(
        &mut self,
        work: impl FnOnce(&mut dyn Session, &mut Desk<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut effects = Vec::new();
        let session = &mut *self.session;
        let done = self
            .contact
            .node
            .with(|replica, now| work(session, &mut Desk { replica, now, effects: &mut effects }));
        effects.into_iter().for_each(|effect| self.perform(effect));
        done
    }

    fn perform(&mut self, effect: Effect) {
        let Contact { observers, connection, .. } = *self.contact;
        match effect {
            Effect::Send(frame) => self.outgoing.push_back(frame),
            Effect::Greeted => {
                self.greeted = Some(Instant::now());
                let endpoint = self.endpoint.clone();
                self.sign.set(Connection::Connected { endpoint, promise: Promise::Applied });
            }
            Effect::NotTaken(doc, reason) => {
                observers.on_complaint(&doc, Complaint::new(connection, ErrorCode::NotFound, &reason));
            }
            Effect::NotNow(doc, reason) => {
                observers.on_complaint(&doc, Complaint::new(connection, ErrorCode::Unavailable, &reason));
            }
        }
    }

    fn ended(&self, receiver: &LinkReceiver) -> Lost {
        match receiver.end() {
            Some(error) => self.broken(&error),
            None => Lost::for_now(format!("{}: the connection was lost", self.endpoint)),
        }
    }

    fn broken(&self, error: &LinkError) -> Lost {
        let permanent = matches!(error, LinkError::Closed(close) if is_refusal(close.code));
        Lost { permanent, ..Lost::for_now(format!("{}: {error}", self.endpoint)) }
    }
}

/// Whether somebody is not let in who need not come back. Servers of Yjs clients say so in these numbers, but for one that
/// Hocuspocus has for a client of which nothing was heard.
fn is_refusal(code: u16) -> bool {
    const REFUSALS: std::ops::Range<u16> = 4_400..4_500;
    const TIMED_OUT: u16 = 4_408;
    REFUSALS.contains(&code) && code != TIMED_OUT || code == Close::POLICY
}
