//! Core builds for wasm32 and asks its host for nothing: no clock, no files, no sockets. A module
//! names what it needs from a host as imports of `env`; so none may be there.
//!
//! All of core is kept in the module, used or not, and unresolved symbols become imports, so that
//! nothing hides by not being called. The libraries' own bindings to JavaScript stay, under names
//! of their own.

mod imports;

use std::path::Path;

use crate::command::{Command, Failure};
use crate::gate::Unchecked;
use crate::install;
use crate::tree::Tree;

/// The platform of the build.
const TARGET: &str = "wasm32-unknown-unknown";
/// A folder of its own: another compiler would otherwise undo the artefacts of the rest.
const TARGET_DIR: &str = "target/wasm";
/// The built module.
const MODULE: &str = "target/wasm/wasm32-unknown-unknown/debug/syncline_core.wasm";
/// Part of every function's name in the module.
const CRATE: &[u8] = b"syncline_core";
/// The module that stands for the host.
const HOST: &str = "env";

/// Debian's compiler, which comes with the sources of the standard library and a linker for wasm.
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22"];
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Who compiles.
enum Toolchain {
    /// Ours, which has the standard library of wasm32 installed.
    Active,
    /// Debian's, which compiles the standard library too.
    Debian,
}

/// Builds core for wasm32 and reads its imports.
pub fn check(tree: &Tree) -> Result<Unchecked, Failure> {
    let toolchain = match toolchain(tree) {
        Ok(toolchain) => toolchain,
        Err(reason) => return Ok(vec![format!("core for wasm32: {reason}")]),
    };
    build(tree, &toolchain)?;
    judge(&read_module(tree)?)?;
    Ok(Unchecked::new())
}

fn toolchain(tree: &Tree) -> Result<Toolchain, String> {
    if has_target(tree) {
        return Ok(Toolchain::Active);
    }
    let by_rustup = format!("rustup target add {TARGET}");
    if !Path::new(DEBIAN_SOURCES).exists() {
        install::debian_packages(tree, DEBIAN_PACKAGES)
            .map_err(|reason| format!("{reason}; or: {by_rustup}"))?;
    }
    if Path::new(DEBIAN_SOURCES).exists() {
        return Ok(Toolchain::Debian);
    }
    Err(format!("no compiler for it: {by_rustup}"))
}

fn has_target(tree: &Tree) -> bool {
    let folder =
        Command::new(tree, "rustc").args(["--print", "target-libdir", "--target", TARGET]).stdout("");
    folder.is_ok_and(|folder| Path::new(folder.trim()).is_dir())
}

fn build(tree: &Tree, toolchain: &Toolchain) -> Result<(), Failure> {
    let command = match toolchain {
        Toolchain::Active => Command::cargo(tree),
        Toolchain::Debian => debian_cargo(tree),
    };
    let command =
        command.args(["rustc", "--quiet", "--package", "syncline-core", "--lib", "--crate-type", "cdylib"]);
    let command = match toolchain {
        Toolchain::Active => command,
        Toolchain::Debian => command.args(["-Zbuild-std=std,panic_abort"]),
    };
    command
        .args(["--target", TARGET, "--target-dir", TARGET_DIR, "--", "-Clink-dead-code"])
        .args(["-Clink-arg=--no-gc-sections", "-Clink-arg=--allow-undefined"])
        // Nobody runs the module: the least work for the compiler.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "none")
        .run("core, or a dependency of it, needs more than wasm32 has; its error is above")
}

/// Free of what the cargo that runs us says about its own compiler. Building the standard library
/// is an unstable option, which Debian's stable compiler takes when it is told to.
fn debian_cargo(tree: &Tree) -> Command {
    Command::new(tree, DEBIAN_CARGO)
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("LD_LIBRARY_PATH")
        .env("RUSTC", DEBIAN_RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
}

fn read_module(tree: &Tree) -> Result<Vec<u8>, Failure> {
    std::fs::read(tree.at(MODULE)).map_err(|error| {
        Failure::new(format!("cannot read {MODULE}: {error}"), "remove target/wasm and run the step again")
    })
}

fn judge(module: &[u8]) -> Result<(), Failure> {
    let imports = imports::imports(module).ok_or_else(|| {
        Failure::new(
            format!("{MODULE} is no WebAssembly module"),
            "remove target/wasm and run the step again",
        )
    })?;
    if !module.windows(CRATE.len()).any(|bytes| bytes == CRATE) {
        return Err(Failure::new(
            "the module holds none of core's functions",
            "the check shows nothing; keep dead code in",
        ));
    }
    let from_host: Vec<&str> =
        imports.iter().filter(|import| import.module == HOST).map(|import| import.name.as_str()).collect();
    println!(
        "{} KiB, {} imports, {} of them from {HOST}",
        module.len() / 1024,
        imports.len(),
        from_host.len()
    );
    if from_host.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        format!("core needs from its host: {}", from_host.join(", ")),
        "take what they do as an argument, or choose the library's features so that it does without",
    ))
}
