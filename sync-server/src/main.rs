//! `sync-server`: the relay in one binary.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use syncline::{Durability, Principal};
use syncline_core::replica::LOADED_BYTES;
use syncline_server::{Auth, Relay, RelayError, Settings, make_token, threads};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

const MEBIBYTE: usize = 1 << 20;

/// The Syncline relay: connects everybody who edits the same documents, and keeps what they write.
///
/// Without a command it serves, and without options it needs nothing: clients connect to
/// ws://127.0.0.1:4455/sync, and http://127.0.0.1:4455/ shows what is going on.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Run the relay; the same as no command at all.
    Serve,
    /// Make a token: it is printed once, and what the file of --auth must say of it.
    Token {
        /// Whose it is.
        #[arg(value_parser = Principal::new)]
        name: Principal,
        /// Documents it may read: a name, or the beginning of names with a * behind it.
        #[arg(long, value_name = "DOCUMENTS")]
        read: Vec<String>,
        /// Documents it may read and write.
        #[arg(long, value_name = "DOCUMENTS")]
        write: Vec<String>,
    },
}

/// Understood before and after the command.
#[derive(Args)]
struct Serve {
    /// Address and port to listen on, as in 0.0.0.0:4455 for every network of this machine; port 0 takes any free one.
    #[arg(
        long,
        global = true,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:4455",
        env = "SYNCLINE_LISTEN"
    )]
    listen: SocketAddr,
    /// Folder for the store.
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        default_value = "./syncline-data",
        env = "SYNCLINE_DATA_DIR"
    )]
    data: PathBuf,
    /// What an acknowledged edit survives: a power failure, or only the death of the process.
    #[arg(long, global = true, value_enum, default_value = "full", env = "SYNCLINE_DURABILITY")]
    durability: Kept,
    /// Memory for documents, in MiB. Of more, those used least recently are unloaded, to be read again when they are spoken
    /// of; a document that is larger is served all the same.
    #[arg(
        long,
        global = true,
        value_name = "MIB",
        default_value_t = LOADED_BYTES / MEBIBYTE,
        env = "SYNCLINE_MEMORY"
    )]
    memory: usize,
    /// Tokens that clients must show, as `sync-server token` makes them. Without it everybody may read and write everything,
    /// and only this machine can connect.
    #[arg(long, global = true, value_name = "FILE", env = "SYNCLINE_AUTH")]
    auth: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kept {
    /// Every commit is synced to the disk before it is acknowledged.
    Full,
    /// Faster; a power failure may take the last commits, acknowledged or not.
    Normal,
}

fn main() -> ExitCode {
    let Arguments { command, serve } = Arguments::parse();
    if let Some(Command::Token { name, read, write }) = command {
        return print_token(&name, &read, &write);
    }
    let filter = EnvFilter::try_from_env("SYNCLINE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // Where the log cannot be written, as on a full disk, complaining about that would end whoever has something to say.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_ansi(std::io::stderr().is_terminal()).log_internal_errors(false).init();
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(threads()).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return fail(&format!("no threads: {error}")),
        };
    match runtime.block_on(run(serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

/// Prints a new token, and the lines for the file of tokens on standard output alone, so that they can be appended to it.
fn print_token(name: &Principal, read: &[String], write: &[String]) -> ExitCode {
    match make_token(name, read, write) {
        Ok((token, entry)) => {
            if read.is_empty() && write.is_empty() {
                let hint = "it may do nothing yet: name documents with --read and --write, as in --write '*'";
                _ = writeln!(std::io::stderr(), "sync-server: {hint}");
            }
            _ = writeln!(std::io::stderr(), "the token of {name}, which is shown only now: {token}");
            say(entry.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(message: &str) -> ExitCode {
    // Nobody may be listening any more; the exit code still tells.
    _ = writeln!(std::io::stderr(), "sync-server: {message}");
    ExitCode::FAILURE
}

/// Tells whoever reads along; a relay goes on when nobody does.
fn say(line: &str) {
    _ = writeln!(std::io::stdout(), "{line}");
}

async fn run(serve: Serve) -> Result<(), RelayError> {
    let durability = match serve.durability {
        Kept::Full => Durability::Full,
        Kept::Normal => Durability::Normal,
    };
    let mut stops = Stops::listen();
    let loaded_bytes = serve.memory.saturating_mul(MEBIBYTE);
    let data = serve.data.clone();
    let auth = serve.auth.as_deref().map_or_else(|| Ok(Auth::open()), Auth::read)?;
    let relay = Relay::start(Settings { listen: serve.listen, data, durability, loaded_bytes, auth }).await?;
    let address = relay.address();
    say(&format!("Syncline relay {}", env!("CARGO_PKG_VERSION")));
    say(&format!("  clients  ws://{address}/sync"));
    say(&format!(
        "  others   ws://{address}/yjs, /hocuspocus and /automerge, and y-sweet's at ys://{address}"
    ));
    say(&format!("  page     http://{address}/"));
    say(&format!("  store    {} (durability {durability})", serve.data.display()));
    stops.next().await;
    say("stopping: clients are told to come back; once more to stop at once");
    tokio::select! {
        stopped = relay.shutdown() => stopped,
        () = stops.next() => Ok(()),
    }
}

/// SIGTERM and SIGINT. They are listened for from the beginning: whoever has read the relay's address may stop it.
struct Stops(Option<(Signal, Signal)>);

impl Stops {
    fn listen() -> Self {
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => Self(Some((terminate, interrupt))),
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "signals cannot be heard; kill the process to stop it");
                Self(None)
            }
        }
    }

    /// Waits for the next of them.
    async fn next(&mut self) {
        let Some((terminate, interrupt)) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}
