//! Text of people on its way to a terminal: nothing in it may command the terminal or take another width than is
//! reckoned with.
//!
//! The document keeps every character; what is changed here is changed on the screen alone.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// What stands for a character that commands a terminal and has no picture of its own.
const REPLACEMENT: char = '▯';

/// The pictures of the control characters, in their order.
const PICTURES: u32 = 0x2400;

/// Spaces in place of a tab.
const TAB: &str = "    ";

/// Most characters that are shown of one that is made of several: marks without end would cover other lines.
const MAX_MARKS: usize = 8;

/// What ends a line that goes on.
pub const ELLIPSIS: &str = "…";

/// A line of text as it may be drawn, line breaks included: a title is one line, whatever is in it.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| (' '..='~').contains(&c)) {
        return Cow::Borrowed(text);
    }
    let graphemes = text.graphemes(true);
    Cow::Owned(graphemes.fold(String::new(), |clean, grapheme| clean + &clean_grapheme(grapheme)))
}

/// One character as people count them. Emoji that are made of several are shown by their first one, because terminals
/// do not agree how wide the whole is.
#[must_use]
pub fn clean_grapheme(grapheme: &str) -> String {
    if grapheme == "\t" {
        return TAB.to_owned();
    }
    let whole = if is_joined_emoji(grapheme) { 1 } else { MAX_MARKS };
    grapheme.chars().take(whole).map(visible).collect()
}

fn is_joined_emoji(grapheme: &str) -> bool {
    let joins = |c: char| matches!(c, '\u{fe0f}' | '\u{20e3}' | '\u{1f3fb}'..='\u{1f3ff}');
    let is_picture = grapheme.starts_with(|c: char| matches!(c, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..));
    grapheme.chars().skip(1).any(joins) || (is_picture && grapheme.contains('\u{200d}'))
}

/// Control characters become their pictures; what turns the direction of a line becomes a replacement.
fn visible(c: char) -> char {
    let code = u32::from(c);
    match c {
        '\0'..='\u{1f}' => char::from_u32(PICTURES + code).unwrap_or(REPLACEMENT),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' => REPLACEMENT,
        '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' => {
            REPLACEMENT
        }
        '\u{fffd}' => REPLACEMENT,
        _ => c,
    }
}

/// How many cells a clean text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// As much of a text as there is room for, cleaned, with an ellipsis if that is not all.
#[must_use]
pub fn fit(text: &str, room: usize) -> String {
    let clean = clean(text);
    if width(&clean) <= room {
        return clean.into_owned();
    }
    let (start, _) = split(&clean, room.saturating_sub(1));
    if room == 0 { String::new() } else { format!("{}{ELLIPSIS}", start.trim_end()) }
}

/// The start of a clean text that there is room for, and the rest.
fn split(text: &str, room: usize) -> (&str, &str) {
    let mut used = 0;
    let end = text.grapheme_indices(true).find(|(_, grapheme)| {
        used += grapheme.width();
        used > room
    });
    text.split_at(end.map_or(text.len(), |(at, _)| at))
}

/// A text in lines of this width, broken between words where that can be. Its own line breaks stay.
#[must_use]
pub fn wrap(text: &str, room: usize) -> Vec<String> {
    text.lines().flat_map(|line| wrap_line(&clean(line), room.max(1))).collect()
}

/// A text that is one line in at most so many lines, the last one cut short if there is more.
#[must_use]
pub fn wrap_title(title: &str, room: usize, lines: usize) -> Vec<String> {
    let clean = clean(title);
    // No more is looked at than can be shown.
    let (start, rest) = split(&clean, room.saturating_mul(lines + 1));
    let mut wrapped = wrap_line(start, room.max(1));
    if wrapped.len() > lines || !rest.is_empty() {
        let last = wrapped.split_off(lines.saturating_sub(1).min(wrapped.len())).join(" ");
        wrapped.push(fit(&(last + rest), room));
    }
    wrapped
}

fn wrap_line(line: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = line;
    while width(rest) > room {
        let (start, _) = split(rest, room);
        let after_space = start.ends_with(' ') || rest[start.len()..].starts_with(' ');
        let at_word = start.trim_end().rfind(' ').filter(|at| !after_space && *at > 0);
        let whole = rest.graphemes(true).next().map_or(0, str::len);
        let end = at_word.unwrap_or(start.len()).max(if start.is_empty() { whole } else { 0 });
        lines.push(rest[..end].trim_end().to_owned());
        rest = rest[end..].trim_start_matches(' ');
    }
    if !rest.is_empty() || lines.is_empty() {
        lines.push(rest.to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_commands_a_terminal_is_left() {
        let hostile = "\u{1b}]0;owned\u{7} \u{9b}2J \u{202e}evil\u{2028}x\r\n\u{7f}";
        let clean = clean(hostile);
        assert_eq!(clean, "␛]0;owned␇ ▯2J ▯evil▯x␍␊␡");
        assert!(!clean.chars().any(char::is_control));
    }

    #[test]
    fn emoji_take_the_same_width_everywhere() {
        for (text, shown, wide) in [
            ("👩‍👩‍👧‍👦!", "👩!", 3),
            ("👍🏽", "👍", 2),
            ("❤️", "❤", 1),
            ("🇩🇪", "🇩🇪", 2),
            ("क्षि", "क्षि", width("क्षि")),
        ] {
            let clean = clean(text);
            assert_eq!((clean.as_ref(), width(&clean)), (shown, wide), "{text}");
        }
        let marks = "a".to_owned() + &"\u{301}".repeat(500);
        assert_eq!(clean(&marks).chars().count(), MAX_MARKS);
    }

    #[test]
    fn what_is_cut_fits_and_says_so() {
        assert_eq!(fit("日本語のタイトル", 7), "日本語…");
        assert_eq!(
            (fit("abc", 3), fit("abcd", 3), fit("abc", 0)),
            ("abc".into(), "ab…".into(), String::new())
        );
        assert_eq!(wrap_title("Call the printer about the catalogue", 12, 2), ["Call the", "printer abo…"]);
        assert_eq!(wrap_title("two", 12, 2), ["two"]);
        assert_eq!(wrap_title(&"x".repeat(1000), 10, 2), ["xxxxxxxxxx", "xxxxxxxxx…"]);
        assert_eq!(wrap_title("日本", 1, 1), ["…"]);
    }

    #[test]
    fn lines_break_between_words_and_inside_of_long_ones() {
        assert_eq!(wrap("one two three\n\nfour", 7), ["one two", "three", "", "four"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("日本語", 3), ["日", "本", "語"]);
        assert_eq!(wrap("日本", 1), ["日", "本"], "what is wider than the room is not lost");
    }
}
