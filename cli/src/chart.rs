//! `chart`: draws a chart.

use std::path::Path as File;

use syncline::Kind;
use syncline_core::chart::Chart;
use syncline_core::path::Path;
use syncline_core::schema::Schema;

use crate::args::Global;
use crate::failure::Failure;
use crate::{read, svg};

/// Draws a chart into a file, which is replaced whole or not touched.
pub async fn draw(global: &Global, doc: &str, file: &File) -> Result<(), Failure> {
    let (spec, value) = read::look(global, doc, &Path::root()).await?;
    match spec.kind {
        Kind::Chart => {}
        Kind::Tree | Kind::Text | Kind::Board => return Err(Failure::NotChart(doc.to_owned(), spec)),
    }
    let chart = value.map(|value| Chart::read(&value)).unwrap_or_default();
    let picture = svg::draw(&chart.to_vega_lite())?;
    write(file, &picture).map_err(|error| Failure::Unwritable(file.to_owned(), error))
}

/// Writes beside the file first, so that a full disk costs no picture that was there.
fn write(file: &File, picture: &str) -> std::io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let written = std::fs::write(&beside, picture).and_then(|()| std::fs::rename(&beside, file));
    if written.is_err() {
        drop(std::fs::remove_file(&beside));
    }
    written
}
