//! Tasks as JSON, one object a line: the form in which issue trackers such as beads keep them.
//!
//! `id` and `title` must be there. What has a meaning here must have the type that goes with it; a field that is
//! null or an empty list or text is kept as such. Every other field is kept as it is.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::record::{
    ASSIGNEE, AUTHOR, COMMENTS, DEPENDENCIES, DESCRIPTION, DUE, LABELS, NOTES, PLACE, PRIORITY, STATUS, TEXT,
    TITLE,
};
use super::{Board, Comment, Dependency, Label, Link, Task, TaskId, in_order};
use crate::fractional_index::FractionalIndex;
use crate::import::{ImportError, json, lines, sort, text, value};
use crate::value::Value;

const ID: &str = "id";
const KIND: &str = "type";
const ON: &str = "depends_on_id";

impl Board {
    /// Reads tasks, in the order of their lines.
    pub fn from_json_lines(bytes: &[u8]) -> Result<Self, ImportError> {
        let mut tasks = BTreeMap::new();
        for ((line, text), place) in lines(text(bytes)?).zip(FractionalIndex::sequence()) {
            let mut fields = Fields::read(text, line)?;
            let id = fields.required(ID)?;
            let task = Task { place: Some(place), ..task(fields)? };
            if tasks.insert(TaskId(id.clone()), task).is_some() {
                return Err(ImportError::at(line, format!("there is a task {id:?} further up already")));
            }
        }
        Ok(Self { tasks })
    }

    /// Writes all tasks, in the order of their places.
    #[must_use]
    pub fn to_json_lines(&self) -> String {
        let line = |(id, task): (&TaskId, &Task)| to_json(id, task).to_string() + "\n";
        self.in_order().into_iter().map(line).collect()
    }
}

fn task(mut fields: Fields) -> Result<Task, ImportError> {
    Ok(Task {
        title: fields.required(TITLE)?,
        status: fields.text(STATUS)?.unwrap_or_default(),
        description: fields.text(DESCRIPTION)?.unwrap_or_default(),
        notes: fields.text(NOTES)?.unwrap_or_default(),
        assignee: fields.text(ASSIGNEE)?,
        due: fields.text(DUE)?,
        priority: fields.whole_number(PRIORITY)?,
        labels: fields.list(LABELS, label)?,
        dependencies: fields.list(DEPENDENCIES, dependency)?,
        comments: fields.list(COMMENTS, comment)?,
        place: None,
        other: fields.rest()?,
    })
}

fn label(json: Json, place: FractionalIndex, _: usize) -> Result<(String, Label), String> {
    match json {
        Json::String(name) => Ok((name, Label { place: Some(place) })),
        other => Err(format!("a label is a string, not {}", sort(&other))),
    }
}

fn dependency(json: Json, place: FractionalIndex, line: usize) -> Result<(Link, Dependency), String> {
    let mut fields = Fields::of(json, line)?;
    let kind = fields.text(KIND).map_err(reason)?.unwrap_or_default();
    if kind.contains(' ') {
        return Err(format!("the {KIND:?} of a dependency has no spaces: {kind:?}"));
    }
    let on = TaskId(fields.required(ON).map_err(reason)?);
    Ok((Link { kind, on }, Dependency { place: Some(place), other: fields.unplaced()? }))
}

/// A comment is named by its id, or else by its place.
fn comment(json: Json, place: FractionalIndex, line: usize) -> Result<(String, Comment), String> {
    let mut fields = Fields::of(json, line)?;
    let name = match fields.map.get(ID) {
        Some(Json::String(id)) => id.clone(),
        Some(Json::Number(id)) => id.to_string(),
        Some(Json::Null) | None => place.to_string(),
        Some(other) => return Err(format!("the {ID:?} of a comment is {}", sort(other))),
    };
    let author = fields.string(AUTHOR).map_err(reason)?;
    let text = fields.required(TEXT).map_err(reason)?;
    Ok((name, Comment { author, text, place: Some(place), other: fields.unplaced()? }))
}

fn reason(error: ImportError) -> String {
    error.reason
}

/// The fields of an object that nobody has taken yet.
struct Fields {
    map: Map<String, Json>,
    /// Those that hold nothing of what their names mean.
    kept: BTreeMap<String, Value>,
    line: usize,
}

impl Fields {
    fn read(text: &str, line: usize) -> Result<Self, ImportError> {
        Self::of(json(text, line)?, line)
            .map_err(|found| ImportError::at(line, format!("a task is a JSON object: {found}")))
    }

    fn of(json: Json, line: usize) -> Result<Self, String> {
        match json {
            Json::Object(map) => Ok(Self { map, kept: BTreeMap::new(), line }),
            other => Err(format!("an object is needed, and this is {}", sort(&other))),
        }
    }

    fn wrong(&self, name: &str, expected: &str, found: &Json) -> ImportError {
        ImportError::at(self.line, format!("{name:?} must be {expected} and is {}", sort(found)))
    }

    fn required(&mut self, name: &str) -> Result<String, ImportError> {
        match self.map.remove(name) {
            Some(Json::String(text)) => Ok(text),
            Some(other) => Err(self.wrong(name, "a string", &other)),
            None => Err(ImportError::at(self.line, format!("{name:?} is missing"))),
        }
    }

    /// A text that says something. Null and the empty text are kept under their name.
    fn text(&mut self, name: &str) -> Result<Option<String>, ImportError> {
        let text = self.string(name)?;
        if text.as_ref().is_some_and(String::is_empty) {
            self.kept.insert(name.to_owned(), "".into());
            return Ok(None);
        }
        Ok(text)
    }

    /// A text. Null is kept under its name.
    fn string(&mut self, name: &str) -> Result<Option<String>, ImportError> {
        match self.map.remove(name) {
            Some(Json::String(text)) => Ok(Some(text)),
            None => Ok(None),
            Some(other) => self.null(name, "a string", other).map(|()| None),
        }
    }

    fn whole_number(&mut self, name: &str) -> Result<Option<i64>, ImportError> {
        match self.map.remove(name) {
            Some(Json::Number(number)) => match number.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong(name, "a whole number", &Json::Number(number))),
            },
            None => Ok(None),
            Some(other) => self.null(name, "a whole number", other).map(|()| None),
        }
    }

    /// A list whose elements have names, each of them once. Null and the empty list are kept under their name.
    fn list<K: Ord + Clone, V>(
        &mut self,
        name: &str,
        element: impl Fn(Json, FractionalIndex, usize) -> Result<(K, V), String>,
    ) -> Result<BTreeMap<K, V>, ImportError> {
        let elements = match self.map.remove(name) {
            Some(Json::Array(elements)) => elements,
            None => return Ok(BTreeMap::new()),
            Some(other) => return self.null(name, "a list", other).map(|()| BTreeMap::new()),
        };
        if elements.is_empty() {
            self.kept.insert(name.to_owned(), Value::List(Vec::new()));
        }
        let mut read = BTreeMap::new();
        for ((index, json), place) in elements.into_iter().enumerate().zip(FractionalIndex::sequence()) {
            let at =
                |reason| ImportError::at(self.line, format!("{name:?}, element {}: {reason}", index + 1));
            let (key, value) = element(json, place, self.line).map_err(at)?;
            if read.insert(key, value).is_some() {
                return Err(at("the same is there before".to_owned()));
            }
        }
        Ok(read)
    }

    fn null(&mut self, name: &str, expected: &str, found: Json) -> Result<(), ImportError> {
        if !found.is_null() {
            return Err(self.wrong(name, expected, &found));
        }
        self.kept.insert(name.to_owned(), Value::Null);
        Ok(())
    }

    /// All other fields, as they are.
    fn rest(self) -> Result<BTreeMap<String, Value>, ImportError> {
        let mut rest = self.kept;
        for (name, json) in &self.map {
            rest.insert(name.clone(), value(json, &format!("{name:?}"), Some(self.line))?);
        }
        Ok(rest)
    }

    /// As [`Fields::rest`], where one name is taken.
    fn unplaced(self) -> Result<BTreeMap<String, Value>, String> {
        let rest = self.rest().map_err(reason)?;
        match rest.contains_key(PLACE) {
            true => Err(format!("{PLACE:?} cannot be kept here; call it something else")),
            false => Ok(rest),
        }
    }
}

/// What there is in the document's own terms stands over what was kept of a field of the same name.
fn to_json(id: &TaskId, task: &Task) -> Json {
    let mut fields: Map<String, Json> = others(&task.other);
    let mut set = |name: &str, json: Json| drop(fields.insert(name.to_owned(), json));
    set(ID, id.0.as_str().into());
    set(TITLE, task.title.as_str().into());
    let texts = [(STATUS, &task.status), (DESCRIPTION, &task.description), (NOTES, &task.notes)];
    texts
        .iter()
        .filter(|(_, text)| !text.is_empty())
        .for_each(|(name, text)| set(name, text.as_str().into()));
    let named = [(ASSIGNEE, &task.assignee), (DUE, &task.due)];
    named.iter().for_each(|(name, text)| text.iter().for_each(|text| set(name, text.as_str().into())));
    task.priority.iter().for_each(|priority| set(PRIORITY, (*priority).into()));
    let labels = in_order(&task.labels, |label| &label.place);
    let labels: Vec<Json> = labels.into_iter().map(|(name, _)| name.as_str().into()).collect();
    let dependencies = in_order(&task.dependencies, |dependency| &dependency.place);
    let dependencies = dependencies.into_iter().map(dependency_json).collect();
    let comments = in_order(&task.comments, |comment| &comment.place);
    let comments = comments.into_iter().map(|(_, comment)| comment_json(comment)).collect();
    let lists = [(LABELS, labels), (DEPENDENCIES, dependencies), (COMMENTS, comments)];
    lists.into_iter().filter(|(_, list)| !list.is_empty()).for_each(|(name, list)| set(name, list.into()));
    Json::Object(fields)
}

fn dependency_json((link, dependency): (&Link, &Dependency)) -> Json {
    let mut fields = others(&dependency.other);
    fields.insert(ON.to_owned(), link.on.0.as_str().into());
    if !link.kind.is_empty() {
        fields.insert(KIND.to_owned(), link.kind.as_str().into());
    }
    Json::Object(fields)
}

fn comment_json(comment: &Comment) -> Json {
    let mut fields = others(&comment.other);
    fields.extend(comment.author.as_deref().map(|author| (AUTHOR.to_owned(), author.into())));
    fields.insert(TEXT.to_owned(), comment.text.as_str().into());
    Json::Object(fields)
}

fn others(other: &BTreeMap<String, Value>) -> Map<String, Json> {
    other.iter().map(|(name, value)| (name.clone(), value.to_json())).collect()
}
