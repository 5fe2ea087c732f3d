//! `ETag`, `If-Match` and `If-None-Match`: a change that is made only if nobody was quicker (RFC 9110, section 13).

use actors::port::Control;
use actors::port::control::{Expected, Key};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use proto::Refusal;

use crate::gateway::system::unchanged;

/// What the headers of a request say of the record that it is about to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Nothing: the last one wins.
    None,
    /// There must be none.
    Absent,
    /// There must be one.
    Present,
    /// It must be one of these revisions.
    OneOf(Vec<u64>),
}

/// A revision as the tag of an answer.
pub(super) fn etag(revision: u64) -> HeaderValue {
    // A quoted number is always a header value.
    HeaderValue::from_str(&format!("\"{revision}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

impl Condition {
    /// Reads the headers of a request.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let tags = |name: &HeaderName| {
            let values = headers.get_all(name).iter().flat_map(|value| value.to_str().unwrap_or_default().split(','));
            headers.contains_key(name).then(|| values.map(str::trim).collect::<Vec<_>>())
        };
        match (tags(&header::IF_MATCH), tags(&header::IF_NONE_MATCH)) {
            (None, None) => Ok(Self::None),
            (None, Some(tags)) if tags == ["*"] => Ok(Self::Absent),
            (None, Some(_)) => Err(Refusal::Malformed("If-None-Match must be *: there must be no record yet".into())),
            (Some(tags), None) if tags == ["*"] => Ok(Self::Present),
            // A tag that is none of ours, or a weak one, is not what is there.
            (Some(tags), None) => Ok(Self::OneOf(tags.into_iter().filter_map(revision).collect())),
            (Some(_), Some(_)) => Err(Refusal::Malformed("If-Match and If-None-Match contradict each other".into())),
        }
    }

    /// What is expected where `present` is the revision of what is there.
    pub(super) fn expected(&self, key: &Key, present: Option<u64>) -> Result<Expected, Refusal> {
        let refused = || Refusal::Changed { what: key.to_string(), present };
        match self {
            Self::None => Ok(Expected::Whatever),
            Self::Absent => Ok(Expected::Absent),
            Self::Present => present.map(Expected::Revision).ok_or_else(refused),
            // Compared where it is written: what was read here may be older than what is there.
            Self::OneOf(revisions) => match (&revisions[..], present) {
                ([revision], _) => Ok(Expected::Revision(*revision)),
                (several, Some(present)) if several.contains(&present) => Ok(Expected::Revision(present)),
                _ => Err(refused()),
            },
        }
    }

    /// What a change of this record is to expect, and the revision that is there now.
    pub(super) async fn of(&self, control: &dyn Control, key: &Key) -> Result<(Expected, Option<u64>), Refusal> {
        let found = control.get(key).await;
        // What cannot be read can still be replaced.
        let present = match found {
            Ok(found) => found.map(|(_, revision)| revision),
            Err(_) if *self == Self::None => None,
            Err(error) => return Err(unchanged(error)),
        };
        Ok((self.expected(key, present)?, present))
    }
}

fn revision(tag: &str) -> Option<u64> {
    // No record has revision 0, which would mean to a broker that there is none.
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok().filter(|revision| *revision > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&'static str, &str)]) -> Result<Condition, Refusal> {
        let pairs = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Condition::read(&pairs.collect::<HeaderMap>())
    }

    #[test]
    fn a_condition_is_read_from_the_headers() {
        assert_eq!(read(&[]).unwrap(), Condition::None);
        assert_eq!(read(&[("if-match", "\"7\"")]).unwrap(), Condition::OneOf(vec![7]));
        assert_eq!(read(&[("if-match", "\"7\", W/\"8\", \"x\", \"9\"")]).unwrap(), Condition::OneOf(vec![7, 9]));
        assert_eq!(read(&[("if-match", "\"0\"")]).unwrap(), Condition::OneOf(Vec::new()), "no record has it");
        assert_eq!(read(&[("if-match", "*")]).unwrap(), Condition::Present);
        assert_eq!(read(&[("if-none-match", "*")]).unwrap(), Condition::Absent);
        assert!(read(&[("if-none-match", "\"7\"")]).is_err());
        assert!(read(&[("if-none-match", "*"), ("if-match", "*")]).is_err());
        assert_eq!(etag(7), "\"7\"");
    }

    #[test]
    fn a_condition_holds_or_says_what_is_there() {
        let key = Key::parse("f.acme").unwrap();
        let expected = |condition: Condition, present| condition.expected(&key, present);
        assert_eq!(expected(Condition::OneOf(vec![1, 7]), Some(7)).unwrap(), Expected::Revision(7));
        assert_eq!(expected(Condition::OneOf(vec![7]), None).unwrap(), Expected::Revision(7));
        assert_eq!(expected(Condition::Present, Some(7)).unwrap(), Expected::Revision(7));
        for (condition, present) in
            [(Condition::OneOf(vec![1, 2]), Some(7)), (Condition::OneOf(vec![]), None), (Condition::Present, None)]
        {
            let told = expected(condition, present).unwrap_err();
            assert!(matches!(told, Refusal::Changed { present: there, .. } if there == present), "{told:?}");
        }
    }
}
