//! A Rust file as its code alone: comments and the contents of strings are blanked, line for line
//! and byte for byte. Checks that look for words then see neither prose nor messages, and braces
//! can be counted. A lexer of this size replaces a parser that would take longer to build than the
//! checks take to run.

/// One file, read for the checks.
#[derive(Debug)]
pub struct RustSource {
    /// From the root of the tree.
    pub path: String,
    /// The file as it is.
    pub text: String,
    /// The same length and lines, with comments and string contents as spaces.
    pub code: String,
}

/// A function's place in a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `fn`, from 1.
    pub line: usize,
    /// From its `fn` to its closing brace.
    pub lines: usize,
}

impl RustSource {
    /// Blanks `text`.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let code = blank(&text);
        Self { path: path.into(), text, code }
    }

    /// The lines of code, numbered from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The line of a byte of the file, from 1.
    pub fn line_at(&self, byte: usize) -> usize {
        self.code.as_bytes()[..byte].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// Where `word` stands alone, not as part of a longer name.
    pub fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        words(&self.code, word)
    }

    /// The functions that have a body, in order; functions inside functions count for themselves too.
    pub fn functions(&self) -> Vec<Function> {
        self.words("fn").filter_map(|at| self.function(at)).collect()
    }

    /// The attributes, each from `#` to its closing bracket, with its place.
    pub fn attributes(&self) -> Vec<(usize, &str)> {
        let starts = self.code.match_indices('#').map(|(at, _)| at);
        starts.filter_map(|at| Some((at, &self.code[at..self.attribute_end(at)?]))).collect()
    }

    fn function(&self, at: usize) -> Option<Function> {
        let name: String = self.code[at + 2..].trim_start().chars().take_while(|c| is_word(*c)).collect();
        if name.is_empty() {
            return None;
        }
        let open = body(&self.code, at)?;
        let end = closing(&self.code, open)?;
        let line = self.line_at(at);
        Some(Function { name, line, lines: self.line_at(end) - line + 1 })
    }

    fn attribute_end(&self, at: usize) -> Option<usize> {
        let inside = self.code[at + 1..].trim_start_matches('!');
        let open = self.code.len() - inside.len();
        inside.starts_with('[').then_some(())?;
        Some(closing(&self.code, open)? + 1)
    }
}

/// Where `word` stands alone in `code`.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let open_start = !word.starts_with(is_word) || !before.is_some_and(is_word);
        let open_end = !word.ends_with(is_word) || !after.is_some_and(is_word);
        open_start && open_end
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The opening brace of the function at `at`, unless it is a declaration without a body.
fn body(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (offset, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(offset),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The bracket that closes the one at `open`.
pub fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (offset, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(offset);
        }
    }
    None
}

fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_word = code.chars().next_back().is_some_and(is_word);
        let (kept, blanked) = token(rest, after_word).unwrap_or((first.len_utf8(), 0));
        code.push_str(&rest[..kept]);
        code.extend(rest[kept..kept + blanked].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        rest = &rest[kept + blanked..];
    }
    code
}

/// How many bytes of a comment or literal at the start of `rest` are kept and then blanked; `None`
/// for everything else. The closing quote is left to be kept as ordinary code.
fn token(rest: &str, after_word: bool) -> Option<(usize, usize)> {
    if rest.starts_with("//") {
        return Some((0, rest.find('\n').unwrap_or(rest.len())));
    }
    if rest.starts_with("/*") {
        return Some((0, block_comment(rest)));
    }
    if rest.starts_with('\'') {
        return character(rest).map(|length| (0, length));
    }
    if after_word {
        return None;
    }
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        let quoted = rest[..].strip_prefix(prefix).map(|tail| tail.trim_start_matches('#'));
        let raw = prefix.ends_with('r') || rest[prefix.len().min(rest.len())..].starts_with('"');
        raw && quoted.is_some_and(|tail| tail.starts_with('"'))
    })?;
    Some((0, string(rest, prefix)))
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_u32;
    let mut at = 0;
    while at < rest.len() {
        let tail = &rest.as_bytes()[at..];
        if tail.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// A character literal's length; `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        chars.next()?;
        return rest[2..].char_indices().skip(1).find(|(_, c)| *c == '\'').map(|(at, _)| at + 3);
    }
    chars.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at + 1)
}

fn string(rest: &str, prefix: &str) -> usize {
    let hashes = rest[prefix.len()..].bytes().take_while(|byte| *byte == b'#').count();
    let start = prefix.len() + hashes + 1;
    if prefix.ends_with('r') {
        let close = format!("\"{}", "#".repeat(hashes));
        return rest[start..].find(&close).map_or(rest.len(), |at| start + at + close.len());
    }
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(start) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        RustSource::new("a.rs", text).code
    }

    #[test]
    fn blanks_comments_and_strings_and_keeps_the_rest() {
        for (text, gone, kept) in [
            ("a // todo\nb", "todo", "\nb"),
            ("a /* x /* todo */ y */ b", "todo", "b"),
            ("f(\"todo \\\" todo\") + b", "todo", "+ b"),
            ("f(r#\"todo \" todo\"#) + b", "todo", "+ b"),
            ("f(b\"todo\", br\"todo\", c\"todo\") + b", "todo", "+ b"),
            ("('{', '\\'', '\\u{7b}', '\"') + b", "{", "+ b"),
        ] {
            let code = code(text);
            assert!(!code.contains(gone), "{text} became {code}");
            assert!(code.contains(kept), "{text} became {code}");
            assert_eq!(code.len(), text.len());
        }
    }

    #[test]
    fn lifetimes_and_raw_names_are_code() {
        assert_eq!(code("fn f<'a>(r#type: &'a str) {}"), "fn f<'a>(r#type: &'a str) {}");
    }

    #[test]
    fn measures_functions_from_fn_to_brace() {
        let source =
            RustSource::new("a.rs", "trait T {\n fn no(&self);\n}\nfn yes(x: [u8; 2]) {\n  '{';\n}\n");
        assert_eq!(source.functions(), [Function { name: "yes".into(), line: 4, lines: 3 }]);
    }

    #[test]
    fn finds_words_and_attributes() {
        let source = RustSource::new("a.rs", "#![deny(a)]\n#[allow(b, reason = \"]\")]\nlet operand = rand;");
        assert_eq!(source.words("rand").count(), 1);
        let attributes: Vec<&str> = source.attributes().into_iter().map(|(_, text)| text).collect();
        assert_eq!(attributes.len(), 2);
        assert!(attributes[1].ends_with(")]"), "{attributes:?}");
    }
}
