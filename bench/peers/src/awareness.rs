//! Awareness of Yjs (`y-protocols/awareness`): who is there and what he shows, read no further than the measuring needs.

use memchr::memmem;
use syncline_core::protocol::lib0::{Malformed, Reader, write_number, write_text};

use crate::update::{self, Brought};

/// By this it is told how often a client has shown something: clocks are raised by servers, too.
const MOMENT: &str = "\"moment\":";

/// What a client shows of itself at a moment: a name and a colour, as editors do, and which moment it is.
pub fn state(number: usize, moment: u64) -> String {
    format!("{{\"user\":{{\"name\":\"user-{number}\",\"color\":\"#30bced\"}},{MOMENT}{moment}}}")
}

/// An awareness update about one client, who has shown something so many times before.
pub fn write(number: usize, shown: u64) -> Vec<u8> {
    let mut update = Vec::with_capacity(96);
    // Zero is what is known of who has never been there.
    [1, update::client(number), shown + 1].into_iter().for_each(|field| write_number(field, &mut update));
    write_text(&state(number, shown), &mut update);
    update
}

/// Reads which moment of which clients an awareness update tells of.
pub fn read(update: &[u8], bring: &mut dyn FnMut(Brought)) -> Result<(), Malformed> {
    let mut reader = Reader::new(update);
    for _ in 0..reader.number()? {
        let (client, _clock) = (reader.number()?, reader.number()?);
        let moment = moment(reader.buffer()?);
        if let Some((typist, from)) = update::typist(client).zip(moment) {
            bring(Brought { typist, from, to: from + 1 });
        }
    }
    Ok(())
}

/// The moment in a state; none if it is no state of ours, or of who is gone.
fn moment(state: &[u8]) -> Option<u64> {
    let digits = &state[memmem::find(state, MOMENT.as_bytes())? + MOMENT.len()..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read() {
        let mut both = vec![2];
        both.extend(&write(3, 0)[1..]);
        both.extend(&write(400, 6)[1..]);
        let mut brought = Vec::new();
        read(&both, &mut |one| brought.push(one)).expect("it is an update");
        let expected = [(3, 0, 1), (400, 6, 7)].map(|(typist, from, to)| Brought { typist, from, to });
        assert_eq!(brought, expected);
    }

    #[test]
    fn who_is_gone_shows_nothing() {
        let gone = [&[1, 0xe9, 7, 9, 4][..], b"null"].concat();
        read(&gone, &mut |one| panic!("{one:?}")).expect("it is an update");
    }
}
