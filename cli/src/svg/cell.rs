//! A value of the data, as charts compare and place it.

use std::cmp::Ordering;

use serde_json::Value as Json;

/// A value. Numbers are finite.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Nothing, or nothing that can be drawn.
    Null,
    /// True or false.
    Boolean(bool),
    /// A number, or a time in milliseconds since 1970.
    Number(f64),
    /// Everything else.
    Text(String),
    /// From one number to another: a bin, a stretch of time, what is stacked.
    Span(f64, f64),
}

impl Cell {
    /// A number; one that is not finite is nothing.
    pub fn number(number: f64) -> Self {
        // Adding zero makes one zero of the two.
        if number.is_finite() { Self::Number(number + 0.0) } else { Self::Null }
    }

    /// What JSON says.
    pub fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(boolean) => Self::Boolean(*boolean),
            Json::Number(number) => number.as_f64().map_or(Self::Null, Self::number),
            Json::String(text) => Self::Text(text.clone()),
            Json::Array(_) | Json::Object(_) => Self::Text(json.to_string()),
        }
    }

    /// As a quantity: what reads as a number is one, everything else is nothing.
    pub fn quantity(&self) -> Self {
        match self {
            Self::Number(_) | Self::Span(..) => self.clone(),
            Self::Boolean(boolean) => Self::Number(f64::from(u8::from(*boolean))),
            Self::Text(text) => text.trim().parse().map_or(Self::Null, Self::number),
            Self::Null => Self::Null,
        }
    }

    /// Whether it is nothing.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Its numbers: one, or both ends.
    pub fn ends(&self) -> Option<(f64, f64)> {
        match self {
            Self::Number(number) => Some((*number, *number)),
            Self::Span(from, to) => Some((*from, *to)),
            Self::Null | Self::Boolean(_) | Self::Text(_) => None,
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Boolean(_) => 1,
            Self::Number(_) => 2,
            Self::Span(..) => 3,
            Self::Text(_) => 4,
        }
    }
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Cell {}

impl PartialOrd for Cell {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cell {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Boolean(one), Self::Boolean(two)) => one.cmp(two),
            (Self::Number(one), Self::Number(two)) => one.total_cmp(two),
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            (Self::Span(one, end), Self::Span(two, other)) => one.total_cmp(two).then(end.total_cmp(other)),
            (one, two) => one.rank().cmp(&two.rank()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_as_a_finite_number_is_a_quantity() {
        let quantity = |text: &str| Cell::Text(text.to_owned()).quantity();
        assert_eq!(quantity(" 0.5 "), Cell::Number(0.5));
        for text in ["", "a", "NaN", "inf", "1e999"] {
            assert_eq!(quantity(text), Cell::Null, "{text:?}");
        }
        assert_eq!(Cell::number(-0.0), Cell::number(0.0));
    }
}
