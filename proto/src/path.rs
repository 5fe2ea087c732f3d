//! The path of a request below its function.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What Go escapes when it writes the path of a URL: all but letters, digits and these.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b'/')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// Whether a percent-encoded path could lead out of the function's own: whoever resolves `..` on the way, encoded or
/// not, would otherwise reach what the operator did not register.
#[must_use]
pub fn escapes(path: &str) -> bool {
    let dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    let lower = path.to_ascii_lowercase();
    lower.contains('\\') || lower.contains("%5c") || lower.replace("%2f", "/").split('/').any(dots)
}

/// A path that was decoded, percent-encoded as Go's `URL.EscapedPath` does it.
#[must_use]
pub fn encode(decoded: &str) -> String {
    utf8_percent_encode(decoded, ESCAPED).to_string()
}

/// A path without its percent-encoding; what is not UTF-8 then is replaced, as Go's JSON does it.
#[must_use]
pub fn decode(encoded: &str) -> Cow<'_, str> {
    percent_decode_str(encoded).decode_utf8_lossy()
}

/// Whether `encoded` is one of the ways to write `decoded`: Go's `validEncoded`, and what it decodes to.
#[must_use]
pub fn is_encoding_of(encoded: &str, decoded: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:@[]%/".contains(&b);
    let bytes = encoded.as_bytes();
    let whole = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit));
    let is_valid = bytes.iter().enumerate().all(|(at, &b)| allowed(b) && (b != b'%' || whole(at)));
    is_valid && percent_decode_str(encoded).eq(decoded.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leaves_the_functions_own() {
        for bad in ["/..", "/a/../b", "/%2e%2E/x", "/.%2e", "/./x", "/a%2f..%2Fb", "/a\\b", "/a%5C..", "/a/.."] {
            assert!(escapes(bad), "{bad}");
        }
        for good in ["", "/", "/a..b/...", "/.well-known", "/a.b", "/a%2Fb", "/%252e%252e/x", "/a//b"] {
            assert!(!escapes(good), "{good}");
        }
    }

    #[test]
    fn paths_are_written_as_go_writes_them() {
        assert_eq!(encode("/a b/c?d#e%/é!(x)*"), "/a%20b/c%3Fd%23e%25/%C3%A9%21%28x%29%2A");
        assert_eq!(encode("/$&+,/:;=@-_.~"), "/$&+,/:;=@-_.~");
        assert_eq!(decode("/a%20b/%ff"), "/a b/\u{fffd}");
        assert!(is_encoding_of("/hook/a%2Fb", "/hook/a/b") && is_encoding_of("/(x)", "/(x)"));
        for (encoded, decoded) in [("/a%2", "/a%2"), ("/a%zz", "/a%zz"), ("/a b", "/a b"), ("/a", "/b"), ("/\"", "/\"")]
        {
            assert!(!is_encoding_of(encoded, decoded), "{encoded}");
        }
    }
}
