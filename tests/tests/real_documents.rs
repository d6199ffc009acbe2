//! Real charts and tasks: imported into one store, fetched by another through a relay, and exported as they were.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;

use serde_json::Value as Json;
use syncline::board::Board;
use syncline::chart::Chart;
use syncline::{Family, Saved};
use syncline_core::value::Value;
use syncline_tests::process::real_data;
use syncline_tests::process::team::{Team, together};

const FAMILIES: [Family; 2] = [Family::Yjs, Family::Automerge];

fn files(folder: &str) -> Option<Vec<PathBuf>> {
    let folder = real_data(folder)?;
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    Some(files)
}

/// A JSON value as such: numbers are what they amount to, however they are written.
fn value(json: &Json) -> Value {
    Value::from_json(json).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_chart_is_exported_by_another_store_as_it_was_imported() {
    let Some(files) = files("charts") else { return };
    let team = Team::start(2).await;
    let [ada, ben] = &team.members[..] else { panic!("there are two") };
    for family in FAMILIES {
        let mut charts = Vec::new();
        for file in &files {
            let name = format!("{family}/{}", file.file_name().unwrap().to_str().unwrap());
            let bytes = std::fs::read(file).unwrap();
            let here = ada.open::<Chart>(&name, family).await;
            here.import(&Chart::from_vega_lite(&bytes).unwrap()).unwrap();
            charts.push((name, here, serde_json::from_slice::<Json>(&bytes).unwrap()));
        }
        for (name, here, specification) in charts {
            here.saved(Saved::Relay).await.unwrap();
            let there = ben.open::<Chart>(&name, family).await;
            there.in_sync().await.unwrap();
            assert_eq!(value(&there.state().unwrap().to_vega_lite()), value(&specification), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_is_exported_by_another_store_as_it_was_imported() {
    let Some(files) = files("tasks") else { return };
    let text = std::fs::read_to_string(&files[0]).unwrap();
    let lines =
        |text: &str| text.lines().map(|line| value(&serde_json::from_str(line).unwrap())).collect::<Vec<_>>();
    let team = Team::start(2).await;
    for family in FAMILIES {
        let name = format!("{family}/tasks");
        let here = team.members[0].open::<Board>(&name, family).await;
        here.import(&Board::from_json_lines(text.as_bytes()).unwrap()).unwrap();
        let there = team.members[1].open::<Board>(&name, family).await;
        together(&[here, there.clone()]).await;
        let exported = there.state().unwrap().to_json_lines();
        assert_eq!(lines(&exported), lines(&text));
    }
}
