//! What can be said about the tasks of a board.

use clap::{Args, Subcommand};
use syncline::fractional_index::Spot;

const ID: &str = "The task's id, or as much of its beginning as no other task shares";

/// Commands on the tasks of a board.
#[derive(Subcommand)]
pub enum TaskCommand {
    /// Add a task at the bottom of a column; prints its id.
    Add {
        doc: String,
        title: String,
        /// The column.
        #[arg(long, default_value = "todo")]
        status: String,
        #[command(flatten)]
        fields: TaskFields,
    },
    /// Change fields of a task; an empty value takes a field away.
    Edit {
        doc: String,
        #[arg(help = ID)]
        id: String,
        #[arg(long)]
        title: Option<String>,
        #[command(flatten)]
        fields: TaskFields,
    },
    /// Move a task to a column, or within its own; to the bottom unless told.
    Move {
        doc: String,
        #[arg(help = ID)]
        id: String,
        /// The column.
        status: String,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Say something about a task, under the name of --user; prints the comment's id.
    Comment {
        doc: String,
        #[arg(help = ID)]
        id: String,
        text: String,
    },
    /// Take a task off the board.
    Rm {
        doc: String,
        #[arg(help = ID)]
        id: String,
    },
    /// Print all of a task as JSON.
    Show {
        doc: String,
        #[arg(help = ID)]
        id: String,
    },
    /// Print the tasks of a board, column by column, a line each: id, column, title and what else there is in brief.
    List {
        doc: String,
        /// Only those of this column.
        #[arg(long)]
        status: Option<String>,
        /// Only those of this person.
        #[arg(long)]
        assignee: Option<String>,
        /// Only those with this label.
        #[arg(long)]
        label: Option<String>,
    },
}

/// Fields of a task.
#[derive(Args)]
pub struct TaskFields {
    /// What it is about. Changes what differs, so what others write meanwhile stays.
    #[arg(long)]
    pub description: Option<String>,
    /// What was found out. Changes what differs, so what others write meanwhile stays.
    #[arg(long)]
    pub notes: Option<String>,
    /// Whose task it is.
    #[arg(long, value_name = "NAME")]
    pub assignee: Option<String>,
    /// Until when: a date such as 2026-12-24, or a time such as 2026-12-24T18:00:00Z.
    #[arg(long, value_name = "DATE")]
    pub due: Option<String>,
    /// How urgent; the smaller, the more.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub priority: Option<String>,
    /// Give it a label; may be said several times.
    #[arg(long, value_name = "LABEL")]
    pub label: Vec<String>,
    /// Take a label away; may be said several times.
    #[arg(long, value_name = "LABEL")]
    pub unlabel: Vec<String>,
    /// Another task has to be done first; may be said several times.
    #[arg(long, value_name = "ID")]
    pub depends_on: Vec<String>,
    /// Another task need not be done first after all; may be said several times.
    #[arg(long, value_name = "ID")]
    pub independent_of: Vec<String>,
}

/// Where among others something goes.
#[derive(Args)]
#[group(multiple = false)]
pub struct PlaceArgs {
    /// Ahead of all others.
    #[arg(long)]
    pub first: bool,
    /// Behind all others.
    #[arg(long)]
    pub last: bool,
    /// Right ahead of this one.
    #[arg(long, value_name = "ID")]
    pub before: Option<String>,
    /// Right behind this one.
    #[arg(long, value_name = "ID")]
    pub after: Option<String>,
}

impl PlaceArgs {
    /// The id of what it goes next to, if that was said.
    pub fn next_to(&self) -> Option<&str> {
        self.before.as_deref().or(self.after.as_deref())
    }

    /// Where that is, once the thing of that id is found; behind all others unless told.
    pub fn spot<'a, T>(&self, next_to: Option<&'a T>) -> Spot<&'a T> {
        match next_to {
            Some(next) if self.before.is_some() => Spot::Before(next),
            Some(last) => Spot::After(last),
            None if self.first => Spot::First,
            None => Spot::Last,
        }
    }
}
