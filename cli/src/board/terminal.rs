//! The terminal while the board has all of it, and after that.

use std::io::{IsTerminal, Stdout, Write, stdout};
use std::mem::ManuallyDrop;
use std::sync::{Mutex, Once, PoisonError};

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::failure::Failure;

/// What the last panic said: on the screen nobody could read it.
static LAST_WORDS: Mutex<Option<String>> = Mutex::new(None);

/// A terminal that is as it was when this is dropped, however that comes about.
pub struct FullScreen {
    /// Never dropped: the library would tell standard error if the cursor cannot be shown again, and panic where the terminal
    /// is gone. There is nothing more to it than what [`leave`] does.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
}

impl FullScreen {
    /// Takes the terminal.
    pub fn enter() -> Result<Self, Failure> {
        keep_last_words();
        enable_raw_mode()?;
        // From here on it is given back whatever happens.
        let terminal = Terminal::new(CrosstermBackend::new(stdout())).inspect_err(|_| leave())?;
        let screen = Self { terminal: ManuallyDrop::new(terminal) };
        // Not the library's own way to clear it, which asks the terminal where its cursor is: some never answer.
        execute!(
            stdout(),
            EnterAlternateScreen,
            Clear(ClearType::All),
            EnableMouseCapture,
            EnableBracketedPaste
        )?;
        Ok(screen)
    }

    /// What draws on it.
    pub fn terminal(&mut self) -> &mut Terminal<CrosstermBackend<Stdout>> {
        &mut self.terminal
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        leave();
        if std::thread::panicking()
            && let Some(said) = LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            // Where it cannot be said, the exit code still tells.
            drop(writeln!(std::io::stderr(), "syncline: {said}"));
        }
    }
}

/// Gives the terminal back. One that is gone needs nothing more.
fn leave() {
    drop(execute!(stdout(), DisableBracketedPaste, DisableMouseCapture, LeaveAlternateScreen, cursor::Show));
    drop(disable_raw_mode());
}

/// Keeps panics off the screen. Those of a CRDT library are caught where it is called, and nobody need read them.
fn keep_last_words() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            *LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic.to_string());
        }));
    });
}

/// Whether there is a terminal to draw on.
pub fn is_there() -> bool {
    stdout().is_terminal()
}
