//! How many rows become one, and how numbers are put into bins.

use serde_json::Value as Json;

use crate::svg::node::Node;
use crate::svg::undrawable::Undrawable;

/// How many rows become one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// How many there are.
    Count,
    /// How many different ones.
    Distinct,
    /// All together.
    Sum,
    /// Their mean.
    Mean,
    /// The one in the middle.
    Median,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

const AGGREGATES: [(&str, Aggregate); 8] = [
    ("count", Aggregate::Count),
    ("distinct", Aggregate::Distinct),
    ("sum", Aggregate::Sum),
    ("mean", Aggregate::Mean),
    ("average", Aggregate::Mean),
    ("median", Aggregate::Median),
    ("min", Aggregate::Min),
    ("max", Aggregate::Max),
];

impl Aggregate {
    /// How it is called in titles.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Distinct => "Distinct",
            Self::Sum => "Sum",
            Self::Mean => "Mean",
            Self::Median => "Median",
            Self::Min => "Min",
            Self::Max => "Max",
        }
    }
}

/// Reads how rows become one.
pub(super) fn aggregate(node: &Node<'_>) -> Result<Aggregate, Undrawable> {
    if node.json.is_object() {
        return Err(node.unsupported(format!("the aggregate {}", node.json)));
    }
    node.one_of("aggregate", &AGGREGATES)
}

/// How numbers are put into bins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bin {
    /// So many at most, or of this breadth.
    Of { max: f64, step: Option<f64> },
    /// The data has bins.
    Done,
}

/// Reads how numbers are put into bins; `None` is not at all.
pub(super) fn bin(node: &Node<'_>) -> Result<Option<Bin>, Undrawable> {
    const DEFAULT_MAX: f64 = 10.0;
    match node.json {
        Json::Bool(false) => return Ok(None),
        Json::Bool(true) => return Ok(Some(Bin::Of { max: DEFAULT_MAX, step: None })),
        Json::String(text) if text == "binned" => return Ok(Some(Bin::Done)),
        _ => {}
    }
    let mut bin = node.object()?;
    let read = match bin.boolean("binned")? {
        Some(true) => {
            bin.pass_over(&["step"]);
            Bin::Done
        }
        Some(false) | None => {
            let max = bin.number("maxbins")?.unwrap_or(DEFAULT_MAX).clamp(1.0, 1_000.0);
            Bin::Of { max, step: bin.number("step")?.filter(|step| *step > 0.0) }
        }
    };
    bin.finish("a bin")?;
    Ok(Some(read))
}
