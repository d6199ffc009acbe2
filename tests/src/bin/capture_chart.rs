//! Draws the chart of the documentation anew, the way a user would: `cargo xtask captures`.

use std::path::PathBuf;
use std::process::ExitCode;

use syncline::Family;
use syncline_tests::process::chart::store_chart;
use syncline_tests::process::terminal::Terminal;

fn main() -> ExitCode {
    let [Some(specification), Some(picture)] =
        [1, 2].map(|at| std::env::args_os().nth(at).map(PathBuf::from))
    else {
        eprintln!("two arguments: the specification to draw, and the picture to write");
        return ExitCode::FAILURE;
    };
    let specification = std::fs::read(specification).expect("a specification that can be read");
    let picture = std::path::absolute(picture).expect("a working folder");
    let terminal = Terminal::new();
    store_chart(&terminal.store(), "docs/chart", Family::Yjs, &specification);
    terminal.ok(["chart".as_ref(), "docs/chart".as_ref(), "--svg".as_ref(), picture.as_os_str()]);
    ExitCode::SUCCESS
}
