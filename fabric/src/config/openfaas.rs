//! The variables of OpenFaaS's watchdog, which `fabric watchdog` reads too: below ours, above the file (pure).

use std::path::PathBuf;

use super::Variables;
use super::error::Fault;
use super::layer::{Layer, Setting};
use super::origin::Origin;

/// The command that reads them.
pub(super) const COMMAND: &str = "watchdog";

/// What becomes of a variable.
enum Meaning {
    /// It is this option's value.
    Option(&'static str),
    /// Whether there is a lock file, where OpenFaaS has it; negated.
    Lock,
    /// It asks for what nobody should believe to have.
    Refused(&'static str),
}

/// Those that mean something, the weaker of two names for one thing first.
const NAMES: [(&str, Meaning); 20] = [
    ("fprocess", Meaning::Option("process")),
    ("function_process", Meaning::Option("process")),
    ("mode", Meaning::Option("mode")),
    ("port", Meaning::Option("listen")),
    ("upstream_url", Meaning::Option("upstream-url")),
    ("http_upstream_url", Meaning::Option("upstream-url")),
    ("buffer_http", Meaning::Option("buffer-body")),
    ("http_buffer_req_body", Meaning::Option("buffer-body")),
    ("exec_timeout", Meaning::Option("exec-timeout")),
    ("read_timeout", Meaning::Option("read-timeout")),
    ("write_timeout", Meaning::Option("write-timeout")),
    ("max_inflight", Meaning::Option("max-inflight")),
    ("healthcheck_interval", Meaning::Option("healthcheck-interval")),
    ("ready_path", Meaning::Option("ready-path")),
    ("content_type", Meaning::Option("content-type")),
    ("prefix_logs", Meaning::Option("prefix-logs")),
    ("log_buffer_size", Meaning::Option("log-buffer-size")),
    ("suppress_lock", Meaning::Lock),
    ("jwt_auth", Meaning::Refused("tokens are not looked at by fabric watchdog: put something before it that does")),
    ("static_path", Meaning::Refused("there is no mode static; serve files by a program, in mode http")),
];

/// Whether somebody may read a variable of this name.
pub(super) fn knows(name: &str) -> bool {
    NAMES.iter().any(|(known, _)| *known == name)
}

/// What they say. Empty ones say nothing, as with OpenFaaS.
pub(super) fn layer(variables: &Variables) -> Result<Layer, Vec<Fault>> {
    let (mut layer, mut faults) = (Layer::new(), Vec::new());
    for (name, meaning) in &NAMES {
        let Some(value) = variables.get(*name).filter(|value| !value.is_empty()) else { continue };
        let origin = Origin::Environment((*name).to_owned());
        let is = |text: &[&str]| value.to_str().is_some_and(|value| text.contains(&value));
        let (yes, no) = (is(&["1", "true"]), is(&["0", "false"]));
        match meaning {
            Meaning::Option(key) => {
                layer.insert((*key).to_owned(), Setting { values: vec![value.clone()], origin });
            }
            Meaning::Lock if no => {
                let path: PathBuf = std::env::temp_dir().join(".lock");
                layer.insert("lock-file".into(), Setting { values: vec![path.into()], origin });
            }
            Meaning::Lock if yes => {}
            Meaning::Lock => {
                let what = format!("invalid value '{}'; write true or false", value.display());
                faults.push(Fault { at: origin, what });
            }
            Meaning::Refused(_) if no => {}
            Meaning::Refused(what) => faults.push(Fault { at: origin, what: (*what).to_owned() }),
        }
    }
    if faults.is_empty() { Ok(layer) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::super::known;
    use super::*;

    #[test]
    fn each_is_an_option_of_the_watchdog() {
        let root = known::root();
        let watchdog = known::of_file(&root, Some(COMMAND));
        for (name, meaning) in NAMES {
            if let Meaning::Option(option) = meaning {
                assert!(watchdog.iter().any(|(key, _)| *key == option), "{name}");
            }
        }
        assert!(watchdog.iter().any(|(key, _)| *key == "lock-file"));
    }

    #[test]
    fn the_document_has_each_of_them() {
        let text = include_str!("../../../docs/watchdog.md");
        for (name, _) in NAMES {
            assert!(text.contains(&format!("| `{name}`")) || text.contains(&format!(", `{name}`")), "{name}");
        }
    }

    #[test]
    fn a_lock_file_is_written_if_it_is_asked_for() {
        let said = |value: &str| layer(&Variables::from([("suppress_lock".to_owned(), value.into())]));
        assert_eq!(said("false").unwrap()["lock-file"].values, [std::env::temp_dir().join(".lock")]);
        assert!(said("true").unwrap().is_empty() && said("").unwrap().is_empty());
        assert_eq!(
            said("maybe").unwrap_err()[0].to_string(),
            "suppress_lock: invalid value 'maybe'; write true or false"
        );
    }

    #[test]
    fn what_would_leave_a_function_open_is_refused() {
        let said = |value: &str| layer(&Variables::from([("jwt_auth".to_owned(), value.into())]));
        assert!(said("false").unwrap().is_empty());
        assert!(said("true").unwrap_err()[0].to_string().starts_with("jwt_auth: tokens are not looked at"));
    }
}
