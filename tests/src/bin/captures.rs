//! Writes pictures of `syncline board` into a folder.

use std::path::PathBuf;

use clap::Parser;
use syncline_tests::process::capture::{Capture, SIZES};

/// Takes pictures of the board in the real program.
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
    Ok(())
}
