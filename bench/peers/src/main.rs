//! The relay beside its peers, under one load generator, on one machine: `cargo xtask bench peers`.
//!
//! Each server is spoken to in its own protocol, and the relay in all that it speaks. Sides take turns, so that noise of the
//! machine falls on all alike; what is printed are medians. The floor is a server that only broadcasts: see [`floor`].

mod client;
mod floor;
mod load;
mod protocol;
mod side;
mod tally;
mod update;

use std::process::ExitCode;
use std::time::Duration;

use load::{Figures, Load};
use side::Side;

/// An error of any sort, for whoever reads it.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The hidden task of the process that is the floor.
const FLOOR: &str = "floor";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if arguments == [FLOOR] {
        return runtime.block_on(floor::serve());
    }
    let rates: Vec<f64> = match arguments.first() {
        Some(rates) => rates.split(',').map(str::parse).collect::<Result<_, _>>()?,
        None => vec![10.0, 60.0, 200.0],
    };
    let sides: Vec<Side> = match arguments.get(1) {
        Some(names) => {
            Side::ALL.into_iter().filter(|side| names.split(',').any(|name| name == side.name())).collect()
        }
        None => Side::ALL.to_vec(),
    };
    for rate in rates {
        for side in &sides {
            let load = Load {
                documents: 1,
                clients: 50,
                typists: 50,
                rate,
                warming: Duration::from_secs(1),
                time: Duration::from_secs(5),
            };
            match runtime.block_on(load.run(*side)) {
                Ok(figures) => show(*side, rate, &figures),
                Err(error) => println!("{side}: {error}"),
            }
        }
    }
    Ok(())
}

fn show(side: Side, rate: f64, figures: &Figures) {
    let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
    let [half, most, nearly_all, all] = figures.latency.map(millis);
    let [idle, connected, peak] = figures.memory.map(|bytes| bytes >> 10);
    let each = figures.cpu.as_secs_f64() * 1e6 / figures.delivered.max(1) as f64;
    println!(
        "{rate:>4}/s {side:<20} {:>9}/{:<9} twice {} | {half:.1} {most:.1} {nearly_all:.1} {all:.1} ms | {each:.2} us | {idle} \
         {connected} {peak} KiB | kept {:?}",
        figures.delivered, figures.expected, figures.twice, figures.kept
    );
}
