//! What single parts cost: messages, gates, logs, edits, catching up, compaction, commits. The same bodies are timed and, under
//! valgrind, counted in instructions, which no noise of a machine changes.
//!
//! ```text
//! cargo bench -p syncline-storage --bench parts [FILTER]     times
//! cargo xtask bench count                                    instructions, beside the committed ones
//! ```

mod cases;
mod node;

use std::any::Any;
use std::hint::black_box;

use divan::Bencher;

use cases::{ALL, Case, TIMED_ONLY};

/// How a process is told to do one body once, or to name all cases that are counted.
const COUNT: &str = "count";
const NAMES: &str = "names";

/// What is measured. It returns what it worked on, so that freeing that is not.
type Body = Box<dyn FnOnce() -> Box<dyn Any>>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [NAMES] => counted().for_each(|case| println!("{case}")),
        [COUNT, name] => {
            let case = ALL.iter().find(|case| case.name == name).expect("a case of this name");
            drop(measured((case.prepare)()));
        }
        _ => divan::main(),
    }
}

fn counted() -> impl Iterator<Item = &'static Case> {
    ALL.iter().filter(|case| !TIMED_ONLY.contains(&case.name))
}

/// Instructions are counted from here on, until this returns: xtask names it to valgrind.
#[inline(never)]
fn measured(body: Body) -> Box<dyn Any> {
    black_box(body())
}

#[divan::bench(args = ALL)]
fn part(bencher: Bencher<'_, '_>, case: &Case) {
    bencher.with_inputs(case.prepare).bench_local_values(measured);
}
