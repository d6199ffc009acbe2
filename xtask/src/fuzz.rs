//! The fuzz targets: a short run of each in the gate, a long one by name, and generated updates under the
//! same sanitizer. Their bodies are functions in the crates that they test; the folder holds a few lines for
//! each, and its own workspace because it needs the nightly compiler.
//!
//! Everything in that workspace is built by one command with one set of flags, as building the libraries for
//! AddressSanitizer takes longer than all the rest.

use crate::command::{Command, Failure};
use crate::gate::Unchecked;
use crate::install;
use crate::tree::Tree;

/// The manifest of the targets' workspace.
pub const MANIFEST: &str = "fuzz/Cargo.toml";

/// How long each target runs in the gate.
const GATE_SECONDS: &str = "20";
/// How long one named target runs when nothing else is said.
const LONG_SECONDS: &str = "600";
/// An input that takes longer is reported like a crash.
const INPUT_TIMEOUT: &str = "-timeout=10";
/// So is one that needs more memory.
const MEMORY_LIMIT: &str = "-rss_limit_mb=2048";
/// A document of yrs with others in it holds itself, and is never freed; that is known.
const NO_LEAKS: (&str, &str) = ("ASAN_OPTIONS", "detect_leaks=0");

/// How many updates are generated when nothing else is said.
const UPDATES: &str = "1000000";

/// Where the targets' inputs are kept from run to run, a folder for each.
const CORPUS: &str = "fuzz/corpus";

/// The profile of fuzz/Cargo.toml says where assertions are on, not the tool; and several units a
/// crate halve the time of the first build.
const BUILD: &[&str] = &["--release", "--codegen-units", "16"];

/// The targets' names, from the files of their folder.
pub fn targets(tree: &Tree) -> Vec<String> {
    let files = tree.ending(".rs").filter_map(|path| path.strip_prefix("fuzz/fuzz_targets/"));
    files.filter_map(|file| file.strip_suffix(".rs")).map(str::to_owned).collect()
}

/// Runs every target for a short while.
pub fn check(tree: &Tree) -> Result<Unchecked, Failure> {
    let targets = targets(tree);
    if targets.is_empty() {
        return Err(Failure::new(
            "fuzz/fuzz_targets has no target",
            "add one, with its [[bin]] in fuzz/Cargo.toml",
        ));
    }
    if !has_nightly(tree) {
        return Ok(vec![format!("fuzz targets {}: {NO_NIGHTLY}", targets.join(", "))]);
    }
    build(tree)?;
    targets.iter().try_for_each(|target| gate_run(tree, target))?;
    Ok(Unchecked::new())
}

/// Runs `TARGET [SECONDS]` in the terminal.
pub fn run_one(tree: &Tree, arguments: &[String]) -> Result<(), Failure> {
    let known = targets(tree);
    let target = arguments.first().filter(|name| known.contains(name)).ok_or_else(|| {
        Failure::new("fuzz needs the name of a target", format!("one of: {}", known.join(", ")))
    })?;
    build(tree)?;
    let seconds = arguments.get(1).map_or(LONG_SECONDS, String::as_str);
    command(tree, target, seconds).run(&replay(target))
}

/// Sends generated updates through gate and yrs: `[--updates N]`.
pub fn generated(tree: &Tree, arguments: &[String]) -> Result<(), Failure> {
    let count = match arguments {
        [] => UPDATES,
        [flag, count] if flag == "--updates" && count.parse::<u64>().is_ok() => count,
        _ => {
            return Err(Failure::new("asan takes a number of updates", "cargo xtask asan --updates 1000000"));
        }
    };
    build(tree)?;
    generator(tree)?
        .args(["updates", count])
        .run("the report above names the fault; `generate updates N` repeats it, as every run is the same")
}

const NO_NIGHTLY: &str = "they need a nightly compiler: rustup toolchain install nightly";

fn has_nightly(tree: &Tree) -> bool {
    Command::cargo(tree).args(["+nightly", "--version"]).succeeds()
}

fn gate_run(tree: &Tree, target: &str) -> Result<(), Failure> {
    let log = tree.at(&format!("target/fuzz-{target}.log"));
    let remedy = format!("read {}; {}", log.display(), replay(target));
    command(tree, target, GATE_SECONDS).run_logged(&log, &remedy)
}

/// All targets and what generates their first inputs. Apart from the runs, so that the compiler's errors are
/// shown and its time does not look like fuzzing.
fn build(tree: &Tree) -> Result<(), Failure> {
    if !has_nightly(tree) {
        return Err(Failure::new("there is no nightly compiler", NO_NIGHTLY));
    }
    install::cargo_tool(tree, "fuzz", "cargo-fuzz")?;
    Command::cargo(tree)
        .args(["+nightly", "fuzz", "build"])
        .args(BUILD)
        .run("mend the target, or list it as a [[bin]] in fuzz/Cargo.toml")?;
    generator(tree)?.args(["seeds", CORPUS]).run("a seed could not be made or written; the reason is above")
}

/// The program beside the targets that generates; as to leaks see [`NO_LEAKS`].
fn generator(tree: &Tree) -> Result<Command, Failure> {
    let host = Command::new(tree, "rustc").args(["+nightly", "--print", "host-tuple"]);
    let host = host.stdout("update the nightly compiler: rustup update nightly")?;
    let program = tree.at(&format!("fuzz/target/{}/release/generate", host.trim()));
    Ok(Command::new(tree, program).env(NO_LEAKS.0, NO_LEAKS.1))
}

/// Nothing is built anew by this, as the flags are those of [`build`].
fn command(tree: &Tree, target: &str, seconds: &str) -> Command {
    Command::cargo(tree)
        .args(["+nightly", "fuzz", "run"])
        .args(BUILD)
        .args([target, "--"])
        .args([&format!("-max_total_time={seconds}"), INPUT_TIMEOUT, MEMORY_LIMIT])
        .env(NO_LEAKS.0, NO_LEAKS.1)
}

fn replay(target: &str) -> String {
    let build = BUILD.join(" ");
    format!("replay what it saved: cargo +nightly fuzz run {build} {target} fuzz/artifacts/{target}/FILE")
}
