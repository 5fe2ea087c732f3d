//! What a shell makes of the beginning of a command.

use std::process::Command;

use tests::fabric::binary;

fn script(shell: &str) -> String {
    let output = Command::new(binary()).args(["completions", shell]).output().unwrap();
    assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What bash offers for the last of these words.
fn offered(words: &[&str]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fabric.bash");
    std::fs::write(&path, script("bash")).unwrap();
    let ask = r#"source "$1"; shift; COMP_WORDS=(fabric "$@"); COMP_CWORD=$#
        _fabric fabric "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"; printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash").args(["--norc", "-c", ask, "bash"]).arg(&path).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(ToOwned::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_and_values() {
    assert_eq!(offered(&["w"]), ["worker", "watchdog", "why"]);
    assert_eq!(offered(&["queue", "pu"]), ["purge"]);
    assert_eq!(offered(&["worker", "--max"]), ["--max-inflight", "--max-result"]);
    assert_eq!(offered(&["config", "worker", "--le"]), ["--lease"]);
    assert_eq!(offered(&["config", "--output", "j"]), ["json"]);
    assert_eq!(offered(&["bench"]), ["bench"], "what nobody types is not offered");
}

#[test]
fn every_shell_has_a_script() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = script(shell);
        assert!(script.contains("queue-weight") && !script.contains("bench-loop"), "{shell}");
    }
}
