//! `syncline`: the engine in a terminal.

mod args;
mod board;
mod chart;
mod edit;
mod export;
mod failure;
mod history;
mod import;
mod operations;
mod presence;
mod progress;
mod read;
mod replay;
mod session;
mod status;
mod svg;
mod sync;
mod task;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use args::{Arguments, Command, Global, TextCommand};
use failure::Failure;

fn main() -> ExitCode {
    let Arguments { global, command } = Arguments::read();
    // What is drawn on the whole terminal is not to be written over.
    let is_drawn_over = matches!(command, Command::Board { .. }) && std::io::stderr().is_terminal();
    let filter = match is_drawn_over {
        true => EnvFilter::new("off"),
        false => EnvFilter::try_from_env("SYNCLINE_LOG").unwrap_or_else(|_| EnvFilter::new("error")),
    };
    // Where the log cannot be written, as on a full disk, complaining about that would end whoever has something to say.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_ansi(std::io::stderr().is_terminal()).log_internal_errors(false).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&global, &Failure::Output(error)),
    };
    match runtime.block_on(run(&global, command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&global, &failure),
    }
}

fn report(global: &Global, failure: &Failure) -> ExitCode {
    let said = match global.json {
        true => serde_json::json!({"error": failure.to_string(), "code": failure.code()}).to_string(),
        false => format!("syncline: {}", read::on_one_line(&failure.to_string())),
    };
    // The exit code tells it too, to whoever cannot be told in words.
    drop(writeln!(std::io::stderr(), "{said}"));
    failure.exit_code()
}

async fn run(global: &Global, command: Command) -> Result<(), Failure> {
    match command {
        Command::Create { doc, kind, crdt } => edit::create(global, &doc, kind.into(), crdt.into()).await,
        Command::Show { doc } => read::get(global, &doc, "").await,
        Command::List => read::list(global),
        Command::Delete { doc, force } => edit::delete(global, &doc, force).await,
        Command::Set { doc, path, value } => edit::perform(global, &doc, edit::set(&path, &value)?).await,
        Command::Get { doc, path } => read::get(global, &doc, &path).await,
        Command::Rm { doc, path } => edit::perform(global, &doc, edit::rm(&path)?).await,
        Command::Insert { doc, path, value } => {
            edit::perform(global, &doc, edit::insert(&path, &value)?).await
        }
        Command::Inc { doc, path, by } => edit::perform(global, &doc, edit::inc(&path, by)?).await,
        Command::Text { command: TextCommand::Splice { doc, rest } } => {
            edit::perform(global, &doc, edit::splice(&rest)?).await
        }
        Command::Import { doc, file, format, crdt } => {
            import::import(global, &doc, &file, format, crdt.into()).await
        }
        Command::Export { doc, format } => export::export(global, &doc, format).await,
        Command::Task { command } => task::run(global, command).await,
        Command::Chart(arguments) => chart::run(global, arguments).await,
        Command::Sync { docs, timeout } => sync::sync(global, &docs, timeout).await,
        Command::Board { doc } => board::board(global, &doc).await,
        Command::Watch { doc } => sync::watch(global, &doc).await,
        Command::Presence { doc, name, color, away, at, metadata } => {
            let shown = presence::Shown { name, color, away, at, metadata };
            presence::presence(global, &doc, &shown).await
        }
        Command::History { doc } => history::history(global, &doc).await,
        Command::Status => status::status(global).await,
        Command::Compact { doc } => read::compact(global, doc.as_deref()).await,
        Command::Check => read::check(global),
        Command::Replay { trace, doc, crdt, offline_every } => {
            replay::run(global, &trace, &doc, crdt.into(), offline_every).await
        }
    }
}
