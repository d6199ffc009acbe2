//! Real strings that break naive programs, where the data directory is at hand.

use std::sync::OnceLock;

use crate::real_data::real_data;

/// The strings; none if the data is absent, which is said once: scripts use built-in texts only.
pub fn naughty() -> &'static [String] {
    static STRINGS: OnceLock<Vec<String>> = OnceLock::new();
    STRINGS.get_or_init(|| {
        let Some(directory) = real_data("strings") else { return Vec::new() };
        [naughty_list(&directory), emoji_sequences(&directory)].concat()
    })
}

fn naughty_list(directory: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(directory.join("blns.json")).unwrap_or_default();
    if text.is_empty() {
        Vec::new()
    } else {
        serde_json::from_str(&text).expect("the file is an array of strings")
    }
}

/// Lines of `code points ; type ; name`.
fn emoji_sequences(directory: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(directory.join("emoji-zwj-sequences.txt")).unwrap_or_default();
    let codes = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(';'));
    codes.map(|(codes, _)| codes.split_whitespace().filter_map(code_point).collect()).collect()
}

fn code_point(hex: &str) -> Option<char> {
    u32::from_str_radix(hex, 16).ok().and_then(char::from_u32)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use syncline_core::json::to_canonical_json;
    use syncline_core::operation::Operation;
    use syncline_core::path::Path;
    use syncline_core::value::Value;

    use super::naughty;
    use crate::families::{REAL, document, read, receive, reloaded};

    /// Every string as a key, as a register and as a text edited from its middle.
    fn written() -> Vec<Operation> {
        let path = |index: usize| Path::root().child("all").child(format!("{index:04}"));
        let strings = || naughty().iter().enumerate();
        let keyed = strings().map(|(index, text)| Operation::Put {
            path: path(index),
            value: Value::Map(BTreeMap::from([(text.clone(), Value::String(text.clone()))])),
        });
        let typed = strings().flat_map(|(index, text)| {
            let path = path(index).child("typed");
            let halves: Vec<char> = text.chars().collect();
            let (left, right) = halves.split_at(halves.len() / 2);
            let splice = |insert: &[char]| Operation::Splice {
                path: path.clone(),
                at: 0,
                delete: 0,
                insert: insert.iter().collect(),
            };
            [splice(right), splice(left)]
        });
        keyed.chain(typed).collect()
    }

    #[test]
    fn every_naughty_string_is_kept_exactly() {
        for spec in REAL {
            let (mut alice, mut bob) = (document(spec, 1), document(spec, 2));
            written().iter().for_each(|operation| alice.perform(operation).unwrap());
            if let Some(update) = alice.take_local().unwrap() {
                receive(&mut *bob, 1, &update);
            }
            for document in [&*alice, &*bob, &*reloaded(spec, &*bob)] {
                let all = document.value(&Path::root().child("all"));
                let kept = naughty().iter().enumerate().all(|(index, text)| {
                    let Some(Value::Map(all)) = &all else { return false };
                    let expected = BTreeMap::from([
                        (text.clone(), Value::String(text.clone())),
                        ("typed".to_owned(), Value::Text(text.clone())),
                    ]);
                    all.get(&format!("{index:04}")) == Some(&Value::Map(expected))
                });
                assert!(kept, "{spec}");
                let json: serde_json::Value =
                    serde_json::from_str(&to_canonical_json(&read(document))).unwrap();
                assert_eq!(read(document).to_json(), json);
            }
        }
    }
}
