//! A document of very many edits: `long --family yjs`. See `syncline_tests::process::long`.

use std::process::ExitCode;

use clap::Parser;
use syncline_tests::process::long::{Figures, Run};

/// Makes a document of very many small edits over a relay, and measures opening it and catching up with it. Whoever
/// catches up must read the same.
#[derive(Parser)]
struct Arguments {
    /// yjs or automerge; both unless told
    #[arg(long)]
    family: Option<String>,
    /// How many edits
    #[arg(long, default_value_t = 1_000_000)]
    edits: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { family: only, edits } = Arguments::parse();
    let wanted = |family: &&str| only.as_deref().is_none_or(|only| only == *family);
    for family in ["yjs", "automerge"].into_iter().filter(wanted) {
        match (Run { family, edits }).play().await {
            Ok(figures) => println!("{family}, {edits} edits: {}", shown(&figures)),
            Err(broken) => {
                eprintln!("{family}, {edits} edits: {broken}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn shown(figures: &Figures) -> String {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let Figures { made, memory, stores, opened, by_snapshot, to_another_relay, by_have } = figures;
    format!(
        "on disk after {:.1} s, at the relay after {:.1} s; memory of the author {:.0} MiB, of the relay {:.0} MiB, {:.0} at \
         most; stores of {:.2} and {:.2} MiB; opened in {:.0} ms; an empty store caught up in {:.2} s ({:.2} MiB sent), an \
         empty relay in {:.2} s, a store behind in {:.2} s ({:.3} MiB sent)",
        made.0.as_secs_f64(),
        made.1.as_secs_f64(),
        mib(memory.0),
        mib(memory.1),
        mib(memory.2),
        mib(stores.0),
        mib(stores.1),
        opened.as_secs_f64() * 1e3,
        by_snapshot.0.as_secs_f64(),
        mib(by_snapshot.1),
        to_another_relay.as_secs_f64(),
        by_have.0.as_secs_f64(),
        mib(by_have.1),
    )
}
