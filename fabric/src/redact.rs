//! What is shown of a value that may hold a password (pure).

/// Options whose values are secrets, all of them.
const SECRET: [&str; 2] = ["key", "admin-key"];

/// What is shown of the value of an option.
pub(crate) fn shown(option: &str, value: &str) -> String {
    if SECRET.contains(&option) { "***".into() } else { redacted(value) }
}

/// The text with what stands before the `@` of a URL left out; a user's name stays.
///
/// It looks for no well-formed URL, and leaves out too much rather than too little: in a URL with a mistake the password
/// is where nobody would look for it.
pub(crate) fn redacted(text: &str) -> String {
    // Each part ends where the scheme of the next URL does.
    text.split("://").map(part).collect::<Vec<_>>().join("://")
}

/// The same without the user's name, where it is nobody's business.
pub(crate) fn anonymous(text: &str) -> String {
    let part = |text: &str| text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, rest)| format!("***@{rest}"));
    text.split("://").map(part).collect::<Vec<_>>().join("://")
}

fn part(text: &str) -> String {
    let Some((credentials, rest)) = text.rsplit_once('@') else { return text.to_owned() };
    match credentials.split_once(':') {
        Some((user, _)) => format!("{user}:***@{rest}"),
        None => format!("***@{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (text, shown) in [
            ("nats://me:secret@host:4222", "nats://me:***@host:4222"),
            ("nats://secret@host:4222", "nats://***@host:4222"),
            ("me:secret@host:4222", "me:***@host:4222"),
            ("nats://me:secret@a:1,nats://you:secret@b:2", "nats://me:***@a:1,nats://you:***@b:2"),
            ("nats://a:1, nats://secret@b:2", "nats://a:1, nats://***@b:2"),
            ("nats://me:se/cr@et@host", "nats://me:***@host"),
            ("nats://me:sec,ret@host", "nats://me:***@host"),
            ("resize=http://me:secret@host/x", "resize=http://me:***@host/x"),
        ] {
            assert_eq!(redacted(text), shown);
        }
    }

    #[test]
    fn who_it_is_can_be_left_out_as_well() {
        for (text, shown) in [
            ("http://me:secret@host/x, https://you@b", "http://***@host/x, https://***@b"),
            ("http://host/x", "http://host/x"),
        ] {
            assert_eq!(anonymous(text), shown);
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        for option in ["key", "admin-key"] {
            assert_eq!(shown(option, "fab_k1_00"), "***");
        }
        assert_eq!(shown("admin-key-file", "/run/secrets/admin"), "/run/secrets/admin");
    }

    #[test]
    fn what_holds_no_password_is_shown_as_it_is() {
        for text in ["", "1h", "nats://127.0.0.1:4222", "resize=http://x:9000/a?b=c", "[::1]:8080"] {
            assert_eq!(redacted(text), text);
        }
    }
}
