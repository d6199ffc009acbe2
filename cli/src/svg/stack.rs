//! Stacks values on each other, or slices beside each other.

use std::collections::{BTreeMap, BTreeSet};

use super::MAX_ROWS;
use super::cell::Cell;
use super::encoding::{Name, Sort, Stacking};
use super::mark::Shape;
use super::orient;
use super::table::Table;
use super::undrawable::Undrawable;
use super::view::Layer;

/// Turns the numbers of a channel into spans, one on top of another.
pub fn stack(
    layer: &Layer,
    mut table: Table,
    (name, stacking): (Name, Stacking),
) -> Result<Table, Undrawable> {
    let (measure, _) = layer.channel(name).expect("what is stacked is a channel of the layer");
    let dimensions: Vec<usize> =
        beside(name).iter().filter_map(|name| layer.channel(*name)).map(|(at, _)| at).collect();
    let parts = orient::parts(layer, name);
    if layer.mark.shape == Shape::Area {
        fill_gaps(&mut table, measure, &dimensions, &parts)?;
    }
    let mut stacks: BTreeMap<Vec<Cell>, Vec<usize>> = BTreeMap::new();
    for (row, cells) in table.iter().enumerate() {
        stacks.entry(dimensions.iter().map(|at| cells[*at].clone()).collect()).or_default().push(row);
    }
    let order = order(layer, &parts, name == Name::Y);
    for rows in stacks.values_mut() {
        rows.sort_by_key(|row| {
            order
                .iter()
                .map(|(at, descending)| Directed::new(&table[*row][*at], *descending))
                .collect::<Vec<_>>()
        });
    }
    let number = |row: usize| table[row][measure].ends().map(|(number, _)| number);
    let heights =
        stacks.values().map(|rows| rows.iter().filter_map(|row| number(*row)).map(f64::abs).sum::<f64>());
    let highest = heights.fold(0.0, f64::max);
    let mut spans = Vec::new();
    for rows in stacks.values() {
        let numbers: Vec<Option<f64>> = rows.iter().map(|row| number(*row)).collect();
        spans.extend(rows.iter().copied().zip(pile(&numbers, stacking, highest)));
    }
    for (row, span) in spans {
        table[row][measure] = span;
    }
    Ok(table)
}

/// What tells one stack from another.
const fn beside(name: Name) -> &'static [Name] {
    match name {
        Name::X => &[Name::Y, Name::YOffset],
        Name::Y => &[Name::X, Name::XOffset],
        _ => &[],
    }
}

/// In what order values are stacked: by the order channel, else by what tells them apart, so that the least is
/// at the top, or at the left and first in a circle.
fn order(layer: &Layer, parts: &[usize], descending: bool) -> Vec<(usize, bool)> {
    let orders = layer
        .channels
        .iter()
        .enumerate()
        .filter(|(_, channel)| channel.name == Name::Order && channel.shows_data());
    let orders: Vec<(usize, bool)> =
        orders.map(|(at, channel)| (at, channel.sort == Some(Sort::Descending))).collect();
    if orders.is_empty() { parts.iter().map(|at| (*at, descending)).collect() } else { orders }
}

/// A cell that is compared in one direction or the other.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Directed {
    Up(Cell),
    Down(std::cmp::Reverse<Cell>),
}

impl Directed {
    fn new(cell: &Cell, descending: bool) -> Self {
        if descending { Self::Down(std::cmp::Reverse(cell.clone())) } else { Self::Up(cell.clone()) }
    }
}

/// The spans of one stack.
fn pile(numbers: &[Option<f64>], stacking: Stacking, highest: f64) -> Vec<Cell> {
    let whole: f64 = numbers.iter().flatten().map(|number| number.abs()).sum();
    let (mut above, mut below) = match stacking {
        Stacking::Center => ((highest - whole) / 2.0, 0.0),
        Stacking::None | Stacking::Zero | Stacking::Normalize => (0.0, 0.0),
    };
    let mut span = |number: f64| {
        let number = match stacking {
            Stacking::Normalize if whole > 0.0 => number.abs() / whole,
            Stacking::Normalize | Stacking::Center => number.abs(),
            Stacking::None | Stacking::Zero => number,
        };
        let last = if number < 0.0 { &mut below } else { &mut above };
        let from = *last;
        *last += number;
        if last.is_finite() { Cell::Span(from, *last) } else { Cell::Null }
    };
    numbers.iter().map(|number| number.map_or(Cell::Null, &mut span)).collect()
}

/// Areas that are stacked need every part everywhere: where one has nothing, it is zero.
fn fill_gaps(
    table: &mut Table,
    measure: usize,
    dimensions: &[usize],
    parts: &[usize],
) -> Result<(), Undrawable> {
    let key = |row: &Vec<Cell>, of: &[usize]| of.iter().map(|at| row[*at].clone()).collect::<Vec<_>>();
    let places: BTreeSet<Vec<Cell>> = table.iter().map(|row| key(row, dimensions)).collect();
    let mut series = BTreeMap::<Vec<Cell>, (Vec<Cell>, BTreeSet<_>)>::new();
    for row in table.iter() {
        let (_, there) = series.entry(key(row, parts)).or_insert_with(|| (row.clone(), BTreeSet::new()));
        there.insert(key(row, dimensions));
    }
    if places.len().saturating_mul(series.len()) > MAX_ROWS {
        return Err(Undrawable::TooMuch { what: "points of stacked areas", limit: MAX_ROWS });
    }
    for (template, there) in series.values() {
        for place in places.difference(there) {
            let mut row = template.clone();
            dimensions.iter().zip(place).for_each(|(at, cell)| row[*at] = cell.clone());
            row[measure] = Cell::number(0.0);
            table.push(row);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: [Option<f64>; 4] = [Some(1.0), Some(-2.0), None, Some(3.0)];

    #[test]
    fn what_is_negative_is_stacked_below_zero() {
        let spans = [Cell::Span(0.0, 1.0), Cell::Span(0.0, -2.0), Cell::Null, Cell::Span(1.0, 4.0)];
        assert_eq!(pile(&NUMBERS, Stacking::Zero, 6.0), spans);
    }

    #[test]
    fn parts_of_the_whole_end_at_one_and_centred_ones_stand_around_the_middle() {
        let spans = pile(&NUMBERS, Stacking::Normalize, 6.0);
        assert_eq!(spans.last(), Some(&Cell::Span(0.5, 1.0)));
        assert_eq!(pile(&NUMBERS, Stacking::Center, 10.0)[0], Cell::Span(2.0, 3.0));
        assert_eq!(pile(&[Some(0.0)], Stacking::Normalize, 0.0), [Cell::Span(0.0, 0.0)]);
    }

    #[test]
    fn sums_beyond_all_numbers_are_not_drawn() {
        let spans = pile(&[Some(f64::MAX), Some(f64::MAX)], Stacking::Zero, f64::MAX);
        assert_eq!(spans[1], Cell::Null);
    }

    #[test]
    fn a_part_that_is_missing_somewhere_is_zero_there() {
        let text = |text: &str| Cell::Text(text.into());
        let row = |x: f64, y: f64, part: &str| vec![Cell::number(x), Cell::number(y), text(part)];
        let mut table = vec![row(1.0, 5.0, "a"), row(2.0, 6.0, "a"), row(1.0, 7.0, "b")];
        fill_gaps(&mut table, 1, &[0], &[2]).expect("it is small");
        assert_eq!(table[3..], [row(2.0, 0.0, "b")]);
    }
}
