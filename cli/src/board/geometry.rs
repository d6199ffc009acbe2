//! Where everything is on the screen: for drawing it, and for finding out what the mouse is on.

use ratatui::layout::{Rect, Size};

use super::card::Card;
use super::screen::{Cursor, Screen};
use syncline::board::TaskId;

/// A column narrower than this is not worth reading, so fewer are shown at a time.
const COLUMN_WIDTH: u16 = 24;

/// What is shown whole takes this much beside the board, and everything where the terminal is not much wider.
const DETAIL_WIDTH: u16 = 64;

/// What the frame of a column, and a card's mark of urgency, take of the width.
const CARD_MARGIN: u16 = 4;

/// The parts of the screen.
#[derive(Clone, Debug, Default)]
pub struct Geometry {
    /// The line at the top.
    pub header: Rect,
    /// The columns that there is room for.
    pub columns: Vec<ColumnArea>,
    /// The line at the bottom.
    pub status: Rect,
    /// What is shown whole.
    pub detail: Option<Rect>,
}

/// Where a column is.
#[derive(Clone, Debug)]
pub struct ColumnArea {
    /// Which column.
    pub index: usize,
    /// All of it.
    pub frame: Rect,
    /// The cards of it that can be seen, the last one perhaps not whole.
    pub cards: Vec<CardArea>,
}

/// Where a card is.
#[derive(Clone, Debug)]
pub struct CardArea {
    /// Which card of the column.
    pub row: usize,
    /// Whose.
    pub id: TaskId,
    /// Where, without the line between cards.
    pub area: Rect,
    /// What is on it.
    pub card: Card,
}

impl Geometry {
    /// The parts of a screen.
    #[must_use]
    pub fn of(screen: &Screen) -> Self {
        let size = screen.size;
        let body = body(size);
        let shown = Self::columns_shown(size, screen.columns.len());
        let first = screen.first_column.min(screen.columns.len().saturating_sub(shown));
        let columns = (0..shown).map(|nth| {
            let (start, end) = (edge(body.width, nth, shown), edge(body.width, nth + 1, shown));
            let frame = Rect::new(start, body.y, end - start, body.height);
            ColumnArea { index: first + nth, frame, cards: cards(screen, first + nth, frame) }
        });
        Self {
            header: Rect::new(0, 0, size.width, size.height.min(1)),
            columns: columns.collect(),
            status: Rect::new(0, size.height.saturating_sub(1), size.width, u16::from(size.height > 1)),
            detail: screen.detail.map(|_| detail(size)),
        }
    }

    /// How many columns there is room for.
    #[must_use]
    pub fn columns_shown(size: Size, columns: usize) -> usize {
        usize::from(size.width / COLUMN_WIDTH).max(1).min(columns)
    }

    /// How many lines there are for cards, and how wide their text may be in the narrowest column.
    #[must_use]
    pub fn card_room(size: Size, columns: usize) -> (usize, usize) {
        let shown = Self::columns_shown(size, columns).max(1);
        let width = edge(size.width, 1, shown).saturating_sub(CARD_MARGIN);
        (usize::from(body(size).height.saturating_sub(2)), usize::from(width))
    }

    /// Which column is at a place.
    #[must_use]
    pub fn column_at(&self, x: u16, y: u16) -> Option<&ColumnArea> {
        self.columns.iter().find(|column| column.frame.contains((x, y).into()))
    }

    /// Which card is at a place.
    #[must_use]
    pub fn card_at(&self, x: u16, y: u16) -> Option<(Cursor, &CardArea)> {
        let column = self.column_at(x, y)?;
        let card = column.cards.iter().find(|card| card.area.contains((x, y).into()))?;
        Some((Cursor { column: column.index, row: card.row }, card))
    }
}

/// Where one of so many equal parts begins.
fn edge(width: u16, nth: usize, parts: usize) -> u16 {
    let edge = usize::from(width) * nth / parts.max(1);
    u16::try_from(edge).unwrap_or(width)
}

/// Everything between the first and the last line.
#[must_use]
pub fn body(size: Size) -> Rect {
    Rect::new(0, 1, size.width, size.height.saturating_sub(2))
}

/// On the right, and all there is on a small terminal.
#[must_use]
pub fn detail(size: Size) -> Rect {
    let body = body(size);
    let width = if size.width < DETAIL_WIDTH + COLUMN_WIDTH / 2 { size.width } else { DETAIL_WIDTH };
    Rect { x: size.width - width, width, ..body }
}

/// The lines of what is shown whole.
#[must_use]
pub fn reading(size: Size) -> Rect {
    let inner = inside(detail(size));
    Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner }
}

/// A dialog of this size in the middle, as far as there is room.
#[must_use]
pub fn middle(size: Size, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(size.width), height.min(size.height));
    Rect::new((size.width - width) / 2, (size.height - height) / 2, width, height)
}

/// The inside of a frame.
#[must_use]
pub fn inside(frame: Rect) -> Rect {
    let (width, height) = (frame.width.saturating_sub(2), frame.height.saturating_sub(2));
    Rect::new(frame.x + frame.width.min(1), frame.y + frame.height.min(1), width, height)
}

fn cards(screen: &Screen, index: usize, frame: Rect) -> Vec<CardArea> {
    let Some(column) = screen.columns.get(index) else { return Vec::new() };
    let (_, room) = Geometry::card_room(screen.size, screen.columns.len());
    let (top, inner) = (screen.top(column), inside(frame));
    let mut y = inner.y;
    let mut cards = Vec::new();
    for (row, id) in column.tasks.iter().enumerate().skip(top) {
        let left = inner.bottom().saturating_sub(y);
        if left == 0 || inner.width == 0 {
            break;
        }
        let card = screen.card(id, room);
        let height = u16::try_from(card.height() - 1).unwrap_or(left).min(left);
        let area = Rect::new(inner.x, y, inner.width, height);
        y = y.saturating_add(height + 1);
        cards.push(CardArea { row, id: id.clone(), area, card });
    }
    cards
}
