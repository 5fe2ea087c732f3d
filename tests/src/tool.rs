//! Tools of others that `./tests/run` provisions where it can.

use std::process::{Command, Output};

/// The tool that a variable names; nothing, and a line that says so, where there is none to be had.
///
/// # Panics
/// If there is none and `FABRIC_DEPLOY_TESTS=required`.
#[must_use]
pub fn named(variable: &str) -> Option<Command> {
    let found = std::env::var_os(variable).filter(|it| !it.is_empty()).map(Command::new);
    if found.is_none() {
        let is_required = std::env::var("FABRIC_DEPLOY_TESTS").is_ok_and(|it| it == "required");
        assert!(!is_required, "{variable} names no tool: ./tests/run installs it, or says why not");
        eprintln!("NOT CHECKED: {variable} names no tool");
    }
    found
}

/// What a tool printed, having said yes.
///
/// # Panics
/// With all that it printed, if it did not.
pub fn says_yes(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{stdout}\n{stderr}");
    stdout.into_owned()
}
