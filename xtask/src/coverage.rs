//! Line coverage of the tests. The compiler writes profiles that only LLVM tools of its own major
//! version read; rustup's component has them, and so do Debian's packages.

use crate::command::{Command, Failure};
use crate::install;
use crate::tree::Tree;

/// What is measured when nothing else is said.
const EVERYTHING: &[&str] = &["--workspace", "--exclude", "xtask"];

/// Runs the tests with coverage and prints the table of files; the arguments choose the packages.
pub fn run(tree: &Tree, arguments: &[String]) -> Result<(), Failure> {
    install::cargo_tool(tree, "nextest", "cargo-nextest")?;
    install::cargo_tool(tree, "llvm-cov", "cargo-llvm-cov")?;
    let mut command = Command::cargo(tree).args(["llvm-cov", "nextest"]).args(arguments);
    if arguments.is_empty() {
        command = command.args(EVERYTHING);
    }
    if let Some(version) = debian_tools(tree)? {
        command = command
            .env("LLVM_COV", format!("/usr/bin/llvm-cov-{version}"))
            .env("LLVM_PROFDATA", format!("/usr/bin/llvm-profdata-{version}"));
    }
    command.run("mend the failing test, or the tools that it misses")
}

/// The major version of Debian's tools, installed if need be; `None` where rustup has its own.
fn debian_tools(tree: &Tree) -> Result<Option<String>, Failure> {
    let sysroot = Command::new(tree, "rustc").args(["--print", "target-libdir"]).stdout("install rustc")?;
    let beside = std::path::Path::new(sysroot.trim()).join("../bin/llvm-cov");
    if beside.exists() {
        return Ok(None);
    }
    let version = llvm_version(tree)?;
    if !std::path::Path::new(&format!("/usr/bin/llvm-cov-{version}")).exists() {
        install::debian_packages(tree, &[&format!("llvm-{version}")]).map_err(|reason| {
            Failure::new(reason, "install them, or run `rustup component add llvm-tools`")
        })?;
    }
    Ok(Some(version))
}

fn llvm_version(tree: &Tree) -> Result<String, Failure> {
    let printed = Command::new(tree, "rustc").args(["-vV"]).stdout("install rustc")?;
    let version = printed.lines().find_map(|line| line.strip_prefix("LLVM version: "));
    let major = version.and_then(|version| version.split('.').next());
    major
        .map(str::to_owned)
        .ok_or_else(|| Failure::new("rustc does not name its LLVM version", "use a released rustc"))
}
