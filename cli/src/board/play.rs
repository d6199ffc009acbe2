//! The loop: whatever happens goes into the screen, what it wishes is done, and it is drawn.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use ratatui::layout::Size;
use syncline::board::Board;
use syncline::{Document, Engine, Typed};
use syncline_core::time::Time;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::change::Change;
use super::draw::draw;
use super::saving::Saving;
use super::screen::Screen;
use super::terminal::FullScreen;
use super::update::{Happening, Wish};
use crate::args::Global;
use crate::failure::Failure;
use crate::sync::Stop;

/// How often it is looked at what nothing tells of by itself: the time, and what a relay complains about.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// How long the board is not read again after it was: what comes faster cannot be seen.
const BLINK: Duration = Duration::from_millis(25);

/// Most terminal events that are taken in before the screen is drawn again.
const BATCH: usize = 64;

/// A board that is being looked at.
pub struct Play<'a> {
    engine: &'a Engine,
    board: Typed<Board>,
    screen: Screen,
    clock: Clock,
}

/// What time it is.
#[derive(Clone, Copy)]
pub enum Clock {
    /// The engine's.
    Real,
    /// Always the same.
    Stopped(Time),
}

impl<'a> Play<'a> {
    /// A board, before it is shown.
    pub fn new(global: &Global, engine: &'a Engine, board: Typed<Board>, clock: Clock) -> Self {
        let screen = Screen::new(board.id().as_str(), &global.user, Size::default(), Time(0));
        Self { engine, board, screen, clock }
    }

    /// Shows the board until somebody has seen enough of it, or it is gone.
    pub async fn run(mut self, stop: &mut Stop) -> Result<(), Failure> {
        let mut full = FullScreen::enter()?;
        let mut input = EventStream::new();
        let mut boards = follow(self.board.clone());
        let mut status = self.engine.watch_status();
        let mut progress = self.board.watch_progress();
        let mut glance = interval(LOOK_INTERVAL);
        glance.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let size = full.terminal().size()?;
        self.screen.update(Happening::Resize(size));
        self.screen.show(self.board.state().unwrap_or_default());
        self.look();
        loop {
            full.terminal().draw(|frame| draw(&self.screen, frame))?;
            tokio::select! {
                event = input.next() => {
                    if self.take_in(event, &mut input).await?.is_break() {
                        return Ok(());
                    }
                }
                board = boards.recv() => match board {
                    Some(board) => drop(self.screen.update(Happening::Board(board))),
                    None => return Err(self.board.ended().await.into()),
                },
                Ok(()) = status.changed() => self.look(),
                Ok(()) = progress.changed() => self.look(),
                _ = glance.tick() => self.look(),
                () = stop.asked() => return Ok(()),
            }
        }
    }

    /// Takes in what the terminal tells at the moment, as far as it makes sense without drawing in between.
    async fn take_in(
        &mut self,
        mut event: Option<std::io::Result<Event>>,
        input: &mut EventStream,
    ) -> Result<ControlFlow<()>, Failure> {
        for left in (0..BATCH).rev() {
            // A terminal that tells nothing any more is gone.
            let Some(happened) = event.transpose()? else { return Ok(ControlFlow::Break(())) };
            if self.wish(happened).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if left == 0 {
                break;
            }
            // Asked in the name of this task: the stream wakes whoever asked first.
            match poll_fn(|context| Poll::Ready(input.poll_next_unpin(context))).await {
                Poll::Ready(next) => event = next,
                Poll::Pending => break,
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn wish(&mut self, event: Event) -> ControlFlow<()> {
        let happening = match event {
            Event::Key(key) => Happening::Key(key),
            Event::Mouse(mouse) => Happening::Mouse(mouse),
            Event::Paste(text) => Happening::Paste(text),
            Event::Resize(width, height) => Happening::Resize(Size { width, height }),
            Event::FocusGained | Event::FocusLost => return ControlFlow::Continue(()),
        };
        match self.screen.update(happening) {
            Wish::Nothing => {}
            Wish::Perform(change) => self.perform(&change),
            Wish::TakeLoss => {
                self.board.take_loss();
                self.look();
            }
            Wish::Quit => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    /// Makes a change. It is there at once, and saved in the background.
    fn perform(&mut self, change: &Change) {
        let made = self.board.edit(|edit| change.perform(edit));
        self.screen.performed(made.map_err(|error| error.to_string()));
        self.look();
    }

    /// Looks at the clock, and at what is saved.
    fn look(&mut self) {
        let document: &Document = &self.board;
        let now = match self.clock {
            Clock::Real => self.engine.now(),
            Clock::Stopped(time) => time,
        };
        self.screen.update(Happening::Saving(Saving::of(self.engine, document)));
        self.screen.update(Happening::Now(now));
    }
}

/// Reads the board whenever it has changed, beside the loop: keys do not wait for that. Ends with the document.
fn follow(board: Typed<Board>) -> mpsc::Receiver<Box<Board>> {
    let (tell, told) = mpsc::channel(1);
    let document: Document = (*board).clone();
    let mut changes = document.changes();
    tokio::spawn(async move {
        let board = Arc::new(board);
        while changes.next().await.is_some() {
            let Some(state) = board.state() else { return };
            if tell.send(Box::new(state)).await.is_err() {
                return;
            }
            tokio::time::sleep(BLINK).await;
        }
    });
    told
}
