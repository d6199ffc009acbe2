//! Why a chart is not drawn.

use thiserror::Error;

/// What keeps a specification from being drawn as it is meant.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Undrawable {
    /// It means something that this program does not draw.
    #[error(
        "{what}, at {at:?}, is nothing that `chart --svg` can draw; Vega-Lite's own tools draw it from an `export`"
    )]
    Unsupported {
        /// Where it stands, as a JSON Pointer.
        at: String,
        /// What it is.
        what: String,
    },
    /// It means nothing: its author is to mend it.
    #[error("{at:?} cannot be drawn: {reason}")]
    Malformed {
        /// Where it stands, as a JSON Pointer.
        at: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is larger than a picture of it is useful.
    #[error("the chart has more than {limit} {what}, more than are drawn")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much of it is drawn.
        limit: usize,
    },
}
