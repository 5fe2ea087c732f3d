//! How the image is built, and what it starts.

use serde_json::Value;
use tests::tool::{named, says_yes};

use super::{deploy, fabric};

/// The lines of the Dockerfile that begin with a word, continued ones as one, without it.
fn instructions(word: &str) -> Vec<String> {
    let text = std::fs::read_to_string(deploy("docker/Dockerfile")).unwrap().replace("\\\n", " ");
    text.lines().filter_map(|line| Some(line.strip_prefix(word)?.strip_prefix(' ')?.to_owned())).collect()
}

/// A command as a list, which is all that an image without a shell can start.
fn list(text: &str) -> Vec<String> {
    serde_json::from_str::<Value>(text)
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap().into())
        .collect()
}

#[test]
fn hadolint_finds_nothing_to_say() {
    let Some(mut hadolint) = named("HADOLINT") else { return };
    let told = says_yes(hadolint.args(["--failure-threshold", "style"]).arg(deploy("docker/Dockerfile")));
    assert_eq!(told, "");
}

#[test]
fn the_last_stage_has_no_shell_and_is_not_root() {
    assert_eq!(instructions("FROM").pop().unwrap(), "gcr.io/distroless/cc-debian12:nonroot");
    let user = instructions("USER").pop().unwrap();
    assert!(user.split(':').all(|it| it.parse::<u32>().is_ok_and(|id| id > 0)), "{user}");
    assert!(instructions("COPY").pop().unwrap().starts_with("--from=build "), "nothing but what was built");
}

#[test]
fn what_it_starts_is_a_command() {
    let [program, begin @ ..] = &*list(&instructions("ENTRYPOINT")[0]) else { panic!("there is no entry point") };
    assert!(begin.is_empty() && instructions("COPY").pop().unwrap().ends_with(&format!(" {program}")));
    says_yes(fabric().args(list(&instructions("CMD")[0])));
    let check = &instructions("HEALTHCHECK")[0];
    let [first, words @ ..] = &*list(check.split_once("CMD ").unwrap().1) else { panic!("{check}") };
    assert_eq!(first, program);
    let answer = fabric().args(words).args(["--admin", "http://127.0.0.1:1"]).output().unwrap();
    assert_eq!(answer.status.code(), Some(1), "nobody is there: {}", String::from_utf8_lossy(&answer.stderr));
}

#[test]
fn it_is_built_by_a_compiler_that_is_new_enough() {
    let first = instructions("FROM").remove(0);
    let version = first.strip_prefix("rust:").unwrap().split('-').next().unwrap();
    let number = |version: &str| version.split('.').map(|it| it.parse::<u32>().unwrap()).collect::<Vec<_>>();
    assert!(number(version) >= number(env!("CARGO_PKG_RUST_VERSION")), "{first}");
}

#[test]
fn neither_what_was_built_here_nor_secrets_get_into_it() {
    let ignored = std::fs::read_to_string(deploy("docker/Dockerfile.dockerignore")).unwrap();
    for what in ["target", ".git", "**/admin-key", "**/*.env"] {
        assert!(ignored.lines().any(|it| it == what), "{what}");
    }
}
