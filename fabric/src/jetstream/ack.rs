//! What the server says of a message in the subject that its acknowledgement goes to (pure).

use proto::Timestamp;

/// What a delivered message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// How often it has been delivered, this time included.
    pub(super) deliveries: u32,
    /// Where it lies in its stream.
    pub(super) place: u64,
    /// When it was stored.
    pub(super) stored_at: Timestamp,
    /// How many messages of its consumer wait behind it.
    pub(super) behind: u64,
}

/// Reads an ack subject: `$JS.ACK.`, in newer servers the domain and the account's hash, then stream, consumer,
/// deliveries, place, place among the consumer's, nanoseconds, messages behind; and, some day, more (NATS ADR-15).
pub(super) fn read(subject: &str) -> Option<Told> {
    let rest = subject.strip_prefix("$JS.ACK.")?;
    let is_old = rest.bytes().filter(|byte| *byte == b'.').count() == 6;
    let mut tokens = rest.split('.').skip(if is_old { 2 } else { 4 });
    let deliveries = tokens.next()?.parse().ok()?;
    let place = tokens.next()?.parse().ok()?;
    let mut tokens = tokens.skip(1);
    let stored_at = Timestamp::from_unix_nanos(tokens.next()?.parse().ok()?);
    let behind = tokens.next()?.parse().ok()?;
    Some(Told { deliveries, place, stored_at, behind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same_and_more_may_follow() {
        let told =
            Told { deliveries: 2, place: 17, stored_at: Timestamp::from_unix_nanos(1_790_000_000_123), behind: 41 };
        for subject in [
            "$JS.ACK.S.c.2.17.9.1790000000123.41",
            "$JS.ACK._.hash.S.c.2.17.9.1790000000123.41",
            "$JS.ACK.hub.hash.S.c.2.17.9.1790000000123.41.token",
            "$JS.ACK.hub.hash.S.c.2.17.9.1790000000123.41.token.more",
        ] {
            assert_eq!(read(subject), Some(told), "{subject}");
        }
    }

    #[test]
    fn anything_else_says_nothing() {
        for subject in ["", "$JS.ACK.", "_INBOX.x", "$JS.ACK.S.c.2.17.9.1790000000123", "$JS.ACK.S.c.2.17.9.soon.41"] {
            assert_eq!(read(subject), None, "{subject}");
        }
    }
}
