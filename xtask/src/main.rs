//! Development tasks: everything that would otherwise be a shell script.
//!
//! `cargo xtask test` is the gate: every check that a change must pass, in an order that fails
//! early, installing the tools it needs where it may. What a machine cannot check is listed at the
//! end and never passed over in silence. The other tasks run one part of it.

mod bench;
mod command;
mod coverage;
mod fuzz;
mod gate;
mod install;
mod instructions;
mod layering;
mod licences;
mod purity;
mod real_data;
mod rust_source;
mod steps;
mod tidy;
mod tree;
mod wasm;

use std::process::ExitCode;

use command::{Command, Failure};
use tree::Tree;

const USAGE: &str = "\
cargo xtask TASK

  test [STEP…]             the gate: every check, in order; with names, only those steps
  ci                       the same as test
  steps                    the names of the gate's steps
  tidy                     our own checks of the source tree alone
  sim [--seeds N] [--seed S] [--family yjs|automerge|toy|guests]
                           the simulator, from seed S on
  kill [--runs N] [--seed S]
                           real processes under SIGKILL, from seed S on
  slow [--family yjs|automerge] [--replicas N] [--edits N]
                           a reader that stands still while others edit, and what it costs the relay
  joins [--joins N] [--bytes N]
                           many Yjs clients that join one document at once, here and at the Hocuspocus server
  long [--family yjs|automerge] [--edits N]
                           a document of a million edits: opening it, catching up with it, and its size
  traces                   every recorded session in the real data, over a relay that is killed
  team [--runs N] [--seed S]
                           five stores at one board and one chart, with the relay killed
  clients [--rounds N] [--scripts N] [--kills N] [--fixtures] [--family yjs|automerge] [--seed S]
                           other people's clients with the relay, from seed S on; without a part, all of it
  captures                 the pictures in docs/captures, anew
  bench [FILTER]           the benchmarks
  bench count [--renew]    how many instructions the hot paths take, beside the committed numbers
  bench store [PART…]      large stores and long documents beside the bare libraries and a peer
  bench peers [WORKLOAD…] [--help]
                           the relay beside other people's servers, under the same load
  fuzz TARGET [SECONDS]    one fuzz target, until it fails or time is up
  asan [--updates N]       generated updates through the Yjs gate and yrs, under AddressSanitizer
  coverage [-p CRATE…]     line coverage of the tests
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\n{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let Some((task, rest)) = arguments.split_first() else {
        return Err(Failure::new("no task was named", USAGE));
    };
    let tree = Tree::open()?;
    match task.as_str() {
        "test" | "ci" => gate::run(&tree, rest),
        "steps" => {
            steps::ALL.iter().for_each(|step| println!("{:<12} {}", step.name, step.what));
            Ok(())
        }
        "tidy" => gate::run(&tree, &["tidy".to_owned()]),
        // Thousands of seeds are worth the release profile, which plays them several times faster than the tests' own.
        "sim" => release_binary(&tree, "sim", rest).run("replay the seed that it names"),
        "kill" => kill(&tree, rest),
        "slow" | "long" | "joins" => {
            with_binaries(&tree, task, rest, "see which promise it names; it does not hold")
        }
        "traces" => with_binaries(&tree, "traces", &[], DATA_REMEDY),
        "team" => with_binaries(&tree, "team", rest, "repeat one game with --runs 1 --seed S"),
        "clients" => clients(&tree, rest),
        "captures" => captures(&tree),
        "bench" => bench::run(&tree, rest),
        "fuzz" => fuzz::run_one(&tree, rest),
        "asan" => fuzz::generated(&tree, rest),
        "coverage" => coverage::run(&tree, rest),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(Failure::new(format!("there is no task `{other}`"), USAGE)),
    }
}

/// A binary of the tests crate, in the profile that the tests are built in.
pub(crate) fn tests_binary(tree: &Tree, name: &str, arguments: &[String]) -> Command {
    Command::cargo(tree)
        .args(["run", "--quiet", "--package", "syncline-tests", "--bin", name, "--"])
        .args(arguments)
}

/// As [`tests_binary`], in the release profile.
fn release_binary(tree: &Tree, name: &str, arguments: &[String]) -> Command {
    Command::cargo(tree)
        .args(["run", "--release", "--quiet", "--package", "syncline-tests", "--bin", name, "--"])
        .args(arguments)
}

/// The binaries that are killed are built first: cargo builds only what it runs.
fn kill(tree: &Tree, arguments: &[String]) -> Result<(), Failure> {
    Command::cargo(tree).args(["build", "--quiet", "--workspace", "--bins"]).run("mend what it names")?;
    tests_binary(tree, "kill", arguments).run("the stores of the failed run are kept where it says")
}

/// A program over real processes that takes minutes, as fast as the release profile is.
fn with_binaries(tree: &Tree, name: &str, arguments: &[String], remedy: &str) -> Result<(), Failure> {
    Command::cargo(tree).args(["build", "--release", "--workspace", "--bins"]).run("mend what it names")?;
    release_binary(tree, name, arguments).run(remedy)
}

/// The clients are installed first, as far as they can be.
fn clients(tree: &Tree, arguments: &[String]) -> Result<(), Failure> {
    let remedy =
        "see which seed it names: `cargo xtask clients --rounds 1 --seed S`, or --scripts, repeats it";
    steps::clients(tree).into_iter().for_each(|missing| println!("not checked: {missing}"));
    with_binaries(tree, "clients", arguments, remedy)
}

const DATA_REMEDY: &str =
    "the data is looked for in $SYNCLINE_DATA, else beside the project; see what it says";

/// The pictures in the documentation, taken of the real program.
fn captures(tree: &Tree) -> Result<(), Failure> {
    Command::cargo(tree).args(["build", "--quiet", "--workspace", "--bins"]).run("mend what it names")?;
    tests_binary(tree, "captures", &["docs/captures".to_owned()])
        .run("see what it waited for, and what was shown instead")
}
