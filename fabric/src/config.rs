//! What a process is told: a flag beats the environment, which beats the file, which beats the default.
//!
//! Every option is defined once, in [`crate::cli`], and has one name: `--max-inflight`, `FABRIC_MAX_INFLIGHT`,
//! `max-inflight = 64`. What the environment and the file say is read by the option's own parser and then becomes its
//! default: so a value is refused in the same words wherever it is written, and clap alone decides what a flag means.
//!
//! ```text
//! file ─► layer ─┐
//! environment ───┴► choice ─► clap's defaults ─► Cli
//!                      └────► effective            `fabric config`
//! ```

mod choice;
mod effective;
mod error;
mod file;
mod known;
mod layer;
mod nearest;
mod openfaas;
mod origin;
#[cfg(test)]
mod reference;
mod stranger;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::ErrorKind;
use clap::{ArgMatches, Command, FromArgMatches};

use self::choice::Chosen;
use self::layer::{File, Layer};
use crate::cli::Cli;

pub use self::effective::{Effective, json, table};
pub use self::error::{Error, Fault};
pub use self::origin::Origin;
pub use self::stranger::Stranger;

/// The variables whose names begin as ours do, and those of OpenFaaS's watchdog.
pub type Variables = BTreeMap<String, OsString>;

/// What a process is told.
#[derive(Debug)]
pub struct Told {
    /// All of it.
    pub cli: Cli,
    /// The options of its command, and those of every command.
    pub options: Vec<Effective>,
    /// What `fabric config` was not told, though its command needs it.
    pub missing: Option<clap::Error>,
    /// Variables that are not read, and what whoever set them may have meant.
    pub strangers: Vec<Stranger>,
}

/// The variables of this process.
#[must_use]
pub fn variables() -> Variables {
    let named = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    named.filter(|(name, _)| name.starts_with(known::PREFIX) || openfaas::knows(name)).collect()
}

/// Puts together what `arguments`, `variables` and the file that one of them names say.
///
/// # Errors
/// [`Error`]: what is wrong and where, or that help was asked for.
pub fn read(arguments: &[OsString], variables: &Variables) -> Result<Told, Error> {
    let root = known::root();
    // Help and the version are answered here; what is wrong with the flags is told in the end, when all is known.
    let given = known::with_variables(root.clone()).ignore_errors(true).try_get_matches_from(arguments)?;
    let levels = levels(&root, &given);
    let file = match named_file(&root, &given, variables) {
        Some((path, by)) if reads_file(&levels) => read_file(&path, by, &root)?,
        _ => File::default(),
    };
    let environment = layer::environment(variables, &root);
    let none = Layer::default();
    let openfaas = match levels.last() {
        Some((command, _)) if command.get_name() == openfaas::COMMAND => {
            openfaas::layer(variables).map_err(Error::Faults)?
        }
        _ => Layer::default(),
    };
    let (mut chosen, mut faults) = (Vec::new(), Vec::new());
    for (n, (command, given)) in levels.iter().enumerate() {
        // What belongs to every command is looked for in the table of the one that is run.
        let of = if n == 0 { levels.last() } else { levels.get(n) };
        let table = of.and_then(|(command, _)| file.tables.get(command.get_name())).unwrap_or(&none);
        match choice::choose(command, given, &[&environment, &openfaas, table, &file.all]) {
            Ok(one) => chosen.push(one),
            Err(all) => faults.extend(all),
        }
    }
    if !faults.is_empty() {
        return Err(Error::Faults(faults));
    }

    let path: Vec<_> = levels.iter().skip(1).map(|(command, _)| command.get_name().to_owned()).collect();
    let mut command = with_defaults(root.clone(), &path, &chosen);
    let shows = path.first().is_some_and(|name| name == known::CONFIG);
    let (matches, missing) = match command.clone().try_get_matches_from(arguments) {
        Ok(matches) => (matches, None),
        Err(error) if shows && error.kind() == ErrorKind::MissingRequiredArgument => {
            command = known::without_requirements(command);
            (command.clone().try_get_matches_from(arguments)?, Some(error))
        }
        Err(error) => return Err(error.into()),
    };
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    let options = shown(&root, &matches, &chosen);
    Ok(Told { cli, options, missing, strangers: stranger::strangers(&root, variables) })
}

/// The commands that were named, one below the other, each with what was given to it.
fn levels<'a>(root: &'a Command, given: &'a ArgMatches) -> Vec<(&'a Command, &'a ArgMatches)> {
    let below = |(command, given): &(&'a Command, &'a ArgMatches)| {
        let (name, given) = given.subcommand()?;
        Some((command.find_subcommand(name)?, given))
    };
    std::iter::successors(Some((root, given)), below).collect()
}

/// Whether any of them is told anything by a file: parts of the program that it starts itself are not, nor is what has
/// no options.
fn reads_file(levels: &[(&Command, &ArgMatches)]) -> bool {
    let mut below = levels.iter().skip(1).map(|(command, _)| command);
    below.any(|command| !command.is_hide_set() && known::options(command).next().is_some())
}

fn with_defaults(command: Command, path: &[String], chosen: &[Chosen<'_>]) -> Command {
    let [own, below @ ..] = chosen else { return command };
    let command = choice::as_defaults(command, own);
    match path {
        [next, path @ ..] => command.mut_subcommand(next, |command| with_defaults(command, path, below)),
        [] => command,
    }
}

/// The options of the last command that was named, then those of every command.
fn shown(root: &Command, matches: &ArgMatches, chosen: &[Chosen<'_>]) -> Vec<Effective> {
    let levels = levels(root, matches);
    let mut each =
        levels.iter().zip(chosen).map(|((command, matches), chosen)| effective::effective(command, matches, chosen));
    let general = each.next().unwrap_or_default();
    each.next_back().into_iter().flatten().chain(general).collect()
}

/// The file, and what names it.
fn named_file(root: &Command, given: &ArgMatches, variables: &Variables) -> Option<(OsString, Origin)> {
    if choice::is_given(root, given, known::CONFIG) {
        let path = given.get_raw(known::CONFIG)?.next()?;
        return Some((path.to_owned(), Origin::Flag(format!("--{}", known::CONFIG))));
    }
    let name = known::variable(known::CONFIG);
    Some((variables.get(&name)?.clone(), Origin::Environment(name)))
}

fn read_file(path: &OsStr, by: Origin, root: &Command) -> Result<File, Error> {
    let shown = Path::new(path).display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable { path: shown.clone(), by, source })?;
    let commands: Vec<_> = known::tables(root).map(Command::get_name).collect();
    let entries = file::entries(&text, &commands).map_err(|flaw| {
        let at = Origin::File { path: shown.clone(), line: flaw.line };
        Error::Faults(vec![Fault { at, what: flaw.what }])
    })?;
    layer::file(&shown, entries, root).map_err(Error::Faults)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::{Process, Worker};

    const BROKER: &str = "broker = 'nats://file'";

    /// What is told by these flags, variables and lines of a file.
    fn told(flags: &str, variables: &[(&str, &str)], text: &str) -> Result<Told, Error> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fabric.toml");
        std::fs::write(&path, text).unwrap();
        let mut variables: Variables = variables.iter().map(|(name, value)| ((*name).into(), value.into())).collect();
        variables.insert("FABRIC_CONFIG".into(), path.into());
        let arguments: Vec<OsString> = format!("fabric {flags}").split_whitespace().map(Into::into).collect();
        read(&arguments, &variables)
    }

    fn worker(flags: &str, variables: &[(&str, &str)], text: &str) -> Worker {
        match told(&format!("worker {flags}"), variables, text).unwrap().cli.command {
            crate::cli::Command::Process(Process::Worker(worker)) => worker,
            other => panic!("{other:?}"),
        }
    }

    /// Why not; a path is shown without its folder.
    fn refused(flags: &str, variables: &[(&str, &str)], text: &str) -> String {
        let error = told(flags, variables, text).unwrap_err().to_string();
        error.lines().map(|line| line.find("fabric.toml").map_or(line, |at| &line[at..])).collect::<Vec<_>>().join("\n")
    }

    /// Value and source of an option, as they are shown.
    fn shown(told: &Told, key: &str) -> (String, String) {
        let it = told.options.iter().find(|it| it.key == key).unwrap();
        let at = it.origin.to_string();
        (it.values.join(" "), at.find("fabric.toml").map_or(at.as_str(), |from| &at[from..]).to_owned())
    }

    #[test]
    fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
        let text = "broker = 'nats://file'\nlease = '3s'";
        let said = [("FABRIC_LEASE", "4s")];
        for (flags, variables, text, lease, source) in [
            ("--lease 5s", &said[..], text, 5, "--lease"),
            ("--lease 5s", &said, BROKER, 5, "--lease"),
            ("--lease 5s", &[], text, 5, "--lease"),
            ("--lease 5s", &[], BROKER, 5, "--lease"),
            ("", &said, text, 4, "FABRIC_LEASE"),
            ("", &said, BROKER, 4, "FABRIC_LEASE"),
            ("", &[], text, 3, "fabric.toml:2"),
            ("", &[], BROKER, 9, "default"),
        ] {
            assert_eq!(
                worker(flags, variables, text).work.lease,
                Duration::from_secs(lease),
                "{flags} {variables:?} {text}"
            );
            let told = told(&format!("worker {flags}"), variables, text).unwrap();
            assert_eq!(shown(&told, "lease"), (format!("{lease}s"), source.into()));
        }
    }

    #[test]
    fn a_table_of_the_command_beats_what_is_for_all() {
        let text =
            "broker = 'b'\nlease = '3s'\nlog = 'warn'\n[worker]\nlease = '6s'\nlog = 'debug'\n[gateway]\nlog = 'error'";
        assert_eq!(worker("", &[], text).work.lease, Duration::from_secs(6));
        assert_eq!(worker("", &[("FABRIC_LEASE", "4s")], text).work.lease, Duration::from_secs(4));
        assert_eq!(told("worker", &[], text).unwrap().cli.log, "debug");
        assert_eq!(told("worker --log info", &[], text).unwrap().cli.log, "info");
        assert_eq!(told("config worker", &[], text).unwrap().cli.log, "debug");
        assert_eq!(told("gateway", &[], text).unwrap().cli.log, "error");
        assert_eq!(told("serve", &[], text).unwrap().cli.log, "warn");
    }

    #[test]
    fn the_place_that_the_strongest_source_names_is_the_place() {
        let broker = [("FABRIC_BROKER", "nats://variable")];
        let directory = [("FABRIC_DATA_DIR", "variable")];
        for (flags, variables, text, at) in [
            ("--data-dir flag", &broker[..], BROKER, "flag"),
            ("--data-dir flag", &[], BROKER, "flag"),
            ("--data-dir flag", &broker, "", "flag"),
            ("--broker nats://flag", &directory, "data-dir = 'file'", "nats://flag"),
            ("", &directory, BROKER, "variable"),
            ("", &broker, "data-dir = 'file'", "nats://variable"),
            ("", &[], "data-dir = 'file'", "file"),
            ("", &[], "broker = 'all'\n[worker]\ndata-dir = 'own'", "own"),
        ] {
            let place = worker(flags, variables, text).broker.place;
            let found = match (place.broker, place.data_dir) {
                (Some(url), None) => url,
                (None, Some(dir)) => dir.display().to_string(),
                both => panic!("{both:?}"),
            };
            assert_eq!(found, at, "{flags} {variables:?} {text}");
        }
    }

    #[test]
    fn two_places_in_one_source_are_refused() {
        let both = [("FABRIC_BROKER", "x"), ("FABRIC_DATA_DIR", "y")];
        assert_eq!(
            refused("worker", &[], "data-dir = 'x'\n\nbroker = 'y'"),
            "fabric.toml:1: data-dir cannot be set beside broker, which is set at line 3; only one of broker, data-dir"
        );
        assert_eq!(
            refused("worker", &both, ""),
            "FABRIC_DATA_DIR: cannot be set beside FABRIC_BROKER; only one of them"
        );
        let error = refused("worker --broker x --data-dir y", &[], "");
        assert!(error.contains("'--broker <URL>' cannot be used with '--data-dir <DIR>'"), "{error}");
        let error = refused("worker", &[], "");
        assert!(error.contains("required arguments were not provided"), "{error}");
        assert!(told("worker --broker z", &both, "data-dir = 'x'\nbroker = 'y'").is_ok(), "a flag says which");
        assert!(told("dev", &[], "data-dir = 'x'\nbroker = 'y'").is_ok(), "dev knows no broker");
    }

    #[test]
    fn what_the_file_says_wrong_is_told_all_at_once_in_the_words_of_the_command_line() {
        let text = "broker = 'nats://x'\nmax-inflght = 3\nlease = '1ms'\nmax-inflight = 0\nmax-body = '1 parsec'\ngrace = 60\n\
                    colour = 'red'\nlog = ['a']\nlisten = { a = 1 }\nqueue-weight = { default = 0 }\nshards = true\n\
                    [gateway]\nqueues = 'x'\nlisten = 'nowhere'\n[wrker]\nqueue = ['a']\n[config]\nlease = '1s'";
        let flag = |flag: &str| {
            let arguments = ["fabric", "worker", "--broker=x", flag].map(OsString::from);
            let error = read(&arguments, &Variables::new()).unwrap_err().to_string();
            error.lines().next().unwrap().trim_start_matches("error: ").to_owned()
        };
        let expected = [
            "fabric.toml:2: there is no option \"max-inflght\"; did you mean \"max-inflight\"?".to_owned(),
            format!("fabric.toml:3: lease: {}", flag("--lease=1ms")),
            format!("fabric.toml:4: max-inflight: {}", flag("--max-inflight=0")),
            "fabric.toml:5: max-body: invalid value '1 parsec' for '--max-body <SIZE>': \
             invalid digit found in string; write 256KiB or 1MiB"
                .to_owned(),
            format!("fabric.toml:6: grace: {}", flag("--grace=60")),
            "fabric.toml:7: there is no option \"colour\"".to_owned(),
            "fabric.toml:8: log: takes one value, not a list".to_owned(),
            "fabric.toml:9: listen: takes no table".to_owned(),
            format!("fabric.toml:10: queue-weight: {}", flag("--queue-weight=default=0")),
            format!("fabric.toml:11: shards: {}", flag("--shards=true")),
            "fabric.toml:13: fabric gateway has no option \"queues\"; did you mean \"queue-backlog\"?".to_owned(),
            "fabric.toml:14: listen: invalid value 'nowhere' for '--listen <ADDR>': invalid socket address syntax"
                .to_owned(),
            "fabric.toml:15: there is no option \"wrker\"; did you mean \"worker\"?".to_owned(),
            "fabric.toml:18: fabric config has no option \"lease\"".to_owned(),
        ];
        for command in ["worker", "gateway", "config"] {
            assert_eq!(refused(command, &[], text).lines().collect::<Vec<_>>(), expected, "{command}");
        }
    }

    #[test]
    fn a_value_of_the_environment_is_refused_by_the_name_of_its_variable() {
        let said = [("FABRIC_LEASE", "1ms"), ("FABRIC_MAX_BODY", "much")];
        assert_eq!(
            refused("worker", &said, BROKER),
            "FABRIC_LEASE: invalid value '1ms' for '--lease <DURATION>': must be at least 500ms: \
             it is renewed every third of it",
            "a worker has no --max-body"
        );
        assert!(told("worker --lease 1s", &said, BROKER).is_ok(), "a flag is in its place");
    }

    #[test]
    fn a_file_that_cannot_be_read_says_so_and_who_named_it() {
        let dir = tempfile::tempdir().unwrap();
        let gone = dir.path().join("gone.toml").into_os_string();
        let name = gone.to_string_lossy();
        let flag = ["fabric", "worker", "--config"].map(OsString::from).into_iter().chain([gone.clone()]);
        let error = read(&flag.collect::<Vec<_>>(), &Variables::new()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{name:?}, which --config names, cannot be read: No such file")), "{error}");
        let named = Variables::from([("FABRIC_CONFIG".into(), dir.path().into())]);
        let error = read(&["fabric", "worker"].map(OsString::from), &named).unwrap_err().to_string();
        assert!(error.contains(", which FABRIC_CONFIG names, cannot be read: "), "{error}");
    }

    #[test]
    fn what_is_no_toml_is_refused_with_its_line_and_without_its_text() {
        let error = refused("worker", &[], "lease = '1s'\nbroker = nats://me:secret@x\n");
        assert!(error.starts_with("fabric.toml:2: this is not TOML: "), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn an_empty_file_says_nothing() {
        for text in ["", "\n", "# lease = '1s'"] {
            assert_eq!(worker("--broker x", &[], text).work.lease, Duration::from_secs(9));
        }
    }

    #[test]
    fn lists_tables_and_switches_mean_what_their_flags_do() {
        let text = "broker = 'x'\nqueue = ['a', 'b']\nqueue-weight = { a = 2 }\nqueue-inflight = 'a=3,b=4'\n\
                    max-inflight = 1_000\nallow-private-callbacks = true\nmax-result = '2KiB'\nlisten = '[::]:1'";
        let it = worker("", &[], text);
        assert_eq!(it.work.queues.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(it.work.queue_weights.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [2]);
        assert_eq!(it.work.queue_inflight.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [3, 4]);
        assert_eq!((it.work.max_inflight, it.callbacks.max_result), (1000, 2048));
        assert!(it.callbacks.allow_private_callbacks);
        assert!(!worker("--allow-private-callbacks=false", &[], text).callbacks.allow_private_callbacks);
        assert_eq!(worker("--queue c", &[("FABRIC_QUEUE", "d,e")], text).work.queues.len(), 1, "sources do not add up");
        assert_eq!(worker("", &[("FABRIC_QUEUE", "d,e,f")], text).work.queues.len(), 3);
    }

    #[test]
    fn openfaas_s_names_are_read_by_the_watchdog_below_ours_and_above_the_file() {
        let said =
            [("fprocess", "cat"), ("exec_timeout", "20"), ("port", "9000"), ("mode", ""), ("read_timeout", "1m30s")];
        let text = "[watchdog]\nexec-timeout = '30'\nmax-inflight = 3";
        let it = told("watchdog", &said, text).unwrap();
        for (key, value, source) in [
            ("process", "cat", "fprocess"),
            ("exec-timeout", "20", "exec_timeout"),
            ("listen", "9000", "port"),
            ("read-timeout", "1m30s", "read_timeout"),
            ("mode", "streaming", "default"),
            ("max-inflight", "3", "fabric.toml:3"),
        ] {
            assert_eq!(shown(&it, key), (value.into(), source.into()), "{key}");
        }
        let ours = [&said[..], &[("FABRIC_EXEC_TIMEOUT", "25s"), ("function_process", "tac")]].concat();
        let it = told("watchdog --listen 127.0.0.1:1", &ours, text).unwrap();
        assert_eq!(shown(&it, "exec-timeout").1, "FABRIC_EXEC_TIMEOUT");
        assert_eq!(shown(&it, "listen"), ("127.0.0.1:1".into(), "--listen".into()));
        assert_eq!(shown(&it, "process"), ("tac".into(), "function_process".into()));
        assert!(told("watchdog -- wc -c", &said, "").is_ok(), "a command that is given is the command");
        assert_eq!(worker("--broker x", &[("max_inflight", "7"), ("port", "x")], "").work.max_inflight, 256);
        assert!(it.strangers.is_empty(), "{:?}", it.strangers);
    }

    #[test]
    fn a_wrong_value_of_openfaas_s_is_refused_by_its_name() {
        for (name, value, expected) in [
            (
                "exec_timeout",
                "soon",
                "exec_timeout: invalid value 'soon' for '--exec-timeout <DURATION>': \"soon\" is no duration",
            ),
            ("port", "http", "port: invalid value 'http' for '--listen <ADDR>'"),
            ("mode", "afterburn", "mode: invalid value 'afterburn' for '--mode <MODE>'"),
            ("jwt_auth", "true", "jwt_auth: tokens are not looked at"),
        ] {
            let refused = refused("watchdog -- wc", &[(name, value)], "");
            assert!(refused.starts_with(expected), "{refused}");
        }
    }

    #[test]
    fn passwords_are_left_out_wherever_they_come_from() {
        let secret = "nats://me:secret@host:4222";
        let file = format!("broker = '{secret}'");
        for (flags, variables, text) in [
            (format!("config worker --broker {secret}"), vec![], ""),
            ("config worker".into(), vec![("FABRIC_BROKER", secret)], ""),
            ("config worker".into(), vec![], file.as_str()),
        ] {
            let told = told(&flags, &variables, text).unwrap();
            let printed = format!("{}{:#}", table(&told.options), json(&told.options));
            assert!(printed.contains("nats://me:***@host:4222") && !printed.contains("secret"), "{printed}");
        }
    }

    #[test]
    fn what_a_command_lacks_is_shown_and_told() {
        let told = told("config worker --lease 2s", &[], "").unwrap();
        assert_eq!(shown(&told, "broker"), (String::new(), "absent".into()));
        assert_eq!(shown(&told, "lease"), ("2s".into(), "--lease".into()));
        assert_eq!(shown(&told, "config").1, "FABRIC_CONFIG");
        let missing = told.missing.unwrap().to_string();
        assert!(missing.contains("<--broker <URL>|--data-dir <DIR>>"), "{missing}");
    }
}
