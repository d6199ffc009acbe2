//! What a plain model can say about the end of a game in which several edited at the same time: what nobody else touched
//! is as its only editor left it, and what somebody removed is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use syncline::Schema;
use syncline::board::{Board, BoardOperation, Field, Task};
use syncline::chart::{Chart, ChartOperation, Content, Element, ElementId};
use syncline_core::path::Path;
use syncline_core::random::Random;
use syncline_core::scripts::{board_operation, chart_operation};

/// What an operation does to the things in a document.
pub enum Deed {
    /// One comes.
    Adds(String),
    /// One goes.
    Removes(String),
    /// A field of one gets a value.
    Writes(String, String),
}

/// A schema whose documents can be judged thing by thing.
pub trait Judged: Schema + Debug {
    /// An operation that makes sense for such a document.
    fn draw(random: &mut Random, state: &Self) -> Self::Operation;

    /// What it does.
    fn deed(operation: &Self::Operation) -> Deed;

    /// All things with their fields, as text.
    fn things(&self) -> BTreeMap<String, BTreeMap<String, String>>;

    /// What a thing is part of, if it goes with that.
    fn part_of(&self, thing: &str) -> Option<String>;
}

impl Judged for Board {
    fn draw(random: &mut Random, state: &Self) -> BoardOperation {
        board_operation(random, state)
    }

    fn deed(operation: &BoardOperation) -> Deed {
        let id = operation.id().to_string();
        match operation {
            BoardOperation::Add { .. } => Deed::Adds(id),
            BoardOperation::Remove { .. } => Deed::Removes(id),
            BoardOperation::Move { .. } => Deed::Writes(id, "place".to_owned()),
            BoardOperation::Splice { text, .. } => Deed::Writes(id, format!("{text:?}")),
            BoardOperation::Set { field, .. } => Deed::Writes(id, field_name(field)),
        }
    }

    fn things(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        self.tasks.iter().map(|(id, task)| (id.to_string(), task_fields(task))).collect()
    }

    fn part_of(&self, _: &str) -> Option<String> {
        None
    }
}

fn field_name(field: &Field) -> String {
    match field {
        Field::Title(_) => "title".to_owned(),
        Field::Assignee(_) => "assignee".to_owned(),
        Field::Due(_) => "due".to_owned(),
        Field::Priority(_) => "priority".to_owned(),
        Field::Label(name, _) => format!("label {name}"),
        Field::Dependency(link, _) => format!("dependency {link:?}"),
        Field::Comment(id, _) => format!("comment {id}"),
        Field::Other(name, _) => format!("other {name}"),
    }
}

fn task_fields(task: &Task) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::from([
        ("title".to_owned(), task.title.clone()),
        ("assignee".to_owned(), format!("{:?}", task.assignee)),
        ("due".to_owned(), format!("{:?}", task.due)),
        ("priority".to_owned(), format!("{:?}", task.priority)),
        ("place".to_owned(), format!("{:?}", (&task.status, &task.place))),
        ("Description".to_owned(), task.description.clone()),
        ("Notes".to_owned(), task.notes.clone()),
    ]);
    fields.extend(task.labels.iter().map(|(name, label)| (format!("label {name}"), format!("{label:?}"))));
    fields.extend(
        task.dependencies.iter().map(|(link, to)| (format!("dependency {link:?}"), format!("{to:?}"))),
    );
    fields.extend(task.comments.iter().map(|(id, said)| (format!("comment {id}"), format!("{said:?}"))));
    fields.extend(task.other.iter().map(|(name, value)| (format!("other {name}"), format!("{value:?}"))));
    fields
}

impl Judged for Chart {
    fn draw(random: &mut Random, state: &Self) -> ChartOperation {
        chart_operation(random, state)
    }

    fn deed(operation: &ChartOperation) -> Deed {
        let id = operation.id().to_string();
        match operation {
            ChartOperation::Add { .. } => Deed::Adds(id),
            ChartOperation::Remove { .. } => Deed::Removes(id),
            ChartOperation::Move { .. } => Deed::Writes(id, "place".to_owned()),
            ChartOperation::Position { .. } => Deed::Writes(id, "position".to_owned()),
            ChartOperation::Update { path, .. } => Deed::Writes(id, property_name(path)),
        }
    }

    fn things(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let root = properties(&self.properties);
        let elements = self.elements.iter().map(|(id, element)| (id.to_string(), element_fields(element)));
        elements.chain([(ElementId::chart().to_string(), root)]).collect()
    }

    fn part_of(&self, thing: &str) -> Option<String> {
        self.elements.get(&ElementId::from(thing)).map(|element| element.parent.to_string())
    }
}

/// What lies inside of a property counts as the whole property.
fn property_name(path: &Path) -> String {
    path.tokens().first().map_or("value".to_owned(), |name| format!("property {name}"))
}

fn properties(properties: &BTreeMap<String, syncline::Value>) -> BTreeMap<String, String> {
    properties.iter().map(|(name, value)| (format!("property {name}"), format!("{value:?}"))).collect()
}

fn element_fields(element: &Element) -> BTreeMap<String, String> {
    let mut fields = match &element.content {
        Content::Properties(found) => properties(found),
        Content::Value(value) => [("value".to_owned(), format!("{value:?}"))].into(),
    };
    fields.insert("place".to_owned(), format!("{:?}", element.place));
    fields.insert("position".to_owned(), format!("{:?}", element.position));
    fields
}

/// Everything that was done, in the order in which it was.
pub struct Judge<S: Judged> {
    plain: S,
    /// By thing, how often it was added: another time, and it is another thing.
    added: BTreeMap<String, usize>,
    removed: BTreeSet<String>,
    /// By thing and field, who wrote it.
    writers: BTreeMap<(String, String), BTreeSet<usize>>,
}

impl<S: Judged> Judge<S> {
    /// Nothing was done yet to this.
    pub fn new(plain: S) -> Self {
        let added = plain.things().into_keys().map(|thing| (thing, 1)).collect();
        Self { plain, added, removed: BTreeSet::new(), writers: BTreeMap::new() }
    }

    /// Somebody did something. He may not have known yet that somebody else had removed what he did it to.
    pub fn saw(&mut self, who: usize, operation: &S::Operation) {
        match S::deed(operation) {
            Deed::Adds(thing) => *self.added.entry(thing).or_default() += 1,
            Deed::Removes(thing) => drop(self.removed.insert(thing)),
            Deed::Writes(thing, field) => drop(self.writers.entry((thing, field)).or_default().insert(who)),
        }
        self.plain.apply(operation).ok();
    }

    /// Compares the end with the plain data. Returns how many fields it could compare.
    ///
    /// # Panics
    /// If something that nobody else touched is not as it was left.
    pub fn check(&self, end: &S) -> usize {
        let (plain, end_things) = (self.plain.things(), end.things());
        let mut compared = 0;
        for (thing, fields) in plain.iter().filter(|(thing, _)| self.is_settled(thing, &plain)) {
            let found = end_things.get(thing);
            assert!(found.is_some(), "nobody removed {thing:?}, and it is gone");
            let found = found.cloned().unwrap_or_default();
            let all: BTreeSet<&String> = fields.keys().chain(found.keys()).collect();
            for field in all.into_iter().filter(|field| self.has_one_writer(thing, field)) {
                assert_eq!(found.get(field), fields.get(field), "{field:?} of {thing:?} had one writer");
                compared += 1;
            }
        }
        let unknown = end_things.keys().find(|thing| !self.added.contains_key(*thing));
        assert_eq!(unknown, None, "nobody added it");
        for thing in self.removed.iter().filter(|thing| self.is_single(thing)) {
            assert!(!end_things.contains_key(thing), "somebody removed {thing:?}, and it is there");
        }
        compared
    }

    /// Whether neither the thing nor anything that it is part of was removed, with whatever it was part of, or added
    /// more than once.
    fn is_settled(&self, thing: &str, plain: &BTreeMap<String, BTreeMap<String, String>>) -> bool {
        let settled = self.is_single(thing) && !self.removed.contains(thing) && plain.contains_key(thing);
        settled && self.plain.part_of(thing).is_none_or(|whole| self.is_settled(&whole, plain))
    }

    fn is_single(&self, thing: &str) -> bool {
        self.added.get(thing) == Some(&1)
    }

    fn has_one_writer(&self, thing: &str, field: &str) -> bool {
        let writers = self.writers.get(&(thing.to_owned(), field.to_owned()));
        writers.is_none_or(|writers| writers.len() == 1)
    }
}
