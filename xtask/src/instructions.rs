//! How many instructions the hot paths take, beside the numbers that are committed. Time is noisy, and a gate that judged it
//! would fail by chance or see nothing; valgrind counts the same instructions every time. The bodies are those of the
//! benchmark `parts`, one process each, and only what is inside of its function `measured` counts.

mod baseline;

use std::path::{Path, PathBuf};

use crate::command::{Command, Failure};
use crate::gate::Unchecked;
use crate::install;
use crate::tree::Tree;
use baseline::{Baseline, Count};

/// The package and the benchmark that has the bodies.
const PACKAGE: &str = "syncline-storage";
const BENCH: &str = "parts";

/// The function in which instructions are counted, as it is called in the program.
const MEASURED: &str = "--toggle-collect=*parts*measured*";

/// How far from the committed number a case may be, in hundredths. Seeds of hash maps, which differ from process to process,
/// move some cases by less than a hundredth of that.
const TOLERANCE_PERCENT: u64 = 2;

/// What renews the committed numbers.
const RENEW: &str = "cargo xtask bench count --renew";

/// Counts and compares; says what could not be compared.
pub fn check(tree: &Tree) -> Result<Unchecked, Failure> {
    if let Some(reason) = no_valgrind(tree) {
        return Ok(vec![format!("how many instructions the hot paths take: no valgrind; {reason}")]);
    }
    let compiler = compiler(tree)?;
    let baseline = Baseline::read(tree)?;
    let Some(known) = baseline.of(&compiler) else {
        return Ok(vec![format!(
            "how many instructions the hot paths take: {} has none of {compiler}; {RENEW}",
            baseline::FILE
        )]);
    };
    let counted = count(tree)?;
    let deviations = deviations(known, &counted);
    if deviations.is_empty() {
        return Ok(Unchecked::new());
    }
    Err(Failure::new(
        format!("instructions changed by more than {TOLERANCE_PERCENT} %:\n  {}", deviations.join("\n  ")),
        format!("make it as fast as it was; where the change is meant, commit what this writes: {RENEW}"),
    ))
}

/// Counts in the terminal: compares, or with `--renew` writes down what was counted.
pub fn run(tree: &Tree, arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [] => {
            check(tree)?.iter().for_each(|missing| println!("not checked: {missing}"));
            Ok(())
        }
        [flag] if flag == "--renew" => renew(tree),
        _ => Err(Failure::new("count takes --renew or nothing", RENEW)),
    }
}

fn renew(tree: &Tree) -> Result<(), Failure> {
    if let Some(reason) = no_valgrind(tree) {
        return Err(Failure::new("there is no valgrind", reason));
    }
    let (compiler, mut baseline) = (compiler(tree)?, Baseline::read(tree)?);
    baseline.set(compiler, count(tree)?);
    baseline.write(tree)
}

/// Why there is no valgrind, where there is none.
fn no_valgrind(tree: &Tree) -> Option<String> {
    let counts = || Command::new(tree, "valgrind").args(["--tool=none", "true"]).succeeds();
    if counts() {
        return None;
    }
    let reason = install::debian_packages(tree, &["valgrind"]).err();
    (!counts()).then(|| reason.unwrap_or_else(|| "it does not run on this machine".to_owned()))
}

/// What the numbers depend on: another compiler makes other instructions.
fn compiler(tree: &Tree) -> Result<String, Failure> {
    let printed = Command::new(tree, "rustc").args(["-vV"]).stdout("install rustc")?;
    let line = |name: &str| printed.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    Ok(format!("{} {}", line("release: "), line("host: ")))
}

fn count(tree: &Tree) -> Result<Vec<Count>, Failure> {
    let program = build(tree)?;
    let names = Command::new(tree, &program).args(["names"]).stdout("mend the benchmark")?;
    names.lines().map(|case| count_one(tree, &program, case)).collect()
}

fn count_one(tree: &Tree, program: &Path, case: &str) -> Result<Count, Failure> {
    let (out, log) = (tree.at(&format!("target/count-{case}")), tree.at("target/count.log"));
    Command::new(tree, "valgrind")
        .args(["--tool=callgrind", MEASURED])
        .args([format!("--callgrind-out-file={}", out.display())])
        .args([program.as_os_str(), "count".as_ref(), case.as_ref()])
        .run_logged(&log, &format!("read {}", log.display()))?;
    let unreadable = || {
        Failure::new(
            format!("{} does not say how many instructions there were", out.display()),
            "see that `measured` of the benchmark is not inlined",
        )
    };
    let written = std::fs::read_to_string(&out).map_err(|_| unreadable())?;
    let total = written.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    let instructions = total.filter(|total| *total > 0).ok_or_else(unreadable)?;
    Ok(Count { case: case.to_owned(), instructions })
}

/// Builds the benchmark; cargo says where it is.
fn build(tree: &Tree) -> Result<PathBuf, Failure> {
    let said = Command::cargo(tree)
        .args(["bench", "--package", PACKAGE, "--bench", BENCH, "--no-run"])
        .args(["--message-format", "json-render-diagnostics"])
        .stdout("mend what it names")?;
    executable(&said).ok_or_else(|| {
        Failure::new(format!("cargo did not say where the benchmark {BENCH} is"), "update cargo")
    })
}

/// The program in cargo's messages, a line each: only one of what is built is a program.
fn executable(said: &str) -> Option<PathBuf> {
    let program = said.lines().find_map(|line| line.split_once("\"executable\":\"")?.1.split_once('"'));
    program.map(|(path, _)| path.into())
}

/// Prints all counts, and returns what is too far from what is known, in words.
fn deviations(known: &[Count], counted: &[Count]) -> Vec<String> {
    let mut deviations = Vec::new();
    for Count { case, instructions } in counted {
        let before = known.iter().find(|known| known.case == *case).map(|known| known.instructions);
        let said = match before {
            Some(before) => {
                format!("{case}: {instructions}, committed are {before} ({})", change(before, *instructions))
            }
            None => format!("{case}: {instructions}, none are committed"),
        };
        println!("{said}");
        deviations.extend((!before.is_some_and(|before| is_near(before, *instructions))).then_some(said));
    }
    let gone = known.iter().filter(|known| counted.iter().all(|counted| counted.case != known.case));
    deviations.extend(gone.map(|known| format!("{}: it is counted no more", known.case)));
    deviations
}

const fn is_near(before: u64, now: u64) -> bool {
    before.abs_diff(now) * 100 <= before * TOLERANCE_PERCENT
}

fn change(before: u64, now: u64) -> String {
    format!("{:+.1} %", (now as f64 / before as f64 - 1.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(case: &str, instructions: u64) -> Count {
        Count { case: case.to_owned(), instructions }
    }

    #[test]
    fn what_is_further_off_than_it_may_be_is_named() {
        let known = [count("a", 1_000), count("b", 1_000), count("c", 1_000)];
        assert_eq!(deviations(&known, &[count("a", 1_020), count("b", 980), count("c", 1_000)]), [""; 0]);
        let found = deviations(&known, &[count("a", 1_021), count("b", 979), count("d", 1)]);
        assert_eq!(
            found,
            [
                "a: 1021, committed are 1000 (+2.1 %)",
                "b: 979, committed are 1000 (-2.1 %)",
                "d: 1, none are committed",
                "c: it is counted no more",
            ]
        );
    }

    #[test]
    fn the_program_is_found_in_what_cargo_says() {
        let said = "{\"executable\":null}\n{\"reason\":\"x\",\"executable\":\"/a/parts-1\",\"fresh\":true}\n";
        assert_eq!(executable(said), Some("/a/parts-1".into()));
        assert_eq!(executable("{\"executable\":null}"), None);
    }
}
