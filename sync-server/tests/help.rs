//! What the relay says of itself. That this test exists also makes cargo build the binary wherever it builds the
//! workspace's tests, among which are those that drive it.

use std::process::Command;

#[test]
fn help_names_every_option_with_its_default() {
    let help = Command::new(env!("CARGO_BIN_EXE_sync-server")).args(["serve", "--help"]).output();
    let help = String::from_utf8_lossy(&help.expect("sync-server starts").stdout).into_owned();
    let options = [
        ("--listen", "127.0.0.1:4455"),
        ("--data", "./syncline-data"),
        ("--durability", "full"),
        ("--memory", "512"),
    ];
    for (option, default) in options {
        let (_, after) = help.split_once(option).unwrap_or_else(|| panic!("no {option}:\n{help}"));
        assert!(after.contains(&format!("[default: {default}]")), "{option} is not {default}:\n{help}");
    }
    assert!(help.contains("--auth <FILE>"), "{help}");
}
