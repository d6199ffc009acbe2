//! Writes a document to standard output, in its own or another program's form.

use syncline::board::Board;
use syncline::chart::Chart;
use syncline::import::Exported;
use syncline::json::to_canonical_json;
use syncline::{Document, Kind, Path, Schema, Spec, Value};

use crate::args::{Format, Global};
use crate::failure::Failure;
use crate::read::{look, print};
use crate::session;

/// Writes a document.
pub async fn export(global: &Global, doc: &str, format: Option<Format>) -> Result<(), Failure> {
    let Exported { text, left_out } = look(global, doc, |document| written(document, format)).await?;
    print(&text)?;
    for what in left_out {
        session::warn(&format!("left out, as this format has no place for it: {what}"));
    }
    Ok(())
}

fn written(document: &Document, format: Option<Format>) -> Result<Exported, Failure> {
    let name = document.id().to_string();
    let spec = document.spec().ok_or_else(|| Failure::NoDocument(name.clone()))?;
    let format = format.unwrap_or(match spec.kind {
        Kind::Tree | Kind::Text => Format::Json,
        Kind::Board => Format::JsonLines,
        Kind::Chart => Format::VegaLite,
    });
    let whole = |text| Ok(Exported { text, left_out: Vec::new() });
    match format {
        Format::Json => {
            whole(document.value(&Path::root()).map(|value| to_canonical_json(&value)).unwrap_or_default())
        }
        Format::Text => whole(text(document, name, spec)?),
        Format::VegaLite => whole(format!("{:#}\n", state::<Chart>(document, "Vega-Lite")?.to_vega_lite())),
        Format::JsonLines => whole(state::<Board>(document, "JSON lines")?.to_json_lines()),
        Format::Csv => Ok(state::<Board>(document, "CSV")?.to_csv()?),
        Format::TodoTxt => Ok(state::<Board>(document, "todo.txt")?.to_todo_txt()?),
    }
}

/// The text of a text document; one without content is an empty text.
fn text(document: &Document, name: String, spec: Spec) -> Result<String, Failure> {
    match (spec.kind, document.value(&Path::root().child(Kind::TEXT_KEY))) {
        (Kind::Text, Some(Value::Text(text))) => Ok(text),
        (Kind::Text, None) => Ok(String::new()),
        (Kind::Text | Kind::Tree | Kind::Board | Kind::Chart, _) => {
            Err(Failure::Format(name, spec, "text", "it holds no text by itself, export it as json"))
        }
    }
}

/// What a board or chart holds; other kinds have no such form.
fn state<S: Schema>(document: &Document, format: &'static str) -> Result<S, Failure> {
    match document.spec() {
        Some(spec) if spec.kind != S::KIND => {
            let (name, which) = (document.id().to_string(), of_which(S::KIND));
            Err(Failure::Format(name, spec, format, which))
        }
        Some(_) | None => Ok(document.typed::<S>()?.state().unwrap_or_default()),
    }
}

const fn of_which(kind: Kind) -> &'static str {
    match kind {
        Kind::Chart => "that is a form of charts",
        Kind::Board => "that is a form of boards",
        Kind::Tree | Kind::Text => "export it as json",
    }
}
