//! A client under load: edits a document through the engine as fast as it is told to, and prints the number of
//! every edit once it is reported saved, here (`local N`) and at the relay (`relay N`).
//!
//! An edit of generation G sets `/edits/USER.G.N` and counts one up at `/count`, so that an edit that was lost shows
//! as a missing key and one that was applied twice as a wrong count. Told `stop` on standard input, it edits no
//! more, and from then on prints a digest of the content (`state D KEYS`) whenever that has changed, or with
//! `--when-asked` only when told `state`. Told `end`, it closes its store and goes.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use futures_util::StreamExt;
use syncline::transports::WebSocket;
use syncline::{BoxError, Document, Engine, Operation, Progress, SqliteStorage, storage};
use syncline_core::random::Random;
use syncline_tests::process::load::{COUNT, EDITS, digest, keys, spec, whole};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::watch;

/// Longest wait between attempts to reach the relay, in milliseconds: it is back soon.
const LONGEST_WAIT: u64 = 500;

#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    store: PathBuf,
    #[arg(long)]
    relay: String,
    #[arg(long)]
    user: String,
    #[arg(long)]
    doc: String,
    /// yjs or automerge
    #[arg(long)]
    family: String,
    /// How often the client was started before
    #[arg(long)]
    generation: u64,
    /// Mean pause between two edits, in microseconds
    #[arg(long, default_value_t = 10_000)]
    pause: u64,
    /// What the store's commits survive: full or normal
    #[arg(long, default_value = "full")]
    durability: String,
    /// Wait until an edit is saved at the relay before making the next
    #[arg(long)]
    one_by_one: bool,
    /// Edits after which to stop by itself
    #[arg(long, default_value_t = u64::MAX)]
    edits: u64,
    /// Tell the state when asked, not whenever it changes: of a large document that is more work than all else
    #[arg(long)]
    when_asked: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), BoxError> {
    let durability = match arguments.durability.as_str() {
        "normal" => storage::Durability::Normal,
        _ => storage::Durability::Full,
    };
    let options = storage::Options { durability, ..storage::Options::default() };
    let engine = Engine::builder(SqliteStorage::open(&arguments.store, options)?)
        .user(&arguments.user)
        .relay(WebSocket::new(&arguments.relay))
        .longest_wait(LONGEST_WAIT)
        .open()?;
    let document = engine.document(&arguments.doc, spec(&arguments.family)?).await?;
    // The containers were made by whoever set the run up, so that all of them edit the same ones from the beginning.
    until(&document, |keys| keys.is_some()).await;
    println!("ready");
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let (stop, stopped) = watch::channel(false);
    let asked = document.clone();
    let listening = tokio::spawn(async move {
        while let Ok(Some(order)) = orders.next_line().await {
            match order.as_str() {
                "stop" => _ = stop.send_replace(true),
                "state" => tell_state(&asked),
                _ => return,
            }
        }
    });
    edit(&arguments, &document, stopped).await?;
    tokio::select! {
        () = tell_states(&document), if !arguments.when_asked => {}
        _ = listening => {}
    }
    engine.close().await;
    Ok(())
}

/// Waits for what the document holds under [`EDITS`].
async fn until(document: &Document, mut enough: impl FnMut(Option<usize>) -> bool) {
    let mut changes = document.changes();
    while !enough(whole(document).as_ref().and_then(keys)) {
        changes.next().await;
    }
}

/// Edits until told to stop, and says meanwhile what is saved.
async fn edit(
    arguments: &Arguments,
    document: &Document,
    stopped: watch::Receiver<bool>,
) -> Result<(), BoxError> {
    let mut random = Random::new(arguments.generation ^ u64::from(std::process::id()));
    let saying = tokio::spawn(say_saved(document.clone(), document.progress().made));
    for number in 1..=arguments.edits {
        if *stopped.borrow() {
            break;
        }
        let id = format!("{}.{}.{number}", arguments.user, arguments.generation);
        document.edit(|editor| {
            editor.perform(Operation::Put { path: format!("{EDITS}/{id}").parse()?, value: true.into() })?;
            editor.perform(Operation::Increment { path: COUNT.parse()?, by: 1 })?;
            Ok::<(), BoxError>(())
        })?;
        if arguments.one_by_one {
            document.saved(syncline::Saved::Relay).await?;
        }
        tokio::time::sleep(Duration::from_micros(random.below(2 * arguments.pause))).await;
    }
    document.saved(syncline::Saved::Relay).await?;
    saying.abort();
    Ok(())
}

/// Edits are numbered from 1 in each generation; `before` is how many the engine counted when it was opened.
async fn say_saved(document: Document, before: u64) {
    let mut progress = document.watch_progress();
    let (mut local, mut relay) = (0, 0);
    loop {
        let now: Progress = *progress.borrow_and_update();
        say("local", &mut local, now.local.saturating_sub(before));
        say("relay", &mut relay, now.relay.saturating_sub(before));
        if progress.changed().await.is_err() {
            return;
        }
    }
}

fn say(place: &str, last: &mut u64, number: u64) {
    if number > *last {
        println!("{place} {number}");
        *last = number;
    }
}

async fn tell_states(document: &Document) {
    let mut changes = document.changes();
    loop {
        tell_state(document);
        if changes.next().await.is_none() {
            return;
        }
    }
}

fn tell_state(document: &Document) {
    if let Some(content) = whole(document) {
        println!("state {:016x} {}", digest(&content), keys(&content).unwrap_or_default());
    }
}
