//! Whether what is printed is what a page shows (pure).

/// What is another one each time, as the pages and programs write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chance {
    Id,
    Time,
    Fraction,
}

/// Whether all that is printed is all that is shown.
pub(super) fn is_shown(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((any, rest)) if any.trim() == "…" => (0..=printed.len()).any(|skip| is_shown(rest, &printed[skip..])),
        Some((line, rest)) => {
            printed.split_first().is_some_and(|(first, others)| is_line(line, first) && is_shown(rest, others))
        }
    }
}

/// The same at the beginning: more may be printed.
pub(super) fn begins(shown: &[String], printed: &[String]) -> bool {
    (0..=printed.len()).any(|end| is_shown(shown, &printed[..end]))
}

/// Whether a line is as it is shown: `…` stands for anything.
fn is_line(shown: &str, printed: &str) -> bool {
    let (shown, printed) = (without_chance(shown.trim_end()), without_chance(printed.trim_end()));
    let mut parts = shown.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The line with a sign in place of whatever is there by chance; columns are as wide as one space.
fn without_chance(line: &str) -> String {
    let mut said = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        // Within a word, a version or an address nothing is there by chance.
        let goes_on = said.chars().last().is_some_and(|it| it.is_ascii_alphanumeric() || it == '.');
        match chance(rest).filter(|_| !goes_on) {
            Some((what, len)) => {
                said += match what {
                    Chance::Id => "<id>",
                    Chance::Time => "<time>",
                    Chance::Fraction => "<n>",
                };
                rest = &rest[len..];
            }
            None => {
                // What comes after a column moves with what is in it.
                if !(first == ' ' && said.ends_with(' ') && !said.trim().is_empty()) {
                    said.push(first);
                }
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    said
}

/// What the text begins with that is there by chance, and how long it is.
fn chance(text: &str) -> Option<(Chance, usize)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let word = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"-:.+_".contains(b)).count();
    let word = text[..word].trim_end_matches([':', '.', '-']);
    let is_hex = |part: &str, len: usize| part.len() == len && part.bytes().all(|b| b.is_ascii_hexdigit());
    let parts: Vec<&str> = word.split('-').collect();
    if let [a, b, c, d, e] = parts.as_slice()
        && [(a, 8), (b, 4), (c, 4), (d, 4), (e, 12)].iter().all(|(part, len)| is_hex(part, *len))
    {
        return Some((Chance::Id, word.len()));
    }
    if is_hex(word, 32) {
        return Some((Chance::Id, 32));
    }
    let is_date = |word: &str| word.len() >= 20 && word.as_bytes()[4] == b'-' && word.as_bytes()[10] == b'T';
    if is_date(word) && digits(word) == 4 {
        return Some((Chance::Time, word.len()));
    }
    // RFC 9110's: Sat, 21 Nov 2026 00:38:44 GMT.
    if text.get(3..5) == Some(", ") && text.get(25..29) == Some(" GMT") {
        return Some((Chance::Time, 29));
    }
    // Nanoseconds since the epoch.
    if digits(word) == 19 && word.len() == 19 {
        return Some((Chance::Time, 19));
    }
    let whole = digits(text);
    let fraction = text[whole..].strip_prefix('.').map_or(0, digits);
    if whole == 0 || fraction == 0 {
        return None;
    }
    let len = whole + 1 + fraction;
    // Not part of a version, or of an address.
    (!text[len..].starts_with('.')).then_some((Chance::Fraction, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn what_is_there_by_chance_is_the_same_and_nothing_else_is() {
        for (shown, printed) in [
            ("x-call-id: 01a1fb8a-90a9-72c9-9b96-ce5ec40c3cf3", "x-call-id: 01a1fb8b-0000-72c9-9b96-ce5ec40c3cff"),
            ("x-start-time: 1795221524649716906", "x-start-time: 1795221524649716907"),
            ("date: Sat, 21 Nov 2026 00:38:44 GMT", "date: Sun, 22 Nov 2026 10:38:44 GMT"),
            (r#"{"at":"2026-11-21T10:23:49.4Z","n":0.25}"#, r#"{"at":"2027-11-21T10:23:50Z","n":1.5}"#),
            ("worker 01a1fed6f2fd7790acebc42c76dfb4d7  up", "worker 01a1fed6f2fd7790acebc42c76dfb4d8        up"),
            ("1…2", "13 2"),
            ("status 200 after … s: \"hello\"", "status 200 after 0.2 s: \"hello\""),
            ("a … c … e", "a b c d e"),
        ] {
            assert!(is_line(shown, printed), "{shown} / {printed}\n{}", without_chance(printed));
        }
        for (shown, printed) in [
            ("status 200", "status 201"),
            ("in flight  2", "in flight  3"),
            ("http://127.0.0.1:8080", "http://127.0.0.2:8080"),
            ("at 10.0.0.1", "at 10.0.2.1"),
            ("version 1.2.3", "version 1.2.4"),
            ("a … c", "a b d"),
            ("a", "a b"),
        ] {
            assert!(!is_line(shown, printed), "{shown} / {printed}");
        }
    }

    #[test]
    fn lines_are_all_there_and_no_others() {
        assert!(is_shown(&lines("a\n…\nd"), &lines("a\nb\nc\nd")) && is_shown(&lines("a\n…"), &lines("a")));
        assert!(!is_shown(&lines("a"), &lines("a\nb")) && !is_shown(&lines("a\nb"), &lines("a")));
        assert!(!is_shown(&lines("a\n…\nd"), &lines("a\nb\nc")) && is_shown(&[], &[]) && !is_shown(&[], &lines("a")));
        assert!(begins(&lines("a\n…\nc"), &lines("a\nb\nc\nd")) && !begins(&lines("b"), &lines("a\nb")));
    }
}
