//! Draws a chart, and works on its elements.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path as File;

use serde_json::json;
use syncline::chart::{Chart, Content, Element, ElementId, Position};
use syncline::json::to_canonical_json;
use syncline::{Edit, Value};

use crate::args::{ChartArgs, ChartCommand, Global, PlaceArgs};
use crate::edit;
use crate::failure::Failure;
use crate::read::{look, on_one_line, print};
use crate::svg;

/// Longest text that `list` shows of what an element says, in characters.
const BRIEF: usize = 100;

/// Draws a chart, or carries out a command on its elements.
pub async fn run(global: &Global, arguments: ChartArgs) -> Result<(), Failure> {
    match arguments {
        ChartArgs { command: Some(command), .. } => work(global, command).await,
        ChartArgs { command: None, doc, svg } => {
            let (doc, svg) = doc.zip(svg).expect("they are required where no command is given");
            draw(global, &doc, &svg).await
        }
    }
}

async fn work(global: &Global, command: ChartCommand) -> Result<(), Failure> {
    match command {
        ChartCommand::Add { doc, kind, value, parent, name } => {
            let value = edit::parse(&value)?;
            let id = change(global, &doc, &parent, |chart, parent| {
                Ok(chart.add(parent, &kind, name.as_deref(), &value)?)
            });
            print(&format!("{}\n", id.await?))
        }
        ChartCommand::Update { doc, id, path, value } => {
            let value = value.as_deref().map(edit::parse).transpose()?;
            let path = path.parse()?;
            change(global, &doc, &id, |chart, id| Ok(chart.update(id, path, value)?)).await
        }
        ChartCommand::Move { doc, id, place, to } => {
            let to = to.as_deref().map(point).transpose()?;
            change(global, &doc, &id, |chart, id| move_to(chart, id, &place, to)).await
        }
        ChartCommand::Rm { doc, id } => change(global, &doc, &id, |chart, id| Ok(chart.remove(id)?)).await,
        ChartCommand::List { doc } => list(
            global,
            &look(global, &doc, |document| Ok(document.typed()?.state().unwrap_or_default())).await?,
        ),
    }
}

/// Draws a chart into a file, which is replaced whole or not touched.
async fn draw(global: &Global, doc: &str, file: &File) -> Result<(), Failure> {
    let chart: Chart =
        look(global, doc, |document| Ok(document.typed()?.state().unwrap_or_default())).await?;
    let picture = svg::draw(&chart.to_vega_lite())?;
    write(file, &picture).map_err(|error| Failure::Unwritable(file.to_owned(), error))
}

/// Writes beside the file first, so that a full disk costs no picture that was there. A link is followed, a file keeps who
/// may read it, and what is no file, such as a pipe, is written to.
fn write(file: &File, picture: &str) -> std::io::Result<()> {
    if file.as_os_str() == "-" {
        return std::io::stdout().write_all(picture.as_bytes());
    }
    let there = std::fs::metadata(file);
    if there.as_ref().is_ok_and(|there| !there.is_file()) {
        return std::fs::write(file, picture);
    }
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let written = std::fs::write(&beside, picture)
        .and_then(|()| there.map_or(Ok(()), |there| std::fs::set_permissions(&beside, there.permissions())))
        .and_then(|()| std::fs::rename(&beside, file));
    if written.is_err() {
        drop(std::fs::remove_file(&beside));
    }
    written
}

/// Changes one element.
async fn change<T>(
    global: &Global,
    doc: &str,
    id: &str,
    change: impl FnOnce(&mut Edit<'_, '_, Chart>, &ElementId) -> Result<T, Failure>,
) -> Result<T, Failure> {
    edit::edit_typed(global, doc, |chart: &mut Edit<'_, '_, Chart>| {
        let id = find(&chart.state(), id)?;
        change(chart, &id)
    })
    .await
}

/// The one element whose id is this or begins like this.
fn find(chart: &Chart, id: &str) -> Result<ElementId, Failure> {
    let root = ElementId::chart();
    let ids = chart.elements.keys().chain([&root]).map(|id| id.0.as_str());
    Ok(ElementId(edit::one_of("element", id, ids)?))
}

fn move_to(
    chart: &mut Edit<'_, '_, Chart>,
    id: &ElementId,
    place: &PlaceArgs,
    to: Option<Position>,
) -> Result<(), Failure> {
    if let Some(position) = to {
        return Ok(chart.position(id, Some(position))?);
    }
    let next_to = place.next_to().map(|next_to| find(&chart.state(), next_to)).transpose()?;
    Ok(chart.move_to(id, place.spot(next_to.as_ref()))?)
}

fn point(text: &str) -> Result<Position, Failure> {
    let wrong = || Failure::Edit(format!("--to is a point such as 10,20.5, not {text:?}"));
    let (x, y) = text.split_once(',').ok_or_else(wrong)?;
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    Ok(Position { x: number(x).ok_or_else(wrong)?, y: number(y).ok_or_else(wrong)? })
}

fn list(global: &Global, chart: &Chart) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let root = Content::Properties(chart.properties.clone());
    match global.json {
        true => writeln!(out, "{}", json!({"id": "chart", "kind": "chart", "says": value(&root).to_json()}))?,
        false => writeln!(out, "chart  {}", on_one_line(&brief(&root)))?,
    }
    list_parts(&mut out, global, &chart.parts_of_all(), &ElementId::chart(), 1)?;
    Ok(out.flush()?)
}

fn list_parts(
    out: &mut impl Write,
    global: &Global,
    parts: &BTreeMap<&ElementId, Vec<(&ElementId, &Element)>>,
    of: &ElementId,
    depth: usize,
) -> Result<(), Failure> {
    for (id, element) in parts.get(of).into_iter().flatten() {
        match global.json {
            true => writeln!(out, "{}", to_json(id, element))?,
            false => {
                let name = element.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
                let line = format!("{id}  {}{name}  {}", element.kind, brief(&element.content));
                writeln!(out, "{:indent$}{}", "", on_one_line(&line), indent = 2 * depth)?;
            }
        }
        list_parts(out, global, parts, id, depth + 1)?;
    }
    Ok(())
}

fn to_json(id: &ElementId, element: &Element) -> serde_json::Value {
    let mut line = json!({"id": id.0, "kind": element.kind, "parent": element.parent.0,
        "says": value(&element.content).to_json()});
    if let Some(name) = &element.name {
        line["name"] = json!(name);
    }
    if let Some(Position { x, y }) = element.position {
        line["position"] = json!({"x": x, "y": y});
    }
    line
}

fn value(content: &Content) -> Value {
    match content {
        Content::Properties(properties) => Value::Map(properties.clone()),
        Content::Value(value) => value.clone(),
    }
}

fn brief(content: &Content) -> String {
    let text = to_canonical_json(&value(content));
    let shown: String = text.chars().take(BRIEF).collect();
    if shown.len() < text.len() { shown + "…" } else { shown }
}
