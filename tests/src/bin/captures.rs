//! Writes pictures of `syncline board`, and a drawn chart, into a folder.

use std::path::{Path, PathBuf};

use clap::Parser;
use syncline_tests::process::capture::{Capture, SIZES};
use syncline_tests::process::terminal::Terminal;

/// The chart that is drawn, and as what.
const SPECIFICATION: &str = "chart.vl.json";
const PICTURE: &str = "chart.svg";

/// Takes pictures of the board in the real program, and has it draw the chart whose specification is in the folder.
#[derive(Parser)]
struct Arguments {
    /// The folder.
    folder: PathBuf,
}

fn main() -> std::io::Result<()> {
    let Arguments { folder } = Arguments::parse();
    std::fs::create_dir_all(&folder)?;
    for (name, content) in SIZES.into_iter().flat_map(|size| Capture::take(size).files()) {
        std::fs::write(folder.join(&name), content)?;
        println!("{}", folder.join(&name).display());
    }
    draw(&std::path::absolute(folder)?);
    Ok(())
}

/// Draws the chart from a store of its own, the way a user would.
fn draw(folder: &Path) {
    let terminal = Terminal::new();
    let (specification, picture) = (folder.join(SPECIFICATION), folder.join(PICTURE));
    terminal.ok(["import".as_ref(), "docs/chart".as_ref(), specification.as_os_str()]);
    terminal.ok(["chart".as_ref(), "docs/chart".as_ref(), "--svg".as_ref(), picture.as_os_str()]);
    println!("{}", picture.display());
}
