//! Pictures of `syncline board` for the documentation: a board of our own in the real program, in a terminal and with a
//! relay, as text and as SVG. The same bytes every time.

use std::fmt::Write as _;

use syncline::board::{Board, BoardOperation, Comment, Dependency, Label, Link, Task};
use syncline::fractional_index::FractionalIndex;
use syncline::{Engine, Family, Saved, SqliteStorage, Value, storage};
use vt100::{Cell, Color};

use super::full_screen::FullScreen;
use super::relay::Relay;
use super::terminal::Terminal;

/// The document.
const NAME: &str = "almanac/launch";

/// The present in the pictures: 2026-11-26, nine o'clock.
const NOW: &str = "1795683600";

/// The port that pictures show; the relay's own is another one each time.
const PORT: &str = "4455";

/// What pictures are taken of: columns and lines, and the keys that are pressed first.
pub const SIZES: [(u16, u16, &str); 2] = [(80, 24, "j"), (140, 40, "lj\r")];

/// What can be seen at the end of those keys.
const SEEN: [&str; 2] = ["┃Print run", "Comments 3"];

/// Title, column, priority, assignee, due date and labels of each task.
type Row = (&'static str, &'static str, i64, &'static str, &'static str, &'static str);

const TASKS: [Row; 15] = [
    ("Moon phases for the southern hemisphere", "todo", 1, "chen", "2026-12-04", "data astronomy"),
    ("Print run: 2,000 or 3,000 copies?", "todo", 0, "ada", "2026-11-24", "print money"),
    ("Übersetzung der Wetterregeln prüfen", "todo", 2, "ben", "2026-12-10", "texts"),
    ("Order the uncoated paper samples", "todo", 2, "", "", "print"),
    ("Newsletter with the first spread", "todo", 3, "dilek", "2027-01-15", "outreach"),
    ("Index of plants", "todo", 4, "", "", ""),
    ("Sunrise tables round twilight the wrong way", "doing", 0, "chen", "2026-11-26", "data bug"),
    ("Cover: linocut or letterpress", "doing", 1, "ada", "2026-12-01", "design print"),
    ("暦の校正を頼む", "doing", 1, "ben", "2026-12-02", "texts 校正"),
    ("Recipe pages, winter half", "doing", 3, "dilek", "", "texts"),
    ("Tide tables 🌊 for Bristol and Brest", "review", 1, "chen", "2026-11-27", "data"),
    ("Credits page", "review", 3, "ada", "", "texts"),
    ("Choose the binding", "done", 1, "ada", "2026-11-02", "print"),
    ("Permission for the 1921 star map", "done", 2, "ben", "2026-10-30", "legal"),
    ("Set up the shared board", "done", 3, "dilek", "", ""),
];

/// The task that the larger picture shows whole.
const WHOLE: &str = "t-8";

/// A picture of a terminal.
pub struct Capture {
    name: String,
    text: String,
    svg: String,
}

impl Capture {
    /// Takes a picture of the board.
    ///
    /// # Panics
    /// If the board does not look as it should.
    #[must_use]
    pub fn take((columns, lines, keys): (u16, u16, &str)) -> Self {
        let relay = Relay::start();
        let user = Terminal::with_relay(relay.url());
        make(&user);
        let arguments = ["board", NAME, "--user", "ada"];
        let environment = [("SOURCE_DATE_EPOCH", NOW)];
        let mut screen = FullScreen::start_with(&user, arguments, columns, lines, &environment);
        screen.see("saved here and at the relay");
        screen.press(keys);
        let seen = SIZES.iter().zip(SEEN).find(|(size, _)| size.0 == columns).map_or("", |(_, seen)| seen);
        screen.see(seen);
        let port = relay.address().port().to_string();
        let (text, svg) = screen.wait_for_frame("a whole frame", |screen| {
            let cells = Cells::of(screen, &port);
            (cells.text().contains(seen) && cells.text().contains("help"))
                .then(|| (cells.text(), cells.svg()))
        });
        Self { name: format!("board-{columns}x{lines}"), text, svg }
    }

    /// The files to be written, by name.
    #[must_use]
    pub fn files(self) -> [(String, String); 2] {
        [(format!("{}.txt", self.name), self.text), (format!("{}.svg", self.name), self.svg)]
    }
}

/// Puts the board into the store of a terminal.
fn make(user: &Terminal) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there are threads");
    runtime.block_on(async {
        let storage = SqliteStorage::open(user.store(), storage::Options::default()).expect("there is room");
        let builder = Engine::builder(storage).user("ada").keeps_unacknowledged(true);
        let engine = builder.open().expect("the store is new");
        let board = engine.typed::<Board>(NAME, Family::Yjs).await.expect("it is new");
        for ((number, row), place) in (1..).zip(TASKS).zip(FractionalIndex::sequence()) {
            let id = format!("t-{number}").as_str().into();
            let task = Box::new(task(&format!("t-{number}"), row, place));
            board.perform(&BoardOperation::Add { id, task }).expect("it can be added");
        }
        board.saved(Saved::Local).await.expect("it is saved");
        engine.close().await;
    });
}

fn task(id: &str, (title, status, priority, assignee, due, labels): Row, place: FractionalIndex) -> Task {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let labels = labels.split_whitespace().zip(FractionalIndex::sequence());
    let mut task = Task {
        title: title.to_owned(),
        status: status.to_owned(),
        priority: Some(priority),
        assignee: some(assignee),
        due: some(due),
        labels: labels.map(|(name, place)| (name.to_owned(), Label { place: Some(place) })).collect(),
        place: Some(place),
        ..Task::default()
    };
    if id == WHOLE {
        tell(&mut task);
    }
    task
}

/// What people say about the task that is shown whole.
fn tell(task: &mut Task) {
    task.description = "A hare under the moon, two colours, and the year in figures large enough to be read across a shop.\n\n\
        - linocut: warmer, and Dilek can cut it\n- letterpress: sharper; the block costs 180 €\n- decide before the paper is ordered"
        .to_owned();
    task.notes = "Proofs of both hang in the kitchen. Put a dot under the one you would buy.".to_owned();
    let created = |time: &str| [("created_at".to_owned(), Value::from(time))].into();
    task.other = created("2026-11-12T08:15:00Z");
    let link = |kind: &str, on: &str| Link { kind: kind.to_owned(), on: on.into() };
    task.dependencies =
        [(link("blocks", "t-2"), Dependency::default()), (link("needs", "t-11"), Dependency::default())]
            .into();
    let said = [
        ("ben", "2026-11-23T16:40:00Z", "The printer can do either in the week of the 7th."),
        (
            "ada",
            "2026-11-24T09:05:00Z",
            "Nine dots for the linocut, four for letterpress, one on the cat 🐈.",
        ),
        (
            "chen",
            "2026-11-25T18:21:00Z",
            "Linocut, then. The hare needs longer ears, or people will take it for a rabbit.",
        ),
    ];
    let said = said.into_iter().zip(FractionalIndex::sequence()).zip(1..);
    task.comments = said
        .map(|(((author, time, text), place), number)| {
            let (author, text) = (Some(author.to_owned()), text.to_owned());
            (format!("c-{number}"), Comment { author, text, place: Some(place), other: created(time) })
        })
        .collect();
}

/// What is in the cells of a terminal.
struct Cells {
    lines: Vec<Vec<Drawn>>,
}

/// One cell, and how it looks.
#[derive(Clone, PartialEq, Eq)]
struct Drawn {
    text: String,
    cells: usize,
    look: Look,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    front: &'static str,
    back: Option<&'static str>,
    bold: bool,
}

/// The size of a cell in an SVG, in pixels.
const CELL: (f64, f64) = (8.4, 17.0);

/// The size of letters.
const FONT: &str = "font-family=\"'DejaVu Sans Mono', 'Noto Sans Mono CJK JP', Menlo, Consolas, monospace\" font-size=\"14\"";

/// The margin around the terminal.
const MARGIN: f64 = 12.0;

const BACKGROUND: &str = "#16181d";
const FOREGROUND: &str = "#d6d9e0";

/// The sixteen colours of terminals, in their order.
const COLOURS: [&str; 16] = [
    "#16181d", "#c4384a", "#7fb069", "#d9a441", "#5b8dd9", "#b57edc", "#4fb3bf", "#d6d9e0", //
    "#737a89", "#f2727f", "#a5d48b", "#f2c866", "#8ab4f8", "#d3a6f0", "#7fd6df", "#ffffff",
];

/// The one colour of the others that the board uses, for what is selected.
const SELECTED: &str = "#16436b";

impl Cells {
    /// Reads a terminal; the port of the relay becomes the one of the pictures.
    fn of(screen: &vt100::Screen, port: &str) -> Self {
        let (lines, columns) = screen.size();
        let line = |y| {
            let cells = (0..columns.get()).filter_map(|x| screen.cell(y, x));
            let drawn = cells.filter(|cell| !cell.is_wide_continuation()).map(Drawn::of);
            stand_in(drawn.collect(), port)
        };
        Self { lines: (0..lines.get()).map(line).collect() }
    }

    fn text(&self) -> String {
        let line = |line: &Vec<Drawn>| line.iter().map(|cell| cell.text.as_str()).collect::<String>();
        self.lines.iter().fold(String::new(), |all, cells| all + line(cells).trim_end() + "\n")
    }

    fn svg(&self) -> String {
        let columns: usize = self.lines.first().map_or(0, |line| line.iter().map(|cell| cell.cells).sum());
        let (width, height) = (columns as f64 * CELL.0, self.lines.len() as f64 * CELL.1);
        let (outer_width, outer_height) = (width + 2.0 * MARGIN, height + 2.0 * MARGIN);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{outer_width:.0}\" height=\"{outer_height:.0}\" \
            viewBox=\"0 0 {outer_width:.1} {outer_height:.1}\">\n\
            <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n\
            <g {FONT} xml:space=\"preserve\">\n"
        );
        for (line, y) in self.lines.iter().zip(0_u16..) {
            let mut x = 0;
            for run in line.chunk_by(Drawn::goes_on) {
                let cells: usize = run.iter().map(|cell| cell.cells).sum();
                draw(
                    &mut svg,
                    run,
                    (x as f64).mul_add(CELL.0, MARGIN),
                    f64::from(y).mul_add(CELL.1, MARGIN),
                    cells,
                );
                x += cells;
            }
        }
        svg + "</g>\n</svg>\n"
    }
}

/// Puts the port of the pictures where the relay's own is, which may be longer: the line is as long as before.
fn stand_in(mut line: Vec<Drawn>, port: &str) -> Vec<Drawn> {
    let text: Vec<&str> = line.iter().map(|cell| cell.text.as_str()).collect();
    let shown: Vec<String> = format!(":{port}/sync").chars().map(String::from).collect();
    let Some(at) = text.windows(shown.len()).position(|cells| cells == shown) else { return line };
    let instead = format!(":{PORT}/sync{}", " ".repeat(port.len().saturating_sub(PORT.len())));
    for (cell, c) in line[at..].iter_mut().zip(instead.chars()) {
        cell.text = c.to_string();
    }
    line
}

impl Drawn {
    fn of(cell: &Cell) -> Self {
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let back = match cell.bgcolor() {
            Color::Default => None,
            color => Some(colour(color, BACKGROUND)),
        };
        let look = Look { front: colour(cell.fgcolor(), FOREGROUND), back, bold: cell.bold() };
        Self { text: text.to_owned(), cells: if cell.is_wide() { 2 } else { 1 }, look }
    }

    /// Whether two cells are drawn in one piece: fonts do not agree how wide anything but plain letters is.
    fn goes_on(&self, next: &Self) -> bool {
        self.look == next.look && self.text.is_ascii() && next.text.is_ascii()
    }
}

fn colour(color: Color, default: &'static str) -> &'static str {
    match color {
        Color::Idx(index) => COLOURS.get(usize::from(index)).copied().unwrap_or(SELECTED),
        Color::Default | Color::Rgb(..) => default,
    }
}

fn draw(svg: &mut String, run: &[Drawn], x: f64, y: f64, cells: usize) {
    let text: String = run.iter().map(|cell| cell.text.as_str()).collect();
    let (look, width) = (run[0].look, cells as f64 * CELL.0);
    if let Some(back) = look.back {
        let height = CELL.1;
        writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{back}\"/>"
        )
        .expect("memory takes it");
    }
    if text.trim().is_empty() {
        return;
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let (bold, base) = (if look.bold { " font-weight=\"bold\"" } else { "" }, y + 13.0);
    let front = look.front;
    writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{base:.1}\" textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{front}\"{bold}>{text}</text>"
    )
    .expect("memory takes it");
}
