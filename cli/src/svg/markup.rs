//! SVG as text: what is written here is well-formed, whatever the texts and numbers are.

use std::fmt::Write as _;

/// Farthest from the origin that anything is written, in pixels.
const FARTHEST: f64 = 1e6;

/// A document that grows.
#[derive(Debug, Default)]
pub struct Markup {
    written: String,
    open: Vec<&'static str>,
}

/// An attribute's value.
pub enum Attribute<'a> {
    /// A text.
    Text(&'a str),
    /// A number.
    Number(f64),
}

impl<'a> From<&'a str> for Attribute<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Attribute<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Attribute<'_> {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl Markup {
    /// Begins an element that has content.
    pub fn open(&mut self, name: &'static str, attributes: &[(&str, Attribute<'_>)]) {
        self.tag(name, attributes);
        self.written.push('>');
        self.open.push(name);
    }

    /// Ends the element that began last.
    pub fn close(&mut self) {
        let name = self.open.pop().expect("what is closed was opened");
        let _ = write!(self.written, "</{name}>");
        if name != "title" && name != "text" {
            self.written.push('\n');
        }
    }

    /// An element without content.
    pub fn empty(&mut self, name: &'static str, attributes: &[(&str, Attribute<'_>)]) {
        self.tag(name, attributes);
        self.written.push_str("/>\n");
    }

    /// An element with nothing but text in it.
    pub fn text(&mut self, name: &'static str, attributes: &[(&str, Attribute<'_>)], text: &str) {
        self.open(name, attributes);
        self.written.push_str(&escape(text));
        self.close();
        if name == "text" {
            self.written.push('\n');
        }
    }

    /// Adds what was written apart.
    pub fn append(&mut self, other: Self) {
        self.written.push_str(&other.finish());
    }

    fn tag(&mut self, name: &'static str, attributes: &[(&str, Attribute<'_>)]) {
        let _ = write!(self.written, "<{name}");
        for (key, value) in attributes {
            let value = match value {
                Attribute::Text(text) => escape(text),
                Attribute::Number(value) => number(*value),
            };
            let _ = write!(self.written, " {key}=\"{value}\"");
        }
    }

    /// The whole text, once everything is closed.
    pub fn finish(self) -> String {
        debug_assert!(self.open.is_empty(), "every element is closed");
        self.written
    }
}

/// A number of pixels, to a thousandth.
pub fn number(number: f64) -> String {
    // What is no number at all stands at the origin; nothing that draws makes one.
    let number = if number.is_nan() { 0.0 } else { number.clamp(-FARTHEST, FARTHEST) };
    let rounded = (number * 1000.0).round() / 1000.0 + 0.0;
    rounded.to_string()
}

/// A text as XML has it; control characters, which it cannot hold, become U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => _ = write!(escaped, "&#{};", character as u32),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_what_xml_cannot_hold_is_replaced() {
        let mut markup = Markup::default();
        markup.text("text", &[("x", f64::NAN.into()), ("id", "\"<&>'".into())], "a\0b\u{fffe} <é漢👩‍👩‍👧>\n");
        let expected =
            "<text x=\"0\" id=\"&quot;&lt;&amp;&gt;'\">a\u{fffd}b\u{fffd} &lt;é漢👩‍👩‍👧&gt;&#10;</text>\n";
        assert_eq!(markup.finish(), expected);
    }

    #[test]
    fn numbers_are_short_and_bounded() {
        assert_eq!(number(-0.000_01), "0");
        assert_eq!(number(1.0 / 3.0), "0.333");
        assert_eq!(number(f64::INFINITY), "1000000");
    }
}
