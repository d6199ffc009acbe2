//! Tools that the gate needs and a fresh machine lacks. Each is looked for first, so that a second
//! run costs nothing; where installing is not ours to do, the command is named instead.

use crate::command::{Command, Failure};
use crate::tree::Tree;

/// Where tools are built; kept, so that two of them share what both depend on.
const TOOLS_TARGET: &str = "target/tools";

/// Makes `cargo NAME` work by installing `package` from the registry.
pub fn cargo_tool(tree: &Tree, name: &str, package: &str) -> Result<(), Failure> {
    if Command::cargo(tree).args([name, "--version"]).succeeds() {
        return Ok(());
    }
    Command::cargo(tree)
        .args(["install", package, "--locked", "--target-dir", TOOLS_TARGET])
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .run(&format!("install it by hand: cargo install {package} --locked"))
}

/// Installs packages of Debian where we are root and there is an apt; otherwise says who must.
pub fn debian_packages(tree: &Tree, packages: &[&str]) -> Result<(), String> {
    let by_hand = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if !Command::new(tree, "apt-get").args(["--version"]).succeeds() || !is_root(tree) {
        return Err(format!("needs Debian's packages and root: {by_hand}"));
    }
    let apt = |arguments: &[&str]| {
        Command::new(tree, "apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").succeeds()
    };
    let install = [&["install", "-y", "--no-install-recommends"], packages].concat();
    println!("$ {by_hand}");
    if apt(&install) || (apt(&["update"]) && apt(&install)) {
        return Ok(());
    }
    Err(format!("this failed: {by_hand}"))
}

/// Installs what the lock file of a folder names, unless it is there; `npm` is Debian's where it is missing.
pub fn node_packages(tree: &Tree, folder: &str) -> Result<(), String> {
    let read = |path: &str| std::fs::read(tree.root().join(folder).join(path)).ok();
    // npm leaves a copy of the lock file behind, in its own order; ours says for which one the folder is complete.
    const INSTALLED: &str = "node_modules/.installed";
    let wanted = read("package-lock.json");
    if wanted.is_some() && read(INSTALLED) == wanted {
        return Ok(());
    }
    if !Command::new(tree, "npm").args(["--version"]).succeeds() {
        debian_packages(tree, &["npm"])?;
    }
    let by_hand = format!("npm ci --prefix {folder}");
    println!("$ {by_hand}");
    let install = ["ci", "--no-audit", "--no-fund", "--prefix", folder];
    if !Command::new(tree, "npm").args(install).succeeds() {
        return Err(format!("this failed: {by_hand}"));
    }
    let mark = tree.root().join(folder).join(INSTALLED);
    std::fs::write(mark, wanted.unwrap_or_default()).map_err(|error| format!("{INSTALLED}: {error}"))
}

fn is_root(tree: &Tree) -> bool {
    Command::new(tree, "id").args(["-u"]).stdout("").is_ok_and(|id| id.trim() == "0")
}
