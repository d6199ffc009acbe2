//! Teams of real engines at one imported board, then at one chart, in both families: `cargo xtask team`.

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::time::Instant;

use clap::Parser;
use syncline::Family;
use syncline::board::Board;
use syncline::chart::Chart;
use syncline_tests::process::real_data;
use syncline_tests::process::team::{Play, play};

/// Five stores edit one board, then one chart, with episodes without the relay, which is killed and restarted.
#[derive(Parser)]
struct Arguments {
    /// How many games of each kind and family.
    #[arg(long, default_value_t = 20)]
    runs: u64,
    /// The seed of the first one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many stores edit.
    #[arg(long, default_value_t = 5)]
    members: usize,
    /// How many operations each of them makes.
    #[arg(long, default_value_t = 2_000)]
    operations: usize,
}

#[tokio::main]
async fn main() {
    let Arguments { runs, seed: first, members, operations } = Arguments::parse();
    let (board, charts) = (board(), charts());
    for seed in first..first + runs {
        for family in [Family::Yjs, Family::Automerge] {
            let game = Play { members, operations, family, seed };
            let started = Instant::now();
            println!("seed {seed} {family} board: {}", play(game, &board).await);
            let chart = &charts[seed as usize % charts.len()];
            println!("seed {seed} {family} chart: {}", play(game, chart).await);
            println!("seed {seed} {family}: held, {:.1?}", started.elapsed());
        }
    }
}

/// The real tasks, or as many others.
fn board() -> Board {
    let bytes = real_data("tasks").map(|folder| std::fs::read(folder.join("issues.jsonl")).expect("tasks"));
    let made = || {
        let line = |n| {
            format!("{{\"id\":\"t{n}\",\"title\":\"Task {n}\",\"status\":\"open\",\"labels\":[\"a\"]}}\n")
        };
        (0..704).map(line).collect::<String>().into_bytes()
    };
    Board::from_json_lines(&bytes.unwrap_or_else(made)).expect("tasks that can be imported")
}

/// The real charts that hold more than a few elements, or one of our own.
fn charts() -> Vec<Chart> {
    let Some(folder) = real_data("charts") else {
        let chart = br#"{"mark":"bar","data":{"values":[{"a":1},{"a":2}]},"encoding":{"x":{"field":"a"}}}"#;
        return vec![Chart::from_vega_lite(chart).expect("a chart that can be imported")];
    };
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder that can be read")
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort();
    let chart = |path| Chart::from_vega_lite(&std::fs::read(path).expect("a file")).expect("a chart");
    files.iter().map(chart).filter(|chart| chart.elements.len() > 20).collect()
}
