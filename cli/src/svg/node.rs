//! A specification, read strictly: whatever nobody asked for is an error, as it may change the picture.

use serde_json::{Map, Value as Json};

use super::undrawable::Undrawable;

/// A JSON value and where it stands.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    /// The value.
    pub json: &'a Json,
    /// Where it stands, as a JSON Pointer.
    pub at: String,
}

impl<'a> Node<'a> {
    /// A whole specification.
    pub const fn root(json: &'a Json) -> Self {
        Self { json, at: String::new() }
    }

    /// It means something that is not drawn.
    pub fn unsupported(&self, what: impl Into<String>) -> Undrawable {
        Undrawable::Unsupported { at: self.at.clone(), what: what.into() }
    }

    /// It means nothing.
    pub fn malformed(&self, reason: impl Into<String>) -> Undrawable {
        Undrawable::Malformed { at: self.at.clone(), reason: reason.into() }
    }

    /// What is said where another sort of value is wanted. An expression may well be of that sort, once computed.
    fn unlike(&self, wanted: &str) -> Undrawable {
        let computed = ["expr", "signal"].iter().find_map(|key| self.json.get(key));
        match computed {
            Some(expression) => self.unsupported(format!("the expression {expression}")),
            None => self.malformed(format!("{wanted} is wanted here")),
        }
    }

    /// An object.
    pub fn object(&self) -> Result<Object<'a>, Undrawable> {
        let map = self.json.as_object().ok_or_else(|| self.unlike("an object"))?;
        Ok(Object { map, node: self.clone(), asked: Vec::new() })
    }

    /// A number.
    pub fn number(&self) -> Result<f64, Undrawable> {
        self.json.as_f64().filter(|number| number.is_finite()).ok_or_else(|| self.unlike("a number"))
    }

    /// A string.
    pub fn string(&self) -> Result<&'a str, Undrawable> {
        self.json.as_str().ok_or_else(|| self.unlike("a string"))
    }

    /// True or false.
    pub fn boolean(&self) -> Result<bool, Undrawable> {
        self.json.as_bool().ok_or_else(|| self.unlike("true or false"))
    }

    /// A list.
    pub fn list(&self) -> Result<Vec<Self>, Undrawable> {
        let list = self.json.as_array().ok_or_else(|| self.unlike("a list"))?;
        let child = |(index, json)| Node { json, at: format!("{}/{index}", self.at) };
        Ok(list.iter().enumerate().map(child).collect())
    }

    /// The elements of a list, or the one value that stands for a list of it.
    pub fn one_or_more(&self) -> Vec<Self> {
        self.list().unwrap_or_else(|_| vec![self.clone()])
    }

    /// A list of numbers.
    pub fn numbers(&self) -> Result<Vec<f64>, Undrawable> {
        self.list()?.iter().map(Node::number).collect()
    }

    /// Text for people: a string, or a list of lines of which one line is made.
    pub fn text(&self) -> Result<String, Undrawable> {
        let lines: Result<Vec<&str>, Undrawable> = self.one_or_more().iter().map(Node::string).collect();
        Ok(lines?.join(" "))
    }

    /// One of some names.
    pub fn one_of<T: Copy>(&self, what: &str, known: &[(&str, T)]) -> Result<T, Undrawable> {
        let name = self.string()?;
        let found = known.iter().find(|(known, _)| *known == name);
        found.map(|(_, meant)| *meant).ok_or_else(|| self.unsupported(format!("the {what} {name:?}")))
    }
}

/// An object, and which of its keys were asked for.
pub struct Object<'a> {
    map: &'a Map<String, Json>,
    /// The object as a value.
    pub node: Node<'a>,
    asked: Vec<&'static str>,
}

impl<'a> Object<'a> {
    /// The value of a key.
    pub fn take(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.asked.push(key);
        self.map.get(key).map(|json| Node { json, at: format!("{}/{key}", self.node.at) })
    }

    /// The value of a key, where `null` means none.
    pub fn some(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.take(key).filter(|node| !node.json.is_null())
    }

    /// A number.
    pub fn number(&mut self, key: &'static str) -> Result<Option<f64>, Undrawable> {
        self.some(key).map(|node| node.number()).transpose()
    }

    /// A string.
    pub fn string(&mut self, key: &'static str) -> Result<Option<String>, Undrawable> {
        self.some(key).map(|node| node.string().map(str::to_owned)).transpose()
    }

    /// True or false.
    pub fn boolean(&mut self, key: &'static str) -> Result<Option<bool>, Undrawable> {
        self.some(key).map(|node| node.boolean()).transpose()
    }

    /// Keys that change nothing in a picture that does not move.
    pub fn pass_over(&mut self, keys: &[&'static str]) {
        self.asked.extend(keys);
    }

    /// The keys that nobody asked for.
    pub fn rest(&self) -> impl Iterator<Item = (&'a String, Node<'a>)> {
        let unasked = |(key, _): &(&'a String, &'a Json)| !self.asked.contains(&key.as_str());
        let at = self.node.at.clone();
        self.map.iter().filter(unasked).map(move |(key, json)| {
            let step = key.replace('~', "~0").replace('/', "~1");
            (key, Node { json, at: format!("{at}/{step}") })
        })
    }

    /// Complains of the keys that nobody asked for; `of` is what has them.
    pub fn finish(self, of: &str) -> Result<(), Undrawable> {
        let unknown = self.rest().next();
        unknown.map_or(Ok(()), |(key, node)| Err(node.unsupported(format!("{key:?} of {of}"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_nobody_asked_for_is_an_error_that_names_it() {
        let json = json!({"known": 1, "un/known": 2});
        let mut object = Node::root(&json).object().expect("it is one");
        assert_eq!(object.number("known"), Ok(Some(1.0)));
        let error = object.finish("a mark").expect_err("one key is left");
        let what = "\"un/known\" of a mark".to_owned();
        assert_eq!(error, Undrawable::Unsupported { at: "/un~1known".into(), what });
    }

    #[test]
    fn an_expression_is_named_where_a_value_is_wanted() {
        let json = json!({"size": {"expr": "height / 2"}, "angle": "steep"});
        let mut object = Node::root(&json).object().expect("it is one");
        let error = object.number("size").expect_err("it is no number");
        assert!(error.to_string().contains("the expression \"height / 2\""), "{error}");
        assert!(matches!(object.number("angle"), Err(Undrawable::Malformed { .. })));
    }
}
