//! What the command line says of itself. That this test exists also makes cargo build the binary wherever it
//! builds the workspace's tests, among which are those that drive it.

use std::process::Command;

#[test]
fn help_names_every_command() {
    let help = Command::new(env!("CARGO_BIN_EXE_syncline")).arg("--help").output().expect("syncline starts");
    assert!(help.status.success());
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let commands = [
        "create", "show", "list", "delete", "set", "get", "rm", "insert", "inc", "text", "export", "sync",
        "watch", "status", "compact", "check", "replay",
    ];
    for command in commands {
        assert!(help.contains(&format!("\n  {command} ")), "help does not name {command}:\n{help}");
    }
}
