//! A command that has the whole terminal, and what somebody in front of it sees and does.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use vt100::{MouseProtocolMode, Parser};

use super::PATIENCE;
use super::terminal::Terminal;

/// What is read at a time.
const BUFFER_BYTES: usize = 16 << 10;

/// What a frame without a cursor ends with: the cursor is hidden behind everything that was drawn.
const FRAME_END: &[u8] = b"\x1b[?25l";

/// A command in a terminal of its own, killed when dropped.
pub struct FullScreen {
    shown: Arc<(Mutex<Shown>, Condvar)>,
    terminal: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    /// The settings of the terminal before the command got it.
    settings: String,
}

/// What a terminal shows.
struct Shown {
    parser: Parser,
    bytes: Vec<u8>,
    has_ended: bool,
}

impl FullScreen {
    /// Starts a command in a terminal of so many columns and lines.
    ///
    /// # Panics
    /// If there is no terminal to be had.
    #[must_use]
    pub fn start(
        user: &Terminal,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        columns: u16,
        lines: u16,
    ) -> Self {
        Self::start_with(user, arguments, columns, lines, &[])
    }

    /// As [`FullScreen::start`], with more in the environment.
    ///
    /// # Panics
    /// If there is no terminal to be had.
    #[must_use]
    pub fn start_with(
        user: &Terminal,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        columns: u16,
        lines: u16,
        environment: &[(&str, &str)],
    ) -> Self {
        let pair =
            native_pty_system().openpty(size(columns, lines)).expect("the system has a terminal to give");
        let settings = format!("{:?}", pair.master.get_termios());
        let mut command = command(user, arguments);
        environment.iter().for_each(|(name, value)| command.env(name, value));
        let child = pair.slave.spawn_command(command).expect("the command starts");
        let reader = pair.master.try_clone_reader().expect("the terminal can be read");
        let keyboard = pair.master.take_writer().expect("the terminal can be written to");
        let parser = Parser::new(nonzero(lines), nonzero(columns), 0);
        let shown = Shown { parser, bytes: Vec::new(), has_ended: false };
        let shown = Arc::new((Mutex::new(shown), Condvar::new()));
        let told = shown.clone();
        std::thread::spawn(move || show(reader, &told));
        Self { shown, terminal: pair.master, keyboard, child, settings }
    }

    /// Presses keys, as the terminal sends them.
    ///
    /// # Panics
    /// If nobody reads them.
    pub fn press(&mut self, keys: &str) {
        let written = self.keyboard.write_all(keys.as_bytes()).and_then(|()| self.keyboard.flush());
        written.expect("the command reads the keys");
    }

    /// Presses and releases the mouse button on a cell.
    pub fn click(&mut self, at: (u16, u16)) {
        self.mouse(0, at, 'M');
        self.mouse(0, at, 'm');
    }

    /// Presses the mouse button on a cell and releases it on another one.
    pub fn drag(&mut self, from: (u16, u16), to: (u16, u16)) {
        self.mouse(0, from, 'M');
        self.mouse(32, to, 'M');
        self.mouse(0, to, 'm');
    }

    fn mouse(&mut self, button: u8, (x, y): (u16, u16), end: char) {
        self.press(&format!("\u{1b}[<{button};{};{}{end}", x + 1, y + 1));
    }

    /// Gives the terminal another size.
    ///
    /// # Panics
    /// If it cannot have it.
    pub fn resize(&self, columns: u16, lines: u16) {
        self.lock().parser.screen_mut().set_size(nonzero(lines), nonzero(columns));
        self.terminal.resize(size(columns, lines)).expect("a terminal can have any size");
    }

    /// Waits until there is an answer in what is shown.
    ///
    /// # Panics
    /// If there is none within [`PATIENCE`].
    #[track_caller]
    pub fn wait_for<T>(&self, what: &str, answer: impl Fn(&vt100::Screen) -> Option<T>) -> T {
        self.wait(what, |shown| answer(shown.parser.screen()))
    }

    /// As [`FullScreen::wait_for`], where a frame without a cursor has been drawn to its end. What is read of a terminal at a
    /// time may end anywhere in a frame.
    ///
    /// # Panics
    /// If there is none within [`PATIENCE`].
    #[track_caller]
    pub fn wait_for_frame<T>(&self, what: &str, answer: impl Fn(&vt100::Screen) -> Option<T>) -> T {
        self.wait(what, |shown| {
            shown.bytes.ends_with(FRAME_END).then(|| answer(shown.parser.screen())).flatten()
        })
    }

    #[track_caller]
    fn wait<T>(&self, what: &str, answer: impl Fn(&Shown) -> Option<T>) -> T {
        let mut shown = self.lock();
        let since = std::time::Instant::now();
        loop {
            if let Some(answer) = answer(&shown) {
                return answer;
            }
            let left = PATIENCE.saturating_sub(since.elapsed());
            let is_over = left.is_zero() || shown.has_ended;
            assert!(!is_over, "waited for {what}; shown is\n{}", shown.parser.screen().contents());
            shown = self.shown.1.wait_timeout(shown, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until a text is shown, and returns the cell where it begins.
    #[track_caller]
    pub fn see(&self, text: &str) -> (u16, u16) {
        self.wait_for(text, |screen| find(screen, text))
    }

    /// Waits until a text is shown no longer.
    #[track_caller]
    pub fn see_no(&self, text: &str) {
        self.wait_for(&format!("no {text}"), |screen| find(screen, text).is_none().then_some(()));
    }

    /// Everything that was written to the terminal.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If the command has ended.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.process_id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("it has a number"), signal).expect("the command can be told");
    }

    /// Waits until the command has ended, and returns its exit code and what is on the screen then.
    ///
    /// # Panics
    /// If it has not within [`PATIENCE`], or has not left the terminal as it was.
    #[track_caller]
    pub fn end(&mut self) -> (u32, String) {
        let mut shown = self.lock();
        let since = std::time::Instant::now();
        while !shown.has_ended {
            let left = PATIENCE.saturating_sub(since.elapsed());
            assert!(!left.is_zero(), "it goes on: {}", shown.parser.screen().contents());
            shown = self.shown.1.wait_timeout(shown, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let screen = shown.parser.screen();
        let is_left = !screen.alternate_screen()
            && !screen.hide_cursor()
            && !screen.bracketed_paste()
            && screen.mouse_protocol_mode() == MouseProtocolMode::None;
        let left = screen.contents();
        drop(shown);
        assert!(is_left, "the terminal is not as it was: {left}");
        assert_eq!(format!("{:?}", self.terminal.get_termios()), self.settings, "settings of the terminal");
        (self.child.wait().expect("it can be waited for").exit_code(), left)
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The cell where a text begins that is shown in one line.
#[must_use]
pub fn find(screen: &vt100::Screen, text: &str) -> Option<(u16, u16)> {
    let (_, columns) = screen.size();
    screen.rows(0, columns.get()).zip(0..).find_map(|(row, y)| {
        let at = row.find(text)?;
        let before = row[..at].chars().count();
        let cells = (0..columns.get())
            .filter(|x| screen.cell(y, *x).is_some_and(|cell| !cell.is_wide_continuation()));
        cells.skip(before).map(|x| (x, y)).next()
    })
}

fn command(user: &Terminal, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> CommandBuilder {
    let given = user.command(arguments);
    let mut command = CommandBuilder::new(given.get_program());
    command.args(given.get_args());
    command.cwd(user.folder());
    command.env("TERM", "xterm-256color");
    for (name, value) in given.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        }
    }
    command
}

/// Reads what is written to the terminal until nobody writes there any more.
fn show(mut reader: Box<dyn Read + Send>, shown: &(Mutex<Shown>, Condvar)) {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = reader.read(&mut buffer).unwrap_or(0);
        let mut now = shown.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.parser.process(&buffer[..read]);
        now.bytes.extend_from_slice(&buffer[..read]);
        now.has_ended = read == 0;
        shown.1.notify_all();
        if read == 0 {
            return;
        }
    }
}

const fn size(columns: u16, lines: u16) -> PtySize {
    PtySize { rows: lines, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn nonzero(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).expect("a terminal has cells")
}
