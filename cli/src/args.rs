//! The command line: what can be said, and how it is explained.

mod chart;
mod task;

use std::path::PathBuf;

pub use chart::{ChartArgs, ChartCommand};
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
pub use task::{PlaceArgs, TaskCommand, TaskFields};

use syncline::{Compression, Durability, Encoding, Family, Kind};

/// Edit documents that merge: offline in a local store, and with everybody else through a relay.
///
/// Documents are trees of maps, lists, texts and counters. PATH is a JSON Pointer such as /tasks/0/title, VALUE
/// is JSON. Every edit is durable in the store when the command returns; with a relay that can be reached it is there
/// too, and `sync` brings what was made without one.
#[derive(Parser)]
#[command(name = "syncline", version, after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; the message says why and what to do
  2  the command line was not understood
  3  not everything could be synchronised in time (sync)

SYNCLINE_LOG=debug tells on standard error what goes on.";

const PATH: &str = "Where, as a JSON Pointer such as /tasks/0/title; only the last step may be new";

const VALUE: &str = "What, as JSON: '\"a string\"', 7, true, null, '[1, 2]', '{\"key\": \"value\"}'";

/// Whose edits they are if nobody is named.
const NOBODY: &str = "anonymous";

/// What every command understands, before or after its name.
#[derive(Args, Clone)]
pub struct Global {
    /// The store: one file, made by the first `create`, `import`, `sync`, `watch` or `replay`.
    #[arg(long, global = true, value_name = "FILE", default_value = "syncline.db", env = "SYNCLINE_STORE")]
    pub store: PathBuf,
    /// A relay, as in ws://127.0.0.1:4455/sync; several, in order of preference, with commas or several times. Or a server of
    /// others, as in yjs+ws://127.0.0.1:1234 (y-websocket), hocuspocus+wss://docs.example?token=secret or
    /// automerge+wss://sync.example: it takes the documents of its family, and promises only to have applied what is saved
    /// there.
    #[arg(long, global = true, value_name = "URL", env = "SYNCLINE_RELAY", value_delimiter = ',')]
    pub relay: Vec<String>,
    /// What the relay asks for, if it does; better in the environment, where other users do not see it.
    #[arg(long, global = true, value_name = "TOKEN", env = "SYNCLINE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Write lists, status and errors as JSON, one object a line.
    #[arg(long, global = true)]
    pub json: bool,
    /// Under whose name edits are made.
    #[arg(long, global = true, value_name = "NAME", env = "USER", default_value = NOBODY)]
    pub user: String,
    /// What a saved edit survives: a power failure, or only the death of the process.
    #[arg(long, global = true, value_enum, default_value = "full")]
    durability: Kept,
    /// How frames to the relay are written.
    #[arg(long, global = true, value_enum, default_value = "binary")]
    encoding: Encoded,
    /// Which compressions the relay may use towards us, best first.
    #[arg(long, global = true, value_enum, value_delimiter = ',', default_value = "gzip")]
    compression: Vec<Compressed>,
}

impl Arguments {
    /// What the command line says. Where the environment names a user or a relay that is empty, it names none.
    pub fn read() -> Self {
        let matches = Self::command().get_matches();
        let mut arguments = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let Global { relay, user, .. } = &mut arguments.global;
        let from_environment = |name| matches.value_source(name) == Some(ValueSource::EnvVariable);
        if from_environment("relay") {
            relay.retain(|url| !url.is_empty());
        }
        if from_environment("user") && user.is_empty() {
            NOBODY.clone_into(user);
        }
        arguments
    }
}

impl Global {
    pub const fn durability(&self) -> Durability {
        match self.durability {
            Kept::Full => Durability::Full,
            Kept::Normal => Durability::Normal,
        }
    }

    pub const fn encoding(&self) -> Encoding {
        match self.encoding {
            Encoded::Binary => Encoding::Binary,
            Encoded::Json => Encoding::Json,
        }
    }

    pub fn compression(&self) -> Vec<Compression> {
        let known = |compressed: &Compressed| match compressed {
            Compressed::Gzip => Some(Compression::Gzip),
            Compressed::Brotli => Some(Compression::Brotli),
            Compressed::None => None,
        };
        self.compression.iter().filter_map(known).collect()
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Kept {
    Full,
    Normal,
}

#[derive(Clone, Copy, ValueEnum)]
enum Encoded {
    Binary,
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum Compressed {
    Gzip,
    Brotli,
    None,
}

/// The CRDT a document is made of.
#[derive(Clone, Copy, ValueEnum)]
pub enum Crdt {
    /// Yjs.
    Yjs,
    /// Automerge.
    Automerge,
}

impl From<Crdt> for Family {
    fn from(crdt: Crdt) -> Self {
        match crdt {
            Crdt::Yjs => Self::Yjs,
            Crdt::Automerge => Self::Automerge,
        }
    }
}

/// What a document is for.
#[derive(Clone, Copy, ValueEnum)]
pub enum Purpose {
    /// A tree of maps, lists, texts, counters and plain values.
    Tree,
    /// One text.
    Text,
    /// A task board.
    Board,
    /// A chart.
    Chart,
}

impl From<Purpose> for Kind {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Tree => Self::Tree,
            Purpose::Text => Self::Text,
            Purpose::Board => Self::Board,
            Purpose::Chart => Self::Chart,
        }
    }
}

/// How a document is exported.
#[derive(Clone, Copy, ValueEnum)]
pub enum Format {
    /// Canonical JSON, as `show` prints it.
    Json,
    /// The bare text of a text document.
    Text,
    /// A chart as a Vega-Lite specification.
    VegaLite,
    /// The tasks of a board, one JSON object a line.
    JsonLines,
    /// The tasks of a board as a table.
    Csv,
    /// The tasks of a board, one line of text each.
    TodoTxt,
}

/// What a file is in.
#[derive(Clone, Copy, ValueEnum)]
pub enum ImportFormat {
    /// A Vega-Lite specification: a chart.
    VegaLite,
    /// Tasks, one JSON object a line: a board.
    JsonLines,
    /// A table of tasks, with their fields in the first row: a board.
    Csv,
    /// Tasks, one line of text each: a board.
    TodoTxt,
}

#[derive(Subcommand)]
pub enum Command {
    /// Make a document.
    Create {
        /// Its name, such as team/board.
        doc: String,
        /// What it is for.
        #[arg(long, value_enum, default_value = "tree")]
        kind: Purpose,
        /// What it is made of.
        #[arg(long, value_enum, default_value = "yjs")]
        crdt: Crdt,
    },
    /// Print a document as canonical JSON: equal documents print equal bytes.
    Show { doc: String },
    /// Print the names of the documents in the store.
    List,
    /// Forget a document in this store; relays and others keep theirs.
    Delete {
        doc: String,
        /// Even if it has edits that no relay has.
        #[arg(long)]
        force: bool,
    },
    /// Give a key of a map, or an element of a list, a value.
    ///
    /// A map or list at the top of a document is there as long as something is in it.
    Set {
        doc: String,
        #[arg(help = PATH)]
        path: String,
        #[arg(help = VALUE, allow_negative_numbers = true)]
        value: String,
    },
    /// Print the value at a path as canonical JSON.
    Get {
        doc: String,
        #[arg(help = PATH)]
        path: String,
    },
    /// Take out what is at a path.
    Rm {
        doc: String,
        #[arg(help = PATH)]
        path: String,
    },
    /// Put a value into a list, in front of the element that PATH names; /list/- for the end.
    Insert {
        doc: String,
        #[arg(help = PATH)]
        path: String,
        #[arg(help = VALUE, allow_negative_numbers = true)]
        value: String,
    },
    /// Add to a counter, making it if need be.
    Inc {
        doc: String,
        #[arg(help = PATH)]
        path: String,
        /// How much; negative to count down.
        #[arg(default_value_t = 1, allow_negative_numbers = true)]
        by: i64,
    },
    /// Edit a text in place; at a new key, make one.
    Text {
        #[command(subcommand)]
        command: TextCommand,
    },
    /// Make a document of a file: a chart of a Vega-Lite specification, a board of tasks.
    ///
    /// All of it is there afterwards, or nothing but an empty document, into which it can be imported again. What neither
    /// charts nor boards know is kept and exported again.
    Import {
        doc: String,
        /// The file; `-` for standard input.
        file: PathBuf,
        /// What it is in; told by its content and name unless said.
        #[arg(long, value_enum)]
        format: Option<ImportFormat>,
        /// What the document is made of.
        #[arg(long, value_enum, default_value = "yjs")]
        crdt: Crdt,
    },
    /// Write a document to standard output.
    Export {
        doc: String,
        /// In which form; vega-lite for charts, json-lines for boards and json for others unless said.
        #[arg(long, value_enum)]
        format: Option<Format>,
    },
    /// Work on the tasks of a board.
    Task {
        #[command(subcommand)]
        command: TaskCommand,
    },
    /// Draw a chart, or work on its elements.
    Chart(ChartArgs),
    /// Bring documents and relay together; ends when everything is saved there and everything there is here.
    Sync {
        /// Which; all in the store if none is named. One that is not here is fetched.
        docs: Vec<String>,
        /// Seconds after which to give up.
        #[arg(long, value_name = "S", default_value_t = 60)]
        timeout: u64,
    },
    /// Print what a document holds and then its changes as they come, one operation a line, until interrupted.
    Watch { doc: String },
    /// Show who is present in a document, and be present there, until interrupted.
    ///
    /// One line for everybody who is there, then one whenever somebody comes (+), moves (=) or goes (-).
    Presence {
        doc: String,
        /// What to be called.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// The colour to be shown in, as CSS has it.
        #[arg(long, value_name = "COLOUR")]
        color: Option<String>,
        /// Be shown as away.
        #[arg(long)]
        away: bool,
        /// Be shown at a place in a text, as in /text:12.
        #[arg(long, value_name = "PATH:POSITION")]
        at: Option<String>,
        /// Be shown with something else: a JSON object.
        #[arg(long, value_name = "JSON")]
        metadata: Option<String>,
    },
    /// Show a board on the whole terminal, to work on with keys and mouse; `?` there tells how.
    ///
    /// A board that is not in the store is fetched. Edits need no relay: they reach it when it can be reached.
    Board { doc: String },
    /// Print who did what to a document and when, one edit a line as JSON, as far as its log still tells them apart.
    ///
    /// In the order in which this store got them. Of edits made in this store all operations are known, of others' what
    /// they wrote, made and removed by path.
    History { doc: String },
    /// Show the store, its documents and what waits for a relay; with a relay, after a moment in touch with it.
    Status,
    /// Merge logs into snapshots, of one document or of all: less to store and to open, and no history of what was merged.
    Compact { doc: Option<String> },
    /// Verify the store.
    Check,
    /// Play a recorded editing trace into a new text document, and compare the end with the recorded one.
    Replay {
        /// The trace, .json or .json.gz.
        trace: PathBuf,
        /// The document to make.
        doc: String,
        /// What it is made of.
        #[arg(long, value_enum, default_value = "yjs")]
        crdt: Crdt,
        /// Lose the connection every so many edits, and edit on without it; where several write, whose edits must follow
        /// each other's as they were recorded, only for a moment.
        #[arg(long, value_name = "N")]
        offline_every: Option<usize>,
    },
}

#[derive(Subcommand)]
pub enum TextCommand {
    /// Replace a range of a text, counted in Unicode code points; without PATH, of a text document's text.
    ///
    /// A text that begins with a hyphen needs a `--` before, as in `text splice note -- 0 0 --`.
    #[command(override_usage = "syncline text splice [OPTIONS] <DOC> [PATH] <POS> <DEL> <INS>")]
    Splice {
        doc: String,
        /// [PATH] POS DEL INS: from which character, how many of them go, and what comes there.
        #[arg(num_args = 3..=4, required = true, value_name = "[PATH] POS DEL INS", allow_negative_numbers = true)]
        rest: Vec<String>,
    },
}
