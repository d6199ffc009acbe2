//! What is generated rather than fuzzed: `generate seeds FOLDER` writes inputs to start from, a folder for each
//! target; `generate updates N` sends so many Yjs updates through the gate and, if admitted, to yrs.

use std::error::Error;
use std::path::Path;

use syncline_core::fuzzing::{TARGETS, Tally, seeds, yjs_updates};

/// Updates between two lines of progress.
const STRETCH: u64 = 50_000;

const USAGE: &str = "generate seeds FOLDER | generate updates N";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["seeds", folder] => write_seeds(Path::new(folder)),
        ["updates", count] => {
            send_updates(count.parse()?);
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}

fn write_seeds(folder: &Path) -> Result<(), Box<dyn Error>> {
    for target in TARGETS {
        let folder = folder.join(target);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in seeds(target).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:03}")), seed)?;
        }
    }
    Ok(())
}

fn send_updates(count: u64) {
    let mut all = Tally::default();
    for seed in 0.. {
        all += yjs_updates(seed, STRETCH.min(count - all.generated));
        eprintln!("{} of {count} generated, {} admitted", all.generated, all.admitted);
        if all.generated >= count {
            break;
        }
    }
    println!("{} generated, {} admitted, refused:", all.generated, all.admitted);
    let mut refused: Vec<_> = all.refused.iter().collect();
    refused.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
    refused.iter().for_each(|(reason, times)| println!("{times:>9}  {reason}"));
}
