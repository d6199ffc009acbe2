//! Edits that every kind of client and our own stores can make alike, and drawing them from a seed.
//!
//! All clients edit one neutral document: a text, a map and a list, with more of each inside. Whoever makes an edit need not
//! know the document: positions beyond an end mean the end, and an edit of something that is not there is passed over.

use serde_json::{Value as Json, json};
use syncline::{Operation, Value};
use syncline_core::path::Path;
use syncline_core::random::Random;

/// Keys of the map. The first letter says what they hold: maps, lists, texts, or whatever comes.
const KEYS: [&str; 6] = ["m", "l", "t", "a", "b", "🔑"];

/// What is written. Characters of one to four bytes in UTF-8, of one and two units in UTF-16, and some of several code points.
const TEXTS: [&str; 10] = [
    "a",
    "plain words",
    "🦀",
    "👩‍👩‍👧‍👦",
    "e\u{301}é",
    "line\nbreak\t\"\\",
    "שלום \u{202e}",
    "𝒳𐍈",
    "\u{7f}\u{2028}",
    "한국어",
];

/// Numbers that JavaScript, Python and JSON spell alike.
const NUMBERS: [f64; 9] =
    [0.0, 1.0, -1.0, 0.5, -0.25, 123_456.789, 2_147_483_648.0, -2_147_483_649.0, 9_007_199_254_740_991.0];

/// Longest range that is deleted, and largest position that is named.
const RANGE: usize = 5;
const POSITIONS: usize = 30;

/// How likely an edit is of something inside the map or the list, at each step down.
const INWARDS: f64 = 0.4;

/// One change of the neutral document.
#[derive(Clone, Debug)]
pub struct Edit {
    /// What is changed: the text, the map, the list, or something inside the latter two.
    place: Vec<Json>,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    /// A text gets more.
    Insert { at: usize, value: String },
    /// A text loses a range.
    Delete { at: usize, count: usize },
    /// A key of a map is given a value, made of shared types or as one piece.
    Set { key: String, value: Json, shared: bool },
    /// A key goes.
    Unset { key: String },
    /// A list gets more.
    Push { at: usize, values: Vec<Json>, shared: bool },
    /// A list loses a range.
    Pull { at: usize, count: usize },
}

impl Edit {
    /// Edits that tell everybody that somebody has come so far: see [`mark`].
    #[must_use]
    pub fn marks(name: &str, number: usize) -> [Self; 3] {
        let value = format!("{name}{number}");
        let edit = |field: &str, change| Self { place: vec![field.into()], change };
        [
            edit("text", Change::Insert { at: 0, value: value.clone() }),
            edit("list", Change::Push { at: 0, values: vec![value.into()], shared: false }),
            edit("map", Change::Set { key: name.to_owned(), value: number.into(), shared: false }),
        ]
    }

    /// Any edit.
    pub fn draw(random: &mut Random) -> Self {
        let (mut place, mut sort) = match random.below(3) {
            0 => (vec![Json::from("text")], 't'),
            1 => (vec![Json::from("list")], 'l'),
            _ => (vec![Json::from("map")], 'm'),
        };
        while random.chance(INWARDS) && sort != 't' {
            let key = KEYS[random.index(3)];
            place.push(if sort == 'm' { key.into() } else { random.index(3).into() });
            // In a list there may be anything.
            sort = key.chars().next().unwrap_or('m');
        }
        Self { place, change: Change::draw(random, sort) }
    }

    /// Several edits, as one transaction.
    pub fn several(random: &mut Random, most: usize) -> Vec<Self> {
        (0..1 + random.index(most)).map(|_| Self::draw(random)).collect()
    }

    /// As the drivers want it.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut edit = match &self.change {
            Change::Insert { at, value } => json!({ "op": "insert", "at": at, "value": value }),
            Change::Delete { at, count } => json!({ "op": "delete", "at": at, "count": count }),
            Change::Set { key, value, shared } => {
                json!({ "op": "set", "key": key, "value": value, "shared": shared })
            }
            Change::Unset { key } => json!({ "op": "unset", "key": key }),
            Change::Push { at, values, shared } => {
                json!({ "op": "push", "at": at, "values": values, "shared": shared })
            }
            Change::Pull { at, count } => json!({ "op": "pull", "at": at, "count": count }),
        };
        edit["in"] = self.place.clone().into();
        edit
    }

    /// What it means for a document of ours that reads as `document`; nothing if it is passed over.
    #[must_use]
    pub fn operations(&self, document: &Value) -> Vec<Operation> {
        let path: Path = self.place.iter().map(token).collect();
        let found = self.place.iter().try_fold(document, |node, token| child(node, token));
        // A field without content is not there, and comes with its first.
        let is_field = self.place.len() == 1;
        let size = match (&self.change, found) {
            (Change::Insert { .. } | Change::Delete { .. }, Some(Value::Text(text))) => text.chars().count(),
            (Change::Set { .. } | Change::Unset { .. }, Some(Value::Map(map))) => map.len(),
            (Change::Push { .. } | Change::Pull { .. }, Some(Value::List(list))) => list.len(),
            (_, None) if is_field => 0,
            (_, Some(_) | None) => return Vec::new(),
        };
        self.change.operations(&path, size, found)
    }
}

impl Change {
    /// A change of something of a sort: a text, a list, or else a map.
    fn draw(random: &mut Random, sort: char) -> Self {
        let (at, count) = (random.index(POSITIONS), 1 + random.index(RANGE));
        let takes = random.chance(0.3);
        match sort {
            't' if takes => Self::Delete { at, count },
            't' => Self::Insert { at, value: text(random) },
            'l' if takes => Self::Pull { at: at % RANGE, count },
            'l' => {
                let shared = random.chance(0.5);
                let values = (0..1 + random.index(2)).map(|_| stored(value(random, 'a'), shared)).collect();
                Self::Push { at: at % RANGE, values, shared }
            }
            _ => {
                let key = KEYS[random.index(KEYS.len())];
                if takes {
                    return Self::Unset { key: key.to_owned() };
                }
                let sort = key.chars().next().unwrap_or('a');
                // What others are to edit is of shared types.
                let shared = ['m', 'l', 't'].contains(&sort) || random.chance(0.5);
                Self::Set { key: key.to_owned(), value: stored(value(random, sort), shared), shared }
            }
        }
    }

    fn operations(&self, path: &Path, size: usize, found: Option<&Value>) -> Vec<Operation> {
        let path = path.clone();
        match self {
            Self::Insert { at, value } => {
                vec![Operation::Splice { path, at: *at.min(&size), delete: 0, insert: value.clone() }]
            }
            Self::Delete { .. } | Self::Pull { .. } if size == 0 => Vec::new(),
            Self::Delete { at, count } => {
                let at = *at.min(&size);
                vec![Operation::Splice { path, at, delete: *count.min(&(size - at)), insert: String::new() }]
            }
            Self::Set { key, value, .. } => {
                vec![Operation::Put { path: path.child(key), value: ours(value) }]
            }
            Self::Unset { key } => match found {
                Some(Value::Map(map)) if map.contains_key(key) => {
                    vec![Operation::Remove { path: path.child(key) }]
                }
                Some(_) | None => Vec::new(),
            },
            Self::Push { at, values, .. } => {
                let place = if *at < size { path.child(at) } else { path.child("-") };
                vec![Operation::Insert { path: place, values: values.iter().map(ours).collect() }]
            }
            Self::Pull { at, count } => {
                let at = *at.min(&size);
                let gone = 0..*count.min(&(size - at));
                gone.map(|_| Operation::Remove { path: path.child(at) }).collect()
            }
        }
    }
}

/// What somebody's map holds when his marks have come.
#[must_use]
pub fn mark(name: &str, number: usize) -> Json {
    json!({ "map": { name: number } })
}

/// A document of ours as the drivers print theirs: with fields that have no content.
#[must_use]
pub fn canonical(document: &Value) -> String {
    let Value::Map(fields) = document else { panic!("a document is a map: {document:?}") };
    let mut fields = fields.clone();
    for (name, empty) in [("list", Value::List(Vec::new())), ("map", Value::Map([].into()))] {
        fields.entry(name.to_owned()).or_insert(empty);
    }
    fields.entry("text".to_owned()).or_insert_with(|| Value::Text(String::new()));
    syncline::json::to_canonical_json(&Value::Map(fields))
}

fn token(token: &Json) -> String {
    token.as_str().map_or_else(|| token.to_string(), ToOwned::to_owned)
}

fn child<'a>(node: &'a Value, token: &Json) -> Option<&'a Value> {
    match node {
        Value::Map(map) => map.get(token.as_str()?),
        Value::List(list) => list.get(usize::try_from(token.as_u64()?).ok()?),
        _ => None,
    }
}

/// A value with texts in it that are edited in place.
fn ours(value: &Json) -> Value {
    match value {
        Json::Array(list) => Value::List(list.iter().map(ours).collect()),
        Json::Object(map) => match map.get("$text").and_then(Json::as_str) {
            Some(text) => Value::Text(text.to_owned()),
            None => Value::Map(map.iter().map(|(key, value)| (key.clone(), ours(value))).collect()),
        },
        scalar => Value::from_json(scalar).expect("it was drawn to be one"),
    }
}

/// A value as it is kept: of shared types, or as plain JSON, which has no texts that are edited in place.
fn stored(value: Json, shared: bool) -> Json {
    if shared { value } else { ours(&value).to_json() }
}

fn text(random: &mut Random) -> String {
    TEXTS[random.index(TEXTS.len())].to_owned()
}

/// A value for a key of a sort.
fn value(random: &mut Random, sort: char) -> Json {
    match sort {
        'm' => json!({ "t": { "$text": text(random) }, "a": scalar(random) }),
        'l' => json!([scalar(random), { "$text": text(random) }, { "a": [] }]),
        't' => json!({ "$text": text(random) }),
        _ => match random.below(6) {
            0 => value(random, 'm'),
            1 => value(random, 'l'),
            _ => scalar(random),
        },
    }
}

fn scalar(random: &mut Random) -> Json {
    match random.below(6) {
        0 => Json::Null,
        1 => random.chance(0.5).into(),
        2 | 3 => Value::number(NUMBERS[random.index(NUMBERS.len())]).to_json(),
        _ => text(random).into(),
    }
}
