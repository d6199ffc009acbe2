//! The data of a chart, as far as it stands in the specification.

use std::rc::Rc;

use serde_json::{Map, Value as Json};

use super::MAX_ROWS;
use super::cell::Cell;
use super::node::{Node, Object};
use super::time;
use super::undrawable::Undrawable;

/// Rows of data: objects, whose keys are the fields.
pub type Rows = Rc<Vec<Json>>;

/// Reads the `data` of a view; `datasets` are those that it may name.
pub fn read(node: &Node<'_>, datasets: Option<&Node<'_>>) -> Result<Rows, Undrawable> {
    if node.json.is_null() {
        return Ok(Rc::default());
    }
    let mut data = node.object()?;
    for (key, what) in
        [("url", "data from elsewhere"), ("sequence", "data from a sequence"), ("graticule", "a graticule")]
    {
        if let Some(source) = data.take(key) {
            return Err(source.unsupported(format!("{what}, {}", source.json)));
        }
    }
    if data.take("sphere").is_some() {
        return Err(node.unsupported("a sphere"));
    }
    let name = data.string("name")?;
    let format = data.some("format").map(|format| format.object()).transpose()?;
    let found = match (data.take("values"), name, datasets) {
        (Some(values), _, _) => values,
        (None, Some(name), Some(datasets)) => match datasets.json.get(&name) {
            Some(json) => Node { json, at: format!("{}/{name}", datasets.at) },
            None => return Err(node.unsupported(format!("the data {name:?}, which is not in the chart"))),
        },
        (None, Some(name), None) => {
            return Err(node.unsupported(format!("the data {name:?}, which is not in the chart")));
        }
        (None, None, _) => return Err(node.malformed("it holds no data")),
    };
    data.finish("data")?;
    rows(&found, format)
}

fn rows(values: &Node<'_>, format: Option<Object<'_>>) -> Result<Rows, Undrawable> {
    let format = format.map(Format::read).transpose()?.unwrap_or_default();
    let mut rows = match (values.json, format.separator) {
        (Json::String(text), Some(separator)) => table(text, separator),
        (Json::String(_), None) => {
            return Err(values.malformed("a text is data only with the format csv or tsv"));
        }
        (Json::Array(list), _) => list.iter().map(row).collect(),
        (one, _) => vec![row(one)],
    };
    if rows.len() > MAX_ROWS {
        return Err(Undrawable::TooMuch { what: "rows of data", limit: MAX_ROWS });
    }
    for (field, sort) in &format.parse {
        rows.iter_mut().for_each(|row| sort.convert(row, field));
    }
    Ok(Rc::new(rows))
}

/// A plain value is an object with one field.
fn row(json: &Json) -> Json {
    match json {
        Json::Object(_) => json.clone(),
        plain => Json::Object([("data".to_owned(), plain.clone())].into_iter().collect()),
    }
}

/// How data is written.
#[derive(Default)]
struct Format {
    separator: Option<char>,
    parse: Vec<(String, Sort)>,
}

/// What a field is meant to be.
#[derive(Clone, Copy)]
enum Sort {
    Number,
    Text,
    Boolean,
    Time,
}

impl Format {
    fn read(mut format: Object<'_>) -> Result<Self, Undrawable> {
        const SEPARATORS: [(&str, Option<char>); 3] =
            [("json", None), ("csv", Some(',')), ("tsv", Some('\t'))];
        const SORTS: [(&str, Sort); 4] = [
            ("number", Sort::Number),
            ("string", Sort::Text),
            ("boolean", Sort::Boolean),
            ("date", Sort::Time),
        ];
        let separator =
            format.some("type").map(|node| node.one_of("data format", &SEPARATORS)).transpose()?;
        let mut parse = Vec::new();
        if let Some(fields) = format.some("parse") {
            for (field, sort) in fields.object()?.rest() {
                if !sort.json.is_null() {
                    parse.push((field.clone(), sort.one_of("parsing of data as", &SORTS)?));
                }
            }
        }
        format.finish("a data format")?;
        Ok(Self { separator: separator.flatten(), parse })
    }
}

impl Sort {
    fn convert(self, row: &mut Json, field: &str) {
        let Some(value) = row.get_mut(field).filter(|value| !value.is_null()) else { return };
        let converted = match self {
            Self::Number => from_cell(&Cell::from_json(value).quantity()),
            Self::Time => from_cell(&moment(&Cell::from_json(value))),
            Self::Text => Json::String(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            Self::Boolean => Json::Bool(!["", "false", "0"].iter().any(|no| value == no) && *value != false),
        };
        *value = converted;
    }
}

fn from_cell(cell: &Cell) -> Json {
    cell.ends().map_or(Json::Null, |(number, _)| number.into())
}

/// A value as a time: milliseconds, or what reads as a time.
pub fn moment(cell: &Cell) -> Cell {
    match cell {
        Cell::Text(text) => time::parse(text).map_or(Cell::Null, Cell::number),
        Cell::Number(number) if number.abs() <= time::LAST => cell.clone(),
        Cell::Number(_) | Cell::Null | Cell::Boolean(_) | Cell::Span(..) => Cell::Null,
    }
}

/// Comma or tab separated values, the names of the fields first. Fields that are all numbers become numbers.
fn table(text: &str, separator: char) -> Vec<Json> {
    let mut records = records(text, separator).into_iter();
    let names = records.next().unwrap_or_default();
    let records: Vec<Vec<String>> = records.collect();
    let column =
        |at: usize| records.iter().filter_map(move |record| record.get(at)).filter(|text| !text.is_empty());
    let is_number = |text: &String| text.trim().parse().is_ok_and(f64::is_finite);
    let numeric: Vec<bool> = (0..names.len()).map(|at| column(at).all(is_number)).collect();
    let value = |at: usize, text: &String| match (text.is_empty(), numeric[at]) {
        (true, _) => Json::Null,
        (false, true) => from_cell(&Cell::Text(text.clone()).quantity()),
        (false, false) => Json::String(text.clone()),
    };
    let row = |record: &Vec<String>| {
        let cells = names.iter().zip(record).enumerate();
        Json::Object(cells.map(|(at, (name, text))| (name.clone(), value(at, text))).collect::<Map<_, _>>())
    };
    records.iter().map(row).collect()
}

fn records(text: &str, separator: char) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut characters = text.trim_end_matches(['\r', '\n']).chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => quoted = !quoted,
            '\r' if !quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            other if other == separator && !quoted => record.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    record.push(field);
    records.push(record);
    records
}

/// The way to a field: `name`, `outer.inner`, `list[0]`, and `dots\.in\.names`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    steps: Vec<String>,
}

impl Field {
    /// Takes a field's name apart.
    pub fn parse(name: &str) -> Self {
        let (mut steps, mut step) = (Vec::new(), String::new());
        let mut characters = name.chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' => step.extend(characters.next()),
                '.' | '[' if !step.is_empty() => steps.push(std::mem::take(&mut step)),
                '.' | '[' | ']' | '\'' | '"' => {}
                other => step.push(other),
            }
        }
        if !step.is_empty() {
            steps.push(step);
        }
        Self { steps }
    }

    /// What a row has there.
    pub fn of(&self, row: &Json) -> Cell {
        let step = |json: &Json, step: &String| match json {
            Json::Array(list) => list.get(step.parse::<usize>().ok()?).cloned(),
            other => other.get(step).cloned(),
        };
        let first = self.steps.first().and_then(|name| row.get(name));
        let found = first
            .and_then(|first| self.steps[1..].iter().try_fold(first.clone(), |json, name| step(&json, name)));
        found.map_or(Cell::Null, |json| Cell::from_json(&json))
    }

    /// How it is called in titles.
    pub fn title(&self) -> String {
        let mut title = String::new();
        for (at, step) in self.steps.iter().enumerate() {
            match step.bytes().all(|byte| byte.is_ascii_digit()) && at > 0 {
                true => title.push_str(&format!("[{step}]")),
                false if at > 0 => title.push_str(&format!(".{step}")),
                false => title.push_str(step),
            }
        }
        title
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_values(values: Json) -> Result<Rows, Undrawable> {
        read(&Node::root(&values), None)
    }

    #[test]
    fn tables_are_read_as_they_are_quoted() {
        let text = "name,\"a \"\"b\"\"\"\nx,1\r\n\"y, z\",\n";
        let rows = read_values(json!({"values": text, "format": {"type": "csv"}})).expect("it is a table");
        assert_eq!(*rows, [json!({"name": "x", "a \"b\"": 1.0}), json!({"name": "y, z", "a \"b\"": null})]);
    }

    #[test]
    fn plain_values_are_rows_and_other_sources_are_named() {
        let rows = read_values(json!({"values": [1, {"a": 2}]})).expect("it is data");
        assert_eq!(*rows, [json!({"data": 1}), json!({"a": 2})]);
        let error = read_values(json!({"url": "data/cars.json"})).expect_err("it is elsewhere");
        assert!(
            error.to_string().starts_with("data from elsewhere, \"data/cars.json\", at \"/url\""),
            "{error}"
        );
    }

    #[test]
    fn data_of_any_size_is_refused_above_the_limit() {
        let of = |count: usize| read_values(json!({"values": vec![1; count]}));
        assert_eq!(of(MAX_ROWS).map(|rows| rows.len()), Ok(MAX_ROWS));
        assert!(matches!(of(MAX_ROWS + 1), Err(Undrawable::TooMuch { limit: MAX_ROWS, .. })));
    }

    #[test]
    fn fields_are_found_inside_of_others() {
        let row = json!({"a": {"b": [1, 2]}, "c.d": 3, "e f": 4});
        for (name, number) in [("a.b[1]", 2.0), ("a['b'][0]", 1.0), ("c\\.d", 3.0), ("e f", 4.0)] {
            assert_eq!(Field::parse(name).of(&row), Cell::Number(number), "{name}");
        }
        assert_eq!(Field::parse("a.x.y").of(&row), Cell::Null);
        assert_eq!(Field::parse("").of(&row), Cell::Null);
        assert_eq!(Field::parse("a.b[1]").title(), "a.b[1]");
    }
}
