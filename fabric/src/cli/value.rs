//! How the values of options are written: durations and sizes with their units, names with what belongs to them.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use proto::limit::Rate;
use proto::{Function, Queue};
use url::Url;

use crate::watchdog::program::Program;

/// What bodies and results may be made to be at the most: they are held in memory while they are on their way.
const SIZE_MAX: u64 = 512 * 1024 * 1024;

/// What to log, as it was written.
pub(super) fn filter(text: &str) -> Result<String, String> {
    crate::telemetry::parse(text).map(|_| text.to_owned())
}

/// A subject of NATS as it is published to. It lies in one stream, where a wildcard may lie in any.
pub(super) fn subject(text: &str) -> Result<String, String> {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '*' | '>');
    let is_token = |token: &str| !token.is_empty() && token.chars().all(is_plain);
    match text.split('.').all(is_token) {
        true => Ok(text.into()),
        false => Err("is no subject that is published to; write faas-request, and repeat the option for more".into()),
    }
}

/// What subjects begin with.
pub(super) fn inbox(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let is_token = |token: &str| !token.is_empty() && token.chars().all(is_plain);
    match text.split('.').all(is_token) {
        true => Ok(text.into()),
        false => Err("is no beginning of a subject; write _INBOX_gateway".into()),
    }
}

/// Where a function is.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// It answers there.
    Url(Url),
    /// It is this program, run for each call.
    Command(Program),
}

pub(super) fn named_upstream(text: &str) -> Result<(Function, Upstream), String> {
    let must = "must be NAME=URL or NAME=COMMAND, such as resize=http://127.0.0.1:9000 or wc='wc -c'";
    let (name, upstream) = text.split_once('=').ok_or(must)?;
    let function = Function::parse(name).map_err(|error| error.to_string())?;
    let is_url = upstream.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(char::is_whitespace));
    let upstream = if is_url {
        Upstream::Url(Url::parse(upstream).map_err(|error| format!("{upstream:?} is not a URL: {error}"))?)
    } else {
        let program = Program::parse(upstream).and_then(Program::found);
        Upstream::Command(program.map_err(|error| error.to_string())?)
    };
    Ok((function, upstream))
}

/// An address, or a port of all addresses.
pub(super) fn port(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text).parse::<u16>();
    let addr = port.map(|port| SocketAddr::from(([0, 0, 0, 0], port))).or_else(|_| text.parse());
    addr.map_err(|_| format!("{text:?} is no address; write 0.0.0.0:8080, or 8080 for all addresses"))
}

/// Yes or no, as Go reads it.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("{text:?} is neither; write true or false")),
    }
}

/// How long a line may be, in bytes.
pub(super) fn line_length(text: &str) -> Result<usize, String> {
    const LONGEST: usize = 16 * 1024 * 1024;
    match text.parse() {
        Ok(length @ 1..=LONGEST) => Ok(length),
        _ if text == "-1" => Ok(LONGEST),
        _ => Err(format!("{text:?} is no length up to {LONGEST}; write a number of bytes, or -1 for as many as that")),
    }
}

pub(super) fn named_count(text: &str) -> Result<(Queue, u32), String> {
    let (name, count) = text.split_once('=').ok_or("must be QUEUE=N, such as default=64")?;
    let queue = Queue::parse(name).map_err(|error| error.to_string())?;
    match count.parse() {
        Ok(count @ 1..) => Ok((queue, count)),
        _ => Err(format!("{count:?} is not a whole number above 0")),
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write 90s or 1h30m"))
}

/// How many a second, written like every rate: 10/s, 600/m.
pub(super) fn pace(text: &str) -> Result<f64, String> {
    let rate = Rate::parse(text).ok_or_else(|| format!("{text:?} is no rate; write 10/s, 600/m or 5000/h"))?;
    Ok(rate.per_second())
}

/// How long to wait between two looks.
pub(super) fn pause(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        pause if pause >= Duration::from_millis(50) => Ok(pause),
        _ => Err("must be at least 50ms".into()),
    }
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE, such as fabric.rate=5/s")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("must be NAME: VALUE, such as 'Content-Type: image/png'")?;
    let name = name.trim().parse().map_err(|_| format!("{name:?} is not the name of a header"))?;
    let value = value.trim().parse().map_err(|_| "the value cannot be that of a header")?;
    Ok((name, value))
}

pub(super) fn lease(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        lease if lease >= Duration::from_millis(500) => Ok(lease),
        _ => Err("must be at least 500ms: it is renewed every third of it".into()),
    }
}

pub(super) fn size(text: &str) -> Result<usize, String> {
    match parse_size::parse_size(text) {
        Ok(bytes) if bytes <= SIZE_MAX => usize::try_from(bytes).map_err(|error| error.to_string()),
        Ok(_) => Err("must be at most 512MiB".into()),
        Err(error) => Err(format!("{error}; write 256KiB or 1MiB")),
    }
}

/// How much memory something may take.
pub(super) fn memory(text: &str) -> Result<usize, String> {
    match parse_size::parse_size(text) {
        Ok(bytes @ 1..) => usize::try_from(bytes).map_err(|error| error.to_string()),
        Ok(_) => Err("must be more than nothing".into()),
        Err(error) => Err(format!("{error}; write 256MiB or 2GiB")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_and_headers_are_split_once() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(pair("a").unwrap_err().contains("NAME=VALUE"));
        let (name, value) = header("X-Callback-Url: http://a:1").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-callback-url", "http://a:1"));
        for bad in ["x", "a b: c", "a: b\nc"] {
            assert!(header(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pace_is_a_rate_with_its_unit() {
        assert_eq!((pace("10/s"), pace("30/m")), (Ok(10.0), Ok(0.5)));
        for bad in ["10", "0/s", "10/d", "fast"] {
            assert!(pace(bad).unwrap_err().contains("write 10/s"), "{bad}");
        }
    }

    #[test]
    fn subjects_are_those_of_nats() {
        for good in ["faas-request", "a.b", "OF_q"] {
            assert_eq!(subject(good).as_deref(), Ok(good));
        }
        for bad in ["", ".", "a.", "a b", "a.>.b", "a*", "a\n", "a.*.c", "a.>", ">"] {
            assert!(subject(bad).unwrap_err().contains("write faas-request"), "{bad:?}");
        }
    }

    #[test]
    fn durations_and_sizes_have_units() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(lease("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(memory("2GiB"), Ok(2 * 1024 * 1024 * 1024));
        assert_eq!((size("2KiB"), size("1MB"), size("512MiB")), (Ok(2048), Ok(1_000_000), Ok(512 * 1024 * 1024)));
        for (refused, advice) in [
            (duration("60").unwrap_err(), "write 90s or 1h30m"),
            (duration("-1s").unwrap_err(), "write 90s or 1h30m"),
            (lease("499ms").unwrap_err(), "must be at least 500ms"),
            (size("1 parsec").unwrap_err(), "write 256KiB or 1MiB"),
            (size("1GiB").unwrap_err(), "must be at most 512MiB"),
            (memory("0").unwrap_err(), "must be more than nothing"),
            (memory("much").unwrap_err(), "write 256MiB or 2GiB"),
            (pause("49ms").unwrap_err(), "must be at least 50ms"),
            (filter("info,fabric=loud").unwrap_err(), "write info, or info,fabric::jetstream=debug"),
        ] {
            assert!(refused.contains(advice), "{refused}");
        }
        assert_eq!(filter("info,fabric::jetstream=debug"), Ok("info,fabric::jetstream=debug".into()));
    }
}
