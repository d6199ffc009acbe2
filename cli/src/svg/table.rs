//! The data of a layer as its channels see it: a row for every mark, a cell for every channel, put into bins, aggregated
//! and stacked.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::cell::Cell;
use super::encoding::{Aggregate, Bin, Channel, Name, SortKey, Source, as_kind};
use super::mark::Invalid;
use super::undrawable::Undrawable;
use super::view::Layer;
use super::{number, orient, stack};

/// Cells by row and by channel.
pub type Table = Vec<Vec<Cell>>;

/// Prepares a layer's data.
pub fn prepare(layer: &Layer) -> Result<Table, Undrawable> {
    let columns: Vec<Vec<Cell>> = layer.channels.iter().map(|channel| column(layer, channel)).collect();
    let rows = (0..layer.rows.len()).map(|row| columns.iter().map(|column| column[row].clone()).collect());
    let mut table: Table = rows.collect();
    if layer.channels.iter().any(|channel| channel.aggregate.is_some()) {
        table = aggregate(layer, &table);
    }
    join_ends(layer, &mut table)?;
    match orient::stacked(layer) {
        Some(stacked) => stack::stack(layer, table, stacked),
        None => Ok(table),
    }
}

/// What a channel shows of each row, before anything is aggregated.
fn column(layer: &Layer, channel: &Channel) -> Vec<Cell> {
    let cells = layer.rows.iter().map(|row| raw(layer, channel, row));
    match (&channel.bin, &channel.unit) {
        (Some(Bin::Of { max, step }), _) => bins(&cells.collect::<Vec<_>>(), *max, *step),
        (_, Some(unit)) => {
            let stretch = |cell: Cell| match super::data::moment(&cell) {
                Cell::Number(time) => {
                    let (from, to) = unit.stretch(time);
                    Cell::Span(from, to)
                }
                other => other,
            };
            cells.map(stretch).collect()
        }
        _ => cells.collect(),
    }
}

fn is_place(channel: &Channel) -> bool {
    matches!(channel.name, Name::X | Name::Y) && channel.is_measure()
}

fn raw(layer: &Layer, channel: &Channel, row: &Json) -> Cell {
    match &channel.source {
        Source::Field(field) => match (channel.unit.is_some(), field.of(row)) {
            // A null is drawn as zero where nothing invalid is to be left out.
            (false, Cell::Null) if is_place(channel) && layer.mark.invalid == Invalid::Show => {
                Cell::number(0.0)
            }
            (true, cell) => cell,
            (false, cell) if channel.aggregate == Some(Aggregate::Distinct) => cell,
            (false, cell) => as_kind(&cell, channel.kind),
        },
        Source::Datum(cell) => as_kind(cell, channel.kind),
        Source::Count => Cell::number(1.0),
        Source::Value(_) => Cell::Null,
    }
}

/// Puts numbers into bins of equal, round breadth.
fn bins(cells: &[Cell], max: f64, step: Option<f64>) -> Vec<Cell> {
    let numbers = cells.iter().filter_map(|cell| cell.quantity().ends()).map(|(number, _)| number);
    let (least, greatest) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), number| {
        (least.min(number), greatest.max(number))
    });
    let span = [greatest - least, least.abs(), 1.0].into_iter().find(|span| *span > 0.0).unwrap_or(1.0);
    let step = step.unwrap_or_else(|| bin_step(span, max));
    let below = (least / step + 1e-12).floor() * step;
    let start = if least < below { below - step } else { below };
    let last = (((greatest - start) / step).ceil() - 1.0).max(0.0);
    let bin = |cell: &Cell| match cell.quantity() {
        Cell::Number(number) => {
            let index = ((number - start) / step + 1e-14).floor().clamp(0.0, last);
            let (from, to) = (round(start + index * step, step), round(start + (index + 1.0) * step, step));
            if from.is_finite() && to.is_finite() { Cell::Span(from, to) } else { Cell::Null }
        }
        other => other,
    };
    cells.iter().map(bin).collect()
}

/// Without the digits that floating point adds to sums of round numbers.
fn round(number: f64, step: f64) -> f64 {
    let scale = 10f64.powi(i32::try_from(number::places(step) + 2).unwrap_or(22));
    let rounded = (number * scale).round() / scale;
    if rounded.is_finite() { rounded + 0.0 } else { number }
}

fn bin_step(span: f64, max: f64) -> f64 {
    let level = max.log10().ceil();
    let mut step = 10f64.powf(span.log10().round() - level);
    while step > 0.0 && (span / step).ceil() > max {
        step *= 10.0;
    }
    for divisor in [5.0, 2.0] {
        if step / divisor > 0.0 && span / (step / divisor) <= max {
            step /= divisor;
        }
    }
    if step > 0.0 && step.is_finite() { step } else { span }
}

/// One row for all that are alike in what is not aggregated, in the order of the first of each.
fn aggregate(layer: &Layer, table: &Table) -> Table {
    let is_key = |at: &usize| layer.channels[*at].aggregate.is_none();
    let keys: Vec<usize> = (0..layer.channels.len()).filter(is_key).collect();
    let mut groups: BTreeMap<Vec<&Cell>, usize> = BTreeMap::new();
    let mut members: Vec<Vec<&Vec<Cell>>> = Vec::new();
    for row in table {
        let key: Vec<&Cell> = keys.iter().map(|at| &row[*at]).collect();
        let group = *groups.entry(key).or_insert_with(|| {
            members.push(Vec::new());
            members.len() - 1
        });
        members[group].push(row);
    }
    // Without anything to tell rows apart there is one value, even of no rows.
    if members.is_empty() && keys.iter().all(|at| !layer.channels[*at].shows_field()) {
        return Vec::new();
    }
    let together = |rows: Vec<&Vec<Cell>>| {
        let cell = |(at, channel): (usize, &Channel)| match channel.aggregate {
            Some(aggregate) => combined(aggregate, rows.iter().map(|row| &row[at])),
            None => rows[0][at].clone(),
        };
        layer.channels.iter().enumerate().map(cell).collect()
    };
    members.into_iter().map(together).collect()
}

/// One value for many.
pub fn combined<'a>(aggregate: Aggregate, cells: impl Iterator<Item = &'a Cell>) -> Cell {
    let cells: Vec<&Cell> = cells.collect();
    let quantity = |cell: &&Cell| cell.quantity().ends().map(|(number, _)| number);
    let mut numbers: Vec<f64> = cells.iter().filter_map(quantity).collect();
    match aggregate {
        Aggregate::Count => Cell::number(cells.len() as f64),
        Aggregate::Distinct => {
            Cell::number(cells.iter().collect::<std::collections::BTreeSet<_>>().len() as f64)
        }
        _ if numbers.is_empty() => Cell::Null,
        Aggregate::Sum => Cell::number(numbers.iter().sum()),
        Aggregate::Mean => Cell::number(numbers.iter().sum::<f64>() / numbers.len() as f64),
        Aggregate::Min => Cell::number(numbers.iter().copied().fold(f64::INFINITY, f64::min)),
        Aggregate::Max => Cell::number(numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        Aggregate::Median => {
            numbers.sort_by(f64::total_cmp);
            let middle = numbers.len() / 2;
            match numbers.len() % 2 {
                0 => Cell::number(f64::midpoint(numbers[middle - 1], numbers[middle])),
                _ => Cell::number(numbers[middle]),
            }
        }
    }
}

/// Makes one cell of where something begins and where it ends.
fn join_ends(layer: &Layer, table: &mut Table) -> Result<(), Undrawable> {
    for (first, second) in [(Name::X, Name::X2), (Name::Y, Name::Y2)] {
        let Some((end, channel)) = layer.channel(second) else { continue };
        let unsupported =
            |what: &str| Undrawable::Unsupported { at: channel.at.clone(), what: what.to_owned() };
        let Some((start, begins)) = layer.shown(first) else {
            return Err(unsupported("an end without a beginning in the data"));
        };
        if !channel.shows_data() || begins.is_discrete() {
            return Err(unsupported("an end that is no number or time of the data"));
        }
        for row in table.iter_mut() {
            row[start] = match (row[start].ends(), row[end].ends()) {
                (Some((from, _)), Some((to, _))) => Cell::Span(from, to),
                (Some(_), None) | (None, Some(_) | None) => Cell::Null,
            };
        }
    }
    Ok(())
}

/// What the values of a channel are sorted by.
pub fn sort_keys(
    layer: &Layer,
    channel: &Channel,
    key: &SortKey,
    aggregate: Option<Aggregate>,
) -> Result<BTreeMap<Cell, Cell>, Undrawable> {
    let unsupported = || Undrawable::Unsupported {
        at: channel.at.clone(),
        what: "sorting by what is not shown".to_owned(),
    };
    let (field, by) = match key {
        SortKey::Field(field) => (field.clone(), aggregate),
        SortKey::Channel(name) => {
            match layer.shown(*name).map(|(_, channel)| (&channel.source, channel.aggregate)) {
                Some((Source::Field(field), by)) => (Some(field.clone()), by.or(aggregate)),
                Some((Source::Count, _)) => (None, Some(Aggregate::Count)),
                Some((Source::Datum(_) | Source::Value(_), _)) | None => return Err(unsupported()),
            }
        }
    };
    let mut values: BTreeMap<Cell, Vec<Cell>> = BTreeMap::new();
    for (value, row) in column(layer, channel).into_iter().zip(layer.rows.iter()) {
        values.entry(value).or_default().push(field.as_ref().map_or(Cell::Null, |field| field.of(row)));
    }
    let otherwise = if orient::stacked(layer).is_some() { Some(Aggregate::Sum) } else { None };
    let one = |cells: Vec<Cell>| match by.or(otherwise) {
        Some(by) => combined(by, cells.iter()),
        None => cells.into_iter().filter(|cell| !cell.is_null()).min().unwrap_or(Cell::Null),
    };
    Ok(values.into_iter().map(|(value, cells)| (value, one(cells))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(numbers: &[f64]) -> Vec<Cell> {
        numbers.iter().copied().map(Cell::number).collect()
    }

    #[test]
    fn bins_are_round_and_hold_their_least_number() {
        let binned = bins(&numbers(&[0.0, 9.9, 10.0, 57.0, 100.0]), 10.0, None);
        let span = |from: f64| Cell::Span(from, from + 10.0);
        assert_eq!(binned, [span(0.0), span(0.0), span(10.0), span(50.0), span(90.0)]);
        assert_eq!(bins(&numbers(&[5.0]), 10.0, None).len(), 1);
        assert_eq!(bins(&[Cell::Null], 10.0, None), [Cell::Null]);
    }

    #[test]
    fn aggregates_pass_over_what_is_no_number() {
        let cells = [Cell::Number(3.0), Cell::Null, Cell::Text("x".into()), Cell::Number(1.0)];
        for (aggregate, result) in [
            (Aggregate::Count, 4.0),
            (Aggregate::Distinct, 4.0),
            (Aggregate::Sum, 4.0),
            (Aggregate::Mean, 2.0),
            (Aggregate::Median, 2.0),
            (Aggregate::Min, 1.0),
            (Aggregate::Max, 3.0),
        ] {
            assert_eq!(combined(aggregate, cells.iter()), Cell::Number(result), "{aggregate:?}");
        }
        assert_eq!(combined(Aggregate::Sum, [].iter()), Cell::Null);
    }
}
