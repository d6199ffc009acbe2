//! Which way marks grow, and which of their channels is stacked, by the rules of Vega-Lite.

use super::encoding::{Bin, Channel, Name, Stacking};
use super::mark::{Mark, Orient, Shape};
use super::view::{Layer, Stacked};

/// Which way a mark grows.
pub fn of(mark: &Mark, channels: &[Channel]) -> Orient {
    let orient = match mark.shape {
        Shape::Bar => bar(mark, channels),
        Shape::Rule => across(channels).or_else(|| ranged(channels)).or_else(|| alone(channels)),
        Shape::Area => ranged(channels),
        Shape::Line | Shape::Tick => None,
        Shape::Rect | Shape::Point | Shape::Circle | Shape::Square | Shape::Text | Shape::Arc => {
            return Orient::Vertical;
        }
    };
    orient.or(mark.orient).unwrap_or_else(|| by_measure(mark.shape, channels))
}

fn find(channels: &[Channel], name: Name) -> Option<&Channel> {
    channels.iter().find(|channel| channel.name == name && channel.shows_data())
}

fn has(channels: &[Channel], name: Name) -> bool {
    channels.iter().any(|channel| channel.name == name)
}

fn is_binned(channels: &[Channel], name: Name) -> bool {
    find(channels, name).is_some_and(|channel| channel.bin == Some(Bin::Done))
}

fn bar(mark: &Mark, channels: &[Channel]) -> Option<Orient> {
    let aggregated = |name| find(channels, name).is_some_and(|channel| channel.aggregate.is_some());
    let both = find(channels, Name::X).is_some() && find(channels, Name::Y).is_some();
    if is_binned(channels, Name::X) || (both && aggregated(Name::Y) && !aggregated(Name::X)) {
        return Some(Orient::Vertical);
    }
    if is_binned(channels, Name::Y) || (both && aggregated(Name::X) && !aggregated(Name::Y)) {
        return Some(Orient::Horizontal);
    }
    match (has(channels, Name::X2), has(channels, Name::Y2)) {
        (false, false) => None,
        _ if mark.orient.is_some() => mark.orient,
        (false, true) => Some(Orient::Vertical),
        (true, false) => Some(Orient::Horizontal),
        (true, true) => Some(Orient::Vertical),
    }
}

/// A rule from one corner to another has no direction of its own.
fn across(channels: &[Channel]) -> Option<Orient> {
    (has(channels, Name::X2) && has(channels, Name::Y2)).then_some(Orient::Vertical)
}

fn ranged(channels: &[Channel]) -> Option<Orient> {
    let by = |binned, plain, otherwise| if is_binned(channels, binned) { otherwise } else { plain };
    match (has(channels, Name::Y2), has(channels, Name::X2)) {
        (true, _) => Some(by(Name::Y, Orient::Vertical, Orient::Horizontal)),
        (false, true) => Some(by(Name::X, Orient::Horizontal, Orient::Vertical)),
        (false, false) => None,
    }
}

/// A rule with x alone stands.
fn alone(channels: &[Channel]) -> Option<Orient> {
    match (has(channels, Name::X), has(channels, Name::Y)) {
        (true, false) => Some(Orient::Vertical),
        (false, true) => Some(Orient::Horizontal),
        (true, true) | (false, false) => None,
    }
}

fn by_measure(shape: Shape, channels: &[Channel]) -> Orient {
    let measured = |name| find(channels, name).is_some_and(Channel::is_measure);
    let timed =
        |name| find(channels, name).is_some_and(|channel| channel.kind == super::encoding::Kind::Temporal);
    let is_tick = shape == Shape::Tick;
    match (measured(Name::X), measured(Name::Y)) {
        (true, false) if is_tick => Orient::Vertical,
        (true, false) => Orient::Horizontal,
        (false, true) if is_tick => Orient::Horizontal,
        (false, false) if timed(Name::Y) && !timed(Name::X) => Orient::Horizontal,
        (true, true) | (false, true) | (false, false) => Orient::Vertical,
    }
}

/// Which channel of a layer is stacked, and how.
pub fn stacked(layer: &Layer) -> Stacked {
    let name = candidate(layer, Name::X, Name::Y).or_else(|| candidate(layer, Name::Theta, Name::Theta))?;
    let (_, channel) = layer.channel(name)?;
    let by_default = matches!(layer.mark.shape, Shape::Bar | Shape::Area | Shape::Arc);
    let stacking = channel.stack.unwrap_or(if by_default { Stacking::Zero } else { Stacking::None });
    let second = match name {
        Name::X => Some(Name::X2),
        Name::Y => Some(Name::Y2),
        _ => None,
    };
    let is_ranged = second.is_some_and(|second| has(&layer.channels, second));
    let aggregated = layer.channels.iter().any(|channel| channel.aggregate.is_some());
    let can_be =
        layer.mark.shape != Shape::Rect && !is_ranged && (!aggregated || !parts(layer, name).is_empty());
    (can_be && stacking != Stacking::None).then_some((name, stacking))
}

fn candidate(layer: &Layer, first: Name, second: Name) -> Option<Name> {
    let measure =
        |name| layer.shown(name).is_some_and(|(_, channel)| channel.is_measure() && channel.shows_field());
    let fills = matches!(layer.mark.shape, Shape::Bar | Shape::Area) && first == Name::X;
    let shown = |name| layer.shown(name).is_some_and(|(_, channel)| channel.shows_field());
    let (is_first, is_second) = (measure(first), measure(second));
    match (is_first, is_second) {
        (true, true) if first == second => Some(first),
        (true, true) => Some(of_two(layer, first, second)),
        (true, false) if fills && !shown(second) && layer.orient == Orient::Vertical => None,
        (true, false) => Some(first),
        (false, true) if fills && !shown(first) && layer.orient == Orient::Horizontal => None,
        (false, true) => Some(second),
        (false, false) => None,
    }
}

fn of_two(layer: &Layer, first: Name, second: Name) -> Name {
    let of = |name| layer.channel(name).map(|(_, channel)| channel);
    let is_asked =
        |name| of(name).and_then(|channel| channel.stack).is_some_and(|stacking| stacking != Stacking::None);
    let is_aggregated = |name| of(name).is_some_and(|channel| channel.aggregate.is_some());
    match (is_aggregated(first), is_aggregated(second)) {
        _ if is_asked(first) => first,
        _ if is_asked(second) => second,
        (true, false) => first,
        (false, true) => second,
        _ if layer.orient == Orient::Horizontal => first,
        _ => second,
    }
}

/// The channels whose values stand on each other: all that are neither places nor told alone.
pub fn parts(layer: &Layer, stacked: Name) -> Vec<usize> {
    let along = if stacked == Name::X { Name::Y } else { Name::X };
    let dimension = layer.channel(along).map(|(_, channel)| &channel.source);
    let is_place = |name| {
        matches!(name, Name::X | Name::Y | Name::X2 | Name::Y2 | Name::XOffset | Name::YOffset | Name::Theta)
    };
    let is_part = |channel: &Channel| {
        !is_place(channel.name)
            && channel.name != Name::Tooltip
            && channel.shows_field()
            && channel.aggregate.is_none()
            && (dimension != Some(&channel.source) || stacked == Name::Theta)
    };
    let found = layer.channels.iter().enumerate().filter(|(_, channel)| is_part(channel));
    found.map(|(at, _)| at).collect()
}
