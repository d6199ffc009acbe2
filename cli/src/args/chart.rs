//! What can be said about the elements of a chart.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::task::PlaceArgs;

const ID: &str =
    "The element's id, or as much of its beginning as no other element shares; `chart` for the chart itself";

/// A chart to draw, or a command on its elements.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ChartArgs {
    #[command(subcommand)]
    pub command: Option<ChartCommand>,
    /// The chart to draw: bars, lines, areas, points, pies and layers of them; of others it is said what they ask for.
    #[arg(required = true)]
    pub doc: Option<String>,
    /// The picture to write, instead of what may be there; `-` for standard output.
    #[arg(long, value_name = "FILE", required = true)]
    pub svg: Option<PathBuf>,
}

/// Commands on the elements of a chart.
#[derive(Subcommand)]
pub enum ChartCommand {
    /// Add an element with all its parts; prints its id.
    ///
    /// For example `chart add team/sales encoding --name color '{"field": "region"}'` adds a colour,
    /// `chart add team/sales values --in data '{"a": "C", "b": 43}'` a data point, and, to a chart that is made of layers,
    /// `chart add team/sales layer '{"mark": "line", "encoding": {"y": {"field": "b"}}}'` a series.
    Add {
        doc: String,
        /// What it is, as Vega-Lite calls it: mark, encoding, layer, params, transform, data, values, …
        kind: String,
        /// The element as JSON.
        value: String,
        /// The element that it becomes a part of.
        #[arg(long = "in", value_name = "ID", default_value = "chart")]
        parent: String,
        /// Which one of its kind, such as the channel of an encoding.
        #[arg(long)]
        name: Option<String>,
    },
    /// Give a property a value.
    ///
    /// For example `chart update team/sales mark /type '"line"'`, or `chart update team/sales x /axis/title '"Year"'`.
    Update {
        doc: String,
        #[arg(help = ID)]
        id: String,
        /// Which property, as a JSON Pointer such as /type or /axis/title.
        path: String,
        /// Its value as JSON; without one, the property goes.
        #[arg(allow_negative_numbers = true)]
        value: Option<String>,
    },
    /// Move an element among its kind, such as a layer in front of another, or to a point of the canvas.
    Move {
        doc: String,
        #[arg(help = ID)]
        id: String,
        #[command(flatten)]
        place: PlaceArgs,
        /// To this point of the canvas.
        #[arg(long, value_name = "X,Y", allow_hyphen_values = true, conflicts_with = "PlaceArgs")]
        to: Option<String>,
    },
    /// Take out an element with everything that is part of it.
    Rm {
        doc: String,
        #[arg(help = ID)]
        id: String,
    },
    /// Print the elements of a chart, each below what it is part of: id, kind, and what it says in brief.
    List { doc: String },
}
