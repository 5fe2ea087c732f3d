//! Durations as Go writes them, which is how OpenFaaS does (pure): `90s`, `1m30s`, `1.5h`, `250ms`; a number alone is
//! seconds.

use std::time::Duration;

/// Nanoseconds of each unit; where one name begins another, the longer comes first.
const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// Reads one.
///
/// # Errors
/// What would be understood.
pub fn parse(text: &str) -> Result<Duration, String> {
    read(text).ok_or_else(|| format!("{text:?} is no duration; write 90s, 1m30s or 500ms, or a number of seconds"))
}

fn read(text: &str) -> Option<Duration> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let (mut rest, mut nanos) = (text, 0.0);
    loop {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let (unit, length) = UNITS.iter().find(|(unit, _)| after.starts_with(unit))?;
        nanos += number.parse::<f64>().ok()? * length;
        rest = after.get(unit.len()..)?;
        if rest.is_empty() {
            return Duration::try_from_secs_f64(nanos / 1e9).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_s_durations_and_bare_seconds_are_read() {
        for (text, millis) in [
            ("90s", 90_000),
            ("90", 90_000),
            ("0", 0),
            ("0s", 0),
            ("1m30s", 90_000),
            ("1h5m0.5s", 3_900_500),
            ("1.5h", 5_400_000),
            ("250ms", 250),
            ("1500us", 1),
        ] {
            assert_eq!(parse(text).map(|it| it.as_millis()), Ok(millis), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused_with_what_would_do() {
        for text in ["", "s", "-1s", "+1s", "1x", "1s ", "1m30", "1..5s", ".", "1e3s", "99999999999999999999h"] {
            assert!(parse(text).unwrap_err().contains("write 90s, 1m30s"), "{text:?}");
        }
    }
}
