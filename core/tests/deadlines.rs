//! Peers that say nothing, or stay when they said they would go, do not hold a link for ever.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod replicas;

use replicas::{config, doc, frame, hello, settle};
use syncline_core::entry::{Cursor, Digest, Family, Kind, Spec};
use syncline_core::event::{Event, Input, Output, Side, StoreFault};
use syncline_core::id::{ConnectionId, DocId, Epoch};
use syncline_core::replica::{
    ANSWER_TIMEOUT, GOODBYE_TIMEOUT, GREETING_TIMEOUT, Policy, RETRY_WAIT, Replica,
};
use syncline_core::time::Time;
use syncline_core::wire::{ErrorCode, Message};

const LINK: ConnectionId = ConnectionId(1);
const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Text };

/// A client with a document open that has dialled a relay, which then says this, a while after.
fn dialled(words: &[Message]) -> Replica {
    let mut client = Replica::new(config(1, Policy::client()));
    client.open(Time(0), &doc(), Some(SPEC));
    settle(&mut client, Time(0));
    client.handle(Time(0), Input::Connected { connection: LINK, side: Side::Dialed, visitor: None });
    settle(&mut client, Time(0));
    client.handle(Time(GREETING_TIMEOUT - 1), Input::Received { connection: LINK, frame: frame(words) });
    settle(&mut client, Time(GREETING_TIMEOUT - 1));
    client
}

/// When a client gives the link up if nothing else happens, and why.
fn given_up(mut client: Replica) -> Option<(u64, String)> {
    let due = client.next_timeout()?;
    client.handle(Time(due.0 - 1), Input::Tick);
    settle(&mut client, Time(due.0 - 1));
    client.handle(due, Input::Tick);
    let mut told = None;
    while let Some(output) = client.poll() {
        match output {
            Output::Event(Event::GaveUp { code: ErrorCode::Unavailable, reason, .. }) => told = Some(reason),
            Output::Close { reason, .. } => {
                assert_eq!(told.as_ref(), Some(&reason), "the application hears why");
                return Some((due.0, reason));
            }
            _ => {}
        }
    }
    panic!("nothing happened when time was up");
}

/// The relay opens the document with an empty log.
fn open() -> Message {
    let log = Cursor { epoch: Epoch::new([5; 16]), offset: 0, digest: Digest::default() };
    Message::Open { doc: doc(), spec: SPEC, log, cursors: Vec::new() }
}

fn unavailable(doc: DocId) -> Message {
    Message::Failure { doc: Some(doc), code: ErrorCode::Unavailable, message: String::new() }
}

fn told(time: u64, reason: &str) -> Option<(u64, String)> {
    Some((time, reason.to_owned()))
}

#[test]
fn a_relay_that_says_nothing_of_documents_is_left() {
    let late = GREETING_TIMEOUT - 1 + ANSWER_TIMEOUT;
    assert_eq!(given_up(dialled(&[])), told(GREETING_TIMEOUT, "no greeting in time"));
    assert_eq!(given_up(dialled(&[hello(true)])), told(late, "no answer in time"));
    let pong = Message::Pong { token: 1 };
    assert_eq!(given_up(dialled(&[hello(true), pong])), told(late, "no answer in time"));
    assert_eq!(given_up(dialled(&[hello(true), open()])), None);
}

#[test]
fn a_relay_that_says_goodbye_and_stays_is_left() {
    let late = GREETING_TIMEOUT - 1 + GOODBYE_TIMEOUT;
    let goodbye = Message::Goodbye { retry_after: 5 };
    let failure = Message::Failure { doc: None, code: ErrorCode::Unavailable, message: String::new() };
    let all = [
        vec![hello(true), goodbye.clone(), open()],
        vec![hello(true), open(), goodbye],
        vec![hello(true), open(), failure],
    ];
    for words in all {
        assert_eq!(given_up(dialled(&words)), told(late, "it said that it goes, and stayed"));
    }
}

#[test]
fn only_a_document_that_is_open_here_is_tried_again() {
    let invented = DocId::new("invented").unwrap();
    assert_eq!(dialled(&[hello(true), open(), unavailable(invented)]).next_timeout(), None);
    let again = Time(GREETING_TIMEOUT - 1 + RETRY_WAIT);
    assert_eq!(dialled(&[hello(true), open(), unavailable(doc())]).next_timeout(), Some(again));
}

#[test]
fn goodbyes_win_no_time() {
    let goodbye = Message::Goodbye { retry_after: 5 };
    let mut client = dialled(&[hello(true), open(), goodbye.clone()]);
    let due = client.next_timeout();
    client.handle(
        Time(GREETING_TIMEOUT + 5_000),
        Input::Received { connection: LINK, frame: frame(&[goodbye]) },
    );
    settle(&mut client, Time(GREETING_TIMEOUT + 5_000));
    assert_eq!(client.next_timeout(), due);
}

#[test]
fn a_full_disk_here_is_not_blamed_on_the_relay() {
    let mut client = dialled(&[hello(true), open()]);
    let fault = StoreFault("the disk is full".to_owned());
    client.handle(Time(GREETING_TIMEOUT), Input::WriteFailed { fault });
    let reasons = std::iter::from_fn(|| client.poll()).filter_map(|output| match output {
        Output::Event(Event::GaveUp { reason, .. }) => Some(reason),
        _ => None,
    });
    assert_eq!(reasons.collect::<Vec<_>>(), ["the store here cannot be written"]);
}
