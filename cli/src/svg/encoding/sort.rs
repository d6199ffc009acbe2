//! In what order names stand.

use serde_json::Value as Json;

use super::summary::{self, Aggregate};
use super::{NAMES, Name, request};
use crate::svg::cell::Cell;
use crate::svg::data::Field;
use crate::svg::node::Node;
use crate::svg::undrawable::Undrawable;

/// In what order the values of a channel stand.
#[derive(Clone, Debug, PartialEq)]
pub enum Sort {
    /// The least first.
    Ascending,
    /// The greatest first.
    Descending,
    /// As in the data.
    Data,
    /// As listed; others follow.
    Listed(Vec<Cell>),
    /// By what another channel or field has for them.
    By { key: SortKey, aggregate: Option<Aggregate>, descending: bool },
}

/// What values are sorted by.
#[derive(Clone, Debug, PartialEq)]
pub enum SortKey {
    /// What another channel shows.
    Channel(Name),
    /// A field.
    Field(Option<Field>),
}

/// Reads an order.
pub(super) fn read(node: &Node<'_>) -> Result<Sort, Undrawable> {
    match node.json {
        Json::Null => Ok(Sort::Data),
        Json::Array(_) => {
            Ok(Sort::Listed(node.list()?.iter().map(request::datum).collect::<Result<_, _>>()?))
        }
        Json::String(order) if order == "ascending" => Ok(Sort::Ascending),
        Json::String(order) if order == "descending" => Ok(Sort::Descending),
        Json::String(channel) => {
            let (descending, channel) =
                channel.strip_prefix('-').map_or((false, channel.as_str()), |rest| (true, rest));
            let json = Json::from(channel);
            let named = Node { json: &json, at: node.at.clone() }.one_of("sorting by", &NAMES)?;
            Ok(Sort::By { key: SortKey::Channel(named), aggregate: None, descending })
        }
        _ => definition(node),
    }
}

fn definition(node: &Node<'_>) -> Result<Sort, Undrawable> {
    let mut sort = node.object()?;
    let channel = sort.some("encoding").map(|node| node.one_of("sorting by", &NAMES)).transpose()?;
    let field = sort.string("field")?.map(|name| Field::parse(&name));
    let aggregate = sort.some("op").map(|node| summary::aggregate(&node)).transpose()?;
    let descending = match sort.take("order") {
        Some(node) if !node.json.is_null() => {
            node.one_of("order", &[("ascending", false), ("descending", true)])?
        }
        Some(_) | None => false,
    };
    sort.finish("a sort")?;
    Ok(Sort::By { key: channel.map_or(SortKey::Field(field), SortKey::Channel), aggregate, descending })
}
