//! Random work on boards.

use crate::board::{Board, BoardOperation, Comment, Dependency, Field, Label, Link, Task, TaskId, TaskText};
use crate::fractional_index::{FractionalIndex, Spot};
use crate::random::Random;
use crate::scripts::{TEXTS, free_place};
use crate::value::Value;

const STATUSES: [&str; 5] = ["todo", "doing", "done", "", "größer als / ~ \"x\""];
const NAMES: [&str; 6] = ["ada", "ben", "a label", "+project", "🏷️", "with/slash~"];
/// Names of fields without a meaning, and with one.
const FIELDS: [&str; 6] = ["estimate", "design", "a/b~c", "labels", "order", "kept"];

/// Most tasks before more go than come.
const CROWD: usize = 40;

/// One operation that the board takes.
pub fn board_operation(random: &mut Random, board: &Board) -> BoardOperation {
    let ids: Vec<&TaskId> = board.tasks.keys().collect();
    let Some(id) = ids.get(random.index(ids.len())).map(|id| (*id).clone()) else {
        return add(random, board);
    };
    match random.below(20) {
        0..3 if ids.len() < CROWD || random.chance(0.3) => add(random, board),
        0 if ids.len() > 3 => BoardOperation::Remove { id },
        0..8 => {
            let status = one(random, &STATUSES);
            let place = Some(place(random, board, &status));
            BoardOperation::Move { id, status, place }
        }
        8..12 => splice(random, id, board),
        _ => BoardOperation::Set { id, field: field(random, &ids) },
    }
}

fn one(random: &mut Random, texts: &[&str]) -> String {
    texts[random.index(texts.len())].to_owned()
}

fn name(random: &mut Random) -> String {
    format!("n{:x}", random.next_u64())
}

fn add(random: &mut Random, board: &Board) -> BoardOperation {
    let status = one(random, &STATUSES);
    let place = Some(place(random, board, &status));
    let task = Task {
        title: one(random, &TEXTS),
        description: one(random, &TEXTS),
        status,
        place,
        priority: random.chance(0.5).then(|| random.below(5) as i64),
        ..Task::default()
    };
    BoardOperation::Add { id: TaskId(name(random)), task: Box::new(task) }
}

fn place(random: &mut Random, board: &Board, status: &str) -> FractionalIndex {
    let column: Vec<&FractionalIndex> =
        board.column(status).into_iter().filter_map(|(_, task)| task.place.as_ref()).collect();
    let spot = match (column.get(random.index(column.len())).copied(), random.below(3)) {
        (Some(next), 0) => Spot::Before(next),
        (Some(last), 1) => Spot::After(last),
        (Some(_), _) => Spot::First,
        (None, _) => Spot::Last,
    };
    free_place(random, &column, spot)
}

fn splice(random: &mut Random, id: TaskId, board: &Board) -> BoardOperation {
    let text = TaskText::ALL[random.index(TaskText::ALL.len())];
    let len = board.tasks.get(&id).map_or(0, |task| text.of(task).chars().count());
    let at = random.index(len + 1);
    let delete = random.index((len - at).min(5) + 1);
    BoardOperation::Splice { id, text, at, delete, insert: one(random, &TEXTS) }
}

fn field(random: &mut Random, ids: &[&TaskId]) -> Field {
    let place = FractionalIndex::between(None, None, random.next_u64());
    let there = random.chance(0.7);
    match random.below(8) {
        0 => Field::Title(one(random, &TEXTS)),
        1 => Field::Assignee(there.then(|| one(random, &NAMES))),
        2 => Field::Due(there.then(|| "2026-12-24".to_owned())),
        3 => Field::Priority(there.then(|| random.below(9) as i64 - 2)),
        4 => Field::Label(one(random, &NAMES), there.then_some(Label { place })),
        5 => {
            let link = Link { kind: "blocks".to_owned(), on: ids[random.index(ids.len())].clone() };
            let other = [("since".to_owned(), Value::Int(1))].into();
            Field::Dependency(link, there.then_some(Dependency { place, other }))
        }
        6 => {
            let text = one(random, &TEXTS);
            let comment =
                Comment { author: Some(one(random, &NAMES)), text, place, other: Default::default() };
            Field::Comment(name(random), Some(comment))
        }
        _ => Field::Other(one(random, &FIELDS), there.then(|| Value::List(vec![one(random, &TEXTS).into()]))),
    }
}
