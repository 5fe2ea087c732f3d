//! What somebody who wrote a name that does not exist may have meant (pure).

use strsim::jaro;

/// What clap asks of a flag before it says that a similar one exists.
pub(super) const ALIKE: f64 = 0.7;
/// So near that it is a slip, and not another name.
pub(super) const SLIP: f64 = 0.85;

/// The one that is most like `word`, if one is at least so much like it.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, at_least: f64) -> Option<&'a str> {
    let rated = known.into_iter().map(|name| (jaro(word, name), name)).filter(|(alike, _)| *alike >= at_least);
    rated.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["lease", "listen", "admin-listen", "max-inflight", "keep-calls"];

    #[test]
    fn what_was_meant_is_found() {
        for (word, meant) in [
            ("max_inflight", Some("max-inflight")),
            ("max-in-flight", Some("max-inflight")),
            ("leese", Some("lease")),
            ("admin", Some("admin-listen")),
            ("keep-call", Some("keep-calls")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, KNOWN, ALIKE), meant, "{word}");
        }
    }

    #[test]
    fn a_slip_is_nearer_than_another_name() {
        assert_eq!(nearest("lsten", KNOWN, SLIP), Some("listen"));
        assert_eq!(nearest("test-calls", KNOWN, SLIP), None);
        assert_eq!(nearest("test-calls", KNOWN, ALIKE), Some("keep-calls"));
    }
}
