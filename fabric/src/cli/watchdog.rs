//! The command that makes a function of a program.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use http::HeaderValue;
use http::uri::PathAndQuery;
use url::Url;

use super::value::{line_length, port, switch};
use crate::watchdog::duration;

/// The program that is the function.
#[derive(Debug, Args)]
#[group(id = "program", required = true, multiple = false)]
pub struct What {
    /// The program that is the function, and its arguments. No shell reads them.
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
    /// The same as one text, split into words as a shell does it; nothing in it is expanded.
    #[arg(long, value_name = "CMD")]
    pub process: Option<String>,
}

/// `fabric watchdog`
#[derive(Debug, Args)]
pub struct Watchdog {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub what: What,
    /// How requests become work for the program.
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    pub mode: Mode,
    /// Where requests come in: an address, or a port of all addresses.
    #[arg(long, default_value = "0.0.0.0:8080", value_parser = port, value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Metrics.
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDR")]
    pub metrics_listen: SocketAddr,
    /// Where the program serves HTTP, in mode http: http://127.0.0.1:3000.
    #[arg(long, value_parser = upstream, value_name = "URL")]
    pub upstream_url: Option<Url>,
    /// In mode http, read the body of a request whole before it is passed on, for servers that insist on its length.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = switch, value_name = "BOOL")]
    pub buffer_body: bool,
    /// How long the function may take; 0 is without a limit.
    #[arg(long, default_value = "30s", value_parser = duration::parse, value_name = "DURATION")]
    pub exec_timeout: Duration,
    /// How long the body of a request may take; as long as the function, if absent.
    #[arg(long, value_parser = duration::parse, value_name = "DURATION")]
    pub read_timeout: Option<Duration>,
    /// How long a request may take to the last byte of its answer; as long as the function, if absent.
    #[arg(long, value_parser = duration::parse, value_name = "DURATION")]
    pub write_timeout: Option<Duration>,
    /// Requests at once; more are refused with 429. 0 is without a limit.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub max_inflight: usize,
    /// After a signal, go on taking requests for this long, so that whoever asks for health notices that it is
    /// withdrawn.
    #[arg(long, default_value = "5s", value_parser = duration::parse, value_name = "DURATION")]
    pub healthcheck_interval: Duration,
    /// How long requests may then take to finish; as long as any may (--write-timeout), if absent.
    #[arg(long, value_parser = duration::parse, value_name = "DURATION")]
    pub grace: Option<Duration>,
    /// A path by which the function says itself whether it is ready: /_/ready calls it.
    #[arg(long, value_parser = path, value_name = "PATH")]
    pub ready_path: Option<PathAndQuery>,
    /// A file that is there as long as the watchdog is healthy.
    #[arg(long, value_name = "FILE")]
    pub lock_file: Option<PathBuf>,
    /// The Content-Type of what processes answer.
    #[arg(long, default_value = crate::watchdog::CONTENT_TYPE, value_name = "TYPE")]
    pub content_type: HeaderValue,
    /// Make lines of the log of what the function says; else it is passed on as it is.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_parser = switch, value_name = "BOOL")]
    pub prefix_logs: bool,
    /// The longest line of the function's that stays one, in bytes; -1 for 16 MiB.
    #[arg(long, default_value = "65536", value_parser = line_length, allow_hyphen_values = true, value_name = "BYTES")]
    pub log_buffer_size: usize,
}

/// How requests become work for a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// A process for each request: the body is its stdin, its stdout the answer, both as they come. Also called exec.
    #[default]
    #[value(alias = "exec")]
    Streaming,
    /// The same with both of them whole: an answer is sent only if the process has succeeded.
    Serializing,
    /// One process that serves HTTP by itself.
    Http,
}

fn upstream(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if url.scheme() == "http" && url.has_host() => Ok(url),
        _ => Err(format!("{text:?} is not where a program of this machine serves; write http://127.0.0.1:3000")),
    }
}

fn path(text: &str) -> Result<PathAndQuery, String> {
    match text.parse() {
        Ok(path) if text.starts_with('/') => Ok(path),
        _ => Err(format!("{text:?} is not a path; write /ready")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Parsed {
        #[command(flatten)]
        watchdog: Watchdog,
    }

    fn parsed(flags: &str) -> Result<Watchdog, String> {
        let words = flags.split_whitespace();
        Parsed::try_parse_from(["x"].into_iter().chain(words)).map(|it| it.watchdog).map_err(|it| it.to_string())
    }

    #[test]
    fn what_is_run_is_said_once() {
        assert_eq!(parsed("-- wc -c").unwrap().what.command, ["wc", "-c"]);
        assert_eq!(parsed("--process wc").unwrap().what.process.as_deref(), Some("wc"));
        assert!(parsed("--mode http").unwrap_err().contains("required"));
        assert!(parsed("--process wc -- wc").unwrap_err().contains("cannot be used with"));
        assert_eq!(
            parsed("--max-inflight 3 -- grep --max-count 1").unwrap().what.command,
            ["grep", "--max-count", "1"]
        );
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_would_do() {
        for (flags, advice) in [
            ("--exec-timeout soon", "write 90s, 1m30s or 500ms, or a number of seconds"),
            ("--listen 99999", "write 0.0.0.0:8080, or 8080 for all addresses"),
            ("--mode afterburn", "possible values: streaming, serializing, http"),
            ("--upstream-url https://x", "write http://127.0.0.1:3000"),
            ("--upstream-url 127.0.0.1:3000", "write http://127.0.0.1:3000"),
            ("--ready-path ready", "write /ready"),
            ("--prefix-logs=maybe", "write true or false"),
            ("--log-buffer-size 0", "write a number of bytes, or -1"),
            ("--max-inflight=-3", "invalid value"),
        ] {
            let refused = parsed(&format!("{flags} -- wc")).unwrap_err();
            assert!(refused.contains(advice), "{flags}: {refused}");
        }
    }

    #[test]
    fn what_openfaas_writes_is_understood() {
        let it =
            parsed("--listen 9000 --exec-timeout 90 --prefix-logs=1 --log-buffer-size -1 --mode exec -- wc").unwrap();
        assert_eq!((it.listen.to_string().as_str(), it.exec_timeout), ("0.0.0.0:9000", Duration::from_secs(90)));
        assert_eq!((it.prefix_logs, it.log_buffer_size, it.mode), (true, 16 * 1024 * 1024, Mode::Streaming));
        assert!(!parsed("--prefix-logs=0 -- wc").unwrap().prefix_logs);
    }
}
