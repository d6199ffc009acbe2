//! Time as a number that the caller supplies.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since the Unix epoch, as told by the driver; it never runs backwards within one replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub u64);

impl Time {
    /// The moment `millis` milliseconds later, or the end of time if that overflows.
    #[must_use]
    pub fn after(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The moment in words, in universal time and as RFC 3339 has it; `None` beyond the year 9999.
    #[must_use]
    pub fn rfc3339(self) -> Option<String> {
        let date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).ok()?;
        date.format(&Rfc3339).ok()
    }

    /// Milliseconds from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Whether a text is a date such as 2026-12-24, or a moment as RFC 3339 has it.
#[must_use]
pub fn is_date(text: &str) -> bool {
    let day = format!("{text}T00:00:00Z");
    [text, &day].iter().any(|moment| OffsetDateTime::parse(moment, &Rfc3339).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_dates() {
        for text in ["2026-12-24", "2024-02-29", "2026-12-24T18:00:00Z", "2026-12-24T18:00:00.5+02:00"] {
            assert!(is_date(text), "{text}");
        }
        for text in ["", "2026-02-29", "24.12.2026", "2026-12-24T18:00", "2026-1-1", "soon"] {
            assert!(!is_date(text), "{text}");
        }
        assert_eq!(Time(1).rfc3339().as_deref(), Some("1970-01-01T00:00:00.001Z"));
    }
}
