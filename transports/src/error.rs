//! Why there is no link: it could not be opened ([`TransportError`]), or it ended ([`LinkError`]).
//!
//! Every variant names the side that has to do something about it.

use std::{fmt, time::Duration};

use thiserror::Error;

/// How long a close reason may be: what fits into a WebSocket close frame.
pub const MAX_CLOSE_REASON_BYTES: usize = 123;

/// What one side says when it ends a link in good order. Codes are those of WebSocket (RFC 6455 §7.4),
/// on every transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// One of the constants below, or one of an application's own from 4000 to 4999.
    pub code: u16,
    /// For people and logs; at most 123 bytes survive the way.
    pub reason: String,
}

impl Close {
    /// The work is done.
    pub const NORMAL: u16 = 1000;
    /// This side is shutting down or moving; come back.
    pub const GOING_AWAY: u16 = 1001;
    /// The peer broke the rules of the transport.
    pub const PROTOCOL: u16 = 1002;
    /// The peer closed without saying why.
    pub const NO_REASON: u16 = 1005;
    /// A text frame was not UTF-8.
    pub const NOT_UTF8: u16 = 1007;
    /// The peer may not do what it tried.
    pub const POLICY: u16 = 1008;
    /// A frame was over the limit.
    pub const TOO_LARGE: u16 = 1009;
    /// Something failed on this side.
    pub const FAILED: u16 = 1011;
    /// This side is overloaded; come back later.
    pub const TRY_LATER: u16 = 1013;

    /// A reason longer than a close frame can carry is cut at a character boundary.
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        reason.truncate(reason.floor_char_boundary(MAX_CLOSE_REASON_BYTES));
        Self { code, reason }
    }
}

impl From<&str> for Close {
    fn from(reason: &str) -> Self {
        Self::new(Self::NORMAL, reason)
    }
}

impl From<String> for Close {
    fn from(reason: String) -> Self {
        Self::new(Self::NORMAL, reason)
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason.as_str() {
            "" => write!(f, "code {}", self.code),
            reason => write!(f, "{reason} (code {})", self.code),
        }
    }
}

/// Why a link ended, or why it did not take a frame.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinkError {
    /// One side closed the link in good order.
    #[error("the link was closed: {0}")]
    Closed(Close),
    /// The connection broke without a word; what was under way may or may not have arrived.
    #[error("the connection was lost ({cause}); connect again")]
    Lost {
        /// What the operating system or the transport saw.
        cause: String,
    },
    /// The heartbeat gave the peer up.
    #[error("the peer has been silent for {silence:?} and is taken for dead; connect again")]
    Silent {
        /// How long nothing came in, or nothing could be written.
        silence: Duration,
    },
    /// The peer broke the rules of the transport, for example with an oversized frame.
    #[error("the peer broke the rules of the transport: {what}")]
    Misbehaved {
        /// Which rule.
        what: String,
    },
    /// The caller's frame is over the limit. It was not sent, and the link goes on.
    #[error("a frame of {bytes} bytes is over the limit of {limit}; split it")]
    TooLarge {
        /// The size of the refused frame.
        bytes: usize,
        /// The limit of this link.
        limit: usize,
    },
    /// A transport that is preferred to this one answers again: connect, and the link leads there.
    #[error("{endpoint} is reachable again and preferred; connect again")]
    Preferred {
        /// Where the next link will lead.
        endpoint: String,
    },
}

impl LinkError {
    pub(crate) fn lost(cause: impl ToString) -> Self {
        Self::Lost { cause: cause.to_string() }
    }

    /// False for the one error after which the link goes on as before.
    pub fn is_end(&self) -> bool {
        match self {
            Self::TooLarge { .. } => false,
            Self::Closed(_)
            | Self::Lost { .. }
            | Self::Silent { .. }
            | Self::Misbehaved { .. }
            | Self::Preferred { .. } => true,
        }
    }
}

/// Why no link could be opened.
#[derive(Debug, Error)]
pub enum TransportError {
    /// The address cannot be understood: fix it.
    #[error("{url:?} is not an address of this transport: {cause}")]
    Address {
        /// As given, without secrets.
        url: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A setting of this transport cannot be used: fix it.
    #[error("{setting} cannot be used: {cause}")]
    Setting {
        /// Which one.
        setting: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// Nobody answers there at the moment.
    #[error("{endpoint} cannot be reached: {cause}")]
    Unreachable {
        /// Who was asked.
        endpoint: String,
        /// What the operating system or the transport saw.
        cause: String,
    },
    /// Nobody answered in time.
    #[error("{endpoint} did not answer within {after:?}")]
    TimedOut {
        /// Who was asked.
        endpoint: String,
        /// How long we waited.
        after: Duration,
    },
    /// The peer could not prove who it is.
    #[error("no secure connection to {endpoint}: {cause}")]
    Untrusted {
        /// Who was asked.
        endpoint: String,
        /// What the TLS library objected to.
        cause: String,
    },
    /// The peer understood and said no.
    #[error("{endpoint} refused the connection with status {status}{}", said(.message))]
    Refused {
        /// Who was asked.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// The first line of what the peer said about it; may be empty.
        message: String,
        /// How long the peer wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// Something answers there, but it does not speak our protocol.
    #[error("{endpoint} does not speak this protocol: {cause}")]
    Foreign {
        /// Who was asked.
        endpoint: String,
        /// What it did instead.
        cause: String,
    },
    /// A hybrid tried all its transports.
    #[error("no transport works: {}", list(.0))]
    All(
        /// One for each transport, in the order they failed.
        Vec<TransportError>,
    ),
}

impl TransportError {
    /// True when trying again unchanged cannot help: a person or a setting has to change something.
    /// A careful owner still tries again now and then, because the other side may change too.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Address { .. } | Self::Setting { .. } | Self::Untrusted { .. } | Self::Foreign { .. } => {
                true
            }
            Self::Unreachable { .. } | Self::TimedOut { .. } => false,
            Self::Refused { status, .. } => is_permanent_status(*status),
            Self::All(failures) => failures.iter().all(Self::is_permanent),
        }
    }

    /// How long the peer asked to be left alone, where it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::All(failures) => failures.iter().filter_map(Self::retry_after).min(),
            Self::Address { .. }
            | Self::Setting { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Untrusted { .. }
            | Self::Foreign { .. } => None,
        }
    }
}

/// Timeouts, misdirection, rate limits and failures of the server pass; every other answer is meant.
fn is_permanent_status(status: u16) -> bool {
    match status {
        408 | 421 | 425 | 429 => false,
        501 | 505 => true,
        500..=599 => false,
        _ => true,
    }
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

fn list(failures: &[TransportError]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, retry_after: Option<Duration>) -> TransportError {
        let endpoint = "ws://relay".to_owned();
        TransportError::Refused { endpoint, status, message: String::new(), retry_after }
    }

    #[test]
    fn statuses_say_whether_to_try_again() {
        for status in [200, 301, 400, 401, 403, 404, 426, 501] {
            assert!(refused(status, None).is_permanent(), "{status}");
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(!refused(status, None).is_permanent(), "{status}");
        }
    }

    #[test]
    fn a_hybrid_is_hopeless_only_when_every_part_is() {
        let soon = Some(Duration::from_secs(1));
        let mixed = TransportError::All(vec![refused(401, None), refused(503, soon)]);
        assert!(!mixed.is_permanent());
        assert_eq!(mixed.retry_after(), soon);
        assert!(TransportError::All(vec![refused(401, None)]).is_permanent());
    }

    #[test]
    fn a_long_close_reason_is_cut_between_characters() {
        let close = Close::from("ä".repeat(100));
        assert_eq!(close.reason, "ä".repeat(61));
        assert_eq!(Close::from("done").to_string(), "done (code 1000)");
        assert_eq!(Close::new(Close::GOING_AWAY, "").to_string(), "code 1001");
    }
}
